"""A state to go on learning from, checked against the network and rule that it is given to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.fixed_state import word_ranges as register_ranges
from ltc2hw.graph.samples import plain_array
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.checks import require_integer
from ltc2hw.learning.learned import Eligibility, Learning
from ltc2hw.learning.rule import Memory, Parameter, parameter_name
from ltc2hw.numbers.scalars import shown
from ltc2hw.numbers.words import Word

MOST_UPDATES = 1 << 62
"""Updates are counted in 64-bit integers."""

REMEDY = "go on from learned.learning of the same network, rule and words"

Range = tuple[int, int]
Ranges = Mapping[Parameter, tuple[Range, Range, Range]]
"""Smallest and largest Φ, Φ̄, λ of every parameter."""


def checked_learning(
    learning: Learning,
    start: Learning,
    network: Any,
    ranges: Ranges | None,
    eligible: Mapping[Parameter, Range] | None = None,
) -> Learning:
    """Return a state as a learner needs it: all of its arrays, of its types, in its words.

    ``start``: the learner's own first state; ``ranges``: of its words, None for real numbers;
    ``eligible``: of the words that a parameter's values keep, for integers.

    Raises:
        InvalidValueError: for anything but a Learning; parameters, registers, eligibility or
            feedback weights that are missing or too many; numbers of another type or outside their
            words; a count that is no integer.
        ShapeError: for arrays of another shape.
    """
    if not isinstance(learning, Learning):
        raise InvalidValueError("learning", shown(learning), "a Learning or None", REMEDY)
    memories = {}
    _require_keys("memories", learning.memories, start.memories, network)
    for parameter, own in start.memories.items():
        memories[parameter] = _memory(
            parameter_name(network, parameter),
            learning.memories[parameter],
            own,
            (None, None, None) if ranges is None else ranges[parameter],
        )
    registers = _registers(learning.registers, start.registers, network, real=ranges is None)
    step = require_integer("updates done", learning.step, 0, MOST_UPDATES)
    return Learning(
        memories,
        registers,
        step,
        eligibility=_eligibility(learning.eligibility, start.eligibility, network, eligible),
        feedback=_feedback(learning.feedback, start.feedback),
        moves=require_integer("steps done", learning.moves, 0, MOST_UPDATES),
    )


def word_ranges(value: Word, mean: Word, gradient: Word) -> tuple[Range, Range, Range]:
    """Ranges of three words."""
    return (
        (value.minimum, value.maximum),
        (mean.minimum, mean.maximum),
        (gradient.minimum, gradient.maximum),
    )


def _require_keys(what: str, given: Any, wanted: Mapping[Any, Any], network: Any) -> None:
    if not isinstance(given, Mapping):
        raise InvalidValueError(what, shown(given), "a mapping", REMEDY)
    for key in (*wanted, *given):
        if (key in wanted) != (key in given):
            name = parameter_name(network, key) if key in wanted else shown(key)
            state = "missing" if key in wanted else "there"
            limit = "what the rule changes" if key in wanted else "only what the rule changes"
            raise InvalidValueError(f"{what} of {name}", state, limit, REMEDY)


def _memory(name: str, given: Any, own: Memory, ranges: tuple[Range | None, ...]) -> Memory:
    if not isinstance(given, tuple) or len(given) != len(Memory._fields):
        raise InvalidValueError(f"memory of {name}", shown(given), "a Memory", REMEDY)
    return Memory(
        *(
            _array(f"{field} of {name}", array, wanted, limits)
            for field, array, wanted, limits in zip(Memory._fields, given, own, ranges, strict=True)
        )
    )


def _registers(given: Any, wanted: State, network: Any, *, real: bool) -> State:
    """Registers (B, N) and past messages, exactly those of the network."""
    _require_names("registers", given, wanted)
    checked: dict[str, dict[str, Array]] = {}
    ranges = None if real else register_ranges(network)
    for name, own in wanted.items():
        _require_names(f"registers of {name}", given[name], own)
        checked[name] = {
            register: _array(
                f"register {name}.{register}",
                given[name][register],
                zero,
                None if ranges is None else ranges[name, register],
            )
            for register, zero in own.items()
        }
    return checked


def _eligibility(
    given: Any, wanted: Eligibility, network: Any, ranges: Mapping[Parameter, Range] | None
) -> Eligibility:
    """What is eligible of every parameter, in all states that remember it."""
    _require_keys("eligibility", given, wanted, network)
    checked: dict[Parameter, dict[str, Array]] = {}
    for parameter, own in wanted.items():
        label = f"eligibility of {parameter_name(network, parameter)}"
        _require_names(label, given[parameter], own)
        limits = None if ranges is None else ranges[parameter]
        checked[parameter] = {
            name: _array(f"{label} in {name}", given[parameter][name], zero, limits)
            for name, zero in own.items()
        }
    return checked


def _feedback(given: Any, wanted: Mapping[int, Array]) -> Mapping[int, Array]:
    """Feedback weights of every projection that has its own."""
    _require_names("projections with feedback weights", given, wanted)
    return {
        index: _array(f"feedback weights of projection {index}", given[index], own, None)
        for index, own in wanted.items()
    }


def _require_names(what: str, given: Any, wanted: Mapping[Any, Any]) -> None:
    if not isinstance(given, Mapping) or set(given) != set(wanted):
        found = ", ".join(map(shown, given)) if isinstance(given, Mapping) else shown(given)
        limit = ", ".join(map(str, wanted)) or "none"
        raise InvalidValueError(what, found or "none", limit, REMEDY)


def _array(name: str, given: Any, wanted: Array, limits: Range | None) -> Array:
    """Numbers of the shape and type of ``wanted``, finite, within the limits."""
    array = plain_array(name, given)
    if array.shape != wanted.shape:
        raise ShapeError(f"shape of {name}", array.shape, str(wanted.shape), REMEDY)
    if limits is None:
        if not np.all(np.isfinite(array)):
            raise InvalidValueError(name, "NaN or infinite", "finite numbers", REMEDY)
    else:
        _require_integers(name, array, limits)
    return array.astype(wanted.dtype)


def _require_integers(name: str, array: npt.NDArray[Any], limits: Range) -> None:
    if array.dtype.kind not in "iu":
        raise InvalidValueError(f"type of {name}", array.dtype, "integers", REMEDY)
    lowest, highest = limits
    wrong = array[(array < lowest) | (array > highest)]
    if wrong.size:
        raise InvalidValueError(name, int(wrong[0]), f"{lowest} to {highest}", REMEDY)
