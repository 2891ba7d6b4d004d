"""The integer arithmetic of :mod:`ltc2hw.simulations.integer` on tensors of any device.

All numbers are int64 of shape (B, N). Devices multiply matrices of doubles, not of integers, so
products are taken in doubles, exact because no sum of a projection exceeds 2^53.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ltc2hw.converters.populations import Factor, FixedGate, FixedLIF, FixedLTC, FixedReadout
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork, FixedPopulation, message_word
from ltc2hw.graph.structure import Port
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS, TABLE_SPAN_BITS, table_index_bits
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import IntArray, Overflow, Word

EXACT = 1 << 53
"""Doubles hold every integer up to this."""

Variables = Mapping[str, Tensor]


@dataclass(frozen=True)
class Stage:
    """Variables that a stage produced, and how many values did not fit (scalar tensors)."""

    values: Variables
    misfits: Variables


class Tensors:
    """Constants of a network on a device, each copied there once."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.known: dict[int, tuple[IntArray, Tensor]] = {}

    def of(self, values: IntArray) -> Tensor:
        """An array as a tensor."""
        known = self.known.get(id(values))
        if known is None:
            tensor = torch.tensor(values, device=self.device, dtype=torch.int64)
            known = self.known[id(values)] = (values, tensor)
        return known[1]


def weight_matrices(network: FixedNetwork, device: torch.device) -> list[Tensor]:
    """Weights of all projections, (N_target, N_source) in doubles.

    Raises:
        InvalidValueError: if a sum could exceed 2^53.
    """
    matrices = []
    for projection in network.projections:
        source = network.population(projection.source)
        word = message_word(source, projection.variable)
        largest = np.full(source.size, max(word.maximum, -word.minimum), dtype=np.int64)
        total = int(projection.weights.row_magnitudes(largest).max())
        if total > EXACT:
            name = f"{projection.source} to {projection.target}.{projection.port}"
            raise InvalidValueError(f"largest sum of {name}", total, "at most 2^53", "use integer")
        weights = projection.weights
        if isinstance(weights, Sparse):
            coordinates = weights.to_scipy().tocoo()
            places = torch.tensor(np.stack([coordinates.row, coordinates.col]))
            values = torch.tensor(coordinates.data, dtype=torch.float64)
            with warnings.catch_warnings():
                # torch 2.11 says that checks are implicitly off, although they are asked for.
                warnings.filterwarnings("ignore", "Sparse invariant checks")
                matrix = torch.sparse_coo_tensor(
                    places, values, weights.shape, check_invariants=True
                ).coalesce()
        else:
            matrix = torch.tensor(weights.to_array(), dtype=torch.float64)
        matrices.append(matrix.to(device))
    return matrices


def weigh(matrix: Tensor, message: Tensor) -> Tensor:
    """``mantissas @ message`` of every sample."""
    doubles = message.double().t()
    sums = torch.sparse.mm(matrix, doubles) if matrix.is_sparse else matrix @ doubles
    return sums.t().long()


def shift_toward_zero(values: Tensor, bits: int) -> Tensor:
    """``sign(x) * (|x| >> n)``."""
    return values.sign() * (values.abs() >> bits)


def fit(word: Word, values: Tensor) -> tuple[Tensor, Tensor]:
    """Bring integers into a word; also return how many did not fit."""
    if word.overflow is Overflow.SATURATE:
        fitted = values.clamp(word.minimum, word.maximum)
    else:
        fitted = ((values - word.minimum) & ((1 << word.bits) - 1)) + word.minimum
    return fitted, (fitted != values).sum()


def product(factor: Factor, values: Tensor, constants: Tensors) -> Tensor:
    """``rsz(values * x, shift)``."""
    return shift_toward_zero(constants.of(factor.values) * values, factor.shift)


def gate(
    parameters: FixedGate,
    word: Word,
    arriving: Tensor,
    state: Tensor,
    current: Tensor,
    constants: Tensors,
) -> tuple[Tensor, Tensor]:
    """Gate value, and how many arguments did not fit."""
    argument, misfits = fit(
        word,
        arriving
        + constants.of(parameters.bias)
        + product(parameters.from_state, state, constants)
        + product(parameters.from_current, current, constants),
    )
    if parameters.function == "plan":
        return plan(argument, parameters), misfits
    return look_up(argument, parameters, constants), misfits


def plan(x: Tensor, parameters: FixedGate) -> Tensor:
    """As :func:`ltc2hw.numbers.nonlinearity.plan_integer`."""
    fraction, bits = parameters.fraction, parameters.output_fraction
    magnitude = x.abs()
    result = torch.full_like(x, 1 << bits)
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        line = (magnitude >> (slope + fraction - bits)) + (numerator << (bits - denominator))
        result = torch.where(magnitude < (eighths << (fraction - 3)), line, result)
    return torch.where(x < 0, (1 << bits) - result, result)


def look_up(x: Tensor, parameters: FixedGate, constants: Tensors) -> Tensor:
    """As :func:`ltc2hw.numbers.nonlinearity.lookup_integer`."""
    table = constants.of(parameters.table)
    span = parameters.fraction + TABLE_SPAN_BITS
    shift = span - table_index_bits(parameters.table.size, parameters.function)
    half = 1 << (span - 1)
    offset = x.clamp(-half, half - 1) + half
    cell = offset >> shift
    result = table[cell]
    if parameters.function == "interpolated":
        result = result + (((table[cell + 1] - result) * (offset - (cell << shift))) >> shift)
    return result


def leak(membrane: Tensor, current: Tensor, tau: Tensor, fraction: int) -> Tensor:
    """``u + rsz(τ (I - u), fraction)``."""
    return membrane + shift_toward_zero(tau * (current - membrane), fraction)


def current_stage(
    population: FixedPopulation, registers: Variables, arriving: Tensor, constants: Tensors
) -> Stage:
    """``sat(Σ + bias)``; for LIF neurons Lava's decaying, once-wrapping current."""
    if not isinstance(population, FixedLIF):
        assert isinstance(population, (FixedLTC, FixedReadout))
        total = arriving + constants.of(population.bias_current)
        current, misfits = fit(population.state, total)
        return Stage({"current": current}, {"current": misfits})
    bits, half = population.decay_fraction, 1 << (population.state.bits - 1)
    kept = (1 << bits) - constants.of(population.current_decay)
    total = shift_toward_zero(registers["current"] * kept, bits)
    total = total + (arriving << population.alignment)
    held, _ = fit(Word(population.current_bits, overflow=Overflow.WRAP), total)
    over = torch.where(held > half, held - 2 * half, held)
    current = torch.where(over <= -half, over + 2 * half, over)
    return Stage({"current": current}, {"current": (current != total).sum()})


def update_stage(
    population: FixedPopulation,
    registers: Variables,
    current: Tensor,
    ports: Mapping[Port, Tensor],
    constants: Tensors,
) -> Stage:
    """Gates, membrane, adaptation, threshold, spikes, reset."""
    if isinstance(population, FixedLIF):
        return update_lif(population, registers, current, constants)
    assert isinstance(population, (FixedLTC, FixedReadout))
    before, word, arriving = registers["membrane"], population.state, ports["tau_mem"]
    tau, misfits = gate(population.tau_mem, word, arriving, before, current, constants)
    membrane = leak(before, current, tau, population.tau_mem.output_fraction)
    done = Stage({"tau_mem": tau, "membrane": membrane}, {"tau_mem": misfits})
    if isinstance(population, FixedLTC):
        return adapt(population, registers, current, ports["tau_adp"], done, constants)
    return done


def adapt(
    population: FixedLTC,
    registers: Variables,
    current: Tensor,
    arriving: Tensor,
    done: Stage,
    constants: Tensors,
) -> Stage:
    """Adaptation, threshold, spikes and reset of LTC neurons after their membrane."""
    before, word, bits = (
        registers["adaptation"],
        population.state,
        population.tau_adp.output_fraction,
    )
    rho, misfits = gate(population.tau_adp, word, arriving, before, current, constants)
    gained = ((1 << bits) - rho) << (population.adaptation_fraction - bits)
    adaptation = shift_toward_zero(rho * before, bits) + gained * registers["spikes"]
    raised = product(population.adaptation_strength, adaptation, constants)
    threshold, beyond = fit(word, constants.of(population.threshold) + raised)
    spikes = (done.values["membrane"] > threshold).long()
    values = {
        **done.values,
        "membrane": done.values["membrane"] * (1 - spikes),
        "tau_adp": rho,
        "adaptation": adaptation,
        "threshold": threshold,
        "spikes": spikes,
    }
    return Stage(values, {**done.misfits, "tau_adp": misfits, "threshold": beyond})


def update_lif(
    population: FixedLIF, registers: Variables, current: Tensor, constants: Tensors
) -> Stage:
    """Membrane, spikes and reset of LIF neurons; the membrane saturates at ±(2^(bits-1) - 1)."""
    bits, limit = population.decay_fraction, population.state.maximum
    kept = (1 << bits) - constants.of(population.membrane_decay)
    bias = constants.of(population.bias_mantissa) << population.bias_exponent
    total = shift_toward_zero(registers["membrane"] * kept, bits) + current + bias
    membrane = total.clamp(-limit, limit)
    spikes = (membrane > (constants.of(population.threshold) << population.alignment)).long()
    values = {"membrane": membrane * (1 - spikes), "spikes": spikes}
    return Stage(values, {"membrane": (membrane != total).sum()})
