"""Samples and what they should give: arrays, or sequences that are made when they are asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import ShapeError, TooLargeError
from ltc2hw.graph.images import FLATTEN
from ltc2hw.graph.labels import Labels, plain_labels, step_labels
from ltc2hw.graph.samples import real_array, require_spikes
from ltc2hw.graph.sequences import sample_lengths, silent_after
from ltc2hw.numbers.fields import require_finite, set_field
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.showing import Shown

MOST_NUMBERS = 1 << 29
"""Most numbers of x that are made at once, 4 GiB in float64."""

PIECE_NUMBERS = 1 << 22
"""Numbers of x in a piece of a split that is made piece by piece, 32 MiB in float64."""


@dataclass(frozen=True, eq=False)
class Split(Shown):
    """Samples and what they should give.

    ``x`` is (T, B, N_in), time first; ``labels`` are classes or targets of a regression in any
    form of :mod:`ltc2hw.graph.labels`, one per sample, or with ``every_step`` one per step and
    sample. Both may be arrays, nested lists or tensors and are kept as float64, and int64 or
    float64. ``lengths`` (B,) are the steps of samples that end before T; what ``x`` holds after an
    end becomes zero. Samples given batch-first are noticed where B and T differ.

    Raises:
        ShapeError: unless x has three axes, none of them empty, and there is a label per sample.
        InvalidValueError: for what are no numbers, NaN or infinite, and lengths beyond 1 to T.

    >>> Split(np.ones((3, 2, 1)), [0, 1], lengths=[1, 3]).x[:, 0, 0].tolist()
    [1.0, 0.0, 0.0]
    """

    x: FloatArray
    labels: Labels
    lengths: IntArray | None = None
    every_step: bool = False

    def __post_init__(self) -> None:
        x = real_array("samples of a split", self.x)
        if x.ndim != 3 or 0 in x.shape:
            remedy = FLATTEN if x.ndim > 3 else ""
            limit = "(steps, samples, inputs), none empty"
            raise ShapeError("samples of a split", x.shape, limit, remedy)
        steps, samples, _ = x.shape
        set_field(self, "lengths", sample_lengths(self.lengths, steps, samples))
        x = silent_after(x, self.lengths)
        require_finite("samples of a split", x)
        set_field(self, "x", x)
        name = "labels of a split"
        if self.every_step:
            set_field(self, "labels", step_labels(self.labels, steps, samples, name))
        else:
            set_field(self, "labels", plain_labels(self.labels, samples, steps, name))

    def __repr__(self) -> str:
        steps, samples, inputs = self.shape
        return f"<Split: {samples:,} samples, {steps:,} steps, {inputs:,} inputs>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, samples and inputs, (T, B, N_in); nothing is made for it."""
        steps, samples, inputs = self.x.shape
        return steps, samples, inputs

    @property
    def samples(self) -> int:
        """How many samples there are."""
        return self.shape[1]

    def take(self, indices: npt.NDArray[np.int64]) -> Split:
        """The samples at ``indices``, in that order."""
        return Split(
            self.x[:, indices],
            self.labels[:, indices] if self.every_step else self.labels[indices],
            None if self.lengths is None else self.lengths[indices],
            self.every_step,
        )

    def labelled(self, labels: Labels) -> Split:
        """The same samples with other labels."""
        return replace(self, labels=labels)

    def pieces(self) -> Iterator[Split]:
        """All samples in order, in pieces whose x takes little memory: here there is one."""
        yield self

    def require_spikes(self) -> None:
        """Raise unless all samples are 0 or 1.

        Raises:
            InvalidValueError: with the first number that is neither.
        """
        require_spikes(self.x)


class Sequences(Protocol):
    """Samples in a small form of their own, of which x (T, B, N) is made when it is asked for."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, samples and inputs, (T, B, N)."""

    @property
    def spikes(self) -> bool:
        """Whether every number of x is 0 or 1."""

    def take(self, indices: npt.NDArray[np.int64]) -> Sequences:
        """The samples at ``indices``, in that order; each is the same in any company."""

    def array(self) -> FloatArray:
        """X as float64, (T, B, N)."""

    def digest(self) -> bytes:
        """What tells these samples from all others, 32 bytes."""


class LazySplit(Split):
    """A split that keeps samples as :class:`Sequences` and makes x anew whenever it is read.

    Take what is needed first: ``split.take(indices).x`` makes these samples alone. Otherwise it
    is used as a :class:`Split` is, with one label per sample; ``lengths`` as there.

    Raises:
        ShapeError, InvalidValueError: as :class:`Split`.
    """

    def __init__(
        self, sequences: Sequences, labels: Labels, lengths: IntArray | None = None
    ) -> None:
        steps, samples, _ = sequences.shape
        set_field(self, "sequences", sequences)
        set_field(self, "lengths", sample_lengths(lengths, steps, samples))
        set_field(self, "labels", plain_labels(labels, samples, steps, "labels of a split"))
        set_field(self, "every_step", False)

    sequences: Sequences

    @property
    def x(self) -> FloatArray:
        """The samples, (T, B, N_in), made now.

        Raises:
            TooLargeError: for more than MOST_NUMBERS numbers; nothing is made.
        """
        steps, samples, inputs = self.shape
        if steps * samples * inputs > MOST_NUMBERS:
            raise TooLargeError(
                "samples that are made at once",
                f"{samples} of {steps} steps of {inputs} inputs",
                f"at most {MOST_NUMBERS} numbers",
                "take fewer of them: split.take(...), on the command line --samples N",
            )
        return silent_after(self.sequences.array(), self.lengths)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, samples and inputs, (T, B, N_in); nothing is made for it."""
        return self.sequences.shape

    def take(self, indices: npt.NDArray[np.int64]) -> LazySplit:
        """The samples at ``indices``, in that order; still not made."""
        lengths = None if self.lengths is None else self.lengths[indices]
        return LazySplit(self.sequences.take(indices), self.labels[indices], lengths)

    def labelled(self, labels: Labels) -> LazySplit:
        """The same samples with other labels."""
        return LazySplit(self.sequences, labels, self.lengths)

    def pieces(self) -> Iterator[Split]:
        """All samples in order, in pieces whose x takes little memory."""
        steps, samples, inputs = self.shape
        size = max(1, PIECE_NUMBERS // (steps * inputs))
        for first in range(0, samples, size):
            yield self.take(np.arange(first, min(first + size, samples)))

    def require_spikes(self) -> None:
        """Raise unless all samples are 0 or 1; only those that may be others are made.

        Raises:
            InvalidValueError: with the first number that is neither.
        """
        if not self.sequences.spikes:
            for piece in self.pieces():
                require_spikes(piece.x)


def checksum(splits: Mapping[str, LazySplit]) -> str:
    """SHA-256 of samples in their small form, labels and lengths; nothing is made for it."""
    hasher = hashlib.sha256()
    for part, split in splits.items():
        hasher.update(part.encode() + split.sequences.digest())
        for array in (split.labels, split.lengths):
            hasher.update(b"" if array is None else np.ascontiguousarray(array).data)
    return hasher.hexdigest()
