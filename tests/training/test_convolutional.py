"""Convolutional networks: built, learned by FPTT, and deployed; against plain torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, cross_entropy

import ltc2hw
from ltc2hw.converters.torch import from_module
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError, UnsupportedError
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons import GATES, GraphNetwork, multi_gaussian_slope
from ltc2hw.neurons.synapses import ConvSynapses
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray, Word
from ltc2hw.quantization.scaling import QuantizeOptions, weight_fraction
from ltc2hw.tasks import Task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, train
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.convolutional import convolutional_network
from ltc2hw.training.trainer import Trainer

SHAPE, OUTPUTS = (2, 7, 7), 3
STEPS = 5


def network(
    conv: tuple[str, ...] = ("4k3s2p1", "5k2"), seed: int = 0, **options: Any
) -> GraphNetwork:
    own = {} if "neuron" in options else {"tau_mem_bias": 0.0}
    chosen: dict[str, Any] = {"hidden": (6,), "gain": 3.0, **own, **options}
    generator = torch.Generator().manual_seed(seed)
    return convolutional_network(SHAPE, OUTPUTS, ModelOptions(conv=conv, **chosen), generator)


def frames(samples: int = 8, seed: int = 1) -> FloatArray:
    """Events with places, (T, B, N)."""
    rng = np.random.default_rng(seed)
    return (rng.random((STEPS, samples, 98)) < 0.3).astype(np.float64)


def bars(samples: int = 60) -> Task:
    """A bar of events in one of three places, with noise."""
    rng = np.random.default_rng(2)
    labels = np.arange(samples) % 3
    images = (rng.random((samples, STEPS, 2, 7, 7)) < 0.05).astype(float)
    for image, label in zip(images, labels, strict=True):
        image[:, 0, :, 1 + 2 * label] = 1.0
    task = Task.from_arrays(images.reshape(samples, STEPS, -1), labels.tolist())
    return shaped(task)


def shaped(task: Task) -> Task:
    return replace(task, shape=SHAPE)


RECIPE = Recipe(
    ModelOptions(conv=("4k3s2", "6k2"), hidden=(), gain=3.0, tau_mem_bias=0.0, readout_bias=0.0),
    TrainingOptions(updates=STEPS, epochs=3, batch_size=16, learning_rate=1e-2, alpha=0.02),
)


class Spike(torch.autograd.Function):
    """The paper's spike, written once more."""

    @staticmethod
    def forward(ctx: Any, distance: Tensor) -> Tensor:
        ctx.save_for_backward(distance)
        return (distance > 0).to(distance)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (distance,) = ctx.saved_tensors
        return grad * multi_gaussian_slope(distance)


fires: Callable[[Tensor], Tensor] = Spike.apply


@dataclass
class Layer:
    """A convolutional LTC layer with event gates in plain torch, equations written out."""

    current: Tensor
    tau_mem: Tensor
    tau_adp: Tensor
    constants: dict[str, Tensor]
    stride: int
    padding: int
    state: tuple[Tensor, Tensor, Tensor] | None = None

    def __call__(self, x: Tensor) -> Tensor:
        c = {name: value[:, None, None] for name, value in self.constants.items()}
        current = conv2d(x, self.current, None, self.stride, self.padding) + c["bias_current"]
        if self.state is None:
            zero = torch.zeros_like(current)
            self.state = (zero, zero, zero)
        u, eta, s = (value.detach() for value in self.state)
        width = self.tau_adp.shape[2]
        before, after = width // 2, (width - 1) // 2
        own = conv2d(nn.functional.pad(s, (before, after, before, after)), self.tau_adp)
        tau = torch.sigmoid(
            conv2d(x, self.tau_mem, None, self.stride, self.padding)
            + c["tau_mem.bias"]
            + c["tau_mem.from_state"] * u
            + c["tau_mem.from_current"] * current
        )
        rho = torch.sigmoid(
            own
            + c["tau_adp.bias"]
            + c["tau_adp.from_state"] * eta
            + c["tau_adp.from_current"] * current
        )
        u = u + tau * (current - u)
        eta = rho * eta + (1 - rho) * s
        spikes = fires(u - (c["threshold"] + c["adaptation_strength"] * eta))
        self.state = (u * (1 - spikes), eta, spikes)
        return spikes


def plain_layers(module: GraphNetwork) -> list[Layer]:
    """Plain layers of the module's own tensors, so that gradients land there."""
    layers = []
    for name in ("conv1", "conv2"):
        kernels: dict[str, ConvSynapses] = {}
        for projection, synapses in zip(module.template.projections, module.synapses, strict=True):
            if projection.target == name:
                assert isinstance(synapses, ConvSynapses)
                kernels[projection.port] = synapses
        current, tau_mem, tau_adp = (kernels[p].weight for p in ("current", "tau_mem", "tau_adp"))
        stride, padding = kernels["current"].stride[0], kernels["current"].padding[0]
        constants = module._step(name).held()
        layers.append(Layer(current, tau_mem, tau_adp, constants, stride, padding))
    return layers


def test_losses_of_a_step_reach_every_layer_as_in_plain_torch() -> None:
    module = network(hidden=(), readout_gate="static", nonlinearity="sigmoid").double()
    layers = plain_layers(module)
    readout, constants = module.synapses[-1], module._step("output").held()
    labels = torch.arange(8) % OUTPUTS
    state, u = None, torch.zeros(8, OUTPUTS, dtype=torch.float64)
    reached = dict.fromkeys((name for name, _ in module.named_parameters()), 0)
    for x in torch.from_numpy(frames()):
        output, state = module.step(x, state)
        spikes = x.view(-1, *SHAPE)
        for layer in layers:
            spikes = layer(spikes)
        current = spikes.flatten(1) @ readout.weight.T + constants["bias_current"]
        u = u.detach() + torch.sigmoid(constants["tau_mem.bias"]) * (current - u.detach())
        torch.testing.assert_close(output, u, rtol=0, atol=1e-12)
        parameters = list(module.parameters())
        found = torch.autograd.grad(cross_entropy(output, labels), parameters)
        wanted = torch.autograd.grad(cross_entropy(u, labels), parameters)
        for (name, _), own, other in zip(module.named_parameters(), found, wanted, strict=True):
            torch.testing.assert_close(own, other, rtol=1e-9, atol=1e-13)
            reached[name] += int(torch.count_nonzero(own))
        state = state.detach()
    assert all(reached.values()), reached


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("neuron", ["ltc", "lif", "adlif"])
def test_there_and_deployed(neuron: str, gate: str) -> None:
    if neuron != "ltc" and gate != "event":
        pytest.skip("gates are the LTC's")
    chosen = {"gate": gate} if neuron == "ltc" else {"neuron": neuron, "gain": 60.0}
    module = network(**chosen, readout_gate=gate).double()
    x = frames()
    found = from_module(module)
    trace = ltc2hw.simulate(found, x, engine="float64")
    with torch.no_grad():
        outputs, _ = module(torch.from_numpy(x))
    np.testing.assert_allclose(outputs.numpy(), trace.outputs, rtol=0, atol=1e-9)
    assert all(trace.spikes[name].any() for name in ("conv1", "conv2"))
    # The factors of an adLIF are small beside its constants.
    options = QuantizeOptions(allow=frozenset(["lost-factor"] if neuron == "adlif" else []))
    fixed = ltc2hw.quantize(found, "loihi2", x, options)
    exact = ltc2hw.simulate(fixed, x, engine="integer")
    fast = ltc2hw.simulate(fixed, x, engine="fast")
    assert (exact.outputs == fast.outputs).all()
    assert all((exact.spikes[name] == fast.spikes[name]).all() for name in exact.spikes)


def test_kernels_stay_kernels_and_constants_one_per_channel() -> None:
    module = network(tau_mem_spread=0.5)
    trained = replace(RECIPE, model=ModelOptions(conv=("4k3s2",)))
    assert trained.model.conv == ("4k3s2",)
    found = module.network()
    assert [p.shape for p in found.populations] == [SHAPE, (4, 4, 4), (5, 3, 3), (6,), (3,)]
    images = [p for p in found.projections if p.target.startswith("conv")]
    assert all(isinstance(projection.weights, Conv) for projection in images)
    assert [(p.source, p.port, p.delay) for p in images[:3]] == [
        ("input", "current", 0),
        ("input", "tau_mem", 0),
        ("conv1", "tau_adp", 1),
    ]
    biases = constants_of(found, "conv1")["tau_mem.bias"].reshape(4, -1)
    assert (biases == biases[:, :1]).all()
    assert len(np.unique(biases)) == 4


def constants_of(found: Network, name: str) -> Any:
    population = found.population(name)
    assert isinstance(population, Neurons)
    return population.constants


@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_bars_are_learned(method: Any) -> None:
    task = bars()
    recipe = RECIPE.with_training(method=method, epochs=8 if method == "fptt" else 25)
    result = train(task, recipe)
    assert result.history[-1].loss < 0.5 * result.history[0].loss
    assert result.metrics["train"] > 0.9
    deployed = result.module.network()
    outputs = ltc2hw.simulate(deployed, task.test.x, engine="float64").outputs
    assert task.score(outputs, task.test.labels) == result.metrics["test"]


def test_every_layer_moves_and_channels_stay_alike() -> None:
    task = bars()
    before = Trainer(task, RECIPE).module
    assert isinstance(before, GraphNetwork)
    start = before.network()
    after = train(task, RECIPE).module.network()
    for old, new in zip(start.projections, after.projections, strict=True):
        assert (old.weights.values != new.weights.values).mean() > 0.5
    for name in ("conv1", "conv2"):
        for constant in ("bias_current", "tau_mem.bias", "tau_adp.bias", "tau_mem.from_state"):
            values = constants_of(after, name)[constant]
            channels = values.reshape(after.population(name).shape[0], -1)
            assert (channels == channels[:, :1]).all()
            assert (values != constants_of(start, name)[constant]).any()


def test_a_run_that_was_interrupted_ends_with_the_same_bits(tmp_path: Path) -> None:
    task, path = bars(), tmp_path / "run.npz"
    whole = train(task, RECIPE)

    class Stopped(Exception):
        pass

    def stop(record: Any) -> None:
        if record.epoch == 1:
            raise Stopped

    with pytest.raises(Stopped):
        train(task, RECIPE, progress=stop, checkpoint=path)
    resumed = train(task, RECIPE, checkpoint=path)
    assert resumed.history == whole.history
    assert resumed.module.network() == whole.module.network()


def test_kernels_are_trained_through_rounded_weights() -> None:
    result = train(bars(), RECIPE.with_training(weight_bits=4))
    for projection in result.module.network().projections:
        values = np.asarray(projection.weights.values)
        mantissas = np.ldexp(values, weight_fraction(values, Word(4)))
        np.testing.assert_array_equal(mantissas, np.round(mantissas))
        assert np.abs(mantissas).max() <= 8


def test_memory_of_a_learner_does_not_grow_with_the_sequence() -> None:
    module = network()
    task = bars()
    learner = AutogradLearner(module, task, RECIPE.training)
    kept: list[int] = []
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor,  # type: ignore[func-returns-value]
        lambda tensor: tensor,
    )
    x = torch.from_numpy(task.train.x[:, :8]).float()
    labels, aim = learner.prepared(x, torch.from_numpy(task.train.labels[:8]), None)
    sizes = []
    with hooks:
        for _ in learner.updates(x, labels, aim):
            sizes.append(sum(kept))
            kept.clear()
    assert len(sizes) == STEPS
    assert max(sizes[1:]) == min(sizes[1:])


WRONG: dict[str, tuple[tuple[int, ...], Any, type[InvalidValueError], str]] = {
    "no image": ((98,), ("4k3",), InvalidValueError, r"shape of samples for conv is \(98,\)"),
    "a large kernel": (SHAPE, ("4k3s2", "4k4"), ShapeError, "kernel of layer 4k4 is 4; .* 4 x 3 x"),
    "letters": (SHAPE, ("4c3",), InvalidValueError, "layer of conv is '4c3'; expected channels"),
    "two strides": (SHAPE, ("4k3s2s2",), InvalidValueError, "expected one stride, s"),
    "no stride": (SHAPE, ("4k3s0",), InvalidValueError, "stride of layer 4k3s0 is 0; expected 1"),
    "no channels": (SHAPE, ("0k3",), InvalidValueError, "channels of layer 0k3 is 0"),
    "a number": (SHAPE, (4,), InvalidValueError, "layer of conv is 4; expected channels"),
    "many": (SHAPE, ("9999999999999999k3",), InvalidValueError, "channels of layer"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_has_no_meaning_is_refused_by_name(case: str) -> None:
    shape, conv, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        convolutional_network(shape, 3, ModelOptions(conv=conv), torch.Generator().manual_seed(0))


def test_names_that_there_are_not() -> None:
    for option in ("gate", "neuron", "readout_gate"):
        chosen: dict[str, Any] = {option: "odd"}
        with pytest.raises(UnknownNameError, match="'odd'"):
            network(**chosen)


def test_rows_have_one_dimension() -> None:
    options = ModelOptions(conv=("4k3s2", "pool2", "5k2"), hidden=(), gain=5.0)
    module = convolutional_network((2, 9), 3, options, torch.Generator().manual_seed(0)).double()
    found = module.network()
    assert [p.shape for p in found.populations] == [(2, 9), (4, 4), (5, 1), (3,)]
    x = np.random.default_rng(3).random((4, 3, 18))
    with torch.no_grad():
        outputs = module(torch.from_numpy(x))[0].numpy()
    expected = ltc2hw.simulate(found, x, engine="float64").outputs
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-12)


def test_pooling_is_folded_exactly() -> None:
    for conv in (("4k2", "pool2", "5k2p1"), ("3k2", "pool3", "4k2"), ("pool2", "pool3", "4k1")):
        for hidden in ((6,), ()):
            module = network(conv, hidden=hidden, gate="dense", gain=6.0).double()
            x = frames()
            with torch.no_grad():
                outputs, _ = module(torch.from_numpy(x))
            found = module.network()
            trace = ltc2hw.simulate(found, x, engine="float64")
            np.testing.assert_allclose(outputs.numpy(), trace.outputs, rtol=0, atol=1e-12)
            passages = dict(enumerate(module.passages))
            again = GraphNetwork(found, dtype=torch.float64, passages=passages)
            for one, other in zip(module.synapses, again.synapses, strict=True):
                torch.testing.assert_close(one.weight, other.weight, rtol=1e-12, atol=0)


def test_pooling_after_the_last_layer_reaches_the_readout() -> None:
    module = network(("4k2", "pool3"), hidden=(), gain=6.0).double()
    assert module.synapses[-1].weight.shape == (3, 16)
    x = frames()
    with torch.no_grad():
        outputs, _ = module(torch.from_numpy(x))
    expected = ltc2hw.simulate(module.network(), x, engine="float64").outputs
    np.testing.assert_allclose(outputs.numpy(), expected, rtol=0, atol=1e-12)
    assert outputs.any()


def test_pooling_beside_padding_needs_whole_windows() -> None:
    with pytest.raises(ShapeError, match="4 x 7 x 7; expected windows of 2"):
        network(("4k3p1", "pool2", "5k2p1"))


@pytest.mark.parametrize("neuron", ["ltc", "lif"])
def test_batch_norm_is_folded_into_kernels_and_biases(neuron: str) -> None:
    task = bars()
    if neuron == "lif":
        with pytest.raises(UnsupportedError, match="port 'current' of model 'lif'"):
            network(neuron=neuron, batch_norm=True)
        return
    module = network(batch_norm=True)
    before = module.network()
    train(task, RECIPE, module=module)
    module = module.double()
    x = np.asarray(task.test.x, dtype=np.float64)
    found = from_module(module)
    assert len(module.norms) == 3
    assert constants_of(found, "conv1")["bias_current"].any()
    assert found.projections[0].weights != before.projections[0].weights
    with torch.no_grad():
        outputs, _ = module.eval()(torch.from_numpy(x))
    expected = ltc2hw.simulate(found, x, engine="float64").outputs
    np.testing.assert_allclose(outputs.numpy(), expected, rtol=0, atol=1e-6)


def test_the_best_epoch_comes_with_its_statistics(tmp_path: Path) -> None:
    task, path = bars(), tmp_path / "run.npz"
    recipe = RECIPE.with_model(batch_norm=True, dropout=0.2)
    whole = train(task, recipe, checkpoint=path)
    resumed = train(task, recipe, checkpoint=path)
    assert resumed.metrics == whole.metrics
    assert resumed.module.network() == whole.module.network()
    outputs = ltc2hw.simulate(whole.module.network(), task.test.x, engine="float64").outputs
    assert task.score(outputs, task.test.labels) == whole.metrics["test"]
    with pytest.raises(InvalidValueError, match="weight_bits is 8; expected none beside batch"):
        train(task, recipe.with_training(weight_bits=8))


def test_dropout_leaves_out_the_same_messages_for_all_ports_and_none_afterwards() -> None:
    module = network(dropout=0.5, gate="event", hidden=(6,))
    x = torch.from_numpy(frames()).float()
    with torch.no_grad():
        module.reseed(1, 2)
        first = module(x)[0]
        module.reseed(1, 2)
        assert torch.equal(module(x)[0], first)
        assert not torch.equal(module(x)[0], first)
        deployed = module.eval()(x)[0]
        assert torch.equal(module(x)[0], deployed)
    network_of = module.network()
    expected = ltc2hw.simulate(network_of, frames(), engine="float64").outputs
    np.testing.assert_allclose(deployed.numpy(), expected, rtol=0, atol=1e-4)
    assert [bool(p.dropout) for p in module.passages[:4]] == [False, False, False, True]


def test_dense_networks_have_dropout_and_norms_too() -> None:
    task = replace(bars(), shape=(98,))
    model = ModelOptions(hidden=(12,), dropout=0.1, batch_norm=True, gain=3.0, tau_mem_bias=0.0)
    result = train(task, Recipe(model, RECIPE.training))
    outputs = ltc2hw.simulate(result.module.network(), task.test.x, engine="float64").outputs
    assert task.score(outputs, task.test.labels) == result.metrics["test"]
    for wrong in (1.0, -0.1, float("nan")):
        with pytest.raises(InvalidValueError, match="dropout is"):
            ModelOptions(dropout=wrong)
