"""NIR graphs as plain dictionaries, from files or objects: flattened and checked.

The layout is that of ``nir.NIRGraph.to_dict()``, which ``nir.write`` puts into HDF5 as it is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph

from ltc2hw.converters.conversion import Conversion
from ltc2hw.errors import DamagedFileError, ShapeError
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.words import FloatArray

PASS = "pass"
"""Type of what Identity, and the inputs and outputs of nested graphs, become."""

LTC_TYPE, READOUT_TYPE, PROJECTION_TYPE = "ltc2hw.LTC", "ltc2hw.GatedLI", "ltc2hw.Projection"
NEURONS_TYPE, CONVOLUTION_TYPE = "ltc2hw.Neurons", "ltc2hw.Convolution"
"""Types of our extension nodes; ``docs/formats.md`` describes them."""

GATE_ENTRIES: tuple[str, ...] = ("bias", "from_state", "from_current", "nonlinearity")

CONVOLUTION = frozenset(
    ("input_shape", "weight", "stride", "padding", "dilation", "groups", "bias")
)

POOLING = frozenset(("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad"))
"""The last two are torch's, not NIR's; they are taken where they change nothing."""

ENTRIES: Mapping[str, frozenset[str]] = {
    "Input": frozenset(("shape",)),
    "Output": frozenset(("shape",)),
    PASS: frozenset(("shape", "input_type")),
    "Affine": frozenset(("weight", "bias")),
    "Linear": frozenset(("weight",)),
    "Scale": frozenset(("scale",)),
    "Delay": frozenset(("delay",)),
    "Flatten": frozenset(("start_dim", "end_dim", "input_type")),
    "Conv1d": CONVOLUTION,
    "Conv2d": CONVOLUTION,
    "SumPool2d": POOLING,
    "AvgPool2d": POOLING,
    "Threshold": frozenset(("threshold",)),
    "I": frozenset(("r",)),
    "IF": frozenset(("r", "v_threshold", "v_reset")),
    "LI": frozenset(("tau", "r", "v_leak")),
    "CubaLI": frozenset(("tau_syn", "tau_mem", "r", "v_leak", "w_in")),
    "LIF": frozenset(("tau", "r", "v_leak", "v_threshold", "v_reset")),
    "CubaLIF": frozenset(("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in")),
    LTC_TYPE: frozenset(
        (
            "threshold",
            "adaptation_strength",
            "bias_current",
            *(f"{gate}_{name}" for gate in ("tau_mem", "tau_adp") for name in GATE_ENTRIES),
        )
    ),
    READOUT_TYPE: frozenset(("bias_current", *(f"tau_mem_{name}" for name in GATE_ENTRIES))),
    NEURONS_TYPE: frozenset(("model", "shape", "constants", "nonlinearities")),
    PROJECTION_TYPE: frozenset(("weight", "variable", "port", "delay")),
    CONVOLUTION_TYPE: (CONVOLUTION - {"bias"}) | {"variable", "port", "delay"},
}
"""Entries of each type of node, besides ``type`` and ``metadata``; others would be lost."""


@dataclass(frozen=True)
class Node:
    """One node: its name (dotted where it was nested), type, entries and metadata."""

    name: str
    type: str
    entries: Mapping[str, Any]
    metadata: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What errors call it."""
        return f"node {self.name!r} ({self.type})"

    def numbers(
        self, entry: str, default: float | None = None, *, infinite: bool = False
    ) -> FloatArray:
        """An entry as float64 numbers, finite unless ``infinite`` ones have a meaning.

        Raises:
            DamagedFileError: if it is missing (without a default), empty, or not such numbers.
        """
        value = self.entries.get(entry)
        if value is None and default is not None:
            return np.array(default)
        if value is None:
            raise self.damaged(f"{entry} is missing")
        if hasattr(value, "detach"):
            # Some tools leave the tensors that they train in their graphs.
            value = value.detach().cpu()
        try:
            array = np.asarray(value).astype(np.float64, copy=False)
        except (TypeError, ValueError) as error:
            raise self.damaged(f"{entry} holds no numbers") from error
        if not array.size:
            raise self.damaged(f"{entry} is empty")
        if not np.all(np.isfinite(array) | (infinite & (array == np.inf))):
            raise self.damaged(f"{entry} holds no finite numbers")
        return array

    def vector(
        self, entry: str, shape: Shape, default: float | None = None, *, infinite: bool = False
    ) -> FloatArray:
        """An entry as one number per neuron of this shape; see :func:`spread`."""
        array = self.numbers(entry, default, infinite=infinite)
        if not fits(array.shape, shape):
            size = math.prod(shape)
            raise self.damaged(f"{entry} has {array.size} numbers for {size} neurons")
        return spread(array, shape, f"{entry} of {self.label}")

    def integers(self, entry: str) -> tuple[int, ...]:
        """An entry as integers, one or several."""
        array = self.numbers(entry)
        if np.any(array != np.trunc(array)) or np.any(np.abs(array) >= 1 << 31):
            raise self.damaged(f"{entry} holds no integers")
        return tuple(int(value) for value in array.ravel())

    def integer(self, entry: str) -> int:
        """An entry as one integer."""
        values = self.integers(entry)
        if len(values) != 1:
            raise self.damaged(f"{entry} is not one integer")
        return values[0]

    def text(self, entry: str) -> str:
        """An entry as a text."""
        value = self.entries.get(entry)
        if not isinstance(value, str):
            raise self.damaged(f"{entry} is no text")
        return value

    def damaged(self, problem: str) -> DamagedFileError:
        """The error for entries that make no sense."""
        return DamagedFileError("NIR graph", f"{self.label}: {problem}")


def fits(given: Shape, shape: Shape) -> bool:
    """Whether numbers of one shape are one for all, one per channel, or one each of another.

    >>> [fits(given, (3, 4, 5)) for given in ((), (3, 1, 1), (3,), (60,), (4,))]
    [True, True, True, True, False]
    """
    count = math.prod(given)
    if count in (1, math.prod(shape)):
        return True
    channels = (*given, *[1] * (len(shape) - 1)) if len(given) == 1 else given
    return len(channels) == len(shape) and all(
        a in (1, b) for a, b in zip(channels, shape, strict=True)
    )


def spread(array: FloatArray, shape: Shape, name: str) -> FloatArray:
    """Numbers for all values of a shape (C, ...), raveled: one, one per channel, or one each.

    Numbers per channel have the shape (C, 1, 1) or (C,). A shape (C,) that numpy and torch would
    lay along the last axis instead, because that is as long, says too little.

    Raises:
        ShapeError: if it does, or if there are other numbers of them.
    """
    if not fits(array.shape, shape):
        limit = f"1, {shape[0]} or {math.prod(shape)} numbers for values of shape {shape}"
        raise ShapeError(f"shape of {name}", array.shape, limit)
    if array.size in (1, math.prod(shape)):
        return np.array(np.broadcast_to(array.ravel(), (math.prod(shape),)))
    if array.ndim == 1:
        if shape[-1] == shape[0] and np.ptp(array) != 0.0:
            limit = f"a shape ({shape[0]}, 1, ...), which says whether channels are meant"
            raise ShapeError(f"shape of {name}", array.shape, limit)
        array = array.reshape(-1, *[1] * (len(shape) - 1))
    return np.array(np.broadcast_to(array, shape).ravel())


@dataclass(frozen=True)
class FlatGraph:
    """A graph without nested graphs: nodes by name, and for each the nodes that lead to it."""

    nodes: Mapping[str, Node]
    before: Mapping[str, tuple[str, ...]]
    metadata: Mapping[str, Any]

    def of_type(self, *types: str) -> list[Node]:
        """Nodes of these types, in the order of their names."""
        return [node for _, node in sorted(self.nodes.items()) if node.type in types]


def flatten(graph: Any, path: object, conversion: Conversion) -> FlatGraph:
    """Check a graph's dictionary and resolve nested graphs into their nodes.

    Raises:
        DamagedFileError: if it is no graph, or its edges lead nowhere.
        UnsupportedError: for a type or an entry that we do not know, or an edge given twice.
    """
    nodes: dict[str, Node] = {}
    edges = list(_collect(graph, "", nodes, path))
    before: dict[str, dict[str, None]] = {name: {} for name in nodes}
    for source, target in edges:
        if source not in nodes or target not in nodes:
            raise DamagedFileError(path, f"edge {source!r} -> {target!r} leads nowhere")
        if source in before[target]:
            conversion.meet("duplicate-edges", f"edge {source!r} -> {target!r}")
            continue
        before[target][source] = None
    for node in nodes.values():
        if node.type not in ENTRIES:
            conversion.meet("other-node", node.label)
        unknown = sorted(set(node.entries) - ENTRIES[node.type])
        if unknown:
            conversion.meet("other-node", f"{node.label} entry {unknown[0]!r}")
    metadata = graph.get("metadata")
    return FlatGraph(
        nodes,
        {name: tuple(sources) for name, sources in before.items()},
        metadata if isinstance(metadata, Mapping) else {},
    )


def strong_parts(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Number of the strongly connected part that each name is in."""
    matrix = adjacency(names, edges)
    _, parts = csgraph.connected_components(matrix, directed=True, connection="strong")
    return {name: int(part) for name, part in zip(names, parts, strict=True)}


def distances(
    names: Sequence[str], edges: Iterable[tuple[str, str]], start: str
) -> dict[str, float]:
    """Fewest edges from the start to each name, infinite where none lead."""
    matrix = adjacency(names, edges)
    steps = csgraph.shortest_path(matrix, unweighted=True, indices=[*names].index(start))
    return {name: float(step) for name, step in zip(names, steps, strict=True)}


def adjacency(names: Sequence[str], edges: Iterable[tuple[str, str]]) -> sparse.csr_matrix:
    """Ones where an edge leads from row to column."""
    index = {name: number for number, name in enumerate(names)}
    ends = np.array([(index[a], index[b]) for a, b in edges], dtype=np.int64).reshape(-1, 2)
    shape = (len(index), len(index))
    return sparse.csr_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=shape)


def _collect(
    graph: Any, prefix: str, nodes: dict[str, Node], path: object
) -> Iterable[tuple[str, str]]:
    """Add all nodes below a graph to ``nodes``; yields their edges."""
    entries = graph.get("nodes") if isinstance(graph, Mapping) else None
    if not isinstance(entries, Mapping) or not _is_graph(graph):
        raise DamagedFileError(path, f"{prefix.rstrip('.') or 'its root'} is no NIR graph")
    ends: dict[str, tuple[str, str]] = {}
    for name, entry in entries.items():
        if not isinstance(entry, Mapping) or not isinstance(entry.get("type"), str):
            raise DamagedFileError(path, f"node {prefix}{name} has no type")
        if _is_graph(entry):
            yield from _collect(entry, f"{prefix}{name}.", nodes, path)
            ends[name] = _ends(entry, f"{prefix}{name}.", path)
            continue
        kind = entry["type"]
        if kind == "Identity" or (prefix and kind in ("Input", "Output")):
            kind = PASS
        metadata = entry.get("metadata")
        nodes[prefix + name] = Node(
            prefix + name,
            kind,
            {k: v for k, v in entry.items() if k not in ("type", "metadata") and v is not None},
            metadata if isinstance(metadata, Mapping) else {},
        )
    for source, target in _pairs(graph.get("edges"), path):
        yield (
            ends[source][1] if source in ends else prefix + source,
            ends[target][0] if target in ends else prefix + target,
        )


def _is_graph(entry: Mapping[str, Any]) -> bool:
    kind = entry.get("type")
    return isinstance(kind, str) and kind == "NIRGraph"


def _ends(graph: Any, prefix: str, path: object) -> tuple[str, str]:
    """The input and the output of a nested graph."""
    found = {
        kind: [name for name, node in graph["nodes"].items() if node.get("type") == kind]
        for kind in ("Input", "Output")
    }
    if any(len(names) != 1 for names in found.values()):
        raise DamagedFileError(path, f"graph {prefix[:-1]!r} has not one input and one output")
    return prefix + found["Input"][0], prefix + found["Output"][0]


def _pairs(edges: Any, path: object) -> list[tuple[str, str]]:
    """Edges as pairs of names; files hold them as one flat row of texts."""
    if isinstance(edges, tuple) and all(isinstance(name, str) for name in edges):
        if len(edges) % 2 == 0:
            return list(zip(edges[::2], edges[1::2], strict=True))
    elif isinstance(edges, list) and all(len(edge) == 2 for edge in edges):
        return [(str(source), str(target)) for source, target in edges]
    elif isinstance(edges, np.ndarray) and edges.size == 0:
        return []
    raise DamagedFileError(path, "its edges are not pairs of names")
