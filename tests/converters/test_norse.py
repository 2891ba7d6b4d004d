"""Norse in and out: random networks written with Norse, side by side with our float64 engine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from norse import torch as snn
from norse.torch.module.iaf import IAF, IAFParameters
from norse.torch.module.leaky_integrator_box import LIBoxCell, LIBoxParameters
from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters
from torch import nn

import ltc2hw
from ltc2hw.converters import norse
from ltc2hw.converters.assembly import static_gate
from ltc2hw.converters.populations import LTC, Readout, is_model
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import InvalidValueError, ShapeError, TooLargeError, UnsupportedError
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.weights import Dense
from tests.random_networks import random_network

STEPS, BATCH = 60, 3

Rng = np.random.Generator


def tensor(value: Any) -> torch.Tensor:
    return torch.as_tensor(np.array(value), dtype=torch.float64)


def linear(rng: Rng, inputs: int, outputs: int, *, bias: bool = True) -> Any:
    layer = nn.Linear(inputs, outputs, bias=bias, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(tensor(rng.normal(0, 2.0 / np.sqrt(inputs), (outputs, inputs))))
        if bias:
            layer.bias.copy_(tensor(rng.normal(0, 0.1, outputs)))
    return snn.Lift(layer)


def lif_parameters(rng: Rng, size: int) -> Any:
    """Constants of its own for every neuron."""
    return snn.LIFParameters(
        tau_syn_inv=tensor(rng.uniform(50, 900, size)),
        tau_mem_inv=tensor(rng.uniform(50, 900, size)),
        v_th=tensor(rng.uniform(0.1, 0.6, size)),
    )


def shifted(p: Any, rest: float, reset: float) -> Any:
    return p._replace(v_leak=tensor(rest), v_reset=tensor(reset), v_th=p.v_th + reset)


def lsnn_parameters(rng: Rng, size: int, synapse: float = 300.0) -> Any:
    return snn.LSNNParameters(
        tau_syn_inv=tensor(synapse),
        tau_mem_inv=tensor(rng.uniform(50, 900, size)),
        tau_adapt_inv=tensor(rng.uniform(20, 300, size)),
        v_leak=tensor(0.0),
        v_th=tensor(0.1),
        v_reset=tensor(0.0),
        beta=tensor(rng.uniform(0.1, 0.5, size)),
    )


def li_parameters(rng: Rng, size: int) -> Any:
    taus = tensor(rng.uniform(50, 900, (2, size)))
    return snn.LIParameters(taus[0], taus[1], tensor(0.0))


def recurrent(kind: Any, p: Any, rng: Rng, inputs: int, outputs: int) -> Any:
    own = tensor(rng.normal(0, 0.6, (outputs, outputs)))
    into = tensor(rng.normal(0, 1.0, (outputs, inputs)))
    return kind(inputs, outputs, p, input_weights=into, recurrent_weights=own, autapses=True)


def sequence(*modules: Any) -> Any:
    return snn.SequentialState(*modules).eval()


def lif(rng: Rng) -> Any:
    return sequence(
        linear(rng, 7, 12, bias=False),
        snn.LIF(lif_parameters(rng, 12)),
        linear(rng, 12, 5),
        snn.LIF(lif_parameters(rng, 5)),
    )


def lif_at_rest_elsewhere(rng: Rng) -> Any:
    return sequence(linear(rng, 7, 12), snn.LIF(shifted(lif_parameters(rng, 12), -0.2, -0.2)))


def lif_recurrent(rng: Rng) -> Any:
    return sequence(
        recurrent(snn.LIFRecurrent, lif_parameters(rng, 12), rng, 7, 12),
        linear(rng, 12, 5),
        snn.LI(li_parameters(rng, 5)),
    )


def lif_box(rng: Rng) -> Any:
    size = 12
    p = LIFBoxParameters(
        tau_mem_inv=tensor(rng.uniform(50, 900, size)), v_th=tensor(rng.uniform(0.1, 0.6, size))
    )
    return sequence(linear(rng, 7, size), snn.Lift(LIFBoxCell(p)))


def integrate_and_fire(rng: Rng) -> Any:
    p = IAFParameters(v_th=tensor(rng.uniform(1.0, 2.0, 12)), v_reset=tensor(0.3))
    return sequence(linear(rng, 7, 12), IAF(p))


def lsnn(rng: Rng) -> Any:
    return sequence(linear(rng, 7, 12), snn.LSNN(lsnn_parameters(rng, 12)))


def lsnn_at_rest_elsewhere(rng: Rng) -> Any:
    p = shifted(lsnn_parameters(rng, 12), -0.1, 0.0)
    return sequence(linear(rng, 7, 12), snn.LSNN(p))


def lsnn_recurrent(rng: Rng) -> Any:
    return sequence(recurrent(snn.LSNNRecurrent, lsnn_parameters(rng, 12), rng, 7, 12))


def lsnn_without_synapse(rng: Rng) -> Any:
    p = lsnn_parameters(rng, 12, synapse=1000.0)
    return sequence(recurrent(snn.LSNNRecurrent, p, rng, 7, 12))


def leaky_box(rng: Rng) -> Any:
    p = LIBoxParameters(tau_mem_inv=tensor(rng.uniform(50, 900, 12)), v_leak=tensor(0.0))
    return sequence(linear(rng, 7, 12), snn.Lift(LIBoxCell(p)))


def linear_output(rng: Rng) -> Any:
    return sequence(
        linear(rng, 7, 12), snn.LIF(lif_parameters(rng, 12)), linear(rng, 12, 6), linear(rng, 6, 4)
    )


def batch_norm(rng: Rng) -> Any:
    norm = nn.BatchNorm1d(12, dtype=torch.float64)
    with torch.no_grad():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        norm.running_mean.copy_(tensor(rng.normal(0, 0.2, 12)))
        norm.running_var.copy_(tensor(rng.uniform(0.5, 2.0, 12)))
        norm.weight.copy_(tensor(rng.normal(1, 0.2, 12)))
        norm.bias.copy_(tensor(rng.normal(0, 0.1, 12)))
    return sequence(
        linear(rng, 7, 12), snn.Lift(norm), snn.LIF(lif_parameters(rng, 12)), nn.Dropout(0.5)
    )


MODULES = [
    lif,
    lif_at_rest_elsewhere,
    lif_recurrent,
    lif_box,
    integrate_and_fire,
    lsnn,
    lsnn_at_rest_elsewhere,
    lsnn_recurrent,
    lsnn_without_synapse,
    leaky_box,
    linear_output,
    batch_norm,
]


def norse_answer(module: Any, x: Any, state: Any = None) -> Any:
    """What a module answers to samples (T, B, ...), as (T, B, N)."""
    with torch.no_grad():
        answer = module(tensor(x)) if state is None else module(tensor(x), state)
    while isinstance(answer, tuple):
        answer = answer[0]
    return answer.numpy().reshape(len(x), x.shape[1], -1)


def samples(rng: Rng, *shape: int) -> Any:
    return (rng.random((STEPS, BATCH, *shape)) < 0.4).astype(float)


def run(network: Network, x: Any) -> Trace:
    return ltc2hw.simulate(network, x.reshape(*x.shape[:2], -1), record="all")


@pytest.mark.parametrize("make", MODULES, ids=lambda make: make.__name__)
def test_norse_and_ours_answer_the_same(make: Any) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        module = make(rng)
        x = samples(rng, 7)
        network = norse.from_module(module, input_shape=7)
        answer = norse_answer(module, x)
        assert np.abs(answer).sum() > 0
        assert np.abs(run(network, x).outputs - answer).max() < 1e-6
        assert "changes" not in network.provenance


@pytest.mark.parametrize("make", MODULES, ids=lambda make: make.__name__)
def test_what_is_exported_answers_the_same_in_norse(make: Any) -> None:
    rng = np.random.default_rng(9)
    network = norse.from_module(make(rng), input_shape=7)
    module, changes = norse.to_module(network, dt=0.002)
    assert changes == ()
    x = samples(rng, 7)
    outputs = run(network, x).outputs
    assert np.abs(norse_answer(module, x) - outputs).max() < 1e-6
    again = norse.from_module(module)
    assert np.abs(run(again, x).outputs - outputs).max() < 1e-6
    assert models(network) == models(again)


def models(network: Network) -> list[str]:
    """Names of the models of all neurons, sorted."""
    return sorted(p.model.name for p in network.populations if isinstance(p, Neurons))


def states_in(value: Any) -> list[Any]:
    """All states of neurons that a module returned, in the order of its layers."""
    if hasattr(value, "v"):
        return [value]
    inner = value if isinstance(value, (list, tuple)) else ()
    return [state for part in inner for state in states_in(part)]


def voltages(module: Any, x: Any) -> list[Any]:
    """Membranes of every layer of neurons, each (T, B, N), one step at a time."""
    state, steps = None, []
    layers = [getattr(layer, "lifted_module", layer) for layer in module]
    cells = isinstance(layers[-1], (LIFBoxCell, LIBoxCell))
    if cells:
        # Lift keeps states to itself; cells take samples without a dimension of time.
        module = sequence(*layers)
    with torch.no_grad():
        for sample in tensor(x):
            _, state = module(sample if cells else sample[None], state)
            steps.append([neurons.v.numpy().reshape(BATCH, -1) for neurons in states_in(state)])
    return [np.stack(layer) for layer in zip(*steps, strict=True)]


ZERO = {"lif_at_rest_elsewhere": -0.2, "lsnn_at_rest_elsewhere": -0.1, "integrate_and_fire": 0.3}
"""Where membranes of ours are 0, if not at 0."""


@pytest.mark.parametrize("make", MODULES, ids=lambda make: make.__name__)
def test_membranes_are_those_of_norse_step_by_step(make: Any) -> None:
    rng = np.random.default_rng(3)
    module = make(rng)
    x = samples(rng, 7)
    trace = run(norse.from_module(module, input_shape=7), x)
    helpers = ("input", "constant", "output")
    ours = [
        states["membrane"]
        for name, states in trace.states.items()
        if name not in helpers and not name.endswith("_synapse")
    ]
    theirs = voltages(module, x)
    assert len(ours) == len(theirs) > 0
    for membrane, voltage in zip(ours, theirs, strict=True):
        assert np.abs(membrane + ZERO.get(make.__name__, 0.0) - voltage).max() < 1e-6


@pytest.mark.parametrize("synapse", [True, False])
def test_static_ltc_neurons_are_norses_adaptive_ones(synapse: bool) -> None:
    """They are exported as LSNN cells; what comes back is the model of those cells."""
    rng = np.random.default_rng(11)
    size, one = 12, np.ones(12)
    gates = (static_gate(rng.uniform(0.05, 0.9, size)), static_gate(rng.uniform(0.5, 0.98, size)))
    neurons = LTC("a", size, 0.1 * one, rng.uniform(0.1, 5.0, size), 0.0 * one, *gates)
    current = Readout("synapse", size, rng.normal(0, 0.2, size), static_gate(0.3 * one))
    into = Dense(rng.normal(0, 1, (size, 7)))
    own = Dense(rng.normal(0, 0.4, (size, size)))
    entry = "synapse" if synapse else "a"
    links = [
        Projection("input", "spikes", entry, "current", into, int(not synapse)),
        Projection("a", "spikes", entry, "current", own, 1 + int(not synapse)),
        Projection("synapse", "membrane", "a", "current", Dense(np.diag(2.0 * one)), 1),
    ]
    hidden = (current, neurons) if synapse else (neurons,)
    network = Network((Input("input", 7), *hidden), tuple(links[: 2 + int(synapse)]), "a")
    module, changes = norse.to_module(network)
    assert changes == ()
    x = samples(rng, 7)
    outputs = run(network, x).outputs
    assert outputs.any()
    assert np.array_equal(norse_answer(module, x), outputs)
    again = norse.from_module(module)
    assert np.array_equal(run(again, x).outputs, outputs)
    assert set(models(again)) == ({"alif", "lif"} if synapse else {"alif"})


def test_currents_are_those_of_norse_before_their_decay() -> None:
    rng = np.random.default_rng(3)
    p = lif_parameters(rng, 12)
    module = sequence(linear(rng, 7, 12), snn.LIF(p, record_states=True))
    x = samples(rng, 7)
    with torch.no_grad():
        _, states = module(tensor(x))
    # Ours are scaled by the membrane's decay.
    scale = (p.tau_mem_inv * 0.001 / (1 - p.tau_syn_inv * 0.001)).numpy()
    current = run(norse.from_module(module), x).states["lif_1"]["current"]
    assert np.abs(current - states[1].i.numpy() * scale).max() < 1e-6


def test_a_start_elsewhere_needs_leave_and_is_listed() -> None:
    rng = np.random.default_rng(4)
    p = shifted(lif_parameters(rng, 12), 0.05, -0.1)
    module = sequence(linear(rng, 7, 12), snn.LIF(p))
    with pytest.raises(UnsupportedError, match=r"layer '1' \(LIF\).*allow=\{'initial-membrane'\}"):
        norse.from_module(module)
    network = norse.from_module(module, allow={"initial-membrane"})
    assert network.provenance["changes"].startswith("initial-membrane: layer '1' (LIF): ")
    x = samples(rng, 7)
    start = snn.LIFFeedForwardState(v=torch.full((BATCH, 12), -0.1).double(), i=tensor(0.0))
    answer = norse_answer(module, x, [None, start])
    assert answer.any()
    assert np.abs(run(network, x).outputs - answer).max() < 1e-6


def test_convolutions_are_those_of_torch() -> None:
    rng = np.random.default_rng(5)
    torch.manual_seed(5)
    module = sequence(
        snn.Lift(nn.Conv2d(2, 4, 3, stride=2, padding=1, bias=True)),
        snn.LIF(lif_parameters(rng, 1)),
        snn.Lift(nn.AvgPool2d(2)),
        snn.Lift(nn.Conv2d(4, 4, (2, 1), dilation=(1, 1), groups=2, bias=False)),
        nn.Flatten(2),
        linear(rng, 8, 5),
        snn.LIF(lif_parameters(rng, 5)),
    ).double()
    x = samples(rng, 2, 9, 10)
    with torch.no_grad():
        module[0].lifted_module.weight *= 3
    network = norse.from_module(module, input_shape=(2, 9, 10))
    answer = norse_answer(module, x)
    assert answer.any()
    assert np.abs(run(network, x).outputs - answer).max() < 1e-6


def test_kinds_of_populations() -> None:
    rng = np.random.default_rng(6)
    kinds = {
        "lif": lif,
        "alif": lsnn,
        "readout": leaky_box,
    }
    for kind, make in kinds.items():
        network = norse.from_module(make(rng))
        assert is_model(network.population(network.output), find_model(kind))


def test_what_cannot_be_is_named() -> None:
    rng = np.random.default_rng(7)
    with pytest.raises(InvalidValueError, match="pass input_shape"):
        norse.from_module(sequence(snn.LIF()))
    with pytest.raises(ShapeError, match="flatten first"):
        norse.from_module(sequence(linear(rng, 4, 3)), input_shape=(2, 2))
    with pytest.raises(ShapeError, match="columns of a matrix"):
        norse.from_module(sequence(linear(rng, 4, 3)), input_shape=5)
    with pytest.raises(UnsupportedError, match="use a smaller dt"):
        norse.from_module(sequence(linear(rng, 7, 4), snn.LIF(lif_parameters(rng, 4), dt=0.1)))


def test_our_networks_are_exported_or_refused_by_name() -> None:
    rng = np.random.default_rng(8)
    network = random_network(rng, model="LIF", graded=False, hidden=(6, 5))
    with pytest.raises(UnsupportedError, match=r"allow=\{.initial-membrane.\}"):
        norse.to_module(network)
    with pytest.raises(UnsupportedError, match="equal ones"):
        norse.to_module(network, allow={"initial-membrane"})
    for gate in ("event", "dense"):
        with pytest.raises(UnsupportedError, match="export to nir or lava"):
            norse.to_module(random_network(rng, gate=gate, hidden=(6,)))


@pytest.mark.parametrize("dt", [0, -1.0, float("nan"), float("inf"), "0.001", None])
def test_exports_need_a_time_step(dt: Any) -> None:
    network = norse.from_module(lif(np.random.default_rng(9)))
    with pytest.raises(InvalidValueError, match="dt is"):
        norse.to_module(network, dt=dt)


def test_large_sparse_weights_are_not_made_dense() -> None:
    image = (1, 128, 128)
    module = sequence(snn.Lift(nn.Conv2d(1, 4, 3, padding=1)), snn.LIF())
    network = norse.from_module(module, input_shape=image)
    with pytest.raises(TooLargeError, match=r"is 1073741824 numbers.*export to nir"):
        norse.to_module(without_kernels(network))


@pytest.mark.parametrize("inverse", [-3.0, 1500.0])
def test_adaptation_that_grows_or_swings_is_refused(inverse: float) -> None:
    rng = np.random.default_rng(10)
    p = lsnn_parameters(rng, 12)._replace(tau_adapt_inv=tensor(inverse))
    with pytest.raises(UnsupportedError, match="use a smaller dt"):
        norse.from_module(sequence(linear(rng, 7, 12), snn.LSNN(p)))
