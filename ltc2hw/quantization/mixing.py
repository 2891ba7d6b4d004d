"""Float networks that hold some of an integer network's numbers: between the two, in any mixture.

Each number that quantization changed can be put back alone into the float network, which then runs
in the float64 engine like any other. That is how lost accuracy is traced to its causes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import (
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


def partly_fixed(
    network: Network,
    fixed: FixedNetwork,
    tensors: Collection[Tensor],
    *,
    gates: bool = False,
    messages: bool = False,
) -> Network:
    """The float network with some of the integer network's numbers and functions.

    ``tensors``: weights and constants to take from the integer network; ``gates``: its gate
    functions; ``messages``: its rounding of graded messages.
    """
    real = {tensor: values for tensor, values in real_tensors(fixed).items() if tensor in tensors}
    populations = tuple(
        _with_constants(population, real, fixed.population(population.name) if gates else None)
        for population in worked_out(network).populations
    )
    projections = tuple(
        _with_weights(projection, real, fixed if messages else None)
        for projection in network.projections
    )
    return replace(network, populations=populations, projections=projections)


def rounded_samples(fixed: FixedNetwork, x: FloatArray) -> FloatArray:
    """Samples as the integer network's input sees them, in real units."""
    values, _ = fixed.input.word.encode(x, fixed.input.fraction)
    return np.ldexp(values.astype(np.float64), -fixed.input.fraction)


def _with_constants(
    population: FloatPopulation, real: Mapping[Tensor, FloatArray], fixed: FixedPopulation | None
) -> FloatPopulation:
    """The population with its tensors of ``real`` replaced, and the gate functions of ``fixed``."""
    if isinstance(population, Input):
        return population
    changes = {
        tensor.field: values for tensor, values in real.items() if tensor.owner == population.name
    }
    functions = population.functions
    if isinstance(fixed, FixedNeurons):
        formats = fixed.formats
        functions = {
            gate: RoundedGate(form, formats.held[gate].fraction, fixed.tables[gate])
            for gate, form in formats.gates.items()
        }
    constants = {**population.constants, **changes}
    name, size, shape = population.name, population.size, population.shape
    return Neurons(name, size, population.model, constants, functions, shape)


def _with_weights(
    projection: Projection, real: Mapping[Tensor, FloatArray], fixed: FixedNetwork | None
) -> Projection:
    """The projection with its weights replaced, and with the message rounding of ``fixed``."""
    weights = projection.weights
    tensor = tensor_of(projection)
    if tensor in real:
        weights = weights.with_values(real[tensor])
    if fixed is not None and _rounds(fixed, projection):
        source = fixed.population(projection.source)
        weights = rounded_messages(
            weights,
            message_word(source, projection.variable),
            message_fraction(source, projection.variable),
        )
    return replace(projection, weights=weights)


def has_messages(fixed: FixedNetwork) -> bool:
    """Whether some projection carries rounded graded messages."""
    return any(_rounds(fixed, projection) for projection in fixed.projections)


def has_gates(fixed: FixedNetwork) -> bool:
    """Whether some population has gates."""
    return any(isinstance(p, FixedNeurons) and p.model.gates for p in fixed.populations)


def _rounds(fixed: FixedNetwork, projection: Connection) -> bool:
    return message_format(fixed.population(projection.source), projection.variable) is not None
