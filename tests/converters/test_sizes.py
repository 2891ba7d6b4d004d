"""Small files cannot ask for much memory or time: what they unfold to is counted before it is."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from ltc2hw.converters import nir
from ltc2hw.converters.nir_record import KEY
from ltc2hw.converters.populations import LIF, is_model
from ltc2hw.converters.signals import Signal
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import DamagedFileError, ShapeError, TooLargeError, UnsupportedError
from ltc2hw.graph.network import Network
from ltc2hw.numbers import capacity
from ltc2hw.numbers.words import FloatArray

Nodes = tuple[Mapping[str, Any], ...]


class Entries:
    """A node, as ``nir`` gives it."""

    def __init__(self, entries: Mapping[str, Any] | None) -> None:
        self.entries = entries

    def to_dict(self) -> Mapping[str, Any] | None:
        return self.entries


class Chain:
    """A graph of nodes in a row, as ``nir.NIRGraph`` would give it."""

    def __init__(self, *nodes: Mapping[str, Any] | None) -> None:
        self.nodes = {f"n{index}": Entries(node) for index, node in enumerate(nodes)}

    def to_dict(self) -> dict[str, Any]:
        nodes = {name: node.to_dict() for name, node in self.nodes.items()}
        edges = list(pairwise(nodes))
        return {"type": "NIRGraph", "nodes": nodes, "edges": edges, "metadata": {}}


def read(*nodes: Mapping[str, Any] | None) -> Network:
    return nir.from_graph(Chain(*nodes), dt=1.0)


def end(kind: str, *shape: int) -> dict[str, Any]:
    return {"type": kind, "shape": np.array(shape)}


def linear(weight: FloatArray) -> dict[str, Any]:
    return {"type": "Linear", "weight": weight}


def delays(*values: float) -> dict[str, Any]:
    return {"type": "Delay", "delay": np.array(values)}


def lif() -> dict[str, Any]:
    one = np.array(1.0)
    constants = {
        "tau": 2 * one,
        "r": one,
        "v_leak": 0 * one,
        "v_threshold": one,
        "v_reset": 0 * one,
    }
    return {"type": "LIF", **constants}


def narrow(size: int) -> Nodes:
    """Two layers that are a matrix of size x size together."""
    return linear(np.ones((1, size))), linear(np.ones((size, 1)))


BOMBS: Mapping[str, tuple[Nodes, str]] = {
    "product": ((end("Input", 20_000), *narrow(20_000), lif(), end("Output", 20_000)), "product"),
    "products": (
        (end("Input", 2000), *(40 * narrow(2000)), lif(), end("Output", 2000)),
        r"weights up to node 'n\d+' \(Linear\)",
    ),
    "delays": (
        (end("Input", 20_000), delays(*np.arange(20_000.0)), lif(), end("Output", 20_000)),
        r"delays, node 'n1' \(Delay\) is 400000000 numbers",
    ),
    "delays of dense weights": (
        (
            end("Input", 300),
            linear(np.ones((300, 300))),
            delays(*np.arange(300.0)),
            lif(),
            end("Output", 300),
        ),
        r"delays, node 'n2' \(Delay\) is 27000000 numbers",
    ),
    "neurons": (
        (end("Input", 1 << 20), *(40 * (lif(),)), end("Output", 1 << 20)),
        "constants of all neurons",
    ),
}


@pytest.mark.parametrize("name", list(BOMBS))
def test_what_a_graph_unfolds_to_is_counted_before_it_is_made(name: str) -> None:
    nodes, problem = BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match=problem):
            read(*nodes)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 300 << 20


def test_what_the_graph_holds_itself_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is on what is made beyond it."""
    monkeypatch.setattr(capacity, "MAXIMUM_NUMBERS", 2000)
    network = read(end("Input", 60), linear(np.ones((50, 60))), lif(), end("Output", 50))
    assert network.projections[0].weights.shape == (50, 60)
    with pytest.raises(TooLargeError, match=r"product of weights, node .* is 3600 numbers"):
        read(end("Input", 60), *narrow(60), lif(), end("Output", 60))


def test_each_delay_takes_its_own_neurons() -> None:
    network = read(end("Input", 4), delays(3.0, 0.0, 3.0, 1.0), lif(), end("Output", 4))
    arriving = {p.delay: p.weights.to_array() for p in network.projections}
    gain = 0.5  # dt / tau
    assert sorted(arriving) == [0, 1, 3]
    for delay, neurons in ((0, [1]), (1, [3]), (3, [0, 2])):
        expected = np.zeros((4, 4))
        expected[neurons, neurons] = gain
        assert np.array_equal(arriving[delay], expected)
        # Neurons of other delays cost nothing.
        weights = next(p.weights for p in network.projections if p.delay == delay)
        assert weights.values.size == len(neurons)


def test_a_constant_of_one_stays_a_constant() -> None:
    """One number that is 1 is no identity: a raw ValueError before, for one neuron with a gain."""
    affine = {"type": "Affine", "weight": np.ones((1, 1)), "bias": np.ones(1)}
    network = read(end("Input", 1), affine, lif(), end("Output", 1))
    neuron = network.population(network.output)
    assert is_model(neuron, find_model("lif"))
    assert neuron.constants["bias"] == [0.5]  # dt / tau


def test_a_delay_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"delays, node 'n1' \(Delay\) is 3; expected 4, as"):
        read(end("Input", 4), delays(1.0, 2.0, 3.0), lif(), end("Output", 4))
    with pytest.raises(ShapeError, match="number of delays"):
        read(end("Input", 4), delays(1.0, 1.0, 1.0), lif(), end("Output", 4))


def test_nodes_that_are_none_are_refused() -> None:
    with pytest.raises(DamagedFileError, match="node n1 has no type"):
        read(end("Input", 4), None, end("Output", 4))
    tool = pytest.importorskip("nir", reason="the nir extra is not installed")
    graph = tool.NIRGraph.from_list(tool.Input(np.array([1])), tool.Output(np.array([1])))
    graph.nodes["none"] = None
    with pytest.raises(
        UnsupportedError, match=r"node 'none' \(NoneType\): something that is no node"
    ):
        nir.from_graph(graph, dt=1.0)


@pytest.mark.parametrize(
    ("indptr", "indices"),
    [
        ([0, 10**12, 10**12], [0, 1]),
        ([0, 10**12, 2], [0, 1]),
        ([0, 1], [0]),
        ([0, 1, 2], [0, 5]),
        ([0.0, 0.5, 2.0], ["a", "b"]),
    ],
)
def test_damaged_places_of_sparse_weights_are_refused(indptr: list[Any], indices: Any) -> None:
    places = {KEY: {"indptr": np.array(indptr), "indices": np.array(indices)}}
    layer = {**linear(np.eye(2)), "metadata": places}
    with pytest.raises(DamagedFileError, match="no sparse matrix"):
        read(end("Input", 2), layer, lif(), end("Output", 2))


def test_sizes_of_populations_have_a_limit() -> None:
    with pytest.raises(TooLargeError, match="size of huge is 1000000000000 numbers"):
        LIF("huge", 10**12, *(np.array(value) for value in (0.5, 0.5, 1.0, 0.0)))


def test_only_keeps_rows() -> None:
    matrix = np.arange(6.0).reshape(3, 2)
    signal = Signal.of("input", 2, "spikes").through(matrix).only(np.array([True, False, True]))
    (kept,) = signal.terms.values()
    assert isinstance(kept, np.ndarray)
    assert np.array_equal(kept, matrix * [[1], [0], [1]])
