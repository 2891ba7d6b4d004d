"""A state to go on learning from, checked against the network and rule that it is given to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import FixedLIF, FixedLTC, FixedReadout
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.fixed import FixedPopulation, message_word
from ltc2hw.graph.samples import plain_array
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.checks import require_integer
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Memory, Parameter, parameter_name
from ltc2hw.numbers.scalars import shown
from ltc2hw.numbers.words import WIDEST_WORD, Word

MOST_UPDATES = 1 << 62
"""Updates are counted in 64-bit integers."""

REMEDY = "go on from learned.learning of the same network, rule and words"

Range = tuple[int, int]
Ranges = Mapping[Parameter, tuple[Range, Range, Range]]
"""Smallest and largest Φ, Φ̄, λ of every parameter."""


def checked_learning(
    learning: Learning, start: Learning, network: Any, ranges: Ranges | None
) -> Learning:
    """Return a state as a learner needs it: all of its arrays, of its types, in its words.

    ``start``: the learner's own first state; ``ranges``: of its words, None for real numbers.

    Raises:
        InvalidValueError: for anything but a Learning, parameters or registers that are missing or
            too many, numbers of another type or outside their words, a count that is no integer.
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
    return Learning(memories, registers, step)


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
    for name, own in wanted.items():
        _require_names(f"registers of {name}", given[name], own)
        population = network.population(name)
        checked[name] = {
            register: _array(
                f"register {name}.{register}",
                given[name][register],
                zero,
                None if real else register_range(population, register),
            )
            for register, zero in own.items()
        }
    return checked


def _require_names(what: str, given: Any, wanted: Mapping[str, Any]) -> None:
    if not isinstance(given, Mapping) or set(given) != set(wanted):
        found = ", ".join(map(shown, given)) if isinstance(given, Mapping) else shown(given)
        limit = ", ".join(wanted) or "none"
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


def register_range(population: FixedPopulation, register: str) -> Range:
    """Smallest and largest integer of a register.

    A LIF neuron's current may stand outside its word; it is bounded by 64-bit products alone.
    """
    if register == "spikes":
        return 0, 1
    if register.startswith("sent:"):
        variable: Variable = register.removeprefix("sent:")  # type: ignore[assignment]
        word = message_word(population, variable)
        return word.minimum, word.maximum
    if isinstance(population, FixedLIF):
        widest = 1 << (WIDEST_WORD - population.decay_fraction)
        return -widest, widest
    assert isinstance(population, (FixedLTC, FixedReadout))
    if register == "adaptation":
        assert isinstance(population, FixedLTC)
        return 0, 1 << population.adaptation_fraction
    return population.state.minimum, population.state.maximum
