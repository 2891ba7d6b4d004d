"""The samples of a tuning: those to calibrate on, those that choose, those looked at in the end."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from ltc2hw.comparison.samples import Samples
from ltc2hw.numbers.words import IntArray
from ltc2hw.tasks import LazySplit, Split, Task
from ltc2hw.tuning.candidate import Calibration

MOST_CHOOSING = 1000
"""Validation samples that judge candidates, unless asked otherwise."""

MOST_CALIBRATING = 2048
"""Training samples that remedies may look at; a plain quantization takes as many unless asked."""


@dataclass(frozen=True, eq=False)
class Material:
    """What a network is tuned on.

    ``calibration``: samples for ranges and remedies; ``validation`` choose; ``test``, if any, are
    looked at once, in the end. ``name`` is what they are called.
    """

    name: str
    calibration: Calibration
    validation: Samples
    test: Samples | None = None

    @classmethod
    def of_task(
        cls,
        task: Task,
        calibrating: int | None = None,
        choosing: int = MOST_CHOOSING,
        seed: int = 0,
    ) -> Material:
        """Samples of a task's splits: ``calibrating`` first ones of training, ``choosing`` ones.

        Where there are more validation samples than that, the seed draws which.

        >>> from ltc2hw.tasks import load_task
        >>> Material.of_task(load_task("add-8"), choosing=10).validation.count
        10
        """
        most = max(MOST_CALIBRATING, calibrating or 0)
        calibration = task.train.take(np.arange(min(task.train.samples, most)))
        whole = task.validation
        chosen: IntArray = np.arange(whole.samples)
        if whole.samples > choosing:
            drawn = np.random.default_rng(seed).choice(whole.samples, choosing, replace=False)
            chosen = np.sort(drawn)
        return cls(
            task.name,
            Calibration(calibration.x, calibration.lengths, calibrating),
            judged_samples(whole.take(chosen), task),
            judged_samples(task.test, task),
        )

    @property
    def digest(self) -> str:
        """SHA-256 of the samples that choose and those to calibrate on."""
        hasher = hashlib.sha256()
        own, calibration = self.validation, self.calibration
        for array in (own.x, own.labels, own.lengths, calibration.x, calibration.lengths):
            hasher.update(b"" if array is None else np.ascontiguousarray(array).data)
        return hasher.hexdigest()


def judged_samples(split: Split | LazySplit, task: Task) -> Samples:
    """A split with the decision of its task."""
    return Samples(split.x, split.labels, split.lengths, task.decision)
