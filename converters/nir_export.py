"""Float networks as NIR graphs, as the dictionaries that ``nir`` writes into files.

What standard nodes cannot say goes into extension nodes.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ltc2hw.converters.assembly import clocks_of, relay, sent_variable
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.nir_graph import (
    NEURONS_TYPE,
    PROJECTION_TYPE,
    strong_parts,
)
from ltc2hw.converters.nir_operators import convolution_entries, extension_entries, feature_of
from ltc2hw.converters.nir_populations import Entries, PopulationNodes, integrates
from ltc2hw.converters.nir_record import (
    KEY,
    SCHEMA_VERSION,
    NirRecord,
)
from ltc2hw.converters.nir_versions import NIR_VERSIONS, NirVersion
from ltc2hw.converters.unpooling import around_inner, unpooled, unpooled_rows
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models.if_subtract import if_subtract
from ltc2hw.dynamics.models.if_subtract_delayed import if_subtract_delayed
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.structure import connection_key, connection_name, evaluation_order
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.operators import expanded
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray


def graph_entries(
    network: Network, dt: float, conversion: Conversion, version: NirVersion
) -> Entries:
    """The dictionary of a network's graph, with time constants in units of ``dt``.

    Its neurons have a ``v_reset``, but for those that subtract their threshold, which are nodes of
    NIR where the release has none.

    Raises:
        UnsupportedError: naming the population that NIR cannot hold.
        TooLargeError: for sparse weights that are too large when written densely.
    """
    subtracting = (if_subtract, if_subtract_delayed) if version != NIR_VERSIONS[0] else ()
    return _Export(network, dt, conversion, subtracting).graph()


class _Export:
    """One network on its way to a graph; projections are known by their place in the network."""

    def __init__(
        self, network: Network, dt: float, conversion: Conversion, subtracting: tuple[Model, ...]
    ) -> None:
        self.network = network
        self.dt = dt
        self.conversion = conversion
        self.writer = PopulationNodes(network, dt, conversion, subtracting)
        self.populations = {p.name: p for p in network.populations}
        self.nodes: dict[str, Entries] = {}
        self.edges: list[tuple[str, str]] = []
        self.biases: dict[int, FloatArray] = {}
        self.absorbed: set[int] = set()
        self.absorb_constants()
        plain = {
            index: projection
            for index, projection in enumerate(network.projections)
            if index not in self.absorbed and self.is_plain(projection)
        }
        self.kernels = {
            index: projection.weights
            for index, projection in plain.items()
            if isinstance(projection.weights, Conv)
            and _is_per_channel(self.biases.get(index), projection.weights.targets)
        }
        # Linear nodes send rows, and NIR has no node that makes an image of one.
        rows = {plain[index].target for index in plain if index not in self.kernels}
        self.images = {
            p.name: p.shape for p in network.populations if len(p.shape) > 1 and p.name not in rows
        }

        self.inner = {p.name: cut for p in network.populations if (cut := self.cut_before(p))}

    def cut_before(self, population: FloatPopulation) -> Projection | None:
        """What a population gets that imports make of pooling which leaves a row out, if it is one.

        Such a population is no node.
        """
        name, projections = population.name, self.network.projections
        before = [p for p in projections if p.target == name]
        behind = [(i, p) for i, p in enumerate(projections) if p.source == name]
        if len(before) != 1 or not behind or name in (self.network.output, before[0].source):
            return None
        (cut,) = before
        if name != f"{cut.source}_inner" or cut.source not in self.images or cut.delay:
            return None
        if population != replace(relay(name, population.size), shape=population.shape):
            return None
        if not isinstance(cut.weights, Conv) or not self.is_plain(cut):
            return None
        whole = (
            i in self.kernels and not p.delay and around_inner(self.kernels[i], cut.weights)
            for i, p in behind
        )  # fmt: skip
        return cut if all(whole) else None

    def graph(self) -> Entries:
        """The whole graph."""
        network = self.network
        stages = evaluation_order(network.populations, network.projections)
        order = tuple(name for name, stage in stages if stage == "late")
        kept = [(i, p) for i, p in enumerate(network.projections) if i not in self.absorbed]
        idle = clocks_of(network) - {projection.source for _, projection in kept}
        for name, population in self.populations.items():
            if name not in idle and name not in self.inner:
                entries = self.writer.population(population)
                self.nodes[name] = self.shaped(name, entries)
        plain = [(p.source, p.target) for _, p in kept if self.is_plain(p)]
        parts = strong_parts(order, plain)
        for index, projection in kept:
            source, target = projection.source, projection.target
            if target in self.inner:
                continue
            late = parts[source] == parts[target] and order.index(target) <= order.index(source)
            if late:
                feature = "recurrence" if source == target else "topology"
                self.conversion.meet(feature, connection_name(projection))
            if self.is_plain(projection):
                self.linear(index, projection, projection.delay - int(late))
            else:
                self.extension(projection)
        shape = np.array(self.shape_of(network.output))
        output = self.add("output", {"type": "Output", "shape": shape})
        self.edges.append((network.output, output))
        record = NirRecord(
            SCHEMA_VERSION,
            self.dt,
            network.input.graded,
            tuple(self.populations),
            order,
            tuple(connection_key(p) for p in network.projections),
            network.provenance,
            {p.name: p.shape for p in network.populations if len(p.shape) > 1},
        )
        return {
            "type": "NIRGraph",
            "nodes": self.nodes,
            "edges": self.edges,
            "metadata": {KEY: record.text()},
        }

    def add(self, name: str, entries: Entries) -> str:
        """Add a node under a name that is not taken."""
        free, number = name, 2
        while free in self.nodes or free in self.populations:
            free, number = f"{name}_{number}", number + 1
        self.nodes[free] = {"metadata": {}, **entries}
        return free

    def absorb_constants(self) -> None:
        """Find a linear node that sends each constant along with its own sum."""
        clocks = clocks_of(self.network)
        for index, projection in enumerate(self.network.projections):
            target = self.populations[projection.target]
            if projection.source in clocks and self.writer.is_lif(target) and projection.delay == 0:
                carrier = self.carrier(target.name, clocks)
                if carrier is not None:
                    self.biases[carrier] = projection.weights.to_array()[:, 0]
                    self.absorbed.add(index)
        for target in self.populations.values():
            if not self.writer.is_lif(target) or not integrates(target):
                continue
            bias = target.constants["bias"]
            if np.any(bias):
                carrier = self.carrier(target.name, clocks)
                if carrier is None:
                    self.conversion.meet("bias-alone", f"population {target.name!r}")
                else:
                    self.biases[carrier] = self.biases.get(carrier, 0.0) + bias

    def carrier(self, target: str, clocks: set[str]) -> int | None:
        """The first projection to a population that a linear node can stand for."""
        for index, projection in enumerate(self.network.projections):
            arrives = projection.target == target and projection.source not in clocks
            if arrives and self.is_plain(projection):
                return index
        return None

    def is_plain(self, projection: Projection) -> bool:
        """Whether NIR's edges, which name neither variables nor ports, can say the projection."""
        sent = sent_variable(self.populations[projection.source])
        first = self.populations[projection.target].ports[0]
        return projection.variable == sent and projection.port == first

    def linear(self, index: int, projection: Projection, steps: int) -> None:
        """A Delay node where there is a delay, then Linear or Affine."""
        source = projection.source
        name = f"{source}_to_{projection.target}"
        if steps:
            self.conversion.meet("delay", name)
            delay = np.full(self.shape_of(source), steps * self.dt)
            node = self.add(f"{name}_delay", {"type": "Delay", "delay": delay})
            self.edges.append((source, node))
            source = node
        bias, kernel = self.biases.get(index), self.kernels.get(index)
        if kernel is not None:
            source, kernel = self.pooled(name, projection.source, source, kernel)
            self.conversion.meet(feature_of(kernel), name)
            entries = convolution_entries(kernel, bias)
        else:
            source, entries = self.rows(name, projection, source)
            if bias is not None:
                entries = {**entries, "type": "Affine", "bias": bias}
        node = self.add(name, entries)
        self.edges.append((source, node))
        if kernel is not None and projection.target not in self.images:
            node = self.flat(node, kernel.targets)
        self.edges.append((node, projection.target))

    def pooled(self, name: str, population: str, source: str, kernel: Conv) -> tuple[str, Conv]:
        """A pooling node before a convolution that has one folded in, and the rest of it."""
        parts = unpooled(kernel) if population in self.images else None
        cut = self.inner.get(population)
        if cut is not None and isinstance(cut.weights, Conv):
            parts, source = around_inner(kernel, cut.weights), cut.source
        return (source, kernel) if parts is None else (self.pool(name, source, parts[0]), parts[1])

    def rows(self, name: str, projection: Projection, source: str) -> tuple[str, Entries]:
        """The entries of a linear node, and the node before it, which sends a row."""
        shape = self.images.get(projection.source)
        if shape is None:
            return source, _weights(projection)
        weights = projection.weights
        parts = unpooled_rows(weights.matrix, shape) if isinstance(weights, Dense) else None
        if parts is None:
            return self.flat(source, shape), _weights(projection)
        pool, matrix = parts
        linear = replace(projection, weights=Dense(matrix))
        return self.flat(self.pool(name, source, pool), pool.targets), _weights(linear)

    def pool(self, name: str, source: str, pool: Conv) -> str:
        """A pooling node."""
        self.conversion.meet(feature_of(pool), name)
        node = self.add(f"{name}_pool", convolution_entries(pool, None))
        self.edges.append((source, node))
        return node

    def shape_of(self, population: str) -> Shape:
        """Shape of what a population sends: an image's, or its size."""
        return self.images.get(population, (self.populations[population].size,))

    def shaped(self, name: str, entries: Entries) -> Entries:
        """A population's entries, each number in the place of its neuron."""
        if name not in self.images:
            return entries
        shape = self.images[name]
        if entries["type"] in ("Input", NEURONS_TYPE):
            return {**entries, "shape": np.array(shape)}
        return {
            entry: np.reshape(value, shape) if isinstance(value, np.ndarray) else value
            for entry, value in entries.items()
        }

    def flat(self, node: str, shape: Shape) -> str:
        """A node that sends an image as one row."""
        entries = {
            "type": "Flatten",
            "start_dim": 0,
            "end_dim": -1,
            "input_type": np.array(shape),
        }
        flat = self.add(f"{node}_flat", entries)
        self.edges.append((node, flat))
        return flat

    def extension(self, projection: Projection) -> None:
        """A node that names variable and port."""
        if isinstance(projection.weights, Conv):
            self.conversion.meet("gate-convolution", connection_name(projection))
            weights = extension_entries(projection.weights)
        else:
            weights = {**_weights(projection), "type": PROJECTION_TYPE}
        entries = {
            **weights,
            "variable": projection.variable,
            "port": projection.port,
            "delay": projection.delay,
        }
        node = self.add(f"{projection.source}_to_{projection.target}_{projection.port}", entries)
        self.edges += [(projection.source, node), (node, projection.target)]


def _weights(projection: Projection) -> Entries:
    weights = expanded(projection.weights)
    numbers = int(np.prod(weights.shape))
    remedy = "NIR has no sparse weights; convolutions are found where both ends have shapes"
    name = f"dense weights of {connection_name(projection)}"
    require_capacity(name, numbers, weights.values.size, remedy)
    entries: Entries = {"type": "Linear", "weight": weights.to_array(), "metadata": {}}
    if isinstance(projection.weights, Sparse):
        rows = projection.weights
        entries["metadata"] = {KEY: {"indptr": rows.indptr, "indices": rows.indices}}
    return entries


def _is_per_channel(bias: FloatArray | None, shape: Shape) -> bool:
    """Whether a convolution can have a bias, one number per value of an image."""
    return bias is None or not np.any(np.ptp(bias.reshape(shape[0], -1), axis=1))
