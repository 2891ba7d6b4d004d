"""Augmentation of images and rows: samples moved by whole places, all their steps alike."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.tasks.split import LazySplit, Sequences, Split


@dataclass(frozen=True, eq=False)
class Moved:
    """Sequences whose images (C, H, W), or rows (C, L), are moved; zeros enter, the rest leaves."""

    sequences: Sequences
    image: tuple[int, ...]
    moves: IntArray
    """(B, dimensions), in places."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, samples and inputs."""
        return self.sequences.shape

    @property
    def spikes(self) -> bool:
        """Whether all numbers are 0 or 1."""
        return self.sequences.spikes

    def take(self, indices: IntArray) -> Moved:
        """The samples at ``indices``, in that order."""
        return Moved(self.sequences.take(indices), self.image, self.moves[indices])

    def array(self) -> FloatArray:
        """X as float64, (T, B, N)."""
        return moved_images(self.sequences.array(), self.image, self.moves)

    def digest(self) -> bytes:
        """What tells these samples from all others."""
        hasher = hashlib.sha256(self.sequences.digest() + repr(self.image).encode())
        hasher.update(np.ascontiguousarray(self.moves, "<i8").data)
        return hasher.digest()


EVERY = (slice(None), slice(None))
"""All steps and channels."""


def moved_images(x: FloatArray, image: tuple[int, ...], moves: IntArray) -> FloatArray:
    """X (T, B, N) with each sample's images moved by its own (B, dimensions) places.

    >>> moved_images(np.array([[[1.0, 2.0, 3.0]]]), (1, 3), np.array([[1]])).tolist()
    [[[0.0, 1.0, 2.0]]]
    """
    steps, samples, _ = x.shape
    given = x.reshape(steps, samples, *image)
    found = np.zeros_like(given)
    for sample, move in enumerate(moves.tolist()):
        ends = list(zip(move, image[1:], strict=True))
        to = tuple(slice(max(0, by), size + min(0, by)) for by, size in ends)
        back = tuple(slice(max(0, -by), size - max(0, by)) for by, size in ends)
        into, out = found[:, sample], given[:, sample]
        into[EVERY + to] = out[EVERY + back]
    return found.reshape(x.shape)


def moved(split: Split, image: tuple[int, ...], most: int, rng: np.random.Generator) -> Split:
    """The samples, each moved in each direction by a number uniform in ±``most``.

    Raises:
        InvalidValueError: as :func:`require_movable`.
    """
    require_movable(image, most)
    moves = rng.integers(-most, most + 1, size=(split.samples, len(image) - 1))
    if isinstance(split, LazySplit):
        return LazySplit(Moved(split.sequences, image, moves), split.labels, split.lengths)
    return replace(split, x=moved_images(split.x, image, moves))


def require_movable(image: tuple[int, ...], most: int) -> None:
    """Raise unless images of this shape can be moved that far.

    Raises:
        InvalidValueError: for samples that are no images or rows, or a way beyond their edges.
    """
    if len(image) < 2:
        limit = "0, as the samples of a step are no image or row"
        remedy = "say their shape, or leave it out"
        raise InvalidValueError("shift", most, limit, remedy)
    if most >= min(image[1:]):
        size = " x ".join(map(str, image[1:]))
        raise InvalidValueError("shift", most, f"below the {size} places of a sample")
