"""When the processes of on-chip learning act, and what they write down."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.lava.processes.plastic_arithmetic import Plastic, checksum
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
    """Checksums, one per step, of everything that learned and of states; the words at the end."""

    def __init__(self, file: str, beat: Beat) -> None:
        self.file = file
        self.beat = beat
        self.sums: dict[str, Integers] = {}

    def keep(
        self,
        number: int,
        learned: Mapping[str, Plastic],
        states: Mapping[str, Integers],
        **results: Integers,
    ) -> None:
        """Note what is there after a step; write the file after the last one."""
        if not self.file:
            return
        for name, plastic in learned.items():
            self.note(f"checksum {name}", number, plastic.words)
            if plastic.eligible is not None:
                self.note(f"checksum kept of {name}", number, plastic.eligible.words.values())
        if states:
            self.note("checksum states", number, states.values())
        if self.beat.is_last(number):
            arrays: dict[str, Any] = {**results, **self.sums}
            for name, plastic in learned.items():
                arrays[f"words {name}"] = np.stack([word.ravel() for word in plastic.words])
                kept = {} if plastic.eligible is None else plastic.eligible.words
                arrays |= {f"kept {state} of {name}": word for state, word in kept.items()}
            np.savez(self.file, **arrays)

    def note(self, name: str, number: int, words: Iterable[Integers]) -> None:
        """The checksum of some words after a step."""
        sums = self.sums.setdefault(name, np.zeros(self.beat.steps, np.int64))
        sums[number] = checksum(words)
