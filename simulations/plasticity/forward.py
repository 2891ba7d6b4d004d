"""The forward half of a learning step, compiled: messages arrive, neurons answer.

Beside their states, neurons keep what learning needs of the step: distances from thresholds and how
much gates could have changed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.records import (
    ADAPTATION,
    ADP_BIAS,
    ADP_FROM_CURRENT,
    ADP_FROM_STATE,
    BIAS_CURRENT,
    COUNT_CURRENT,
    COUNT_TAU_ADP,
    COUNT_TAU_MEM,
    COUNT_THRESHOLD,
    CURRENT,
    DISTANCE,
    FADE,
    FALL,
    MEM_BIAS,
    MEM_FROM_CURRENT,
    MEM_FROM_STATE,
    MEMBRANE,
    OLD_ADAPTATION,
    OLD_MEMBRANE,
    ONE,
    PORT_CURRENT,
    PORT_TAU_ADP,
    PORT_TAU_MEM,
    SPIKES,
    STRENGTH,
    TAU_MEM,
    THRESHOLD,
    Array,
    Memory,
    Number,
    Tables,
)
from ltc2hw.simulations.plasticity.scalars import fit, gate_slope, gate_value, rsz, weighted_sum
from ltc2hw.simulations.plasticity.tables import INPUT_KIND
from ltc2hw.simulations.plasticity.typed import wide_vectors


@kernel
def arrive(tables: Tables, memory: Memory, p: Any) -> None:
    """Add ``(weights @ message) << exponent`` to a port; silent sources cost nothing."""
    wide_vectors()
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
        start = p.start + i * p.targets
        if message == 1:
            add_row(port, p.target, memory.values, start, p.targets, p.shift, p.exponent)
            continue
        scaled = message << p.exponent
        for j in range(p.targets):
            weight = np.int64(memory.values[start + j]) >> p.shift
            port[p.target + j] += weight * scaled


@inlined
def add_row(
    port: Array,
    target: Number,
    values: Array,
    start: Number,
    targets: Number,
    shift: Number,
    exponent: Number,
) -> None:
    """A spike's row of weights: no product."""
    wide_vectors()
    for j in range(targets):
        port[target + j] += (np.int64(values[start + j]) >> shift) << exponent


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
def shift_messages(tables: Tables, memory: Memory) -> None:
    """Messages of this step become messages of the past."""
    for k in range(tables.messages.shape[0]):
        m = tables.messages[k]
        for back in range(ONE, m.depth):
            to = m.start + (m.depth - back) * m.size
            for j in range(m.size):
                memory.sent[to + j] = memory.sent[to - m.size + j]


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
