"""The stages of neurons, compiled: the counterparts of the functions of the integer engine.

Every kernel goes once over the neurons that an :class:`At` names, and returns how many values did
not fit their word.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.fast.arithmetic import (
    counted,
    fit,
    given,
    held,
    integral,
    number,
    product,
    scaled,
    small_product,
    unpacked,
)
from ltc2hw.simulations.fast.streams import load, store
from ltc2hw.simulations.fast.tables import Arrival, Constant, Passing, Region, Scalar, Table
from ltc2hw.simulations.fast.vectors import LANES, interpolate_block, interpolates_blocks

SPAN_BITS = TABLE_SPAN_BITS
ZERO, BLOCK = np.uint64(0), np.uint64(LANES)

# Numba sees members of enumerations as objects, so the kernels use plain integers.
CURRENT_REGION, MEMBRANE_REGION = np.uint64(Region.CURRENT), np.uint64(Region.MEMBRANE)
ADAPTATION_REGION, KEPT_REGION = np.uint64(Region.ADAPTATION), np.uint64(Region.TAU_MEM)
TAU_MEM, TAU_ADP = np.uint64(Passing.TAU_MEM), np.uint64(Passing.TAU_ADP)
THETA, PASSING = np.uint64(Passing.THRESHOLD), np.uint64(len(Passing))
CURRENT_PORT = np.uint64(Arrival.CURRENT)

BIAS_CURRENT, FIXED_THRESHOLD = np.uint64(Constant.BIAS_CURRENT), np.uint64(Constant.THRESHOLD)
STRENGTH = np.uint64(Constant.STRENGTH)
CURRENT_KEPT, MEMBRANE_KEPT = np.uint64(Constant.CURRENT_KEPT), np.uint64(Constant.MEMBRANE_KEPT)

ARRIVING, CURRENT, STATE, TAU, RHO, THRESHOLD, ADAPTATION, SPIKES, CONSTANTS, ENTRIES = range(10)
"""Streams; STATE is the variable that a gate steers, or the membrane."""


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
def arrived(ports: Table, place: Scalar, like: Any) -> Any:
    """What arrives, as a number of the state."""
    return number(load(ports, ARRIVING, place), like)


@inlined
def in_passing(region: Scalar, at: At) -> Scalar:
    """Index of the first neuron's constant, or of what arrives and passes there."""
    return region * at.reach + at.constant


@kernel
def saturating_sums(
    ports: Table, constants: Table, at: At, p: Any, port: Scalar, constant: Scalar, results: Table,
    out: Scalar,
) -> Scalar:  # fmt: skip
    """``sat(arriving + bias)`` of a port, to ``results`` from ``out`` on."""
    arriving, bias = in_passing(port, at), in_passing(constant, at)
    low, high, wraps = given(p.low), given(p.high), p.wraps
    misfits = counted(False, low)
    for j in range(at.width):
        total = arrived(ports, arriving + j, low) + load(constants, CONSTANTS, bias + j)
        fitted = fit(total, low, high, wraps)
        misfits += counted(fitted != total, low)
        store(results, TAU, out + j, fitted)
    return np.int64(misfits)


@inlined
def saturating_current(state: Table, ports: Table, constants: Table, at: At, p: Any) -> Scalar:
    """``I = sat(arriving + bias)`` of LTC and readout neurons."""
    out = in_state(CURRENT_REGION, at)
    return saturating_sums(ports, constants, at, p, CURRENT_PORT, BIAS_CURRENT, state, out)


@kernel
def gate_arguments(
    state: Table, ports: Table, passing: Table, constants: Table, at: At, p: Any, gate: Any
) -> Scalar:
    """``sat(arriving + bias + rsz(from_state·x) + rsz(from_current·I))``, where the gate will be.

    The regions of a gate's factors follow that of its bias.
    """
    out, arriving = in_passing(gate.out, at), in_passing(gate.port, at)
    if gate.own == 0:
        return saturating_sums(ports, constants, at, p, gate.port, gate.bias, passing, out)
    steered, current = in_state(gate.steered, at), in_state(CURRENT_REGION, at)
    bias = in_passing(gate.bias, at)
    from_state, from_current = bias + at.reach, bias + at.reach + at.reach
    state_shift, current_shift = gate.state_shift, gate.current_shift
    low, high, wraps = given(p.low), given(p.high), p.wraps
    misfits = counted(False, low)
    for j in range(at.width):
        factor = load(constants, CONSTANTS, from_state + j)
        own = product(factor, load(state, STATE, steered + j), state_shift)
        factor = load(constants, CONSTANTS, from_current + j)
        own += product(factor, load(state, CURRENT, current + j), current_shift)
        total = arrived(ports, arriving + j, low) + load(constants, CONSTANTS, bias + j) + own
        fitted = fit(total, low, high, wraps)
        misfits += counted(fitted != total, low)
        store(passing, TAU, out + j, fitted)
    return np.int64(misfits)


@kernel
def plan_gate(passing: Table, at: At, p: Any, gate: Any) -> None:
    """Gate with PLAN, as :func:`ltc2hw.numbers.nonlinearity.plan_integer`."""
    out = in_passing(gate.out, at)
    bits, down = gate.output_fraction, gate.fraction - gate.output_fraction
    like = integral(given(p.low))
    one = number(np.int64(1) << bits, like)
    five = number(np.int64(40) << (gate.fraction - 3), like)
    two = number(np.int64(19) << (gate.fraction - 3), like)
    unity = number(np.int64(8) << (gate.fraction - 3), like)
    outer, outer_offset = number(down + 5, like), number(np.int64(27) << (bits - 5), like)
    middle, middle_offset = number(down + 3, like), number(np.int64(5) << (bits - 3), like)
    inner, inner_offset = number(down + 2, like), number(np.int64(1) << (bits - 1), like)
    zero = number(0, like)
    for j in range(at.width):
        argument = integral(load(passing, TAU, out + j))
        magnitude = -argument if argument < zero else argument
        slope, offset = outer, outer_offset
        if magnitude < two:
            slope, offset = middle, middle_offset
        if magnitude < unity:
            slope, offset = inner, inner_offset
        y = (magnitude >> slope) + offset if magnitude < five else one
        store(passing, TAU, out + j, one - y if argument < zero else y)


@inlined
def table_offset(argument: Any, half: Any, last: Any) -> Any:
    """Where an argument lies in the span of a table, from 0 to 2 half - 1."""
    return integral(min(max(argument, -half), last) + half)


@kernel
def table_gate(passing: Table, entries: Table, at: At, p: Any, gate: Any) -> None:
    """Gate with a plain table, as :func:`ltc2hw.numbers.nonlinearity.lookup_integer`."""
    out, table = in_passing(gate.out, at), gate.table
    low = given(p.low)
    shift = number(gate.fraction + SPAN_BITS - gate.index_bits, integral(low))
    half = number(np.int64(1) << (gate.fraction + SPAN_BITS - 1), low)
    last = half - number(1, low)
    for j in range(at.width):
        offset = table_offset(load(passing, TAU, out + j), half, last)
        store(passing, TAU, out + j, load(entries, ENTRIES, table + np.uint64(offset >> shift)))


@kernel
def interpolated_gate(passing: Table, entries: Table, at: At, p: Any, gate: Any) -> None:
    """Gate with an interpolated table, as :func:`ltc2hw.numbers.nonlinearity.lookup_integer`.

    An entry holds the rise to the next knot above the knot, so that one look-up does.
    """
    out, table = in_passing(gate.out, at), gate.table
    low = given(p.low)
    like = integral(low)
    shift = number(gate.fraction + SPAN_BITS - gate.index_bits, like)
    mask = number((np.int64(1) << np.int64(shift)) - 1, like)
    half = number(np.int64(1) << (gate.fraction + SPAN_BITS - 1), low)
    last = half - number(1, low)
    if interpolates_blocks(passing, gate.index_bits):
        for j in range(at.width):
            offset = table_offset(load(passing, TAU, out + j), half, last)
            store(passing, TAU, out + j, offset)
        for j in range(ZERO, at.width, BLOCK):
            interpolate_block(passing, out + j, entries, table, shift)
        return
    for j in range(at.width):
        offset = table_offset(load(passing, TAU, out + j), half, last)
        entry = load(entries, ENTRIES, table + np.uint64(offset >> shift))
        knot, rise = unpacked(entry, low)
        store(passing, TAU, out + j, knot + ((rise * (offset & mask)) >> shift))


@inlined
def leaked(membrane: Any, current: Any, tau: Any, gate: Any) -> Any:
    """``u + rsz(τ (I - u), bits)``; ``gate`` holds the unit of τ and the bits."""
    unit, bits = gate
    return membrane + product(scaled(tau, unit), current - membrane, bits)


@kernel
def leak(state: Table, passing: Table, at: At, gate: Any) -> None:
    """Membranes of readout neurons."""
    membrane, current = in_state(MEMBRANE_REGION, at), in_state(CURRENT_REGION, at)
    tau = in_passing(TAU_MEM, at)
    units = (gate.unit, gate.output_fraction)
    for j in range(at.width):
        u = leaked(
            load(state, STATE, membrane + j),
            load(state, CURRENT, current + j),
            load(passing, TAU, tau + j),
            units,
        )
        store(state, STATE, membrane + j, u)


@kernel
def adaptive_spikes(
    state: Table, passing: Table, spikes: Table, constants: Table, at: At, p: Any, tau_mem: Any,
    tau_adp: Any,
) -> Scalar:  # fmt: skip
    """Membrane, adaptation, threshold, spikes and reset of LTC neurons."""
    membrane, current = in_state(MEMBRANE_REGION, at), in_state(CURRENT_REGION, at)
    tau, rho, threshold = in_passing(TAU_MEM, at), in_passing(TAU_ADP, at), in_passing(THETA, at)
    adaptation = in_state(ADAPTATION_REGION, at)
    fixed, strength = in_passing(FIXED_THRESHOLD, at), in_passing(STRENGTH, at)
    low, high, wraps, shift = given(p.low), given(p.high), p.wraps, p.strength_shift
    units = (tau_mem.unit, tau_mem.output_fraction)
    unit, bits = tau_adp.unit, tau_adp.output_fraction
    zero, one, gain = number(0, low), number(np.int64(1) << bits, low), given(p.adaptation_unit)
    misfits = counted(False, low)
    for j in range(at.width):
        u = leaked(
            load(state, STATE, membrane + j),
            load(state, CURRENT, current + j),
            load(passing, TAU, tau + j),
            units,
        )
        kept = load(passing, RHO, rho + j)
        before = load(spikes, SPIKES, at.first + j)
        eta = small_product(scaled(kept, unit), load(state, ADAPTATION, adaptation + j), bits)
        eta += (one - kept) * gain if before != 0 else zero
        total = load(constants, CONSTANTS, fixed + j) + small_product(
            load(constants, CONSTANTS, strength + j), eta, shift
        )
        theta = fit(total, low, high, wraps)
        misfits += counted(theta != total, low)
        spike = u > theta
        store(state, STATE, membrane + j, zero if spike else u)
        store(state, ADAPTATION, adaptation + j, eta)
        store(passing, THRESHOLD, threshold + j, theta)
        store(spikes, SPIKES, at.first + j, np.uint8(spike))
    return np.int64(misfits)


@kernel
def leaky_spikes(
    state: Table, ports: Table, spikes: Table, constants: Table, at: At, p: Any
) -> Any:
    """Current, membrane, spikes and reset of LIF neurons; returns misfits of current and membrane.

    The current wraps in its register, then once; the membrane is clipped at ±(2^(bits-1) - 1).
    """
    current, arriving = in_state(CURRENT_REGION, at), in_passing(CURRENT_PORT, at)
    membrane = in_state(MEMBRANE_REGION, at)
    current_kept, membrane_kept = in_passing(CURRENT_KEPT, at), in_passing(MEMBRANE_KEPT, at)
    bias, threshold = in_passing(BIAS_CURRENT, at), in_passing(FIXED_THRESHOLD, at)
    limit, bits, alignment = given(p.high), p.decay_fraction, given(p.alignment)
    zero, half = number(0, limit), limit + number(1, limit)
    full, mask = half + half, p.wraps
    wraps, misfits = counted(False, limit), counted(False, limit)
    for j in range(at.width):
        kept = load(constants, CONSTANTS, current_kept + j)
        decayed = product(kept, load(state, CURRENT, current + j), bits)
        total = decayed + arrived(ports, arriving + j, limit) * alignment
        inner = held(total, mask)
        over = inner - full if inner > half else inner
        i = over + full if over <= -half else over
        wraps += counted(i != total, limit)
        kept = load(constants, CONSTANTS, membrane_kept + j)
        decayed = product(kept, load(state, STATE, membrane + j), bits)
        total = decayed + i + load(constants, CONSTANTS, bias + j)
        v = min(max(total, -limit), limit)
        misfits += counted(v != total, limit)
        spike = v > load(constants, CONSTANTS, threshold + j)
        store(state, CURRENT, current + j, i)
        store(state, STATE, membrane + j, zero if spike else v)
        store(spikes, SPIKES, at.first + j, np.uint8(spike))
    return np.int64(wraps), np.int64(misfits)


@kernel
def keep(state: Table, passing: Table, at: At) -> None:
    """Copy what passes to where it is recorded from."""
    for variable in range(PASSING):
        first, out = in_passing(variable, at), in_state(KEPT_REGION + variable, at)
        for j in range(at.width):
            store(state, STATE, out + j, load(passing, TAU, first + j))
