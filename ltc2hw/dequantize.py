"""Float networks that hold some of an integer network's numbers: between the two, in any mixture.

Each number that quantization changed can be put back alone into the float network, which then runs
in the float64 engine like any other. That is how lost accuracy is traced to its causes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.fixed import (
    Factor,
    FixedGate,
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedNetwork,
    FixedPopulation,
    FixedReadout,
    Message,
    message_format,
    message_fraction,
    message_word,
)
from ltc2hw.graph import Connection, Port, connection_name
from ltc2hw.network import LIF, LTC, FloatPopulation, Gate, Input, Network, Projection, Readout
from ltc2hw.nonlinearity import lookup_integer, plan_integer
from ltc2hw.weights import Dense, Numbers
from ltc2hw.words import FloatArray, IntArray, Rounding, Word

KINDS: Mapping[type, type] = {
    Input: FixedInput,
    LTC: FixedLTC,
    LIF: FixedLIF,
    Readout: FixedReadout,
}
"""Integer form of each kind of population."""

WEIGHTS = "weights"
"""Field of the tensors that are projections' weights."""


@dataclass(frozen=True, order=True)
class Tensor:
    """One array that quantization rounds: a projection's weights or a population's constants."""

    owner: str
    field: str

    def __str__(self) -> str:
        return f"{self.owner} {self.field}"


@dataclass(frozen=True, eq=False)
class RoundedGate(Gate):
    """A float gate whose non-linearity is the integer gate's plan or table."""

    fixed: FixedGate | None = None

    def evaluate(self, argument: FloatArray) -> FloatArray:
        """Round the argument into the gate's format, evaluate on integers, scale back."""
        fixed = self.fixed
        assert fixed is not None
        # Arguments beyond the widest word are beyond the ends of every table, too.
        x, _ = Word(WIDE).encode(argument, fixed.fraction)
        if fixed.function == "plan":
            y = plan_integer(x, fixed.fraction, fixed.output_fraction)
        else:
            y = lookup_integer(x, fixed.fraction, fixed.table, fixed.function)
        return np.ldexp(y.astype(np.float64), -fixed.output_fraction)


WIDE = 48
"""Bits of a word that no gate argument leaves."""


@dataclass(frozen=True, eq=False)
class RoundedMessages(Dense):
    """Weights that see graded messages as the chip sends them: cut toward zero, saturated."""

    word: Word
    fraction: int

    def apply(self, messages: Numbers) -> Numbers:
        """Round messages (B, N_source), then sum them to (B, N_target)."""
        toward_zero = replace(self.word, rounding=Rounding.TOWARD_ZERO)
        sent, _ = toward_zero.encode(messages, self.fraction)
        return super().apply(np.ldexp(sent.astype(np.float64), -self.fraction))


def check_pair(network: Network, fixed: FixedNetwork) -> None:
    """Raise unless the integer network has the populations and projections of the float one.

    Raises:
        InvalidValueError: naming the first difference.
    """

    def shape(graph: Network | FixedNetwork) -> list[str]:
        kinds = {**KINDS, **{known: known for known in KINDS.values()}}
        populations = [f"{kinds[type(p)].__name__} {p.name} {p.size}" for p in graph.populations]
        projections = [f"projection {tensor_of(p).owner}" for p in graph.projections]
        return [*populations, *projections, f"output {graph.output}"]

    for found, wanted in zip(shape(fixed), shape(network), strict=False):
        if found != wanted:
            raise InvalidValueError("part of the integer network", found, wanted, ORIGIN)
    counts = [len(shape(fixed)), len(shape(network))]
    if counts[0] != counts[1]:
        raise InvalidValueError("parts of the integer network", counts[0], str(counts[1]), ORIGIN)


ORIGIN = "quantize this float network, or load the one it was made from"


def tensor_of(projection: Connection) -> Tensor:
    """The weights of a projection, named with its delay."""
    delay = f" after {projection.delay}" if projection.delay else ""
    return Tensor(f"{connection_name(projection)}{delay}", WEIGHTS)


def real_tensors(network: FixedNetwork) -> dict[Tensor, FloatArray]:
    """Every weight and constant of an integer network in real units, (N,) or the operator's values.

    Weights are ``mantissa / 2^weight_fraction``, constants ``integer / 2^fraction``, multipliers
    ``value · 2^(fraction of their operand - shift - fraction of the result)``.
    """
    tensors = {
        tensor_of(p): np.ldexp(p.weights.values.astype(np.float64), -p.weight_fraction)
        for p in network.projections
    }
    for population in network.populations:
        for field, values in _real_constants(population).items():
            tensors[Tensor(population.name, field)] = values
    return tensors


def float_tensor(network: Network, tensor: Tensor) -> FloatArray:
    """The float network's own values of a tensor of :func:`real_tensors`."""
    if tensor.field == WEIGHTS:
        projection = next(p for p in network.projections if tensor_of(p) == tensor)
        return projection.weights.values
    values: FloatArray = attrgetter(tensor.field)(network.population(tensor.owner))
    return values


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
        for population in network.populations
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


def _real_constants(population: FixedPopulation) -> dict[str, FloatArray]:
    if isinstance(population, FixedInput):
        return {}
    if isinstance(population, FixedLIF):
        scale = population.fraction
        return {
            "current_decay": _real(population.current_decay, population.decay_fraction),
            "membrane_decay": _real(population.membrane_decay, population.decay_fraction),
            "threshold": _real(population.threshold, scale - population.alignment),
            "bias": _real(population.bias_mantissa, scale - population.bias_exponent),
        }
    fraction = population.fraction
    constants = {
        "bias_current": _real(population.bias_current, fraction),
        **_real_gate("tau_mem", population.tau_mem, fraction, fraction),
    }
    if isinstance(population, FixedLTC):
        adaptation = population.adaptation_fraction
        constants["threshold"] = _real(population.threshold, fraction)
        constants["adaptation_strength"] = _real_factor(
            population.adaptation_strength, adaptation, fraction
        )
        constants.update(_real_gate("tau_adp", population.tau_adp, adaptation, fraction))
    return constants


def _real_gate(port: Port, gate: FixedGate, state: int, current: int) -> dict[str, FloatArray]:
    return {
        f"{port}.bias": _real(gate.bias, gate.fraction),
        f"{port}.from_state": _real_factor(gate.from_state, state, gate.fraction),
        f"{port}.from_current": _real_factor(gate.from_current, current, gate.fraction),
    }


def _real(values: IntArray, fraction: int) -> FloatArray:
    return np.ldexp(values.astype(np.float64), -fraction)


def _real_factor(factor: Factor, operand: int, result: int) -> FloatArray:
    return _real(factor.values, factor.shift + result - operand)


def _with_constants(
    population: FloatPopulation, real: Mapping[Tensor, FloatArray], fixed: FixedPopulation | None
) -> FloatPopulation:
    """The population with its tensors of ``real`` replaced, and the gate functions of ``fixed``."""
    changes: dict[str, Any] = {
        tensor.field: values for tensor, values in real.items() if tensor.owner == population.name
    }
    for port in ("tau_mem", "tau_adp"):
        gate = getattr(population, port, None)
        if gate is None:
            continue
        own = {
            field.removeprefix(f"{port}."): changes.pop(field)
            for field in list(changes)
            if field.startswith(f"{port}.")
        }
        gate = replace(gate, **own)
        if fixed is not None:
            gate = RoundedGate(
                gate.bias,
                gate.from_state,
                gate.from_current,
                gate.nonlinearity,
                getattr(fixed, port),
            )
        changes[port] = gate
    return replace(population, **changes)


def _with_weights(
    projection: Projection, real: Mapping[Tensor, FloatArray], fixed: FixedNetwork | None
) -> Projection:
    """The projection with its weights replaced, and with the message rounding of ``fixed``."""
    weights = projection.weights
    tensor = tensor_of(projection)
    if tensor in real:
        weights = weights.with_values(real[tensor])
    if fixed is not None and _message(fixed, projection) is not None:
        source = fixed.population(projection.source)
        weights = RoundedMessages(
            weights.to_array(),
            message_word(source, projection.variable),
            message_fraction(source, projection.variable),
        )
    return replace(projection, weights=weights)


def has_messages(fixed: FixedNetwork) -> bool:
    """Whether some projection carries rounded graded messages."""
    return any(_message(fixed, projection) is not None for projection in fixed.projections)


def has_gates(fixed: FixedNetwork) -> bool:
    """Whether some population has gates."""
    return any(isinstance(p, (FixedLTC, FixedReadout)) for p in fixed.populations)


def _message(fixed: FixedNetwork, projection: Connection) -> Message | None:
    return message_format(fixed.population(projection.source), projection.variable)
