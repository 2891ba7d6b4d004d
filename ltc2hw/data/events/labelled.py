"""Labels that are texts or numbers, as indices into the names of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.numbers.words import IntArray


@dataclass(frozen=True, eq=False)
class Labelled:
    """A class index per recording (B,), and what the classes are called."""

    labels: IntArray
    classes: tuple[str, ...]


def in_order(names: Sequence[str]) -> tuple[str, ...]:
    """Different names in order: of their numbers if all are numbers, else of the alphabet.

    >>> in_order(["10", "9", "10"]), in_order(["b", "a", "1"])
    (('9', '10'), ('1', 'a', 'b'))
    """
    different = set(names)
    if all(name.isascii() and name.isdecimal() for name in different):
        return tuple(sorted(different, key=lambda name: (int(name), name)))
    return tuple(sorted(different))


def labelled(names: Sequence[str]) -> Labelled:
    """The class of each recording from its name.

    >>> labelled(["7", "10", "7"]).labels.tolist()
    [0, 1, 0]
    """
    classes = in_order(names)
    places = {name: place for place, name in enumerate(classes)}
    return Labelled(np.array([places[name] for name in names], np.int64), classes)
