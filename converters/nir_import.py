"""Flat NIR graphs into float networks: one step per dt, nothing dropped.

NIR is in continuous time; the step is ours to choose, and we take what Norse and snnTorch take::

    I += dt/τ_syn (w_in x - I);   v += dt/τ (v_leak - v + R I);   z = v > v_threshold;   v = v_reset

with membranes that start at the reset potential; :mod:`ltc2hw.converters.nir_conventions` has what
callers may choose instead. A cycle of edges cannot be computed within one
step: in each strongly connected part of the graph, neurons are ordered by their distance from
the input, then by name, and an edge to one that is not later in that order takes one step. Delay
nodes add to that. Files of ours carry the order, so that any network can be written.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import numpy as np

from ltc2hw.converters.assembly import Assembly
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.euler import (
    Leaky,
    Placed,
    leaky,
    place_integrator,
    place_spiking,
    place_subtracting,
)
from ltc2hw.converters.nir_conventions import Conventions
from ltc2hw.converters.nir_graph import (
    CONVOLUTION_TYPE,
    LTC_TYPE,
    NEURONS_TYPE,
    PASS,
    PROJECTION_TYPE,
    READOUT_TYPE,
    FlatGraph,
    Node,
    distances,
    fits,
    strong_parts,
)
from ltc2hw.converters.nir_neurons import read_neurons
from ltc2hw.converters.nir_operators import read_extension
from ltc2hw.converters.nir_record import NirRecord, exact_lif, exact_readout
from ltc2hw.converters.nir_stateless import STATELESS, Step, weight_matrix
from ltc2hw.converters.plausibility import check_reach
from ltc2hw.converters.populations import LTC, Gate, Readout
from ltc2hw.converters.products import NEURON_NUMBERS, Matrix, numbers_in
from ltc2hw.converters.signals import Signal
from ltc2hw.errors import InvalidValueError, ShapeError, TooLargeError, UnknownNameError
from ltc2hw.graph.network import Input, Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.words import FloatArray

HELD = 4
"""How many times the numbers that a graph holds its matrices may hold on their way."""

MAXIMUM_SIZE = 1 << 22
"""Most values that a node may send: what a file declares costs nothing there, but does here."""


class GraphImport:
    """One graph on its way to a network: shapes, signals and placed neurons by node name."""

    def __init__(
        self,
        graph: FlatGraph,
        conversion: Conversion,
        *,
        conventions: Conventions,
        graded: bool,
        record: NirRecord | None,
    ) -> None:
        self.graph = graph
        self.conversion = conversion
        self.conventions = conventions
        self.dt = conventions.dt
        self.graded = graded
        self.record = record
        known = record.populations if record is not None else ()
        clock = next((name for name in known if name not in graph.nodes), "constant")
        self.assembly = Assembly(clock)
        self.placed: dict[str, Placed] = {}
        self.spiking: dict[str, tuple[Leaky, FloatArray]] = {}
        self.owners: dict[str, str] = {}
        self.shapes: dict[str, Shape] = {}
        self.steps: dict[str, Step] = {}
        self.signals: dict[str, Signal] = {}
        self.pending: set[str] = set()
        entries = [value for node in graph.nodes.values() for value in node.entries.values()]
        self.held = sum(value.size for value in entries if isinstance(value, np.ndarray))
        self.made = 0

    def network(self, origin: str) -> Network:
        """Build the network.

        Raises:
            UnsupportedError: naming node, feature and remedy.
            DamagedFileError, ShapeError: for entries that make no sense or do not fit.
        """
        self.infer_shapes()
        neurons = [node for _, node in sorted(self.graph.nodes.items()) if node.type in NEURONS]
        ends = self.graph.of_type("Input", "Output")
        constants = NEURON_NUMBERS * sum(self.size(node.name) for node in (*ends, *neurons))
        require_capacity("constants of all neurons", constants, NEURON_NUMBERS * self.held)
        self.place_input()
        for node in neurons:
            known = set(self.assembly.populations)
            self.placed[node.name] = NEURONS[node.type](self, node, self.shapes[node.name])
            self.owners.update(dict.fromkeys(set(self.assembly.populations) - known, node.name))
        self.connect_projections()
        arriving = {node.name: self.incoming(node.name) for node in neurons}
        outputs = self.graph.of_type("Output")
        if len(outputs) != 1:
            self.conversion.meet("several-ends", "output")
        output = self.incoming(outputs[0].name)
        self.check_size(outputs[0].name, output)
        for name, signal in arriving.items():
            self.check_size(name, signal)
            self.check_reach(name, signal)
        # What sends a part of an image on belongs to the node of that image.
        for (source, _), inner in self.assembly.inner.items():
            self.owners[inner] = self.owners[source.population]
        late = self.edges_that_take_a_step(arriving)
        for name, signal in arriving.items():
            for source, matrix in signal.terms.items():
                term = Signal(signal.size, {source: matrix})
                owner = self.owners.get(source.population, "")
                self.placed[name].drive(self.assembly, term.delayed(int((owner, name) in late)))
        provenance = {**self.conversion.provenance(origin), **self.conventions.notes()}
        shapes = {
            name: self.shapes[owner]
            for name, owner in self.owners.items()
            if name not in self.assembly.inner.values()
        }
        if self.record is not None:
            shapes |= self.record.shapes_of(self.assembly.populations)
        network = self.assembly.network(output, provenance, shapes)
        return self.record.sorted(network) if self.record is not None else network

    def size(self, name: str) -> int:
        """Number of values that a node sends."""
        return math.prod(self.shapes[name])

    def count(self, node: Node, made: Signal, *parts: Signal) -> None:
        """Count the matrices that a node adds to those of its parts.

        Raises:
            TooLargeError: if all of them together are too large.
        """
        known = {id(matrix) for part in parts for matrix in part.terms.values()}
        matrices = made.terms.values()
        self.made += sum(numbers_in(matrix) for matrix in matrices if id(matrix) not in known)
        remedy = "put neurons between the layers"
        require_capacity(f"weights up to {node.label}", self.made, HELD * self.held, remedy)

    def check_size(self, name: str, arriving: Signal) -> None:
        """Raise unless what reaches a node is of its size."""
        sources = {self.shapes[source] for source in self.graph.before[name]}
        alone = self.graph.nodes[name].type == "Output" and len(sources) == 1
        # Tools declare what constants per channel have as their shape.
        if alone and self.size(name) > 1 and fits(self.shapes[name], *sources):
            return
        if arriving.size != self.size(name):
            label = self.graph.nodes[name].label
            raise ShapeError(f"size of what reaches {label}", arriving.size, str(self.size(name)))

    def infer_shapes(self) -> None:
        """Find the shape of what every node sends, from entries and from what reaches it.

        Raises:
            DamagedFileError: naming a node whose shape nothing says.
        """
        nodes = self.graph.nodes.values()
        own = {node.name: own_shape(node) for node in nodes}
        self.shapes = {
            n.name: own[n.name] for n in nodes if own[n.name] and n.type not in ELEMENTWISE
        }
        self.spread_shapes(list(self.shapes))
        for node in nodes:
            # Nothing that reaches it says how many neurons there are, or something else than it.
            if node.type in ELEMENTWISE and node.name not in self.shapes:
                alone = (1,) if node.type in NEURONS else ()
                if shape := own[node.name] or alone:
                    self.shapes[node.name] = shape
                    self.spread_shapes([node.name])
        for node in nodes:
            if node.name not in self.shapes:
                raise node.damaged("nothing leads to it")

    def spread_shapes(self, names: list[str]) -> None:
        """Pass known shapes on along the edges."""
        after: dict[str, list[str]] = {}
        for target, sources in self.graph.before.items():
            for source in sources:
                after.setdefault(source, []).append(target)
        queue = deque(names)
        while queue:
            source = queue.popleft()
            for target in after.get(source, ()):
                if target in self.shapes:
                    continue
                if shape := self.shape_behind(target, self.shapes[source]):
                    self.shapes[target] = shape
                    queue.append(target)

    def shape_behind(self, name: str, before: Shape) -> Shape:
        """Shape of what a node sends when it receives the given one; empty if that does not fit."""
        node = self.graph.nodes[name]
        if node.type in ELEMENTWISE:
            own = own_shape(node)
            if not fits(own, before):
                return ()
            return own if math.prod(own) == math.prod(before) and len(own) > len(before) else before
        if node.type not in STATELESS:
            return before
        return self.step(node, before).shape

    def step(self, node: Node, before: Shape) -> Step:
        """What a node without state does to what it receives."""
        if node.name not in self.steps:
            with naming(node.label):
                make = STATELESS[node.type]
                self.steps[node.name] = make(node, before, self.conversion, self.dt)
        return self.steps[node.name]

    def signal(self, name: str) -> Signal:
        """What a node sends."""
        if name in self.placed:
            return self.placed[name].output
        node = self.graph.nodes[name]
        if name in self.pending:
            self.conversion.meet("loop-without-neuron", node.label)
        if name not in self.signals:
            self.pending.add(name)
            signal = self.incoming(name)
            self.pending.discard(name)
            if node.type in STATELESS:
                known = node.type in ELEMENTWISE
                step = self.step(node, self.shapes[name] if known else (signal.size,))
                arriving = signal
                with naming(node.label):
                    signal = step.apply(self.assembly, arriving)
                self.count(node, signal, arriving)
            self.signals[name] = signal
        return self.signals[name]

    def incoming(self, name: str) -> Signal:
        """The sum of what reaches a node."""
        sources = [
            source
            for source in self.graph.before[name]
            if self.graph.nodes[source].type not in EXTENSION_PROJECTIONS
        ]
        signals = [self.signal(source) for source in sources]
        total = Signal(signals[0].size if signals else self.size(name), {})
        for signal in signals:
            total = total.plus(signal)
        self.count(self.graph.nodes[name], total, *signals)
        return total

    def check_reach(self, name: str, arriving: Signal) -> None:
        """Raise for neurons that nothing can make spike, unless the caller allows them."""
        if self.record is None and name in self.spiking:
            neurons, threshold = self.spiking[name]
            label = self.graph.nodes[name].label
            check_reach(self.conversion, label, neurons, threshold, arriving)

    def edges_that_take_a_step(self, arriving: Mapping[str, Signal]) -> set[tuple[str, str]]:
        """Pairs of neuron nodes between which a signal cannot arrive within the same step."""
        names = [*self.placed]
        edges = {
            (self.owners[source.population], target)
            for target, signal in arriving.items()
            for source in signal.terms
            if source.population in self.owners
        }
        part = strong_parts(names, edges)
        distance = distances(names, edges, self.graph.of_type("Input")[0].name)
        place = {name: (distance[name], name) for name in names}
        if self.record is not None and set(self.record.order) >= set(names):
            order = {name: number for number, name in reversed([*enumerate(self.record.order)])}
            place = {name: (float(order[name]), name) for name in names}
        late = {
            (source, target)
            for source, target in edges
            if part[source] == part[target] and place[target] <= place[source]
        }
        for source, target in sorted(late):
            feature = "recurrence" if source == target else "topology"
            self.conversion.meet(feature, self.graph.nodes[target].label)
        return late

    def place_input(self) -> None:
        """Add the one input of the graph."""
        inputs = self.graph.of_type("Input")
        if len(inputs) != 1:
            self.conversion.meet("several-ends", "input")
        self.conversion.meet("graded-input" if self.graded else "spiking-input", inputs[0].label)
        name = self.assembly.free_name(inputs[0].name)
        signal = self.assembly.add(Input(name, self.size(inputs[0].name), self.graded))
        self.placed[inputs[0].name] = Placed(signal, name, np.ones(signal.size))
        self.owners[name] = inputs[0].name

    # Neurons

    def lif(self, node: Node, shape: Shape) -> Placed:
        """LIF and CubaLIF."""
        self.conversion.meet("lif" if node.type == "CubaLIF" else "lif-box", node.label)
        return self.spiking_neurons(node, shape, self.leaky(node, shape))

    def leaky(self, node: Node, shape: Shape) -> Leaky:
        """The constants that (Cuba)LIF and (Cuba)LI share."""
        cuba, rules = node.type.startswith("Cuba"), self.conventions
        leak = rules.decay(node, "tau_mem" if cuba else "tau", shape, self.conversion)
        synapse: FloatArray = np.ones(math.prod(shape))
        input_gain = synapse
        if cuba:
            synapse = rules.decay(node, "tau_syn", shape, self.conversion)
            input_gain = rules.gain(node, "w_in", synapse, shape, self.conversion, 1.0)
        return leaky(
            self.conversion,
            node.name,
            math.prod(shape),
            synapse=synapse,
            leak=leak,
            input_gain=input_gain,
            membrane_gain=rules.gain(node, "r", leak, shape, self.conversion),
            rest=node.vector("v_leak", shape),
        )

    def integrate_and_fire(self, node: Node, shape: Shape) -> Placed:
        """IF: ``v += dt R x``."""
        self.conversion.meet("if", node.label)
        gain = self.dt * node.vector("r", shape)
        neurons = leaky(
            self.conversion,
            node.name,
            math.prod(shape),
            synapse=1.0,
            leak=0.0,
            membrane_gain=gain,
            rest=0.0,
        )
        return self.spiking_neurons(node, shape, neurons)

    def spiking_neurons(self, node: Node, shape: Shape, neurons: Leaky) -> Placed:
        """Neurons with the threshold and the reset of (Cuba)LIF and IF."""
        rules = self.conventions
        threshold = rules.threshold(node, "v_threshold", shape, self.conversion)
        reset, late = rules.reset_of(node, shape, self.conversion)
        self.spiking[node.name] = (neurons, threshold - reset)
        if late is not None:
            placed = place_subtracting(self.assembly, neurons, threshold, late)
        else:
            placed = place_spiking(self.assembly, neurons, threshold, reset)
        return self.refined_lif(placed, node)

    def refined_lif(self, placed: Placed, node: Node) -> Placed:
        """Take the exact constants from our metadata, if they are those of the node."""
        read = self.assembly.populations[placed.entry]
        exact = exact_lif(cast(Neurons, read), placed.gain, node.metadata)
        if exact is None:
            return placed
        self.assembly.populations[placed.entry] = exact
        return replace(placed, gain=np.ones(exact.size))

    def threshold(self, node: Node, shape: Shape) -> Placed:
        """Threshold: ``z = x > threshold``, without memory."""
        self.conversion.meet("threshold", node.label)
        size = math.prod(shape)
        neurons = leaky(
            self.conversion, node.name, size, synapse=1.0, leak=1.0, membrane_gain=1.0, rest=0.0
        )
        above = self.conventions.threshold(node, "threshold", shape, self.conversion)
        return place_spiking(self.assembly, neurons, above, 0.0)

    def integrator(self, node: Node, shape: Shape) -> Placed:
        """LI and CubaLI; I, which never leaks, is refused."""
        if node.type == "I":
            self.conversion.meet("integrator", node.label)
        cuba = node.type == "CubaLI"
        self.conversion.meet("li-current" if cuba else "readout", node.label)
        neurons = self.leaky(node, shape)
        placed = place_integrator(self.assembly, self.conversion, neurons)
        if cuba:
            return placed
        read = self.assembly.populations[placed.entry]
        exact = exact_readout(cast(Neurons, read), placed.gain, node.metadata)
        if exact is None:
            return placed
        self.assembly.populations[placed.entry] = exact
        return replace(placed, gain=np.ones(neurons.size))

    # Extension nodes

    def ltc(self, node: Node, shape: Shape) -> Placed:
        """``ltc2hw.LTC``."""
        self.conversion.meet("ltc", node.label)
        population = LTC(
            self.assembly.free_name(node.name),
            math.prod(shape),
            node.vector("threshold", shape),
            node.vector("adaptation_strength", shape),
            node.vector("bias_current", shape),
            gate_of(node, "tau_mem", shape),
            gate_of(node, "tau_adp", shape),
        )
        return Placed(self.assembly.add(population), population.name, np.ones(population.size))

    def gated_readout(self, node: Node, shape: Shape) -> Placed:
        """``ltc2hw.GatedLI``."""
        self.conversion.meet("gated-readout", node.label)
        population = Readout(
            self.assembly.free_name(node.name),
            math.prod(shape),
            node.vector("bias_current", shape),
            gate_of(node, "tau_mem", shape),
        )
        return Placed(self.assembly.add(population), population.name, np.ones(population.size))

    def neurons(self, node: Node, shape: Shape) -> Placed:
        """``ltc2hw.Neurons``."""
        self.conversion.meet("other-model", node.label)
        population = read_neurons(node, self.assembly.free_name(node.name), math.prod(shape))
        if not population.ports:
            raise node.damaged("its model has no port")
        gain = np.ones(population.size)
        return Placed(self.assembly.add(population), population.name, gain, population.ports[0])

    def connect_projections(self) -> None:
        """``ltc2hw.Projection`` and ``ltc2hw.Convolution``: from any variable to any port."""
        after: dict[str, list[str]] = {}
        for target, sources in self.graph.before.items():
            for source in sources:
                after.setdefault(source, []).append(target)
        for node in self.graph.of_type(*EXTENSION_PROJECTIONS):
            if node.type == CONVOLUTION_TYPE:
                self.conversion.meet("gate-convolution", node.label)
            ends = (*self.graph.before[node.name], *after.get(node.name, ()))
            if len(ends) != 2 or not all(end in self.placed for end in ends):
                raise node.damaged("it does not lead from one population to one other")
            sender, receiver = self.placed[ends[0]], self.placed[ends[1]]
            (population,) = {term.population for term in sender.output.terms}
            variable = node.text("variable")
            signal = Signal.of(population, sender.output.size, variable)
            matrix = projected(node)
            signal = signal.delayed(node.integer("delay")).through(matrix)
            self.assembly.connect(signal, receiver.entry, node.text("port"))


@contextmanager
def naming(label: str) -> Iterator[None]:
    """Errors about values within name the node that they come from."""
    try:
        yield
    except (ShapeError, TooLargeError) as error:
        raise type(error)(
            f"{error.name}, {label}", error.value, error.limit, error.remedy
        ) from error
    except InvalidValueError as error:
        if isinstance(error, UnknownNameError):
            raise
        raise InvalidValueError(
            f"{error.name} of {label}", error.value, error.limit, error.remedy
        ) from error


def own_shape(node: Node) -> Shape:
    """Shape that a node's entries say, whatever reaches it; empty where they do not."""
    if node.type == PASS and "shape" not in node.entries:
        return ()
    if node.type in ("Input", "Output", PASS, NEURONS_TYPE):
        shape = node.integers("shape")
        if not shape or min(shape) < 1 or math.prod(shape) > MAXIMUM_SIZE:
            raise node.damaged(f"its shape {shape} is not 1 to {MAXIMUM_SIZE} values")
        return shape
    if node.type in ("Affine", "Linear", *EXTENSION_PROJECTIONS):
        return (projected(node).shape[0],)
    if node.type in NEURONS or node.type in ("Scale", "Delay"):
        shapes = [np.shape(value) for value in node.entries.values() if not isinstance(value, str)]
        largest = max(shapes, key=lambda shape: int(np.prod(shape)), default=())
        return largest if int(np.prod(largest)) > 1 else ()
    return ()


def projected(node: Node) -> Matrix:
    """The weights of a linear node, or of a node of ours between two populations."""
    return read_extension(node) if node.type == CONVOLUTION_TYPE else weight_matrix(node)


def gate_of(node: Node, gate: str, shape: Shape) -> Gate:
    """A gate from the entries of an extension node."""
    return Gate(
        node.vector(f"{gate}_bias", shape),
        node.vector(f"{gate}_from_state", shape),
        node.vector(f"{gate}_from_current", shape),
        cast(Nonlinearity, node.text(f"{gate}_nonlinearity")),
    )


NEURONS: Mapping[str, Callable[[GraphImport, Node, Shape], Placed]] = {
    "LIF": GraphImport.lif,
    "CubaLIF": GraphImport.lif,
    "IF": GraphImport.integrate_and_fire,
    "Threshold": GraphImport.threshold,
    "LI": GraphImport.integrator,
    "CubaLI": GraphImport.integrator,
    "I": GraphImport.integrator,
    LTC_TYPE: GraphImport.ltc,
    READOUT_TYPE: GraphImport.gated_readout,
    NEURONS_TYPE: GraphImport.neurons,
}

EXTENSION_PROJECTIONS = (PROJECTION_TYPE, CONVOLUTION_TYPE)
"""Types of our nodes between two populations, which name variable and port."""

ELEMENTWISE = frozenset((*NEURONS, "Scale", "Delay")) - {NEURONS_TYPE}
"""Types whose entries hold one number for all, one per channel, or one per value that arrives."""
