"""Float networks that hold some parts of an integer network: between the two, in any mixture.

Each part, a rounded tensor, a gate's function, the words of a state, can be put alone into the
float network, which then runs in the float64 engine like any other; all of them together make the
integers. That is how lost accuracy is traced to its causes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum

import numpy as np

from ltc2hw.dynamics.rounding import rounded, roundings
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    message_format,
    message_fraction,
    message_word,
)
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import Connection, connection_name, size_of
from ltc2hw.numbers.operators import described
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.quantization.rounded import RoundedGate, rounded_messages

WEIGHTS = "weights"
"""Field of the tensors that are projections' weights."""


@dataclass(frozen=True, order=True)
class Tensor:
    """One array that quantization rounds: a projection's weights or a population's constants."""

    owner: str
    field: str

    def __str__(self) -> str:
        return f"{self.owner} {self.field}"


class Kind(str, Enum):
    """What a part of an integer network is."""

    WEIGHTS = "weights"
    CONSTANT = "constant"
    FUNCTION = "function"
    """Plan or table of a gate, with the rounding of its argument."""
    INPUT = "input"
    """Rounding and clipping of samples."""
    MESSAGE = "message"
    """Rounding and clipping of a graded variable as it is sent."""
    WORD = "word"
    """Every cut of a shift on the way to a register or a result."""
    SATURATION = "saturation"
    """What a register makes of numbers that it does not hold."""


@dataclass(frozen=True)
class Part:
    """One thing that integers have and reals have not; all of them together make the integers.

    ``owner``: the projection (with its delay) or the population; ``name``: the constant, gate,
    variable or word of a population.

    >>> print(Part(Kind.WORD, "hidden", "membrane"), "|", Part(Kind.WEIGHTS, "x.spikes->a.current"))
    hidden membrane word | x.spikes->a.current weights
    """

    kind: Kind
    owner: str
    name: str = ""

    def __str__(self) -> str:
        if self.kind is Kind.CONSTANT:
            return f"{self.owner} {self.name}"
        if self.kind is Kind.INPUT:
            return f"{self.owner} samples"
        return " ".join(filter(None, (self.owner, self.name, self.kind.value)))

    @property
    def tensor(self) -> Tensor:
        """The array that a part of the kinds weights and constant is."""
        return Tensor(self.owner, self.name or WEIGHTS)


def check_pair(network: Network, fixed: FixedNetwork) -> None:
    """Raise unless the integer network has the populations and projections of the float one.

    Raises:
        InvalidValueError: naming the first difference.
    """

    def shape(graph: Network | FixedNetwork) -> list[str]:
        populations = [f"{_kind(p)} {p.name} {size_of(p)}" for p in graph.populations]
        names = [f"projection {tensor_of(p).owner}" for p in graph.projections]
        kinds = [f"{tensor_of(p).owner} is {described(p.weights)}" for p in graph.projections]
        return [*populations, *names, *kinds, f"output {graph.output}"]

    for found, wanted in zip(shape(fixed), shape(network), strict=False):
        if found != wanted:
            raise InvalidValueError("part of the integer network", found, wanted, ORIGIN)
    counts = [len(shape(fixed)), len(shape(network))]
    if counts[0] != counts[1]:
        raise InvalidValueError("parts of the integer network", counts[0], str(counts[1]), ORIGIN)


def _kind(population: FloatPopulation | FixedPopulation) -> str:
    if isinstance(population, (Neurons, FixedNeurons)):
        return population.model.name
    return "input"


ORIGIN = "quantize this float network, or load the one it was made from"


def worked_out(network: Network) -> Network:
    """The network with the constants that a chip holds: :meth:`Neurons.worked_out` of all."""
    populations = tuple(
        population.worked_out() if isinstance(population, Neurons) else population
        for population in network.populations
    )
    return replace(network, populations=populations)


def tensor_of(projection: Connection) -> Tensor:
    """The weights of a projection, named with its delay."""
    delay = f" after {projection.delay}" if projection.delay else ""
    return Tensor(f"{connection_name(projection)}{delay}", WEIGHTS)


def float_tensors(network: Network) -> dict[Tensor, FloatArray]:
    """Every array that quantization rounds: weights in their operator's order, constants (N,)."""
    tensors = {
        tensor_of(projection): projection.weights.values for projection in network.projections
    }
    for population in worked_out(network).populations:
        if isinstance(population, Neurons):
            for field, values in population.constants.items():
                tensors[Tensor(population.name, field)] = values
    return tensors


def real_tensors(network: FixedNetwork) -> dict[Tensor, FloatArray]:
    """The same arrays of an integer network, in real units."""
    return float_tensors(dequantize(network))


def parts(network: Network, fixed: FixedNetwork) -> tuple[Part, ...]:
    """Every part of the integer network that can change something, in the order of a step.

    Weights and constants that no rounding changed are left out.
    """
    original, real = float_tensors(network), real_tensors(fixed)
    changed = {t for t, values in real.items() if not np.array_equal(values, original[t])}
    found: list[Part] = []
    for population in fixed.populations:
        if isinstance(population, FixedInput):
            if population.graded:
                found.append(Part(Kind.INPUT, population.name))
        else:
            landing = [p for p in fixed.projections if p.target == population.name]
            tensors = [tensor_of(projection) for projection in landing]
            found += [Part(Kind.WEIGHTS, t.owner) for t in tensors if t in changed]
            found += _own_parts(population, changed)
        sent = [p.variable for p in fixed.projections if p.source == population.name]
        found += [
            Part(Kind.MESSAGE, population.name, variable)
            for variable in dict.fromkeys(sent)
            if message_format(population, variable) is not None
        ]
    return tuple(dict.fromkeys(found))


def _own_parts(population: FixedNeurons, changed: Collection[Tensor]) -> Iterator[Part]:
    """Constants, functions, words and saturations of a population."""
    name = population.name
    for constant in population.constants:
        if Tensor(name, constant) in changed:
            yield Part(Kind.CONSTANT, name, constant)
    for gate in population.model.gates:
        yield Part(Kind.FUNCTION, name, gate)
    made = roundings(population.model.program, population.formats)
    for word in made.words:
        yield Part(Kind.WORD, name, word)
    for word in made.ends:
        yield Part(Kind.SATURATION, name, word)


def partly_fixed(network: Network, fixed: FixedNetwork, chosen: Collection[Part]) -> Network:
    """The float network with some parts of the integer network.

    With all of :func:`parts`, on :func:`rounded_samples`, every number of a float run is the real
    one that stands for the integer engine's, exactly, where products fit the 53 bits of float64.

    Raises:
        UnknownNameError: for a part of nothing that the integer network has.
    """
    taken = frozenset(chosen)
    for part in taken:
        _require_owner(fixed, part)
    tensors = {part.tensor for part in taken if part.kind in (Kind.WEIGHTS, Kind.CONSTANT)}
    real = {tensor: values for tensor, values in real_tensors(fixed).items() if tensor in tensors}
    populations = tuple(
        _with_parts(population, real, fixed.population(population.name), taken)
        for population in worked_out(network).populations
    )
    projections = tuple(
        _with_weights(projection, real, fixed, taken) for projection in network.projections
    )
    return replace(network, populations=populations, projections=projections)


def _require_owner(fixed: FixedNetwork, part: Part) -> None:
    """Raise unless the integer network has what a part is of, whether or not it changes something.

    Raises:
        UnknownNameError: naming the part.
    """
    owners = _owners(fixed, part.kind)
    if part.owner not in owners:
        raise UnknownNameError(f"owner of part {part}", part.owner, tuple(owners))
    if part.name not in owners[part.owner]:
        raise UnknownNameError(f"name of part {part}", part.name, owners[part.owner])


def _owners(fixed: FixedNetwork, kind: Kind) -> dict[str, tuple[str, ...]]:
    """What has parts of a kind, each with the names that they may have."""
    if kind is Kind.WEIGHTS:
        return {tensor_of(projection).owner: ("",) for projection in fixed.projections}
    if kind is Kind.INPUT:
        return {fixed.input.name: ("",)}
    neurons = (p for p in fixed.populations if isinstance(p, FixedNeurons))
    return {population.name: _names(population, kind) for population in neurons}


def _names(population: FixedNeurons, kind: Kind) -> tuple[str, ...]:
    """Names that parts of neurons may have."""
    held = population.formats.held
    return {
        Kind.CONSTANT: tuple(population.constants),
        Kind.FUNCTION: tuple(population.formats.gates),
        Kind.MESSAGE: tuple(message.variable for message in population.messages),
        Kind.WORD: tuple(dict.fromkeys((*held, *population.model.results))),
        Kind.SATURATION: tuple(held),
    }[kind]


def rounded_samples(fixed: FixedNetwork, x: FloatArray) -> FloatArray:
    """Samples as the integer network's input sees them, in real units."""
    values, _ = fixed.input.word.encode(x, fixed.input.fraction)
    return np.ldexp(values.astype(np.float64), -fixed.input.fraction)


def _with_parts(
    population: FloatPopulation,
    real: Mapping[Tensor, FloatArray],
    fixed: FixedPopulation,
    taken: Collection[Part],
) -> FloatPopulation:
    """The population with its tensors of ``real``, and the functions and words that are taken."""
    if isinstance(population, Input) or isinstance(fixed, FixedInput):
        return population
    name, formats = population.name, fixed.formats
    changes = {tensor.field: values for tensor, values in real.items() if tensor.owner == name}
    functions = dict(population.functions)
    for gate, form in formats.gates.items():
        if Part(Kind.FUNCTION, name, gate) in taken:
            functions[gate] = RoundedGate(form, formats.held[gate].fraction, fixed.tables[gate])
    model = population.model
    own = [part for part in taken if part.owner == name]
    words = tuple(part.name for part in own if part.kind is Kind.WORD)
    ends = tuple(part.name for part in own if part.kind is Kind.SATURATION)
    if words or ends:
        model = replace(model, program=rounded(model.program, formats, words, ends))
    constants = {**population.constants, **changes}
    return Neurons(name, population.size, model, constants, functions, population.shape)


def _with_weights(
    projection: Projection,
    real: Mapping[Tensor, FloatArray],
    fixed: FixedNetwork,
    taken: Collection[Part],
) -> Projection:
    """The projection with its weights replaced, and with the message rounding that is taken."""
    weights = projection.weights
    tensor = tensor_of(projection)
    if tensor in real:
        weights = weights.with_values(real[tensor])
    if Part(Kind.MESSAGE, projection.source, projection.variable) in taken:
        source = fixed.population(projection.source)
        weights = rounded_messages(
            weights,
            message_word(source, projection.variable),
            message_fraction(source, projection.variable),
        )
    return replace(projection, weights=weights)
