"""Sensors of digits-rows that change: what a deployed network sees instead of its images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks import Split, Task

Change = Callable[[FloatArray], FloatArray]


def rotated(x: FloatArray) -> FloatArray:
    """Every row is read two pixels later, cyclically."""
    return np.roll(x, 2, axis=-1)


def drifted(x: FloatArray) -> FloatArray:
    """Gains fall from 1 at the first pixel of a row to 0.3 at the last."""
    faded: FloatArray = x * np.linspace(1.0, 0.3, x.shape[-1])
    return faded


def dead(x: FloatArray) -> FloatArray:
    """The fourth pixel of every row is dark."""
    darkened: FloatArray = x * (np.arange(x.shape[-1]) != 3)
    return darkened


def permuted(x: FloatArray) -> FloatArray:
    """The wires of the eight pixels are mixed up."""
    return x[..., np.random.default_rng(7).permutation(x.shape[-1])]


CHANGES: Mapping[str, Change] = {
    "rows rotated": rotated,
    "gain drift": drifted,
    "dead column": dead,
    "permuted inputs": permuted,
}


def changed(split: Split, change: Change) -> Split:
    """What the changed sensor sees."""
    return replace(split, x=change(split.x))


def changed_task(task: Task, change: Change) -> Task:
    """A task behind the changed sensor; images move before the sensor sees them."""

    def moved(split: Split, rng: np.random.Generator) -> Split:
        del split  # it lies behind the sensor already
        return changed(task.epoch(rng), change)

    return replace(
        task,
        train=changed(task.train, change),
        validation=changed(task.validation, change),
        test=changed(task.test, change),
        augment=moved,
    )
