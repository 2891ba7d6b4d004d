"""Delayed recall: which of two groups of lines was active before a long silence.

Source: the cue task of Baronig, Bahariasl, Özdenizci, Legenstein, arXiv 2506.14464, after Bellec et
al. 2020.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltc2hw.data.prepared import CHECKSUM
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.tasks.split import LazySplit, Split, checksum
from ltc2hw.tasks.task import Task

CLASSES = 2
LINES = 5
"""Lines of a group: one group for each class, and one that asks for the answer."""

WINDOW = 20
"""Steps in which a group is active."""

PROBABILITY = 0.6
"""Of a spike of an active line in a step."""

SHORTEST, LONGEST = 2 * WINDOW, 20_000
SAMPLES = {"train": 256, "validation": 128, "test": 256}
SEEDS = {"train": 111, "validation": 222, "test": 333}


@dataclass(frozen=True, eq=False)
class CueSequences:
    """Spikes of the active lines alone, and which they are.

    ``spikes_of`` (2 WINDOW, B, LINES) are those of the cue, then those of the question; ``classes``
    (B,) are the groups of the cues.

    >>> sequences = draw(50, 3, np.random.default_rng(0))
    >>> sequences.array().shape, int(sequences.array()[20:30].sum())
    ((50, 3, 15), 0)
    """

    steps: int
    spikes_of: npt.NDArray[np.bool_]
    classes: IntArray

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, samples and inputs."""
        return self.steps, len(self.classes), (CLASSES + 1) * LINES

    @property
    def spikes(self) -> bool:
        """Whether all numbers are 0 or 1: they are."""
        return True

    def take(self, indices: npt.NDArray[np.int64]) -> CueSequences:
        """The samples at ``indices``, in that order."""
        return CueSequences(self.steps, self.spikes_of[:, indices], self.classes[indices])

    def array(self) -> FloatArray:
        """X (T, B, 15): the lines of class 0, those of class 1, those that ask."""
        x = np.zeros(self.shape)
        for sample, group in enumerate(self.classes.tolist()):
            lines = slice(group * LINES, (group + 1) * LINES)
            x[:WINDOW, sample, lines] = self.spikes_of[:WINDOW, sample]
        x[-WINDOW:, :, CLASSES * LINES :] = self.spikes_of[WINDOW:]
        return x

    def digest(self) -> bytes:
        """What tells these sequences from all others."""
        hasher = hashlib.sha256(str(self.steps).encode())
        for array in (self.spikes_of, self.classes):
            hasher.update(np.ascontiguousarray(array).data)
        return hasher.digest()


def draw(steps: int, samples: int, rng: np.random.Generator) -> CueSequences:
    """Sequences of T steps; half of them (one more of an odd number) are of class 0.

    >>> draw(40, 5, np.random.default_rng(0)).classes.tolist().count(0)
    3
    """
    classes = rng.permutation(np.arange(samples) % CLASSES)
    spikes = rng.random((2 * WINDOW, samples, LINES)) < PROBABILITY
    return CueSequences(steps, spikes, classes)


def fresh_cues(split: Split, rng: np.random.Generator) -> Split:
    """As many new sequences of as many steps, so that none is ever seen twice."""
    steps, samples, _ = split.shape
    return _labelled(draw(steps, samples, rng))


def _labelled(sequences: CueSequences) -> LazySplit:
    return LazySplit(sequences, sequences.classes)


def cue_task(steps: int) -> Task:
    """The delayed cue in sequences of T steps; every epoch's training sequences are new.

    In the first 20 steps five lines of one of two groups spike, in the last 20 five lines that ask;
    between them, T - 40 steps, nothing does. The answer is the mean of the last 20 steps of the
    readout.

    Raises:
        InvalidValueError: if T is not between 40 and 20,000.

    >>> task = cue_task(1000)
    >>> task.train.shape, task.outputs, task.decision_steps
    ((1000, 256, 15), 2, 20)
    """
    if not SHORTEST <= steps <= LONGEST:
        limit = f"{SHORTEST} to {LONGEST}"
        raise InvalidValueError("length of the delayed cue task", steps, limit, "e.g. cue-1000")
    parts = {
        part: _labelled(draw(steps, samples, np.random.default_rng((SEEDS[part], steps))))
        for part, samples in SAMPLES.items()
    }
    return Task(
        name=f"cue-{steps}",
        kind="classification",
        steps=steps,
        inputs=(CLASSES + 1) * LINES,
        outputs=CLASSES,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        augment=fresh_cues,
        decision_steps=WINDOW,
        graded=False,
        provenance={"source": "generated", CHECKSUM: checksum(parts)},
    )
