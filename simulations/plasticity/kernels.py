"""The compiled time loop of on-chip FPTT: forward, errors back, update; one sample, one step.

Every function is the counterpart of one of the specification, on the tables and arrays of
:mod:`~ltc2hw.simulations.plasticity.layout`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.plasticity_words import (
    EXPONENT_FRACTION,
    LOG2_E,
    SURROGATE_SPAN_BITS,
    WEIGHT_FRACTION,
)
from ltc2hw.simulations.compiled import entry, inlined, kernel, sources_digest
from ltc2hw.simulations.plasticity.layout import (
    INPUT_KIND,
    LTC_KIND,
    Constant,
    Counter,
    Operation,
    Row,
)
from ltc2hw.simulations.plasticity.synapses import (
    HASH_SPREAD,
    draw,
    key_of_update,
    learn_nearest,
    learn_row,
    learn_stochastic,
    load,
)
from ltc2hw.simulations.plasticity.typed import plus, times

Array = npt.NDArray[Any]
Number = Any
"""An integer of some width, or a truth value."""

# Numba sees the members of enumerations as objects, so the kernels use plain integers.
ARRIVE, CURRENT_STAGE, UPDATE_STAGE, SEND, COMPARE, FACTORS, FEEDBACK = (int(o) for o in Operation)
(
    PORT_CURRENT,
    PORT_TAU_MEM,
    PORT_TAU_ADP,
    CURRENT,
    MEMBRANE,
    ADAPTATION,
    SPIKES,
    OLD_MEMBRANE,
    OLD_ADAPTATION,
    TAU_MEM,
    DISTANCE,
    FALL,
    FADE,
    CREDIT,
    ONES,
) = (int(row) for row in Row)
(
    BIAS_CURRENT,
    MEM_BIAS,
    MEM_FROM_STATE,
    MEM_FROM_CURRENT,
    ADP_BIAS,
    ADP_FROM_STATE,
    ADP_FROM_CURRENT,
    THRESHOLD,
    STRENGTH,
) = (int(constant) for constant in Constant)
(
    COUNT_CURRENT,
    COUNT_TAU_MEM,
    COUNT_TAU_ADP,
    COUNT_THRESHOLD,
    COUNT_CREDIT,
    COUNT_FACTOR_CURRENT,
    COUNT_FACTOR_TAU_MEM,
    COUNT_FACTOR_TAU_ADP,
) = (int(counter) for counter in list(Counter)[:8])
COUNT_ERROR = int(Counter.ERROR)
PLAN_FUNCTION, INTERPOLATED_FUNCTION = 0, 2
ONE = np.uint64(1)
SOURCES = sources_digest(Path(__file__).parent)


class Tables(NamedTuple):
    """Read-only tables."""

    schedule: Array
    populations: Array
    gates: Array
    entries: Array
    messages: Array
    projections: Array
    vectors: Array
    formats: Array
    vector_formats: Array
    slopes: Array
    powers: Array
    feedback: Array


class Memory(NamedTuple):
    """Arrays that change."""

    values: Array
    means: Array
    gradients: Array
    vector_values: Array
    vector_means: Array
    vector_gradients: Array
    constants: Array
    state: Array
    sent: Array
    factors: Array
    """Post-synaptic factors (3 ports, neurons), in the type of the synapses."""
    counts: Array
    """Misfits of populations (populations, counters)."""
    misfits: Array
    """Misfits of plastic projections, then of vectors: value, mean, gradient."""


class Rule(NamedTuple):
    """Scalars of the rule."""

    softmax: Any
    triangle: Any
    stochastic: Any
    symmetric: Any
    seed: Any
    factor_low: Any
    factor_high: Any
    factor_fraction: Any
    softmax_index: Any
    surrogate_index: Any


@inlined
def rsz(value: Number, bits: Number) -> Number:
    """Right shift toward zero: adding ``2^n - 1`` to negative values makes floor do it."""
    return (value + ((value >> np.int64(63)) & ((np.int64(1) << bits) - np.int64(1)))) >> bits


@inlined
def rescale(value: Number, bits: Number) -> Number:
    """Right shift toward zero, or left shift if ``bits`` is negative."""
    if bits < 0:
        return value << -bits
    return rsz(value, bits)


@inlined
def fit(value: Number, low: Number, high: Number, wraps: Number) -> Number:
    """Saturate, or wrap where ``wraps`` is the word's mask."""
    if wraps != 0:
        return ((value - low) & wraps) + low
    return min(max(value, low), high)


@inlined
def gate_value(x: Number, gate: Any, entries: Array) -> Number:
    """The gate function at an argument."""
    if gate.function == PLAN_FUNCTION:
        return plan_value(x, gate.fraction, gate.output_fraction)
    shift = gate.fraction + TABLE_SPAN_BITS - gate.index_bits
    half = np.int64(1) << (gate.fraction + TABLE_SPAN_BITS - 1)
    offset = min(max(x, -half), half - 1) + half
    cell = offset >> shift
    at = gate.entries + np.uint64(cell)
    result = entries[at]
    if gate.function == INTERPOLATED_FUNCTION:
        rest = offset - (cell << shift)
        result += ((entries[at + ONE] - result) * rest) >> shift
    return result


@inlined
def plan_value(x: Number, fraction: Number, output: Number) -> Number:
    """PLAN."""
    one = np.int64(1) << output
    magnitude = abs(x)
    down = fraction - output
    y = one
    if magnitude < np.int64(8) << (fraction - 3):
        y = (magnitude >> (down + 2)) + (one >> 1)
    elif magnitude < np.int64(19) << (fraction - 3):
        y = (magnitude >> (down + 3)) + (np.int64(5) << (output - 3))
    elif magnitude < np.int64(40) << (fraction - 3):
        y = (magnitude >> (down + 5)) + (np.int64(27) << (output - 5))
    return one - y if x < 0 else y


@inlined
def gate_slope(x: Number, value: Number, gate: Any) -> Number:
    """Derivative of the gate function at an argument where it has that value."""
    one = np.int64(1) << gate.output_fraction
    if gate.function != PLAN_FUNCTION:
        return (value * (one - value)) >> gate.output_fraction
    magnitude = abs(x)
    if magnitude < np.int64(8) << (gate.fraction - 3):
        return one >> 2
    if magnitude < np.int64(19) << (gate.fraction - 3):
        return one >> 3
    if magnitude < np.int64(40) << (gate.fraction - 3):
        return one >> 5
    return np.int64(0)


@kernel
def arrive(tables: Tables, memory: Memory, p: Any) -> None:
    """Add ``(weights @ message) << exponent`` to a port; silent sources cost nothing."""
    m = tables.messages[p.message]
    first = m.start + p.delay * m.size
    port = memory.state[p.port]
    if not p.by_source:
        for j in range(p.targets):
            start = p.start + j * p.sources
            total = weighted_sum(memory.values, start, p.shift, memory.sent, first, p.sources)
            port[p.target + j] += total << p.exponent
        return
    for i in range(p.sources):
        message = np.int64(memory.sent[first + i])
        if message == 0:
            continue
        scaled = message << p.exponent
        start = p.start + i * p.targets
        for j in range(p.targets):
            weight = np.int64(memory.values[start + j]) >> p.shift
            port[p.target + j] += weight * scaled


@inlined
def weighted_sum(
    weights: Array, start: Number, shift: Number, vector: Array, first: Number, width: Number
) -> Number:
    """Product of a row of weights and a vector."""
    total = np.int64(0)
    for k in range(width):
        total += (np.int64(weights[start + k]) >> shift) * np.int64(vector[first + k])
    return total


@kernel
def current_stage(memory: Memory, p: Any, counts: Array) -> None:
    """``I = sat(arriving + bias)``; the port is emptied for the next step."""
    state, constants = memory.state, memory.constants
    misfits = np.int64(0)
    for n in range(p.first, p.first + p.size):
        total = state[PORT_CURRENT, n] + constants[BIAS_CURRENT, n]
        fitted = fit(total, p.low, p.high, p.wraps)
        misfits += np.int64(fitted != total)
        state[CURRENT, n] = fitted
        state[PORT_CURRENT, n] = 0
    counts[COUNT_CURRENT] += misfits


@kernel
def membrane_stage(tables: Tables, memory: Memory, p: Any, counts: Array) -> None:
    """Gate τ and the leak, and ``FALL``, what the membrane would change with its gate."""
    state, constants, gate = memory.state, memory.constants, tables.gates[p.tau_mem]
    misfits = np.int64(0)
    for n in range(p.first, p.first + p.size):
        current, before = state[CURRENT, n], state[MEMBRANE, n]
        total = (
            state[PORT_TAU_MEM, n]
            + constants[MEM_BIAS, n]
            + rsz(constants[MEM_FROM_STATE, n] * before, gate.state_shift)
            + rsz(constants[MEM_FROM_CURRENT, n] * current, gate.current_shift)
        )
        argument = fit(total, p.low, p.high, p.wraps)
        misfits += np.int64(argument != total)
        tau = gate_value(argument, gate, tables.entries)
        slope = gate_slope(argument, tau, gate)
        state[OLD_MEMBRANE, n] = before
        state[TAU_MEM, n] = tau
        state[FALL, n] = rsz((current - before) * slope, gate.output_fraction)
        state[MEMBRANE, n] = before + rsz(tau * (current - before), gate.output_fraction)
        state[PORT_TAU_MEM, n] = 0
    counts[COUNT_TAU_MEM] += misfits


@kernel
def adaptation_stage(tables: Tables, memory: Memory, p: Any, counts: Array) -> None:
    """Gate ρ, adaptation, threshold, spike and reset, and what learning needs of them."""
    state, constants, gate = memory.state, memory.constants, tables.gates[p.tau_adp]
    bits, gain = gate.output_fraction, p.adaptation_fraction
    misfits, threshold_misfits = np.int64(0), np.int64(0)
    for n in range(p.first, p.first + p.size):
        before, fired = state[ADAPTATION, n], state[SPIKES, n]
        total = (
            state[PORT_TAU_ADP, n]
            + constants[ADP_BIAS, n]
            + rsz(constants[ADP_FROM_STATE, n] * before, gate.state_shift)
            + rsz(constants[ADP_FROM_CURRENT, n] * state[CURRENT, n], gate.current_shift)
        )
        argument = fit(total, p.low, p.high, p.wraps)
        misfits += np.int64(argument != total)
        rho = gate_value(argument, gate, tables.entries)
        slope = gate_slope(argument, rho, gate)
        gained = ((np.int64(1) << bits) - rho) << (gain - bits)
        after = rsz(rho * before, bits) + gained * fired
        total = constants[THRESHOLD, n] + rsz(constants[STRENGTH, n] * after, p.strength_shift)
        threshold = fit(total, p.low, p.high, p.wraps)
        threshold_misfits += np.int64(threshold != total)
        charged = state[MEMBRANE, n]
        spike = np.int64(charged > threshold)
        state[OLD_ADAPTATION, n] = before
        state[ADAPTATION, n] = after
        state[DISTANCE, n] = charged - threshold
        state[FADE, n] = rsz((before - (fired << gain)) * slope, bits)
        state[SPIKES, n] = spike
        state[MEMBRANE, n] = charged * (1 - spike)
        state[PORT_TAU_ADP, n] = 0
    counts[COUNT_TAU_ADP] += misfits
    counts[COUNT_THRESHOLD] += threshold_misfits


@kernel
def send(memory: Memory, p: Any, m: Any, counts: Array) -> None:
    """Spikes and inputs as they are; graded variables as ``word.fit(rsz(value, shift))``."""
    misfits = np.int64(0)
    for j in range(m.size):
        value = rsz(memory.state[m.row, p.first + j], m.shift)
        fitted = fit(value, m.low, m.high, m.wraps)
        misfits += np.int64(fitted != value)
        memory.sent[m.start + j] = fitted
    if m.counter >= 0:
        counts[m.counter] += misfits


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


@kernel
def learn_weights(
    tables: Tables, memory: Memory, rule: Rule, p: Any, low: Number, high: Number
) -> None:
    """Update every synapse of a projection."""
    m = tables.messages[p.message]
    first = m.start + p.delay * m.size
    f = load(tables.formats, np.uint64(p.format))
    misfits = memory.misfits[np.uint64(p.format)]
    index, factors = np.uint32(p.index), memory.factors[p.port]
    # A row is a source's synapses, or a target's: one side varies along it, the other is fixed.
    along, along_first, width, step = factors, p.target, p.targets, p.sources
    across, across_first, rows, jump = memory.sent, first, p.sources, ONE
    if not p.by_source:
        along, along_first, width, step = memory.sent, first, p.sources, ONE
        across, across_first, rows, jump = factors, p.target, p.targets, p.sources
    stride = times(np.uint32(step), HASH_SPREAD)
    for i in range(rows):
        place = plus(times(plus(index, i * jump), HASH_SPREAD), low)
        learn_row(
            memory.values, memory.means, memory.gradients, p.start + i * width,
            along, along_first, width, across[across_first + i], f, place, stride, high,
            rule.stochastic, misfits,
        )  # fmt: skip


@kernel
def learn_vector(
    tables: Tables, memory: Memory, rule: Rule, v: Any, low: Number, high: Number, misfits: Array
) -> None:
    """Update a constant of every neuron of a population, and let the network see it."""
    f = load(tables.vector_formats, v.format)
    values, means, gradients = memory.vector_values, memory.vector_means, memory.vector_gradients
    messages, factors = memory.state[v.row], memory.factors[v.port]
    constants, index = memory.constants[v.constant], np.uint32(v.index)
    first, start, message_shift, shift = v.first, v.start, v.message_shift, v.network_shift
    lost_value = lost_mean = lost_gradient = np.int64(0)
    for j in range(v.size):
        at = start + j
        product = np.int64(factors[first + j]) * rsz(messages[first + j], message_shift)
        if rule.stochastic:
            bits = draw(plus(times(plus(index, j), HASH_SPREAD), low), high)
            values[at], means[at], gradients[at], a, b, c = learn_stochastic(
                f, values[at], means[at], gradients[at], product, bits
            )
        else:
            values[at], means[at], gradients[at], a, b, c = learn_nearest(
                f, values[at], means[at], gradients[at], product
            )
        lost_value += np.int64(a)
        lost_mean += np.int64(b)
        lost_gradient += np.int64(c)
    for j in range(v.size):
        value = values[start + j]
        constants[first + j] = value >> shift if shift >= 0 else value << -shift
    misfits[0] += lost_value
    misfits[1] += lost_mean
    misfits[2] += lost_gradient


@kernel
def shift_messages(tables: Tables, memory: Memory) -> None:
    """Messages of this step become messages of the past."""
    for k in range(tables.messages.shape[0]):
        m = tables.messages[k]
        for back in range(ONE, m.depth):
            to = m.start + (m.depth - back) * m.size
            for j in range(m.size):
                memory.sent[to + j] = memory.sent[to - m.size + j]


@kernel
def operate(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    operation: Number,
    index: Number,
    goal: Array,
    weight: int,
) -> None:
    """One row of the schedule."""
    at = np.uint64(index)
    if operation == ARRIVE:
        arrive(tables, memory, tables.projections[at])
    elif operation == FEEDBACK:
        feed_back(tables, memory, rule, tables.projections[at])
    elif operation == SEND:
        m = tables.messages[at]
        send(memory, tables.populations[m.population], m, memory.counts[m.population])
    else:
        p, counts = tables.populations[at], memory.counts[at]
        if operation == CURRENT_STAGE:
            current_stage(memory, p, counts)
        elif operation == UPDATE_STAGE:
            membrane_stage(tables, memory, p, counts)
            if p.kind == LTC_KIND:
                adaptation_stage(tables, memory, p, counts)
        elif operation == COMPARE:
            output_error(tables, memory, rule, p, goal, weight, counts)
        elif p.kind == LTC_KIND:
            ltc_factors(tables, memory, rule, p, counts)
        else:
            readout_factors(tables, memory, rule, p, counts)


@kernel
def learn_all(tables: Tables, memory: Memory, rule: Rule, update: Number) -> None:
    """Update everything that learns, with the draws of this update."""
    low, high = key_of_update(rule.seed, update)
    for k in range(tables.projections.shape[0]):
        p = tables.projections[np.uint64(k)]
        if p.format >= 0:
            learn_weights(tables, memory, rule, p, low, high)
    first = tables.formats.shape[0]
    for k in range(tables.vectors.shape[0]):
        misfits = memory.misfits[first + k]
        learn_vector(tables, memory, rule, tables.vectors[np.uint64(k)], low, high, misfits)


@kernel
def clear(memory: Memory) -> None:
    """Registers and past messages at zero."""
    memory.sent[:] = 0
    for row in (MEMBRANE, ADAPTATION, SPIKES):
        memory.state[row] = 0


@kernel
def enter(tables: Tables, memory: Memory, sample: Array) -> None:
    """A step's encoded sample becomes the variable that the input sends, whichever it is."""
    for k in range(tables.populations.shape[0]):
        p = tables.populations[k]
        if p.kind == INPUT_KIND:
            for j in range(p.size):
                memory.state[CURRENT, p.first + j] = sample[j]
                memory.state[SPIKES, p.first + j] = sample[j]


@kernel
def record(memory: Memory, p: Any, output: Array) -> None:
    """The readout's membranes of a step."""
    for j in range(p.size):
        output[j] = memory.state[MEMBRANE, p.first + j]


@entry
def run(
    tables: Tables,
    memory: Memory,
    rule: Rule,
    samples: Array,
    goals: Array,
    weights: Array,
    outputs: Array,
    update: Number,
    reset: bool,
    sources: int = SOURCES,
) -> None:
    """Learn S samples of T steps, one after the other.

    ``samples`` (S, T, N_in) encoded; ``goals`` (S, 1) labels or (S, N_out) targets; ``weights``
    (T,) of the loss in time; ``outputs`` (T, S, N_out) is filled; ``update``: updates done before.
    ``sources`` is not read: see :func:`~ltc2hw.simulations.compiled.sources_digest`.
    """
    for s in range(samples.shape[0]):
        if reset:
            clear(memory)
        for t in range(samples.shape[1]):
            enter(tables, memory, samples[s, t])
            for k in range(tables.schedule.shape[0]):
                operation, index = tables.schedule[k]
                operate(tables, memory, rule, operation, index, goals[s], weights[t])
                if operation == COMPARE:
                    record(memory, tables.populations[index], outputs[t, s])
            learn_all(tables, memory, rule, np.uint64(update + s * samples.shape[1] + t))
            shift_messages(tables, memory)
