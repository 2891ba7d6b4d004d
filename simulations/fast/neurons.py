"""The stages of neurons, compiled: the counterparts of the functions of the integer engine.

Each pass goes over ``width`` neurons and writes one variable, which lets the compiler use vector
instructions. Variables are named by their offsets into ``state`` and ``constants``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.simulations.fast.arithmetic import fit, product
from ltc2hw.simulations.fast.compiled import part
from ltc2hw.simulations.fast.tables import Function, Table

PLAN = int(Function.PLAN)
INTERPOLATED = int(Function.INTERPOLATED)
SPAN_BITS = TABLE_SPAN_BITS


@part
def saturating_current(
    state: Table, constants: Table, current: int, arriving: int, bias: int, width: int, p: Any
) -> int:
    """``sat(arriving + bias)``; returns the misfits."""
    misfits = np.int64(0)
    for j in range(width):
        total = np.int64(state[arriving + j]) + np.int64(constants[bias + j])
        fitted = fit(total, p.low, p.high, p.wraps)
        misfits += np.int64(fitted != total)
        state[current + j] = fitted
    return misfits


@part
def gate_argument(
    state: Table,
    constants: Table,
    gate: Any,
    p: Any,
    argument: int,
    arriving: int,
    steered: int,
    current: int,
    bias: int,
    from_state: int,
    from_current: int,
    width: int,
) -> int:
    """``sat(arriving + bias + rsz(from_state·x) + rsz(from_current·I))``; returns the misfits."""
    misfits = np.int64(0)
    for j in range(width):
        total = (
            np.int64(state[arriving + j])
            + np.int64(constants[bias + j])
            + product(constants[from_state + j], state[steered + j], gate.state_shift)
            + product(constants[from_current + j], state[current + j], gate.current_shift)
        )
        fitted = fit(total, p.low, p.high, p.wraps)
        misfits += np.int64(fitted != total)
        state[argument + j] = fitted
    return misfits


@part
def gate_value(state: Table, entries: Table, gate: Any, place: int, width: int) -> None:
    """Replace gate arguments by the gate function's values."""
    if gate.function == PLAN:
        plan_values(state, gate.fraction, gate.output_fraction, place, width)
    else:
        shift = gate.fraction + SPAN_BITS - gate.index_bits
        half = np.int64(1) << (gate.fraction + SPAN_BITS - 1)
        if gate.function == INTERPOLATED:
            interpolated_values(state, entries, gate.table, shift, half, place, width)
        else:
            table_values(state, entries, gate.table, shift, half, place, width)


@part
def plan_values(state: Table, fraction: int, output_fraction: int, place: int, width: int) -> None:
    """PLAN in place, as :func:`ltc2hw.nonlinearity.plan_integer`."""
    down = fraction - output_fraction
    one = np.int64(1) << output_fraction
    for j in range(width):
        x = np.int64(state[place + j])
        magnitude = abs(x)
        y = one
        if magnitude < np.int64(40) << (fraction - 3):
            y = (magnitude >> (down + 5)) + (np.int64(27) << (output_fraction - 5))
        if magnitude < np.int64(19) << (fraction - 3):
            y = (magnitude >> (down + 3)) + (np.int64(5) << (output_fraction - 3))
        if magnitude < np.int64(8) << (fraction - 3):
            y = (magnitude >> (down + 2)) + (np.int64(1) << (output_fraction - 1))
        state[place + j] = one - y if x < 0 else y


@part
def table_values(
    state: Table, entries: Table, table: int, shift: int, half: int, place: int, width: int
) -> None:
    """Plain table in place, as :func:`ltc2hw.nonlinearity.lookup_integer`."""
    for j in range(width):
        offset = min(max(np.int64(state[place + j]), -half), half - 1) + half
        state[place + j] = entries[table + np.uint64(offset >> shift)]


@part
def interpolated_values(
    state: Table, entries: Table, table: int, shift: int, half: int, place: int, width: int
) -> None:
    """Interpolated table in place, as :func:`ltc2hw.nonlinearity.lookup_integer`."""
    for j in range(width):
        offset = min(max(np.int64(state[place + j]), -half), half - 1) + half
        cell = offset >> shift
        rest = offset - (cell << shift)
        left = np.int64(entries[table + np.uint64(cell)])
        right = np.int64(entries[table + np.uint64(cell + 1)])
        state[place + j] = left + (((right - left) * rest) >> shift)


@part
def leak(state: Table, membrane: int, current: int, tau: int, bits: int, width: int) -> None:
    """``u + rsz(τ (I - u), bits)`` in place."""
    for j in range(width):
        u = np.int64(state[membrane + j])
        state[membrane + j] = u + product(
            np.int64(state[tau + j]), np.int64(state[current + j]) - u, bits
        )


@part
def adapt(
    state: Table,
    spikes: Table,
    adaptation: int,
    rho: int,
    before: int,
    bits: int,
    adaptation_fraction: int,
    width: int,
) -> None:
    """``rsz(ρ η, bits) + s[t-1] (2^bits - ρ) 2^(adaptation_fraction - bits)`` in place."""
    one = np.int64(1) << bits
    for j in range(width):
        keep = np.int64(state[rho + j])
        gained = (one - keep) << (adaptation_fraction - bits)
        state[adaptation + j] = product(keep, state[adaptation + j], bits) + gained * np.int64(
            spikes[before + j]
        )


@part
def moving_threshold(
    state: Table,
    constants: Table,
    threshold: int,
    fixed: int,
    strength: int,
    adaptation: int,
    width: int,
    p: Any,
) -> int:
    """``sat(threshold + rsz(strength·η))``; returns the misfits."""
    misfits = np.int64(0)
    for j in range(width):
        total = np.int64(constants[fixed + j]) + product(
            constants[strength + j], state[adaptation + j], p.strength_shift
        )
        fitted = fit(total, p.low, p.high, p.wraps)
        misfits += np.int64(fitted != total)
        state[threshold + j] = fitted
    return misfits


@part
def spike_and_reset(
    state: Table,
    thresholds: Table,
    spikes: Table,
    membrane: int,
    threshold: int,
    out: int,
    width: int,
) -> None:
    """``s = u > θ; u = 0 where s``."""
    for j in range(width):
        spikes[out + j] = state[membrane + j] > thresholds[threshold + j]
    for j in range(width):
        u = state[membrane + j]
        state[membrane + j] = 0 if u > thresholds[threshold + j] else u


@part
def lif_current(
    state: Table, constants: Table, current: int, arriving: int, kept: int, width: int, p: Any
) -> int:
    """``wrap_once(rsz(i kept, d) + (arriving << alignment))`` in place; returns the wraps."""
    misfits = np.int64(0)
    half = p.high + 1
    for j in range(width):
        total = product(constants[kept + j], state[current + j], p.decay_fraction) + (
            np.int64(state[arriving + j]) << p.alignment
        )
        over = total - 2 * half if total > half else total
        wrapped = over + 2 * half if over <= -half else over
        misfits += np.int64(wrapped != total)
        state[current + j] = wrapped
    return misfits


@part
def lif_membrane(
    state: Table,
    constants: Table,
    membrane: int,
    current: int,
    kept: int,
    bias: int,
    width: int,
    p: Any,
) -> int:
    """``clip(rsz(v kept, d) + i + bias)`` to ±(2^(bits-1) - 1) in place; returns the misfits."""
    misfits = np.int64(0)
    for j in range(width):
        total = (
            product(constants[kept + j], state[membrane + j], p.decay_fraction)
            + np.int64(state[current + j])
            + np.int64(constants[bias + j])
        )
        clipped = min(max(total, -p.high), p.high)
        misfits += np.int64(clipped != total)
        state[membrane + j] = clipped
    return misfits
