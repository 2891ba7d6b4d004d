"""When the processes of on-chip learning act, and what they write down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.lava.processes.plastic_arithmetic import Plastic
from ltc2hw.converters.lava.processes.scheduled import Integers


class Moment(NamedTuple):
    """What a chip step belongs to.

    ``phase`` of step ``number`` of the run, which is ``step`` of ``sample``; ``update``: the number
    of its update, None where it has no goal. All count from 0.
    """

    phase: int
    number: int
    sample: int
    step: int
    update: int | None


@dataclass(frozen=True, eq=False)
class Beat:
    """When a process acts: chip step n belongs to phase ``n mod period`` of step ``n // period``.

    ``lengths`` (S,) are the steps of samples that follow each other; registers and past messages
    are cleared between them. ``compared``: which of all steps have a goal and make an update.
    """

    period: int
    lengths: Integers
    compared: npt.NDArray[np.bool_]

    @property
    def steps(self) -> int:
        """Steps of all samples."""
        return int(self.compared.size)

    @cached_property
    def ends(self) -> Integers:
        """The first step after each sample."""
        return np.cumsum(self.lengths)

    @cached_property
    def updates(self) -> Integers:
        """Updates before each step."""
        return np.cumsum(self.compared) - self.compared

    def at(self, chip_step: int) -> Moment:
        """What a chip step, which counts from 0, belongs to."""
        number, phase = divmod(chip_step, self.period)
        sample = int(np.searchsorted(self.ends, number, side="right"))
        step = number - int(self.ends[sample] - self.lengths[sample])
        update = int(self.updates[number]) if self.compared[number] else None
        return Moment(phase, number, sample, step, update)

    def is_last(self, number: int) -> bool:
        """Whether the run ends with this step."""
        return number == self.steps - 1


class Journal:
    """Checksums of everything that learned, one per step, and the words at the end."""

    def __init__(self, file: str, beat: Beat, names: tuple[str, ...]) -> None:
        self.file = file
        self.beat = beat
        count = beat.steps if file else 0
        self.checksums = {name: np.zeros(count, np.int64) for name in names}

    def keep(self, number: int, learned: Mapping[str, Plastic], **results: Integers) -> None:
        """Note the state after a step; write the file after the last one."""
        if not self.file:
            return
        for name, plastic in learned.items():
            self.checksums[name][number] = plastic.checksum()
        if self.beat.is_last(number):
            arrays: dict[str, Any] = dict(results)
            for name, sums in self.checksums.items():
                arrays[f"checksum {name}"] = sums
            for name, plastic in learned.items():
                words = [plastic.value.ravel(), plastic.mean.ravel(), plastic.gradient.ravel()]
                arrays[f"words {name}"] = np.stack(words)
                kept = plastic.eligible
                arrays |= (
                    {}
                    if kept is None
                    else {f"kept {state} of {name}": word for state, word in kept.words.items()}
                )
            np.savez(self.file, **arrays)
