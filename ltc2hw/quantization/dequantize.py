"""The real numbers that the integers of a fixed network stand for."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.words import FloatArray


def dequantize(network: FixedNetwork) -> Network:
    """Divide every integer by its scale; what is lost is what words do: rounding, saturation.

    Lookup tables become the sigmoid that they stand for, ``plan`` stays what it is. Weights are
    ``mantissa / 2^weight_fraction``, constants ``integer / 2^fraction``.
    """
    return Network(
        tuple(_population(population) for population in network.populations),
        tuple(_projection(projection) for projection in network.projections),
        network.output,
        {**network.provenance, "dequantized_from": network.target},
    )


def _real(values: npt.NDArray[np.int64], fraction: int) -> FloatArray:
    return np.ldexp(values.astype(np.float64), -fraction)


def _population(population: FixedPopulation) -> FloatPopulation:
    if isinstance(population, FixedInput):
        return Input(population.name, population.size, population.graded, population.shape)
    formats = population.formats
    return Neurons(
        population.name,
        population.size,
        population.model,
        {name: _real(v, formats.constants[name]) for name, v in population.constants.items()},
        {
            gate: "plan" if form.function == "plan" else "sigmoid"
            for gate, form in formats.gates.items()
        },
        population.shape,
    )


def _projection(projection: FixedProjection) -> Projection:
    weights = projection.weights
    return Projection(
        projection.source,
        projection.variable,
        projection.target,
        projection.port,
        weights.with_values(_real(weights.values, projection.weight_fraction)),
        projection.delay,
    )
