"""Ranges of registers that no step leaves: the fixed point of a step on intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ltc2hw.dynamics.intervals import Interval
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.integer_limits import EXACT_BITS

PLAIN_ROUNDS = 6
"""Steps that are followed one by one; after that, ends that still move are doubled."""

WIDEST = 1 << 2 * EXACT_BITS
"""A register that could reach this is held by nothing."""

States = Mapping[str, Interval]
Step = Callable[[States], dict[str, Interval]]
"""Registers before a step to those before or after it."""


def invariant(step: Step, start: States, owner: str) -> dict[str, Interval]:
    """Intervals that hold ``start`` and that no step leaves, about as narrow as there are.

    Raises:
        InvalidValueError: naming the register of ``owner`` that grows without end.
    """
    followed = states = dict(start)
    rounds = 0
    while (wider := step(states)) != states:
        rounds += 1
        if rounds <= PLAIN_ROUNDS:
            followed = states = wider
            continue
        states = {name: _doubled(states[name], end) for name, end in wider.items()}
        for name, interval in states.items():
            if interval.magnitude > WIDEST:
                raise InvalidValueError(
                    f"register {owner}.{name}", "growing without end",
                    "a value that a word holds", "put it into register(..., name)",
                )  # fmt: skip
    return _narrowed(step, followed, states)


def _doubled(old: Interval, new: Interval) -> Interval:
    low = new.low if new.low == old.low else 2 * new.low
    return Interval(low, new.high if new.high == old.high else 2 * new.high)


def _narrowed(
    step: Step, inner: dict[str, Interval], outer: dict[str, Interval]
) -> dict[str, Interval]:
    """The outer intervals moved in, toward the inner ones, as far as steps stay in.

    Both ends of a register together, since many hold each other; then one by one.
    """
    states = dict(outer)
    for name, close in inner.items():
        for ends in ((0, 1), (0,), (1,)):
            if states[name] != close:
                states[name] = _moved(step, states, name, close, ends)
    return states


def _moved(
    step: Step, states: dict[str, Interval], name: str, close: Interval, ends: tuple[int, ...]
) -> Interval:
    """One register's interval with some of its ends as near to those of ``close`` as can be."""
    wide = states[name]
    way = [far - near for near, far in zip(close, wide, strict=True)]
    bits = max(map(abs, way)).bit_length()  # so many halvings come down to single integers

    def at(part: int) -> Interval:
        low, high = (
            close[end] + (way[end] * part >> bits) if end in ends else wide[end] for end in (0, 1)
        )
        return Interval(low, high)

    def stays(part: int) -> bool:
        tried = {**states, name: at(part)}
        return step(tried) == tried

    if stays(0):
        return at(0)
    below, above = 0, 1 << bits
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if stays(middle) else (middle, above)
    return at(above)
