"""Float networks as NIR graphs, as the dictionaries that ``nir`` writes into files.

Constants are chosen so that weights stay what they are: ``R = τ/dt`` and ``w_in = τ_syn/dt``, as
snnTorch writes them. What standard nodes cannot say goes into extension nodes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.converters.assembly import clocks_of
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.lowering import Shape
from ltc2hw.converters.nir_convolution import kernels_of
from ltc2hw.converters.nir_graph import LTC_TYPE, PROJECTION_TYPE, READOUT_TYPE, strong_parts
from ltc2hw.converters.nir_record import (
    KEY,
    SCHEMA_VERSION,
    NirRecord,
    key_of,
    lif_metadata,
    readout_metadata,
)
from ltc2hw.converters.populations import LIF, Gate, Readout
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.structure import connection_name, evaluation_order
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import FloatArray

Entries = dict[str, Any]


def graph_entries(network: Network, dt: float, conversion: Conversion) -> Entries:
    """The dictionary of a network's graph, with time constants in units of ``dt``.

    Raises:
        UnsupportedError: naming the population that NIR cannot hold.
        TooLargeError: for sparse weights that are too large when written densely.
    """
    return _Export(network, dt, conversion).graph()


class _Export:
    """One network on its way to a graph; projections are known by their place in the network."""

    def __init__(self, network: Network, dt: float, conversion: Conversion) -> None:
        self.network = network
        self.dt = dt
        self.conversion = conversion
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
        self.kernels, self.images = kernels_of(network, plain, self.biases, self.absorbed)

    def graph(self) -> Entries:
        """The whole graph."""
        network = self.network
        stages = evaluation_order(network.populations, network.projections)
        order = tuple(name for name, stage in stages if stage == "update")
        kept = [(i, p) for i, p in enumerate(network.projections) if i not in self.absorbed]
        idle = clocks_of(network) - {projection.source for _, projection in kept}
        for name, population in self.populations.items():
            if name not in idle:
                entries = self.population(population)
                self.nodes[name] = self.shaped(name, entries)
        plain = [(p.source, p.target) for _, p in kept if self.is_plain(p)]
        parts = strong_parts(order, plain)
        for index, projection in kept:
            source, target = projection.source, projection.target
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
            tuple(key_of(p) for p in network.projections),
            network.provenance,
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
            if projection.source in clocks and isinstance(target, LIF) and projection.delay == 0:
                carrier = self.carrier(target.name, clocks)
                if carrier is not None:
                    self.biases[carrier] = projection.weights.to_array()[:, 0]
                    self.absorbed.add(index)
        for target in self.populations.values():
            if isinstance(target, LIF) and _integrates(target) and np.any(target.bias):
                carrier = self.carrier(target.name, clocks)
                if carrier is None:
                    self.conversion.meet("bias-alone", f"population {target.name!r}")
                else:
                    self.biases[carrier] = self.biases.get(carrier, 0.0) + target.bias

    def carrier(self, target: str, clocks: set[str]) -> int | None:
        """The first projection to a population that a linear node can stand for."""
        for index, projection in enumerate(self.network.projections):
            arrives = projection.target == target and projection.source not in clocks
            if arrives and self.is_plain(projection):
                return index
        return None

    def is_plain(self, projection: Projection) -> bool:
        """Whether NIR's edges, which name neither variables nor ports, can say the projection."""
        source = self.populations[projection.source]
        sent = "membrane" if isinstance(source, Readout) else source.variables[0]
        return projection.variable == sent and projection.port == "current"

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
            self.conversion.meet(kernel.feature, name)
            entries = kernel.entries(bias)
        else:
            source = self.flattened(projection.source, source)
            entries = _weights(projection)
            if bias is not None:
                entries = {**entries, "type": "Affine", "bias": bias}
        node = self.add(name, entries)
        self.edges += [(source, node), (node, projection.target)]

    def shape_of(self, population: str) -> Shape:
        """Shape of what a population sends: an image's, or its size."""
        return self.images.get(population, (self.populations[population].size,))

    def shaped(self, name: str, entries: Entries) -> Entries:
        """A population's entries, each number in the place of its neuron."""
        if name not in self.images:
            return entries
        shape = self.images[name]
        if entries["type"] == "Input":
            return {**entries, "shape": np.array(shape)}
        return {
            entry: np.reshape(value, shape) if isinstance(value, np.ndarray) else value
            for entry, value in entries.items()
        }

    def flattened(self, population: str, node: str) -> str:
        """A node that sends a population's values as one row, as linear nodes take them."""
        if population not in self.images:
            return node
        entries = {
            "type": "Flatten",
            "start_dim": 0,
            "end_dim": -1,
            "input_type": np.array(self.images[population]),
        }
        flat = self.add(f"{node}_flat", entries)
        self.edges.append((node, flat))
        return flat

    def extension(self, projection: Projection) -> None:
        """A node that names variable and port."""
        entries = {
            **_weights(projection),
            "type": PROJECTION_TYPE,
            "variable": projection.variable,
            "port": projection.port,
            "delay": projection.delay,
        }
        node = self.add(f"{projection.source}_to_{projection.target}_{projection.port}", entries)
        self.edges += [(projection.source, node), (node, projection.target)]

    def population(self, population: FloatPopulation) -> Entries:
        """The node of a population."""
        label = f"population {population.name!r}"
        if isinstance(population, Input):
            self.conversion.meet("graded-input" if population.graded else "spiking-input", label)
            return {"type": "Input", "shape": np.array([population.size]), "metadata": {}}
        if isinstance(population, LIF):
            return {**self.lif(population, label), "metadata": {KEY: lif_metadata(population)}}
        if isinstance(population, Readout):
            return self.readout(population, label)
        self.conversion.meet("ltc", label)
        return {
            "type": LTC_TYPE,
            "threshold": population.threshold,
            "adaptation_strength": population.adaptation_strength,
            "bias_current": population.bias_current,
            **_gate("tau_mem", population.tau_mem),
            **_gate("tau_adp", population.tau_adp),
            "metadata": {},
        }

    def lif(self, population: LIF, label: str) -> Entries:
        """LIF, CubaLIF or IF."""
        synapse, leak = population.current_decay, population.membrane_decay
        one, zero = np.ones(population.size), np.zeros(population.size)
        if _integrates(population):
            self.conversion.meet("if", label)
            entries = {"type": "IF", "r": one / self.dt}
            return {**entries, "v_threshold": population.threshold, "v_reset": zero}
        if np.any(leak == 0.0):
            self.conversion.meet("no-leak-with-current", label)
        if np.any(synapse == 0.0):
            self.conversion.meet("no-current-decay", label)
        if np.any(population.bias):
            self.conversion.meet("membrane-bias", label)
        common = {
            "r": self.quotient(one, leak, label),
            "v_leak": self.quotient(population.bias, leak, label),
            "v_threshold": population.threshold,
            "v_reset": zero,
        }
        tau = self.quotient(self.dt * one, leak, label)
        if np.all(synapse == 1.0):
            self.conversion.meet("lif-box", label)
            return {"type": "LIF", "tau": tau, **common}
        self.conversion.meet("lif", label)
        return {
            "type": "CubaLIF",
            "tau_syn": self.quotient(self.dt * one, synapse, label),
            "tau_mem": tau,
            **common,
            "w_in": self.quotient(one, synapse, label),
        }

    def readout(self, population: Readout, label: str) -> Entries:
        """LI where the gate is static, else an extension node."""
        gate, name = population.tau_mem, population.name
        moved = any((p.target, p.port) == (name, "tau_mem") for p in self.network.projections)
        if moved or np.any(gate.from_state) or np.any(gate.from_current):
            self.conversion.meet("gated-readout", label)
            return {
                "type": READOUT_TYPE,
                "bias_current": population.bias_current,
                **_gate("tau_mem", gate),
                "metadata": {},
            }
        leak = evaluate(gate.nonlinearity, np.asarray(gate.bias, dtype=np.float64))
        if np.any(leak == 0.0):
            self.conversion.meet("integrator", label)
        self.conversion.meet("readout", label)
        return {
            "type": "LI",
            "tau": self.quotient(np.full(population.size, self.dt), leak, label),
            "r": np.ones(population.size),
            "v_leak": population.bias_current,
            "metadata": {KEY: readout_metadata(population)},
        }

    def quotient(self, value: FloatArray, decay: FloatArray, label: str) -> FloatArray:
        """A value divided by a decay above 0, or a refusal."""
        with np.errstate(over="ignore"):
            divided: FloatArray = value / decay
        if not np.all(np.isfinite(divided)):
            self.conversion.meet("overflow", label)
        return divided


def _integrates(population: LIF) -> bool:
    return bool(np.all(population.current_decay == 1.0) and not np.any(population.membrane_decay))


def _weights(projection: Projection) -> Entries:
    numbers = int(np.prod(projection.weights.shape))
    held = projection.weights.values.size
    remedy = "NIR has no sparse weights; it keeps convolutions of imported images alone"
    name = f"dense weights of {connection_name(projection)}"
    require_capacity(name, numbers, held, remedy)
    entries: Entries = {"type": "Linear", "weight": projection.weights.to_array(), "metadata": {}}
    if isinstance(projection.weights, Sparse):
        rows = projection.weights
        entries["metadata"] = {KEY: {"indptr": rows.indptr, "indices": rows.indices}}
    return entries


def _gate(name: str, gate: Gate) -> Entries:
    return {
        f"{name}_bias": gate.bias,
        f"{name}_from_state": gate.from_state,
        f"{name}_from_current": gate.from_current,
        f"{name}_nonlinearity": gate.nonlinearity,
    }
