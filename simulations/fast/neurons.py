"""The stages of neurons, compiled: the counterparts of the functions of the integer engine.

Every kernel goes once over the neurons that an :class:`At` names, and returns how many values did
not fit their word.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.arithmetic import fit, number, product, short
from ltc2hw.simulations.fast.streams import load, store
from ltc2hw.simulations.fast.tables import Constant, Region, Scalar, Table

SPAN_BITS = TABLE_SPAN_BITS

# Numba sees members of enumerations as objects, so the kernels use plain integers.
CURRENT_REGION, MEMBRANE_REGION = np.uint64(Region.CURRENT), np.uint64(Region.MEMBRANE)
ADAPTATION_REGION, THRESHOLD_REGION = np.uint64(Region.ADAPTATION), np.uint64(Region.THRESHOLD)
TAU_MEM_REGION, TAU_ADP_REGION = np.uint64(Region.TAU_MEM), np.uint64(Region.TAU_ADP)
PORT_REGION = np.uint64(Region.PORT_CURRENT)

BIAS_CURRENT, FIXED_THRESHOLD = np.uint64(Constant.BIAS_CURRENT), np.uint64(Constant.THRESHOLD)
STRENGTH = np.uint64(Constant.STRENGTH)
CURRENT_KEPT, MEMBRANE_KEPT = np.uint64(Constant.CURRENT_KEPT), np.uint64(Constant.MEMBRANE_KEPT)

ARRIVING, CURRENT, STATE, TAU, RHO, THRESHOLD, ADAPTATION, SPIKES, CONSTANTS, ENTRIES = range(10)
"""Streams; STATE is the variable that a gate steers, or the membrane."""

KNOT = np.int64(0xFFFFFFFF)


class At(NamedTuple):
    """Where neurons are: the same numbers for every region. All fields are unsigned."""

    first: Any
    """First neuron within a region of the state."""
    span: Any
    """Length of a region of the state."""
    constant: Any
    """First neuron within a region of constants."""
    reach: Any
    """Length of a region of constants."""
    width: Any
    """Neurons, possibly of several samples side by side."""


@inlined
def in_state(region: Scalar, at: At) -> Scalar:
    """Index of the first neuron's variable."""
    return region * at.span + at.first


@inlined
def in_constants(region: Scalar, at: At) -> Scalar:
    """Index of the first neuron's constant."""
    return region * at.reach + at.constant


@kernel
def saturating_current(state: Table, constants: Table, at: At, p: Any) -> Scalar:
    """``I = sat(arriving + bias)`` of LTC and readout neurons."""
    current, arriving = in_state(CURRENT_REGION, at), in_state(PORT_REGION, at)
    bias = in_constants(BIAS_CURRENT, at)
    low, high, wraps = p.low, p.high, p.wraps
    misfits = np.int64(0)
    for j in range(at.width):
        total = load(state, ARRIVING, arriving + j) + load(constants, CONSTANTS, bias + j)
        fitted = fit(total, low, high, wraps)
        misfits += np.int64(fitted != total)
        store(state, CURRENT, current + j, fitted)
    return misfits


class GatePlaces(NamedTuple):
    """What a gate kernel reads and writes, and the shifts of its products."""

    out: Any
    arriving: Any
    steered: Any
    current: Any
    bias: Any
    from_state: Any
    from_current: Any
    state_shift: Any
    current_shift: Any


@inlined
def gate_places(at: At, gate: Any) -> GatePlaces:
    """Places of a gate; the regions of its factors follow that of its bias."""
    bias = in_constants(gate.bias, at)
    return GatePlaces(
        in_state(gate.out, at),
        in_state(gate.port, at),
        in_state(gate.steered, at),
        in_state(CURRENT_REGION, at),
        bias,
        bias + at.reach,
        bias + at.reach + at.reach,
        gate.state_shift,
        gate.current_shift,
    )


@inlined
def gate_argument(state: Table, constants: Table, g: GatePlaces, j: Scalar) -> Any:
    """``arriving + bias + rsz(from_state·x) + rsz(from_current·I)`` of one neuron."""
    from_state = load(constants, CONSTANTS, g.from_state + j)
    from_current = load(constants, CONSTANTS, g.from_current + j)
    return (
        load(state, ARRIVING, g.arriving + j)
        + load(constants, CONSTANTS, g.bias + j)
        + product(from_state, load(state, STATE, g.steered + j), g.state_shift)
        + product(from_current, load(state, CURRENT, g.current + j), g.current_shift)
    )


@kernel
def plan_gate(state: Table, constants: Table, at: At, p: Any, gate: Any) -> Scalar:
    """Gate with PLAN, as :func:`ltc2hw.nonlinearity.plan_integer`."""
    g = gate_places(at, gate)
    low, high, wraps = p.low, p.high, p.wraps
    down = gate.fraction - gate.output_fraction
    one = np.int64(1) << gate.output_fraction
    eighth = np.int64(1) << (gate.fraction - 3)
    misfits = np.int64(0)
    for j in range(at.width):
        total = gate_argument(state, constants, g, j)
        fitted = fit(total, low, high, wraps)
        misfits += np.int64(fitted != total)
        argument = np.int64(fitted)
        magnitude = abs(argument)
        slope, offset = np.int64(63), one
        if magnitude < 40 * eighth:
            slope, offset = down + 5, 27 * (one >> 5)
        if magnitude < 19 * eighth:
            slope, offset = down + 3, 5 * (one >> 3)
        if magnitude < 8 * eighth:
            slope, offset = down + 2, one >> 1
        y = (magnitude >> slope) + offset
        store(state, TAU, g.out + j, one - y if argument < 0 else y)
    return misfits


@kernel
def table_gate(state: Table, constants: Table, entries: Table, at: At, p: Any, gate: Any) -> Scalar:
    """Gate with a plain table, as :func:`ltc2hw.nonlinearity.lookup_integer`."""
    g = gate_places(at, gate)
    low, high, wraps, table = p.low, p.high, p.wraps, gate.table
    shift = gate.fraction + SPAN_BITS - gate.index_bits
    half = number(np.int64(1) << (gate.fraction + SPAN_BITS - 1), gate.unit)
    misfits = np.int64(0)
    for j in range(at.width):
        total = gate_argument(state, constants, g, j)
        fitted = fit(total, low, high, wraps)
        misfits += np.int64(fitted != total)
        offset = np.int64(min(max(fitted, -half), half - 1) + half)
        entry = load(entries, ENTRIES, table + np.uint64(offset >> shift))
        store(state, TAU, g.out + j, entry)
    return misfits


@kernel
def interpolated_gate(
    state: Table, constants: Table, entries: Table, at: At, p: Any, gate: Any
) -> Scalar:
    """Gate with an interpolated table, as :func:`ltc2hw.nonlinearity.lookup_integer`.

    An entry holds the rise to the next knot above 32 bits of the knot, so that one look-up does.
    """
    g = gate_places(at, gate)
    low, high, wraps, table = p.low, p.high, p.wraps, gate.table
    shift = gate.fraction + SPAN_BITS - gate.index_bits
    half = number(np.int64(1) << (gate.fraction + SPAN_BITS - 1), gate.unit)
    misfits = np.int64(0)
    for j in range(at.width):
        total = gate_argument(state, constants, g, j)
        fitted = fit(total, low, high, wraps)
        misfits += np.int64(fitted != total)
        offset = np.int64(min(max(fitted, -half), half - 1) + half)
        cell = offset >> shift
        entry = load(entries, ENTRIES, table + np.uint64(cell))
        rise = short(entry >> np.int64(32), half)
        rest = short(offset - (cell << shift), half)
        store(state, TAU, g.out + j, (entry & KNOT) + ((rise * rest) >> shift))
    return misfits


@inlined
def leaked(membrane: Any, current: Any, tau: Any, gate: Any) -> Any:
    """``u + rsz(τ (I - u), bits)``; ``gate`` holds the unit of τ and the bits."""
    unit, bits = gate
    return membrane + product(tau * unit, current - membrane, bits)


@kernel
def leak(state: Table, at: At, gate: Any) -> None:
    """Membranes of readout neurons."""
    membrane, current = in_state(MEMBRANE_REGION, at), in_state(CURRENT_REGION, at)
    tau = in_state(TAU_MEM_REGION, at)
    units = (gate.unit, gate.output_fraction)
    for j in range(at.width):
        u = leaked(
            load(state, STATE, membrane + j),
            load(state, CURRENT, current + j),
            load(state, TAU, tau + j),
            units,
        )
        store(state, STATE, membrane + j, u)


@kernel
def adaptive_spikes(
    state: Table, spikes: Table, constants: Table, at: At, p: Any, tau_mem: Any, tau_adp: Any
) -> Scalar:
    """Membrane, adaptation, threshold, spikes and reset of LTC neurons."""
    membrane, current = in_state(MEMBRANE_REGION, at), in_state(CURRENT_REGION, at)
    tau, rho = in_state(TAU_MEM_REGION, at), in_state(TAU_ADP_REGION, at)
    adaptation, threshold = in_state(ADAPTATION_REGION, at), in_state(THRESHOLD_REGION, at)
    fixed, strength = in_constants(FIXED_THRESHOLD, at), in_constants(STRENGTH, at)
    low, high, wraps, shift = p.low, p.high, p.wraps, p.strength_shift
    units = (tau_mem.unit, tau_mem.output_fraction)
    unit, bits = tau_adp.unit, tau_adp.output_fraction
    one, gain = number(np.int64(1) << bits, unit), p.adaptation_unit
    misfits = np.int64(0)
    for j in range(at.width):
        u = leaked(
            load(state, STATE, membrane + j),
            load(state, CURRENT, current + j),
            load(state, TAU, tau + j),
            units,
        )
        kept = load(state, RHO, rho + j)
        before = load(spikes, SPIKES, at.first + j)
        decayed = product(kept * unit, load(state, ADAPTATION, adaptation + j), bits)
        eta = decayed + (one - kept) * gain * before
        total = load(constants, CONSTANTS, fixed + j) + product(
            load(constants, CONSTANTS, strength + j), eta, shift
        )
        theta = fit(total, low, high, wraps)
        misfits += np.int64(theta != total)
        spike = u > theta
        store(state, STATE, membrane + j, number(0, unit) if spike else u)
        store(state, ADAPTATION, adaptation + j, eta)
        store(state, THRESHOLD, threshold + j, theta)
        store(spikes, SPIKES, at.first + j, np.uint8(spike))
    return misfits


@kernel
def leaky_spikes(state: Table, spikes: Table, constants: Table, at: At, p: Any) -> Any:
    """Current, membrane, spikes and reset of LIF neurons; returns misfits of current and membrane.

    The current wraps once, the membrane is clipped at ±(2^(bits-1) - 1).
    """
    current, arriving = in_state(CURRENT_REGION, at), in_state(PORT_REGION, at)
    membrane = in_state(MEMBRANE_REGION, at)
    current_kept, membrane_kept = in_constants(CURRENT_KEPT, at), in_constants(MEMBRANE_KEPT, at)
    bias, threshold = in_constants(BIAS_CURRENT, at), in_constants(FIXED_THRESHOLD, at)
    limit, bits, alignment = p.high, p.decay_fraction, p.alignment
    half = limit + 1
    wraps, misfits = np.int64(0), np.int64(0)
    for j in range(at.width):
        kept = load(constants, CONSTANTS, current_kept + j)
        decayed = product(kept, load(state, CURRENT, current + j), bits)
        total = decayed + load(state, ARRIVING, arriving + j) * alignment
        over = total - 2 * half if total > half else total
        i = over + 2 * half if over <= -half else over
        wraps += np.int64(i != total)
        kept = load(constants, CONSTANTS, membrane_kept + j)
        decayed = product(kept, load(state, STATE, membrane + j), bits)
        total = decayed + i + load(constants, CONSTANTS, bias + j)
        v = min(max(total, -limit), limit)
        misfits += np.int64(v != total)
        spike = v > load(constants, CONSTANTS, threshold + j)
        store(state, CURRENT, current + j, i)
        store(state, STATE, membrane + j, number(0, limit) if spike else v)
        store(spikes, SPIKES, at.first + j, np.uint8(spike))
    return wraps, misfits
