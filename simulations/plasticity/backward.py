"""The backward half of a learning step, compiled: the error, and the factors that it causes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.learning.words import EXPONENT_FRACTION, LOG2_E, SURROGATE_SPAN_BITS, WEIGHT_FRACTION
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.records import (
    ADP_FROM_CURRENT,
    COUNT_CREDIT,
    COUNT_ERROR,
    COUNT_FACTOR_CURRENT,
    COUNT_FACTOR_TAU_ADP,
    COUNT_FACTOR_TAU_MEM,
    CREDIT,
    DISTANCE,
    FADE,
    FALL,
    MEM_FROM_CURRENT,
    MEMBRANE,
    PORT_CURRENT,
    PORT_TAU_ADP,
    PORT_TAU_MEM,
    STRENGTH,
    TAU_MEM,
    Array,
    Memory,
    Number,
    Rule,
    Tables,
)
from ltc2hw.simulations.plasticity.scalars import fit, rescale, rsz, weighted_sum


@kernel
def output_error(
    tables: Tables, memory: Memory, rule: Rule, p: Any, goal: Array, weight: int, counts: Array
) -> None:
    """Write the readout's error into its credit."""
    state, bits = memory.state, rule.factor_fraction
    if not rule.softmax:
        for j in range(p.size):
            error = rescale(goal[j] - state[MEMBRANE, p.first + j], p.fraction - bits)
            counts[COUNT_ERROR] += write_error(memory, rule, p.first + j, error * weight)
        return
    highest = state[MEMBRANE, p.first]
    for n in range(p.first, p.first + p.size):
        highest = max(highest, state[MEMBRANE, n])
    total = np.int64(0)
    for n in range(p.first, p.first + p.size):
        below = (highest - state[MEMBRANE, n]) * LOG2_E
        below = rescale(below, p.fraction + EXPONENT_FRACTION - rule.softmax_index)
        halvings = min(below >> rule.softmax_index, bits + 1)
        cell = below & ((np.int64(1) << rule.softmax_index) - 1)
        power = tables.powers[np.uint64(cell)] >> halvings
        state[CREDIT, n] = power
        total += power
    for j in range(p.size):
        wanted = (np.int64(1) << bits) if np.int64(j) == goal[0] else np.int64(0)
        error = wanted - (state[CREDIT, p.first + j] << bits) // total
        counts[COUNT_ERROR] += write_error(memory, rule, p.first + j, error * weight)


@inlined
def write_error(memory: Memory, rule: Rule, n: Number, weighted: Number) -> Number:
    """Write ``sat(rsz(weight e, 8))`` as the credit of a neuron; 1 if it did not fit."""
    error = rsz(weighted, WEIGHT_FRACTION)
    fitted = fit(error, rule.factor_low, rule.factor_high, 0)
    memory.state[CREDIT, n] = fitted
    return np.int64(fitted != error)


@inlined
def slope_product(
    tables: Tables, rule: Rule, distance: Number, fraction: Number, credit: Number
) -> Number:
    """``rsz(ψ(d) L, fraction of ψ)``."""
    magnitude = abs(distance)
    if rule.triangle:
        slope = max((np.int64(1) << fraction) - magnitude, 0)
        return rsz(slope * credit, fraction)
    cell = rescale(magnitude, fraction + SURROGATE_SPAN_BITS - rule.surrogate_index)
    slope = np.int64(0)
    if cell < tables.slopes.shape[0]:
        slope = tables.slopes[np.uint64(cell)]
    return rsz(slope * credit, rule.factor_fraction)


@inlined
def write_factor(memory: Memory, rule: Rule, port: Number, n: Number, factor: Number) -> Number:
    """Saturate a factor into its word and place; 1 if it did not fit."""
    fitted = fit(factor, rule.factor_low, rule.factor_high, 0)
    memory.factors[port, n] = fitted
    return np.int64(fitted != factor)


@kernel
def ltc_factors(tables: Tables, memory: Memory, rule: Rule, p: Any, counts: Array) -> None:
    """Post-synaptic factors of LTC neurons from the credit of their spikes."""
    state, constants = memory.state, memory.constants
    tau_mem, tau_adp = tables.gates[p.tau_mem], tables.gates[p.tau_adp]
    lift = p.strength_shift + p.fraction - p.adaptation_fraction
    mem_shift = tau_mem.current_shift + tau_mem.fraction - p.fraction
    adp_shift = tau_adp.current_shift + tau_adp.fraction - p.fraction
    lost_credit = lost_current = lost_mem = lost_adp = np.int64(0)
    for n in range(p.first, p.first + p.size):
        credit = fit(state[CREDIT, n], rule.factor_low, rule.factor_high, 0)
        lost_credit += np.int64(credit != state[CREDIT, n])
        distance = slope_product(tables, rule, state[DISTANCE, n], p.fraction, credit)
        factor = rsz(distance * state[FALL, n], p.fraction)
        lost_mem += write_factor(memory, rule, PORT_TAU_MEM, n, factor)
        lifted = -rescale(constants[STRENGTH, n] * distance, lift)
        factor = rsz(lifted * state[FADE, n], p.adaptation_fraction)
        lost_adp += write_factor(memory, rule, PORT_TAU_ADP, n, factor)
        through = rescale(
            constants[MEM_FROM_CURRENT, n] * np.int64(memory.factors[PORT_TAU_MEM, n]), mem_shift
        ) + rescale(
            constants[ADP_FROM_CURRENT, n] * np.int64(memory.factors[PORT_TAU_ADP, n]), adp_shift
        )
        factor = rsz(distance * state[TAU_MEM, n], tau_mem.output_fraction) + through
        lost_current += write_factor(memory, rule, PORT_CURRENT, n, factor)
        state[CREDIT, n] = 0
    counts[COUNT_CREDIT] += lost_credit
    counts[COUNT_FACTOR_CURRENT] += lost_current
    counts[COUNT_FACTOR_TAU_MEM] += lost_mem
    counts[COUNT_FACTOR_TAU_ADP] += lost_adp


@kernel
def readout_factors(tables: Tables, memory: Memory, rule: Rule, p: Any, counts: Array) -> None:
    """Post-synaptic factors of the readout from its error."""
    state, constants, gate = memory.state, memory.constants, tables.gates[p.tau_mem]
    shift = gate.current_shift + gate.fraction - p.fraction
    for n in range(p.first, p.first + p.size):
        credit = state[CREDIT, n]
        factor = rsz(credit * state[FALL, n], p.fraction)
        counts[COUNT_FACTOR_TAU_MEM] += write_factor(memory, rule, PORT_TAU_MEM, n, factor)
        through = rescale(
            constants[MEM_FROM_CURRENT, n] * np.int64(memory.factors[PORT_TAU_MEM, n]), shift
        )
        factor = rsz(credit * state[TAU_MEM, n], gate.output_fraction) + through
        counts[COUNT_FACTOR_CURRENT] += write_factor(memory, rule, PORT_CURRENT, n, factor)
        state[CREDIT, n] = 0


@kernel
def feed_back(tables: Tables, memory: Memory, rule: Rule, p: Any) -> None:
    """Add ``rescale(factor @ B, fraction of B)`` to the credit of the source."""
    if rule.symmetric:
        send_back(memory, memory.values, p.shift, p)
    else:
        send_back(memory, tables.feedback, np.int64(0), p)


@kernel
def send_back(memory: Memory, weights: Array, shift: Number, p: Any) -> None:
    """Factors through weights laid out as the projection's synapses."""
    factors = memory.factors[p.port]
    for i in range(p.sources):
        total = np.int64(0)
        if p.by_source:
            start = p.start + i * p.targets
            total = weighted_sum(weights, start, shift, factors, p.target, p.targets)
        else:
            for j in range(p.targets):
                weight = np.int64(weights[p.start + j * p.sources + i]) >> shift
                total += weight * np.int64(factors[p.target + j])
        memory.state[CREDIT, p.source + i] += rescale(total, p.fraction)
