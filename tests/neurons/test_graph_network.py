"""Networks as torch modules: what the float64 engine computes, with gradients, there and back."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import ltc2hw
from ltc2hw.converters.populations import LIF, Gate, Readout
from ltc2hw.converters.torch import from_module, to_module
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError, UnsupportedError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons import (
    GATES,
    GateKind,
    GraphNetwork,
    GraphState,
    LTCCell,
    ReadoutCell,
    SpikingNetwork,
)
from ltc2hw.numbers.nonlinearity import GateCurve
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray
from tests.neurons.randomised import randomised
from tests.random_networks import random_network, random_samples
from tests.zoo import zoo, zoo_samples


def meshed(rng: np.random.Generator) -> Network:
    """Sparse weights, delays, several projections to a port, and a skip connection."""

    def sparse(rows: int, columns: int) -> Sparse:
        matrix = rng.normal(0, 1, (rows, columns)) * (rng.random((rows, columns)) < 0.5)
        return Sparse.from_array(matrix)

    neurons = (
        LIF(name, size, 0.6, 0.2, np.full(size, 0.4), rng.normal(0, 0.1, size))
        for name, size in (("a", 6), ("b", 5), ("c", 3))
    )
    return Network(
        (Input("input", 4, graded=True), *neurons),
        (
            Projection("input", "value", "a", "current", sparse(6, 4), 2),
            Projection("input", "value", "b", "current", sparse(5, 4), 1),
            Projection("a", "spikes", "b", "current", sparse(5, 6)),
            Projection("a", "spikes", "b", "current", Dense(rng.normal(0, 1, (5, 6))), 3),
            Projection("b", "spikes", "a", "current", sparse(6, 5), 1),
            Projection("b", "spikes", "c", "current", Dense(rng.normal(0, 1, (3, 5)))),
            Projection("a", "spikes", "c", "current", sparse(3, 6), 1),
        ),
        "c",
        {"origin": "meshed"},
    )


def assert_same_as_the_engine(network: Network, x: FloatArray) -> None:
    module = GraphNetwork(network)
    trace = ltc2hw.simulate(network, x, engine="float64")
    with torch.no_grad():
        outputs, state = module(torch.from_numpy(x))
        first, middle = module(torch.from_numpy(x[:7]))
        last, end = module(torch.from_numpy(x[7:]), middle.detach())
    assert any(spikes.any() for spikes in trace.spikes.values())
    np.testing.assert_allclose(outputs.numpy(), trace.outputs, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(torch.cat([first, last]).numpy(), outputs.numpy())
    for name, registers in trace.state.items():
        for register, values in registers.items():
            for found in (state, end):
                own = found.registers[name][register].numpy()
                np.testing.assert_allclose(own, values, rtol=0, atol=1e-12)
    assert module.network() == from_module(module) == network


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("nonlinearity", ["sigmoid", "plan"])
def test_random_networks(gate: GateKind, nonlinearity: str) -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, gate=gate, nonlinearity=nonlinearity, hidden=(12, 8))  # type: ignore[arg-type]
    assert_same_as_the_engine(network, random_samples(rng, network, 20, 3))


def test_delays_sparse_weights_and_skips() -> None:
    rng = np.random.default_rng(2)
    assert_same_as_the_engine(meshed(rng), rng.random((30, 3, 4)) * 3)


def test_every_model_of_the_package_and_one_of_the_tests() -> None:
    rng = np.random.default_rng(3)
    assert_same_as_the_engine(zoo(rng, drive=2.0), zoo_samples(rng, 25, 2))


@pytest.mark.parametrize("gate", GATES)
def test_gradients_are_those_of_a_spiking_network(gate: GateKind) -> None:
    chain = SpikingNetwork(
        [LTCCell(3, 7, gate=gate), LTCCell(7, 5, gate=gate)], ReadoutCell(5, 2, gate=gate)
    ).double()
    randomised(chain, seed=1)
    network = from_module(chain)
    graph = GraphNetwork(network)
    x = 2.0 * torch.rand(20, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    for module in (chain, graph):
        module(x)[0].square().sum().backward()
    # The network of gradients: what each projection's and each constant's is called is one.
    for module in (chain, graph):
        with torch.no_grad():
            for parameter in module.parameters():
                assert parameter.grad is not None
                parameter.copy_(parameter.grad)
    found, wanted = graph.network(), from_module(chain)
    for ours, theirs in zip(found.projections, wanted.projections, strict=True):
        scale = np.abs(theirs.weights.values).max()
        assert scale > 0
        error = np.abs(ours.weights.values - theirs.weights.values).max()
        assert error <= 1e-10 * scale, (ours.source, ours.target, ours.port)
    for own, other in zip(found.populations[1:], wanted.populations[1:], strict=True):
        assert isinstance(own, Neurons)
        assert isinstance(other, Neurons)
        for name, values in other.constants.items():
            np.testing.assert_allclose(own.constants[name], values, rtol=1e-9, atol=1e-12)


def test_gradients_of_sparse_weights_are_those_of_dense_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ltc2hw.neurons.synapses.BLOCK", 20)
    rng = np.random.default_rng(4)
    network = meshed(rng)
    dense = replace(
        network,
        projections=tuple(
            replace(p, weights=Dense(p.weights.to_array())) for p in network.projections
        ),
    )
    x = torch.from_numpy(rng.random((15, 3, 4)) * 3)
    modules = GraphNetwork(network), GraphNetwork(dense)
    entering = []
    for module in modules:
        given = x.clone().requires_grad_()
        module(given)[0].square().sum().backward()
        entering.append(given.grad)
    torch.testing.assert_close(entering[0], entering[1], rtol=1e-10, atol=1e-12)
    for index, projection in enumerate(network.projections):
        sparse, whole = (module.synapses[index].weight.grad for module in modules)
        assert isinstance(sparse, torch.Tensor)
        assert isinstance(whole, torch.Tensor)
        if isinstance(projection.weights, Sparse):
            rows, columns = map(torch.tensor, projection.weights.coordinates)
            whole = whole[rows, columns]
        torch.testing.assert_close(sparse, whole, rtol=1e-10, atol=1e-12)


def test_the_type_holds_every_number() -> None:
    rng = np.random.default_rng(5)
    network = meshed(rng)
    assert GraphNetwork(network).synapses[0].weight.dtype == torch.float64
    single = GraphNetwork(network, dtype=torch.float32).network()
    assert single != network
    # What float32 has rounded is exact from then on.
    again = GraphNetwork(single)
    assert again.synapses[0].weight.dtype == torch.float32
    assert again.network() == single
    for found, wanted in zip(single.projections, network.projections, strict=True):
        np.testing.assert_allclose(found.weights.values, wanted.weights.values, rtol=1e-7)


@pytest.mark.parametrize("gate", GATES)
def test_chains_become_spiking_networks_with_their_names(gate: GateKind) -> None:
    rng = np.random.default_rng(6)
    network = random_network(rng, gate=gate, hidden=(9, 6))
    module = to_module(network)
    assert type(module) is SpikingNetwork
    assert from_module(module) == network
    x = random_samples(rng, network, 15, 3)
    trace = ltc2hw.simulate(network, x, engine="float64")
    outputs = module(torch.from_numpy(x))[0].detach().numpy()
    np.testing.assert_allclose(outputs, trace.outputs, rtol=0, atol=1e-12)
    # Another order of the same parts is kept, too.
    turned = replace(
        network, populations=network.populations[::-1], projections=network.projections[::-1]
    )
    back = from_module(to_module(turned), {"note": "x"})
    assert back == replace(turned, provenance={"origin": "random", "note": "x"})


def test_what_our_own_cells_learn_is_learned_again() -> None:
    for gate in GATES:
        chain = SpikingNetwork([LTCCell(3, 4, gate=gate)], ReadoutCell(4, 2, gate=gate))
        names = {name for name, _ in to_module(from_module(chain)).named_parameters()}
        learned = {name.rpartition("constant_")[2] for name in names if "constant_" in name}
        own = {"bias_current", "tau_mem_bias", "tau_adp_bias"}
        terms = {f"{p}_from_{x}" for p in ("tau_mem", "tau_adp") for x in ("state", "current")}
        assert learned == (own | terms if gate == "event" else own)


def test_learned_constants_by_name() -> None:
    network = meshed(np.random.default_rng(7))
    module = GraphNetwork(network, learned=("threshold",))
    names = [name for name, _ in module.populations.named_parameters()]
    assert [name.partition("_")[2] for name in names] == ["threshold"] * 3
    decay = GraphNetwork(network, learned=("membrane_decay",))
    with torch.no_grad():
        for parameter in decay.populations.parameters():
            parameter.fill_(1.5)
    # Beyond its range a learned constant is the nearest end.
    held = decay.network().population("a")
    assert isinstance(held, Neurons)
    assert held.constants["membrane_decay"].tolist() == [1.0] * 6
    with pytest.raises(UnknownNameError, match="learned constant is 'nothing'"):
        GraphNetwork(network, learned=("nothing",))


def test_wrong_inputs_and_states_are_refused() -> None:
    module = GraphNetwork(meshed(np.random.default_rng(8)))
    state = module.initial_state(3)
    with pytest.raises(ShapeError, match="time first"):
        module(torch.ones(3, 4))
    with pytest.raises(ShapeError, match="input of GraphNetwork"):
        module(torch.ones(5, 3, 5))
    with pytest.raises(InvalidValueError, match="expected a GraphState"):
        module(torch.ones(5, 3, 4), (1, 2))
    with pytest.raises(ShapeError, match=r"state input.sent:value is \(2, 3, 4\)"):
        module(torch.ones(5, 2, 4), state)
    with pytest.raises(ShapeError, match=r"state input.sent:value is None"):
        module(torch.ones(5, 3, 4), GraphState({}))
    with pytest.raises(UnknownNameError, match="surrogate"):
        GraphNetwork(meshed(np.random.default_rng(8)), surrogate="none")


class Steep(GateCurve):
    """A gate that is open or shut."""

    def evaluate(self, argument: FloatArray) -> FloatArray:
        """1 above 0."""
        return (argument > 0).astype(np.float64)


def test_gates_without_a_name_are_refused() -> None:
    network = Network(
        (Input("input", 1), Readout("out", 1, 0.0, Gate(nonlinearity=Steep()))), (), "out"
    )
    with pytest.raises(UnsupportedError, match=r"rounded gate .*before it was quantized"):
        to_module(network)


def test_a_changed_module_is_refused() -> None:
    module = GraphNetwork(meshed(np.random.default_rng(9)))
    handle = module.synapses[0].register_forward_hook(lambda *given: None)
    with pytest.raises(UnsupportedError, match=r"synapses.0 .* with a forward hook"):
        from_module(module)
    handle.remove()
    with torch.no_grad():
        next(module.synapses[0].parameters())[0] = float("nan")
    with pytest.raises(InvalidValueError, match="weights"):
        from_module(module)
