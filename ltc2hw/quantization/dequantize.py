"""The real numbers that the integers of a fixed network stand for."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import (
    Factor,
    FixedGate,
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    FixedReadout,
)
from ltc2hw.graph.network import (
    LIF,
    LTC,
    FloatPopulation,
    Gate,
    Input,
    Network,
    Projection,
    Readout,
)
from ltc2hw.numbers.words import FloatArray, IntArray


def dequantize(network: FixedNetwork) -> Network:
    """Divide every integer by its scale; what is lost is what words do: rounding, saturation.

    Lookup tables become the sigmoid that they stand for, ``plan`` stays what it is. Weights are
    ``mantissa / 2^weight_fraction``, constants ``integer / 2^fraction``, multipliers
    ``value · 2^(fraction of their operand - shift - fraction of the result)``.
    """
    build = cast(
        dict[type, Callable[[FixedPopulation], FloatPopulation]],
        {FixedInput: _input, FixedLTC: _ltc, FixedLIF: _lif, FixedReadout: _readout},
    )
    return Network(
        tuple(build[type(population)](population) for population in network.populations),
        tuple(_projection(projection) for projection in network.projections),
        network.output,
        {**network.provenance, "dequantized_from": network.target},
    )


def _real(values: npt.NDArray[np.int64], fraction: int) -> FloatArray:
    return np.ldexp(values.astype(np.float64), -fraction)


def _factor(factor: Factor, source: int, result: int) -> FloatArray:
    """``rsz(values x, shift)`` on fractions ``source`` and ``result`` as a real factor."""
    return _real(factor.values, factor.shift + result - source)


def _gate(gate: FixedGate, state: int, current: int) -> Gate:
    return Gate(
        _real(gate.bias, gate.fraction),
        _factor(gate.from_state, state, gate.fraction),
        _factor(gate.from_current, current, gate.fraction),
        "plan" if gate.function == "plan" else "sigmoid",
    )


def _input(population: FixedInput) -> Input:
    return Input(population.name, population.size, population.graded)


def _ltc(population: FixedLTC) -> LTC:
    fraction, adaptation = population.fraction, population.adaptation_fraction
    return LTC(
        population.name,
        population.size,
        _real(population.threshold, fraction),
        _factor(population.adaptation_strength, adaptation, fraction),
        _real(population.bias_current, fraction),
        _gate(population.tau_mem, fraction, fraction),
        _gate(population.tau_adp, adaptation, fraction),
    )


def _lif(population: FixedLIF) -> LIF:
    decay, fraction = population.decay_fraction, population.fraction
    bias: IntArray = population.bias_mantissa << population.bias_exponent
    return LIF(
        population.name,
        population.size,
        _real(population.current_decay, decay),
        _real(population.membrane_decay, decay),
        _real(population.threshold, fraction - population.alignment),
        _real(bias, fraction),
    )


def _readout(population: FixedReadout) -> Readout:
    fraction = population.fraction
    return Readout(
        population.name,
        population.size,
        _real(population.bias_current, fraction),
        _gate(population.tau_mem, fraction, fraction),
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
