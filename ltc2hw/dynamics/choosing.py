"""Formats for any model: fractions of its words, ports and constants, from the ranges they need.

A register gets the most fractional bits with which what it was seen to hold fits its word, with a
margin; every register by itself, so that a membrane with a slow leak may be finer than its current.
Ports and constants that are added get the fraction of the place where they are, as far as they fit
themselves; constants that multiply get all bits of the factor's word.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.dynamics.derived import derive
from ltc2hw.dynamics.formats import FACTOR_BITS, Formats, GateFormat, Held
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import Reals
from ltc2hw.dynamics.survey import Survey
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.integer_limits import EXACT_BITS, LARGEST_SHIFT
from ltc2hw.numbers.nonlinearity import TABLE_SPAN_BITS
from ltc2hw.numbers.scalars import require_range
from ltc2hw.numbers.words import IntArray, Word, largest_fraction

SPREAD = 12
"""A word is at most this many bits finer than the coarsest word or port of its neuron, and than a
constant that is added to it, so that sums and their products stay within 62 bits; the bounds of
the lowered program are the judge of that."""

WIDEST_STATE = 32
WIDEST_FACTOR = 20


@dataclass(frozen=True)
class Widths:
    """What a chip offers a neuron: bits of its registers, of what arrives, and of its factors.

    Registers are scaled for ``margin`` times what they were seen to hold. ``right_shifts_only``:
    products cannot be shifted left, so that constants too large for their word saturate instead.

    Raises:
        InvalidValueError: for widths or a margin out of range.
    """

    state: int = 24
    port: int = 24
    factor: int = FACTOR_BITS
    margin: float = 2.0
    right_shifts_only: bool = False

    def __post_init__(self) -> None:
        require_range("width of registers", self.state, 2, WIDEST_STATE)
        require_range("width of ports", self.port, 2, WIDEST_STATE)
        require_range("width of factors", self.factor, 2, WIDEST_FACTOR)
        if not 1.0 <= self.margin < math.inf:
            raise InvalidValueError("margin of registers", self.margin, "a finite number >= 1")


def choose_formats(
    model: Model,
    ranges: Mapping[str, float],
    widths: Widths,
    constants: Reals,
    gates: Mapping[str, GateFormat] | None = None,
) -> Formats:
    """Formats of a model's words, ports and constants, derived ones included.

    ``ranges``: the largest magnitude of every register, state and port by name, as a float run
    shows them (:func:`~ltc2hw.dynamics.ranges.watched`); ``constants`` (N,) by name; ``gates``:
    the integer form of every gate, whose arguments hold the gate's span. Registers saturate; states
    that never are in one hold what their model keeps between others, with no more bits than those
    have. The wrapping words of Lava's LIF are not chosen here.

    Raises:
        InvalidValueError: for a range that is missing, negative or not finite.
    """
    program = model.working
    arriving = Word(widths.port)
    ports = {name: _fit(name, ranges, widths.margin, arriving) for name in program.ports}
    held = _held(program, ranges, widths, gates or {}, min(ports.values(), default=None))
    finest = max((word.fraction for word in held.values()), default=0)
    ports = {name: min(fraction, finest) for name, fraction in ports.items()}
    drafted = Survey(program, Formats(held, ports, {}, gates or {}))
    ports = {name: min(fraction, drafted.added(name, fraction)) for name, fraction in ports.items()}
    draft = Formats(held, ports, {}, gates or {})
    return replace(draft, constants=constant_fractions(model, draft, widths, constants))


def constant_fractions(
    model: Model, formats: Formats, widths: Widths, constants: Reals
) -> dict[str, int]:
    """Fractional bits of all constants, derived ones included, where all else has its format.

    One that is added gets the fraction of its place, or up to SPREAD fewer bits to fit a register's
    word, in which it saturates if it does not; one that multiplies as many as the factor's word
    holds; one that does both the fewer of the two. An expression such as ``1 - decay`` is as fine
    as its finest constant, so it may be wider than the word of each, up to 24 bits.
    """
    survey = Survey(model.working, formats)
    values = derive(model.program, constants)
    largest = {name: float(np.max(np.abs(value), initial=0.0)) for name, value in values.items()}
    return {name: _constant(name, survey, widths, largest) for name in model.working.parameters}


def encode_constants(
    model: Model, formats: Formats, widths: Widths, constants: Reals
) -> tuple[dict[str, IntArray], dict[str, int]]:
    """Integers (N,) of all constants, derived ones included, and how many did not fit, by name.

    Constants that multiply are held in the factor's word, others in a register's.
    """
    values = derive(model.program, constants)
    factors = Survey(model.working, formats).factors
    integers: dict[str, IntArray] = {}
    misfits: dict[str, int] = {}
    for name in model.working.parameters:
        word = Word(widths.factor if name in factors else widths.state)
        integers[name], misfits[name] = word.encode(values[name], formats.constants[name])
    return integers, misfits


def _fit(name: str, ranges: Mapping[str, float], margin: float, word: Word) -> int:
    """Most fractional bits with which a range fits a word."""
    if name not in ranges:
        raise InvalidValueError(f"range of {name}", "missing", "its largest magnitude")
    if not 0.0 <= ranges[name] < math.inf:
        raise InvalidValueError(
            f"range of {name}", ranges[name], "a finite magnitude",
            "bring weights, decays and constants to where the neuron is stable",
        )  # fmt: skip
    return largest_fraction(margin * ranges[name], word)


def _held(
    program: Program,
    ranges: Mapping[str, float],
    widths: Widths,
    gates: Mapping[str, GateFormat],
    coarsest_port: int | None,
) -> dict[str, Held]:
    """Formats of registers and states."""
    word = Word(widths.state)
    registers, bits = program.names(Operation.REGISTER), program.comparisons & set(program.states)
    fractions: dict[str, int] = {}
    for name in dict.fromkeys((*registers, *program.states)):
        if name in gates:
            # Arguments beyond the span of a gate change nothing; all of it is needed.
            fractions[name] = widths.state - 1 - TABLE_SPAN_BITS
        elif name not in bits:
            fractions[name] = _fit(name, ranges, widths.margin, word)
    for name in program.states:
        if name not in registers and name not in bits:
            mixed = {name, *_ends(program, program.results[name])}
            fractions[name] = min(fractions[end] for end in mixed if end in fractions)
    ends = fractions.values() if coarsest_port is None else (*fractions.values(), coarsest_port)
    coarsest = min(ends, default=0)
    held = {name: Held(0) for name in bits}
    for name, fraction in fractions.items():
        chosen = min(fraction, coarsest + SPREAD)
        if name in gates:
            chosen = max(chosen, gates[name].coarsest_argument)
        held[name] = Held.within(word, chosen) if name in registers else Held(chosen)
    return held


def _ends(program: Program, index: int) -> set[str]:
    """Registers and states between which a value is mixed: through choices, sums and products."""
    leaves, opaque = (Operation.REGISTER, Operation.STATE), (Operation.GATE, Operation.GREATER)
    found, reached = set(), {index}
    for place in range(index, -1, -1):
        value = program.values[place]
        if place in reached and value.operation in leaves:
            found.add(value.name)
        elif place in reached and value.operation not in opaque:
            chooses = value.operation is Operation.SELECT
            reached.update(value.arguments[1:] if chooses else value.arguments)
    return found


def _constant(name: str, survey: Survey, widths: Widths, largest: Mapping[str, float]) -> int:
    """Fractional bits of a constant; of one that is added and multiplies, the fewer of both."""
    whole = largest_fraction(largest[name], Word(widths.state))
    place = survey.added(name, whole)
    # A constant far beyond its place saturates there: no value comes to it.
    added = max(min(whole, place), place - SPREAD)
    if name not in survey.factors:
        return added
    needed = survey.factors[name]
    if largest[name] == 0.0:
        return needed
    fraction = largest_fraction(largest[name], Word(widths.factor))
    beside = survey.beside(name, largest)
    if beside:
        room = EXACT_BITS - widths.state - SPREAD - 2
        fraction = min(fraction, room - math.frexp(beside)[1])
    if widths.right_shifts_only:
        fraction = max(fraction, needed)
    return min(fraction, needed + LARGEST_SHIFT, added if survey.is_added(name) else fraction)
