"""Samples for training, validation and test, where a file does not say which are which."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.data.options import TEST_FRACTION, VALIDATION_FRACTION, DataOptions
from ltc2hw.data.parts import PartName
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import IntArray

SPLIT_SEED = 20230518
"""Of every choice of samples; always the same, so that a test sample stays one."""


def stratified(
    labels: IntArray, fractions: tuple[float, ...], rng: np.random.Generator
) -> tuple[IntArray, ...]:
    """Split indices so that every part has each class in the same proportion.

    Gives one array per fraction, then one with the rest; each is sorted.

    >>> test, rest = stratified(np.array([0, 0, 1, 1]), (0.5,), np.random.default_rng(0))
    >>> len(test), len(rest)
    (2, 2)
    """
    parts: list[list[IntArray]] = [[] for _ in range(len(fractions) + 1)]
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.rint(np.cumsum(fractions) * len(members)).astype(np.int64)
        for part, chosen in zip(parts, np.split(members, cuts), strict=True):
            part.append(chosen)
    return tuple(np.sort(np.concatenate(part)) for part in parts)


@dataclass(frozen=True, eq=False)
class Choice:
    """Which samples of which part of a file each part of a task has, and how that was chosen."""

    train: tuple[PartName, IntArray]
    validation: tuple[PartName, IntArray]
    test: tuple[PartName, IntArray]
    note: str


def choose(
    counts: Mapping[PartName, int], labels: IntArray | None, options: DataOptions, where: str
) -> Choice:
    """Take the parts that there are, and set the others apart from those for training.

    ``counts`` are samples of each part, ``labels`` (B,) the classes of those for training, if
    there is one class each.

    Raises:
        InvalidValueError: if there are no samples for training, or too few of them.

    >>> choice = choose({"train": 10, "test": 5}, None, DataOptions(), "file")
    >>> [len(part[1]) for part in (choice.train, choice.validation, choice.test)]
    [9, 1, 5]
    """
    source = training_part(counts, where)
    for name, usual in (("test", TEST_FRACTION), ("validation", VALIDATION_FRACTION)):
        fraction = getattr(options, f"{name}_fraction")
        if name in counts and fraction != usual:
            raise InvalidValueError(
                f"{name}_fraction", fraction, f"none, as there are {name} samples", "leave it out"
            )
    fractions: dict[PartName, float] = {
        "test": options.test_fraction,
        "validation": options.validation_fraction,
    }
    wanted = {name: fraction for name, fraction in fractions.items() if name not in counts}
    groups = np.zeros(counts[source], dtype=np.int64) if labels is None else labels
    rng = np.random.default_rng(SPLIT_SEED)
    *chosen, rest = stratified(groups, tuple(wanted.values()), rng)
    found: dict[PartName, tuple[PartName, IntArray]] = {
        name: (name, np.arange(counts[name])) for name in fractions if name in counts
    }
    found["train"] = (source, rest)
    for name, indices in zip(wanted, chosen, strict=True):
        found[name] = (source, indices)
    for part, (_, indices) in found.items():
        if not len(indices):
            raise InvalidValueError(
                f"{part} samples of {where}", f"none of {counts[source]}", "at least one",
                "change test_fraction=... or validation_fraction=..., or give them in a file",
            )  # fmt: skip
    note = _told(wanted, source, labels is not None)
    return Choice(found["train"], found["validation"], found["test"], note)


def training_part(counts: Mapping[PartName, object], where: str) -> PartName:
    """The part for training: ``train``, or ``all``.

    Raises:
        InvalidValueError: if there is none, or both.
    """
    possible: tuple[PartName, ...] = ("train", "all")
    found = [name for name in possible if name in counts]
    if len(found) != 1:
        listed = ", ".join(counts)
        raise InvalidValueError(
            f"parts of {where}", listed, "samples for training, in one part",
            "name them x and y, or x_train and y_train",
        )  # fmt: skip
    return found[0]


def _told(wanted: Mapping[PartName, float], source: PartName, classes: bool) -> str:
    if not wanted:
        return "as the data say"
    shares = " and ".join(f"{fraction:.3g} for {name}" for name, fraction in wanted.items())
    of_each = " of each class" if classes else ""
    return f"{shares}{of_each} set apart of the {source} samples, seed {SPLIT_SEED}"
