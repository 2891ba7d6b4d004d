"""Training through all rounding: what is trained are the integers, gradients pass straight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

import ltc2hw
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.converters.torch import from_module
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnknownNameError, UnsupportedError
from ltc2hw.graph.network import Network
from ltc2hw.graph.structure import connection_name
from ltc2hw.neurons import (
    GATES,
    Cell,
    GraphNetwork,
    LIFCell,
    LTCCell,
    ProgramCell,
    ReadFrom,
    ReadoutCell,
    SpikingNetwork,
    to_module,
)
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.layer_step import LayerStep
from ltc2hw.neurons.torch_rounding import saturate, truncate
from ltc2hw.quantization.quantize import quantize
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.tasks import Split, Task, load_task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, train
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.chain import ChainState, run_chain
from ltc2hw.training.checkpoint import save_checkpoint
from ltc2hw.training.integer_module import IntegerModule
from ltc2hw.training.learner import CompiledNetworkLearner, new_learner
from ltc2hw.training.model import build_network
from ltc2hw.training.rounding import Rounder, forms_of
from ltc2hw.training.trainer import BEFORE, EpochRecord, Trainer, evaluate

STEPS, INPUTS, OUTPUTS = 9, 3, 4


def task_of(seed: int = 0, samples: int = 24) -> Task:
    """Random samples, and classes that some of them tell."""
    rng = np.random.default_rng(seed)
    x = 2.0 * rng.random((STEPS, samples, INPUTS)) * (rng.random((STEPS, samples, INPUTS)) < 0.7)
    split = Split(x, rng.integers(0, OUTPUTS, samples))
    return Task("random", "classification", STEPS, INPUTS, OUTPUTS, split, split, split)


GAINS = {"alif": 20.0, "brf": 2000.0}
"""Of neurons that few samples of these would make spike."""


def module_of(family: str, nonlinearity: str = "plan", seed: int = 0) -> SpikingNetwork:
    """A small chain: two layers of a family, and a readout of spikes or of membranes."""
    draw = torch.Generator().manual_seed(seed)
    gate: Any = family if family in GATES else "static"
    layers: list[Cell] = []
    for inputs, size in ((INPUTS, 6), (6, 5)):
        if family in GATES:
            layers.append(
                LTCCell(inputs, size, gate=gate, nonlinearity=nonlinearity, generator=draw)
            )
        elif family == "lif":
            layers.append(LIFCell(inputs, size, generator=draw))
        else:
            gain = GAINS[family]
            cell = ProgramCell(find_model(family), inputs, size, gain=gain, generator=draw)
            layers.append(cell)
    readout = ReadoutCell(5, OUTPUTS, gate=gate, nonlinearity=nonlinearity, generator=draw)
    read_from: ReadFrom = "membrane" if family == "dense" else "spikes"
    return SpikingNetwork(layers, readout, read_from=read_from)


def options_of(**changes: Any) -> TrainingOptions:
    return TrainingOptions(**{"rounding": "all", "weight_bits": 4, "updates": 3, **changes})


FAMILIES = ("event", "dense", "static", "lif", "alif", "brf")


@pytest.mark.parametrize(
    ("family", "nonlinearity"), [*((family, "plan") for family in FAMILIES), ("dense", "sigmoid")]
)
def test_the_trained_numbers_are_the_integers(family: str, nonlinearity: str) -> None:
    task, module = task_of(), module_of(family, nonlinearity).double()
    options = options_of()
    rounder = Rounder(module, task, options)
    learner = AutogradLearner(module, task, options)
    with learner.deployed():
        rounded = rounder.fit()
        forms = forms_of(module, rounded)
        x = torch.from_numpy(task.train.x)
        with torch.no_grad():
            outputs, _ = run_chain(module, forms, rounded.entering(x))
        network = from_module(module)
    allowed = QuantizeOptions(weight_bits=4, allow=tuple(v.rule for v in rounded.refused))
    fixed = quantize(network, "loihi2", task.train.x, allowed)
    trace = ltc2hw.simulate(fixed, task.train.x, engine="integer")
    assert np.any(trace.outputs)
    np.testing.assert_array_equal(outputs.numpy(), real_outputs(fixed, trace))


def stepped(module: SpikingNetwork, forms: list[Form], x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """A chain's window by single steps of torch's own operations."""
    cells, outputs = (*module.cells, module.readout), []
    for values in x:
        after = []
        for index, (cell, form) in enumerate(zip(cells, forms, strict=True)):
            zeros = tuple(x.new_zeros(x.shape[1], cell.size) for _ in form.registers)
            before = zeros if state is None else state[index]
            registers = LayerStep(form)(cell.tensors(), before, values)
            last = index == len(module.cells) - 1
            seen = form.sent(module.seen) if last else form.model.output
            values = registers[form.registers.index(seen)]
            after.append(registers)
        state = after
        outputs.append(values)
    return torch.stack(outputs), state


@pytest.mark.parametrize(
    ("family", "method"), [*((family, "fptt") for family in FAMILIES), ("dense", "bptt")]
)
def test_gradients_are_those_of_autograd(family: str, method: str) -> None:
    task = task_of()
    options = options_of(method=method, optimizer="sgd", learning_rate=0.1)
    module, same = (module_of(family, "sigmoid", seed=3).double() for _ in range(2))
    learner = CompiledNetworkLearner(module, task, options)
    reference = AutogradLearner(same, task, options)
    reference.run = lambda x, state: _detachable(  # type: ignore[method-assign]
        stepped(same, reference.forms, x, None if state is None else state.layers)
    )
    x, labels = torch.from_numpy(task.train.x), torch.from_numpy(task.train.labels)
    x = reference.rounded.entering(x)  # type: ignore[union-attr]
    for _ in range(2):
        ours, theirs = (each.learn(x, labels, 0.1) for each in (learner, reference))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    learner.store()
    for one, other in zip(module.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def _detachable(made: tuple[Tensor, Any]) -> tuple[Tensor, ChainState]:
    return made[0], ChainState(tuple(made[1]))


def test_convolutions_are_trained_as_integers() -> None:
    shape = (2, 6, 6)
    rng = np.random.default_rng(4)
    x = rng.random((5, 12, 72)) * 3.0
    split = Split(x, rng.integers(0, 3, 12))
    task = Task("images", "classification", 5, 72, 3, split, split, split, shape=shape)
    options = ModelOptions(conv=("3k3", "pool2"), hidden=(5,))
    module = build_network(task, options, torch.Generator().manual_seed(0)).double()
    assert isinstance(module, GraphNetwork)
    learner = AutogradLearner(module, task, options_of())
    learner.learn(torch.from_numpy(x), torch.from_numpy(split.labels), 0.02)
    learner.finish_pass()
    with learner.deployed(), torch.no_grad():
        rounded = learner.rounder.fit()  # type: ignore[union-attr]
        with module.rounded(rounded.prepared(module)):
            outputs, _ = module(torch.from_numpy(x))
        judged, _ = learner.judged()(torch.from_numpy(x))
        network = from_module(module)
    fixed = quantize(network, "loihi2", x, QuantizeOptions(weight_bits=4))
    trace = ltc2hw.simulate(fixed, x, engine="integer")
    assert np.any(trace.outputs)
    np.testing.assert_array_equal(outputs.numpy(), real_outputs(fixed, trace))
    np.testing.assert_array_equal(judged.numpy(), real_outputs(fixed, trace))


NARROW: dict[str, Any] = {
    "weight_bits": "ternary",
    "bits": {
        "hidden.spikes->output.current": 4,
        "state:hidden.membrane": 12,
        "input": 5,
    },
}


@pytest.mark.parametrize("backend", ["compiled", "autograd"])
def test_scores_are_those_of_the_quantized_network(backend: Any) -> None:
    task = load_task("digits-rows")
    changes = {"epochs": 2, "batch_size": 256, "calibration": 64, "backend": backend, **NARROW}
    recipe = Recipe(ModelOptions(hidden=(8,)), options_of(**changes))
    result = train(task, recipe)
    network, x = from_module(result.module), task.train.x[:, :64]
    fixed = quantize(network, "loihi2", x, QuantizeOptions(**NARROW))
    for projection in fixed.projections:
        if connection_name(projection) in NARROW["bits"]:
            assert projection.bits == 4
        else:
            assert np.abs(projection.weights.values).max() <= 1
    for name in ("validation", "test"):
        split = getattr(task, name)
        outputs = ltc2hw.simulate(fixed, split.x, engine="integer").outputs
        right = task.judge(outputs.astype(np.float64), split.labels, None)
        assert np.mean(right) == result.metrics[name]


def precise(network: Network) -> Network:
    """The network with numbers that float32 does not hold, so that it learns in float64."""
    weights = [
        p.weights.with_values(p.weights.values * (1.0 + 2.0**-40)) for p in network.projections
    ]
    pairs = zip(network.projections, weights, strict=True)
    return replace(network, projections=tuple(replace(p, weights=w) for p, w in pairs))


@pytest.mark.parametrize(
    ("width", "backend", "method"),
    [
        (2, "compiled", "fptt"),
        (2, "autograd", "bptt"),
        ("ternary", "compiled", "bptt"),
        ("ternary", "autograd", "fptt"),
    ],
)
def test_a_start_is_trained_as_it_is_quantized(width: Any, backend: Any, method: Any) -> None:
    task, start = task_of(), precise(from_module(module_of("event")))
    changes = {"weight_bits": width, "backend": backend, "method": method}
    options = options_of(
        epochs=4, learning_rate=0.1, bits={"state:hidden1.membrane": 10}, **changes
    )
    trainer = Trainer(task, Recipe(training=options), start=start)
    learner, module = (cast(Any, part) for part in (trainer.learner, trainer.module))
    x = torch.from_numpy(task.train.x)
    for _ in range(3):
        trainer.run_epoch()
        with learner.deployed(), torch.no_grad():
            outputs, _ = run_chain(module, learner.forms, learner.rounded.entering(x))
            judged, _ = learner.judged()(x)
            network = from_module(module)
        allow = tuple(v.rule for v in learner.rounded.refused)
        own = QuantizeOptions(weight_bits=width, bits=options.bits, allow=allow)
        fixed = quantize(network, "loihi2", task.train.x, own)
        trace = ltc2hw.simulate(fixed, task.train.x, engine="integer")
        assert np.any(trace.outputs)
        np.testing.assert_array_equal(outputs.numpy(), real_outputs(fixed, trace))
        np.testing.assert_array_equal(judged.numpy(), real_outputs(fixed, trace))


@pytest.mark.parametrize("backend", ["compiled", "autograd"])
def test_scales_follow_the_weights_at_first_and_then_stay(backend: Any) -> None:
    moved = {}
    for epochs in (3, 12):
        options = options_of(epochs=epochs, method="bptt", backend=backend)
        learner: Any = new_learner(module_of("event"), task_of(), options)
        before, values = learner.grid.steps.copy(), learner.values()
        for matrix in learner.grid.matrices(values):
            matrix *= 8.0
        learner.load(values)
        learner.finish_pass()
        moved[epochs] = learner.grid.steps[before > 0.0] / before[before > 0.0]
        np.testing.assert_array_equal(learner.values(), values)
    # A third of three epochs is over after the first, of twelve it is not.
    assert set(moved[3]) == {1.0}
    assert set(moved[12]) == {8.0}


def memory(longer: int) -> tuple[int, int]:
    """Bytes that compiled learning records, and numbers that autograd saves for a window at most.

    Of sequences that are so many times as long, with as many times the updates.
    """
    first = task_of().train
    x, kept = np.concatenate([first.x] * longer), list[int]()
    split = Split(x, first.labels)
    task = Task("long", "classification", len(x), INPUTS, OUTPUTS, split, split, split)
    module, options = module_of("event"), options_of(updates=3 * longer)
    inputs, labels = torch.from_numpy(x).float(), torch.from_numpy(split.labels)
    compiled = CompiledNetworkLearner(module, task, options)
    compiled.learn(inputs, labels, 0.01)
    learner, most = AutogradLearner(module, task, options), 0
    known, aim = learner.prepared(inputs, labels, None)
    with torch.autograd.graph.saved_tensors_hooks(
        lambda tensor: kept.append(tensor.numel()) or tensor,  # type: ignore[func-returns-value]
        lambda tensor: tensor,
    ):
        for _ in learner.updates(inputs, known, aim):
            most = max(most, sum(kept))
            kept.clear()
    return sum(room.records.nbytes for room in compiled.rooms.values()), most


def test_memory_does_not_grow_with_the_sequence() -> None:
    short, long = memory(1), memory(4)
    assert min(short) > 0
    assert short == long


def test_a_run_goes_on_with_the_same_bits(tmp_path: Path) -> None:
    task, path = task_of(), tmp_path / "run.npz"
    options = options_of(epochs=6, schedule="constant", learning_rate=0.3)
    recipe = Recipe(ModelOptions(hidden=(6,)), options)
    whole = train(task, recipe)
    stopped = Trainer(task, recipe)
    # Scales follow for two passes; what they were then has to be in the file.
    for _ in range(3):
        stopped.run_epoch()
    save_checkpoint(stopped.checkpoint(), path)
    resumed = train(task, recipe, checkpoint=path)
    assert resumed.history == whole.history
    for one, other in zip(resumed.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(one, other)
    with pytest.raises(InvalidValueError, match="rounding"):
        train(task, recipe.with_training(rounding="weights"), checkpoint=path)


def test_a_start_that_no_epoch_beats_is_kept() -> None:
    task = task_of()
    start = from_module(module_of("event"))
    recipe = Recipe(training=options_of(epochs=1, learning_rate=1e-30))
    result = train(task, recipe, start=start)
    assert result.metrics["epoch"] in (BEFORE, 0)
    judged = IntegerModule(Rounder(to_module(start), task, recipe.training).fit())
    assert result.metrics["validation"] == evaluate(judged, task, task.validation)[1]


def test_an_epoch_that_a_chip_cannot_hold_comes_second() -> None:
    trainer = Trainer(task_of(), Recipe(training=options_of()))
    good, better = EpochRecord(0, 1.0, 1.0, 0.5, 0.1), EpochRecord(1, 1.0, 1.0, 0.9, 0.1, refused=2)
    assert not trainer._beats(better, good)
    assert trainer._beats(good, better)


def test_saturated_words_have_no_gradient() -> None:
    x = torch.tensor([-3.0, -1.0, 0.3, 1.0, 3.0], dtype=torch.float64, requires_grad=True)
    saturate(truncate(x, 1), -2, 2, 1).sum().backward()  # type: ignore[no-untyped-call]
    assert x.grad is not None
    assert x.grad.tolist() == [0.0, 1.0, 1.0, 1.0, 0.0]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rounding": "some"}, "rounding"),
        ({"target": 3}, "target"),
        ({"calibration": 0}, "calibration"),
        ({"weight_bits": "binary"}, "ternary"),
        ({"bits": {"input": 0}}, "bits of input"),
        ({"bits": ["input"]}, "bits"),
        ({"bits": {"input": 8}, "rounding": "weights"}, "rounding to 'all'"),
    ],
)
def test_options_without_meaning(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidValueError, UnknownNameError), match=message):
        options_of(**changes)


def test_networks_and_targets_that_do_not_fit() -> None:
    task, module = task_of(), module_of("event")
    with pytest.raises(UnknownNameError, match="target"):
        CompiledNetworkLearner(module, task, options_of(target="moon"))
    with pytest.raises(UnknownNameError, match="nobody"):
        CompiledNetworkLearner(module, task, options_of(bits={"nobody": 4}))
    with pytest.raises(HardwareRuleError, match="12"):
        CompiledNetworkLearner(module, task, options_of(weight_bits=12))
    with pytest.raises(UnsupportedError, match="no network of the graph"):
        AutogradLearner(torch.nn.Linear(INPUTS, OUTPUTS), task, options_of())
