"""When the processes of on-chip learning act, and what they write down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.converters.lava.processes.plastic_arithmetic import Plastic
from ltc2hw.converters.lava.processes.scheduled import Integers


@dataclass(frozen=True)
class Beat:
    """When a process acts: chip step n belongs to phase ``n mod period`` of step ``n // period``.

    ``samples`` samples of ``steps`` steps follow each other; registers and past messages are
    cleared between them.
    """

    period: int
    steps: int
    samples: int

    def at(self, chip_step: int) -> tuple[int, int, int]:
        """(phase, update, step within the sample) of a chip step, which counts from 0."""
        update, phase = divmod(chip_step, self.period)
        return phase, update, update % self.steps

    def is_last(self, update: int) -> bool:
        """Whether the run ends with this update."""
        return update == self.steps * self.samples - 1


class Journal:
    """Checksums of everything that learned, one per update, and the words at the end."""

    def __init__(self, file: str, beat: Beat, names: tuple[str, ...]) -> None:
        self.file = file
        self.beat = beat
        count = beat.steps * beat.samples if file else 0
        self.checksums = {name: np.zeros(count, np.int64) for name in names}

    def keep(self, update: int, learned: Mapping[str, Plastic], **results: Integers) -> None:
        """Note the state after an update; write the file after the last one."""
        if not self.file:
            return
        for name, plastic in learned.items():
            self.checksums[name][update] = plastic.checksum()
        if self.beat.is_last(update):
            arrays: dict[str, Any] = dict(results)
            for name, sums in self.checksums.items():
                arrays[f"checksum {name}"] = sums
            for name, plastic in learned.items():
                words = [plastic.value.ravel(), plastic.mean.ravel(), plastic.gradient.ravel()]
                arrays[f"words {name}"] = np.stack(words)
            np.savez(self.file, **arrays)
