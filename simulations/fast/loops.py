"""What a compiled loop over neurons does, in the words of its compiler.

A loop is straight-line code on vectors of neurons. It knows structure alone: rows of memory and
places of numbers, not the numbers, so that networks of the same structure share machine code.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Do(str, Enum):
    """What a line of a loop does; ``slots`` in brackets."""

    CONSTANT = "constant"
    """[row of constants]"""
    PORT = "port"
    """[row of what arrives]"""
    STATE = "state"
    """[row of the state]"""
    SPIKED = "spiked"
    """The spikes of the step before, as truth."""
    NUMBER = "number"
    """[place among the numbers]"""
    ADD = "add"
    SUBTRACT = "subtract"
    MULTIPLY = "multiply"
    MINIMUM = "minimum"
    MAXIMUM = "maximum"
    GREATER = "greater"
    SELECT = "select"
    SHIFT_LEFT = "shift left"
    """[place of the bits]"""
    SHIFT_RIGHT = "shift right"
    """[place of the bits]"""
    SHIFT_TOWARD_ZERO = "shift toward zero"
    """[place of the bits]"""
    PRODUCT = "product"
    """``rsz(a b, bits)`` where only the result has to fit [place of the bits]"""
    SCALED_PRODUCT = "scaled product"
    """The same in floats, of a factor that is already divided by ``2^bits``."""
    SATURATE = "saturate"
    """[places of both ends; counter, or none]"""
    WRAP = "wrap"
    """Two's complement [place of the bits that are cut off; counter, or none]"""
    WRAP_UNSIGNED = "wrap unsigned"
    """[place of the mask; counter, or none]"""
    WRAP_ONCE = "wrap once"
    """Of a value and what it was before its register [place of half a turn; counter, or none]"""
    PLAN = "plan"
    """[first of the places of its breaks, slopes and offsets]"""
    LOOK_UP = "look up"
    """[first of the places of shift, half span, start of the table]"""
    INTERPOLATE = "interpolate"
    """[as LOOK_UP]"""
    INTERPOLATE_BLOCK = "interpolate block"
    """[as LOOK_UP] in a table that vector registers hold."""
    ENTRY = "entry"
    """[first of the places of 0, the last index, start of the table]"""
    STORE = "store"
    """[row of the state]"""
    SPIKE = "spike"
    """Store as spikes."""
    STORE_ALIVE = "store alive"
    """STORE, but 0 where the second is 0."""
    SPIKE_ALIVE = "spike alive"
    """SPIKE, but 0 where the second is 0."""


@dataclass(frozen=True)
class Line:
    """One operation on vectors; arguments are earlier lines."""

    do: Do
    arguments: tuple[int, ...] = ()
    slots: tuple[int, ...] = ()

    def __str__(self) -> str:
        return f"{self.do.value} {self.arguments} {self.slots}"


@dataclass(frozen=True)
class Loop:
    """A loop: its lines, and the line that says which neurons are no padding (None: all count)."""

    lines: tuple[Line, ...]
    counters: int
    """How many kinds of values that did not fit are counted."""
    alive: int | None = None

    def __str__(self) -> str:
        return "\n".join([f"{self.counters} {self.alive}", *map(str, self.lines)])
