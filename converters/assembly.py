"""Puts a network together from populations and the signals that reach them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import LIF, Gate, Readout, is_model
from ltc2hw.converters.products import Matrix, inner_image, matrix_of, weights, written
from ltc2hw.converters.signals import CONSTANT, Signal, Source
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.models.if_subtract import if_subtract
from ltc2hw.dynamics.models.if_subtract_delayed import if_subtract_delayed
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.words import FloatArray

OPEN_GATE = 40.0
"""Gate argument whose sigmoid is 1 in float64; with the opposite sign 0 to 4e-18."""

CLOSED_GATE = -800.0
"""Gate argument whose sigmoid is 0 in float64."""


class Assembly:
    """A network in the making: populations by name, and what arrives at their ports.

    ``clock_name`` is what the neuron that sends constants is called, if one is needed.
    """

    def __init__(self, clock_name: str = "constant") -> None:
        self.clock_name = clock_name
        self.populations: dict[str, FloatPopulation] = {}
        self.arriving: dict[tuple[str, Port], Signal] = {}
        self.numbers: dict[str, int] = {}
        self.last_clock = ""
        self.inner: dict[tuple[Source, Shape], str] = {}

    def free_name(self, wanted: str) -> str:
        """A population name like the wanted one that is not taken yet.

        >>> Assembly().free_name("0.lif"), Assembly().free_name("größe")
        ('n0_lif', 'größe')
        """
        name = "".join(c if f"n{c}".isidentifier() else "_" for c in wanted)
        if not name.isidentifier():
            name = f"n{name}"
        number, free = self.numbers.get(name, 2), name
        while free in self.populations:
            free, number = f"{name}_{number}", number + 1
        # Thousands of names alike would be tried again and again.
        self.numbers[name] = number
        return free

    def add(self, population: FloatPopulation) -> Signal:
        """Add a population; returns the variable that it sends by default."""
        self.populations[population.name] = population
        return Signal.of(population.name, population.size, sent_variable(population))

    def connect(self, signal: Signal, target: str, port: Port = "current") -> None:
        """Let a signal arrive at a port, besides what already does."""
        known = self.arriving.get((target, port))
        self.arriving[target, port] = signal if known is None else known.plus(signal)

    def through(self, signal: Signal, matrix: Matrix) -> Signal:
        """Apply a map of shape (N_out, N).

        Where it would have to be written out although a part of a spiking image has a kernel,
        neurons that send that part on stand between. Errors are those of :meth:`Signal.through`.
        """
        terms = dict(signal.terms)
        for source in signal.terms:
            parts = inner_image(matrix, signal.terms[source])
            if parts is not None and source.variable == SPIKES and source.population != CONSTANT:
                del terms[source]
                terms[Source(self._inner(source, parts[0]), SPIKES)] = parts[1]
        return Signal(signal.size, terms).through(matrix)

    def _inner(self, source: Source, cut: Conv) -> str:
        """Name of the neurons that send a part of an image on."""
        key = source, cut.targets
        if key not in self.inner:
            name = self.inner[key] = self.free_name(f"{source.population}_inner")
            self.add(relay(name, cut.shape[0]))
            self.connect(Signal(cut.shape[0], {source: cut}), name)
        return self.inner[key]

    def network(
        self,
        output: Signal,
        provenance: Mapping[str, str],
        shapes: Mapping[str, Shape] | None = None,
    ) -> Network:
        """Turn signals into projections and biases; ``output`` is what the network answers.

        An output that no single population sends as it is gets a readout that copies it. A
        population has the shape of the convolutions at its ends, or else that of ``shapes``.
        """
        name = self._output(output)
        for (target, port), signal in list(self.arriving.items()):
            self.arriving[target, port] = self._absorb_constant(target, port, signal)
        self._shape_populations(shapes or {})
        projections = [
            Projection(
                source.population, source.variable, target, port, weights(matrix), source.delay
            )
            for (target, port), signal in self.arriving.items()
            for source, matrix in signal.terms.items()
        ]
        return Network(tuple(self.populations.values()), tuple(projections), name, dict(provenance))

    def _shape_populations(self, known: Mapping[str, Shape]) -> None:
        """Give populations the shapes of images; convolutions of others are written out."""
        ends = [
            (key, source, matrix, {source.population: matrix.sources, key[0]: matrix.targets})
            for key, signal in self.arriving.items()
            for source, matrix in signal.terms.items()
            if isinstance(matrix, Conv)
        ]
        # Those that read images as they are known to be come first.
        ends.sort(key=lambda end: any(known.get(n, shape) != shape for n, shape in end[3].items()))
        found: dict[str, Shape] = {}
        for key, source, matrix, shapes in ends:
            moved = source.population == key[0] and matrix.sources != matrix.targets
            if moved or any(found.get(n, shape) != shape for n, shape in shapes.items()):
                signal = self.arriving[key]
                terms = {**signal.terms, source: written(matrix)}
                self.arriving[key] = Signal(signal.size, terms)
                continue
            found |= shapes
        for name, shape in {**known, **found}.items():
            if len(shape) in (2, 3) and name in self.populations:
                self.populations[name] = replace(self.populations[name], shape=shape)

    def _output(self, output: Signal) -> str:
        for name, population in self.populations.items():
            answer = Source(name, population.output_variable)
            if isinstance(population, Neurons) and output.is_plain(answer):
                return name
        name = self.free_name("output")
        self.add(Readout(name, output.size, np.zeros(output.size), static_gate(1.0)))
        self.connect(output, name)
        return name

    def _absorb_constant(self, target: str, port: Port, signal: Signal) -> Signal:
        """Move a constant into the bias of its target, or have a neuron send it at every step."""
        terms = dict(signal.terms)
        for source in [source for source in terms if source.population == CONSTANT]:
            rest = constant = np.asarray(terms.pop(source), dtype=np.float64)
            if source.delay == 0:
                rest = self._absorb(target, port, constant[:, 0])[:, None]
            if np.any(rest):
                terms[Source(self._clock(), "spikes", source.delay)] = rest
        return Signal(signal.size, terms)

    def _absorb(self, target: str, port: Port, constant: FloatArray) -> FloatArray:
        """Add a constant to the bias of a port; returns what has no place there."""
        population = self.populations[target]
        absorbed = constant
        if is_model(population, lif, if_subtract, if_subtract_delayed):
            # A constant reaches the membrane at once only where the current decays at once.
            absorbed = np.where(population.constants["current_decay"] == 1.0, constant, 0.0)
            bias = "bias"
        elif is_model(population, ltc, readout):
            bias = "bias_current" if port == "current" else f"{port}.bias"
        else:
            return constant
        whole = population.constants[bias] + absorbed
        self.populations[target] = population.with_constants({bias: whole})
        return constant - absorbed

    def _clock(self) -> str:
        """Name of the neuron that fires at every step."""
        # The last one first: to compare all populations for each constant can take minutes.
        for name in (self.last_clock, *self.populations):
            population = self.populations.get(name)
            if is_model(population, lif) and population == clock(name):
                self.last_clock = name
                return name
        name = self.last_clock = self.free_name(self.clock_name)
        self.populations[name] = clock(name)
        return name


def sent_variable(population: FloatPopulation) -> Variable:
    """What a population sends where other tools do not name it: its spikes, or its answer."""
    return population.output_variable or population.variables[0]


def disassemble(
    network: Network,
) -> tuple[dict[str, FloatPopulation], dict[tuple[str, Port], Signal]]:
    """Undo :meth:`Assembly.network`: populations, and the signals that arrive at their ports.

    Neurons that fire at every step become constants; biases stay in their populations.
    """
    clocks = clocks_of(network)
    arriving: dict[tuple[str, Port], Signal] = {}
    for projection in network.projections:
        matrix = matrix_of(projection.weights)
        source = Source(projection.source, projection.variable, projection.delay)
        if projection.source in clocks:
            source = Source(CONSTANT, "spikes", projection.delay)
        key = (projection.target, projection.port)
        signal = Signal(matrix.shape[0], {source: matrix})
        arriving[key] = arriving[key].plus(signal) if key in arriving else signal
    return {p.name: p for p in network.populations if p.name not in clocks}, arriving


def clocks_of(network: Network) -> set[str]:
    """Names of the populations that only send a constant."""
    targets = {projection.target for projection in network.projections}
    return {
        p.name
        for p in network.populations
        if is_model(p, lif) and p == clock(p.name) and p.name not in targets
    } - {network.output}


def clock(name: str) -> Neurons:
    """One neuron that fires at every step: its bias alone exceeds its threshold."""
    one = np.ones(1)
    return LIF(name, 1, one, one, 0.5 * one, one)


def relay(name: str, size: int) -> Neurons:
    """Neurons that spike within the step in which one spike arrives."""
    one = np.ones(size)
    return LIF(name, size, one, one, 0.5 * one, 0 * one)


def static_gate(openness: npt.ArrayLike) -> Gate:
    """A gate that always has the given values in [0, 1].

    >>> static_gate([0.5, 1.0]).bias
    array([ 0., 40.])
    """
    value = np.asarray(openness, dtype=np.float64)
    inner = np.clip(value, np.finfo(np.float64).tiny, 1.0 - np.finfo(np.float64).epsneg)
    bias = np.log(inner) - np.log1p(-inner)
    bias = np.where(value >= 1.0, OPEN_GATE, bias)
    return Gate(np.where(value <= 0.0, CLOSED_GATE, bias))
