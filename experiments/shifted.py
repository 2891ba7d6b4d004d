"""Images moved by a pixel: augmentation of tasks whose samples are made of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ltc2hw.data.mnist import SIDE
from ltc2hw.errors import InvalidValueError
from ltc2hw.tasks import LazySplit, Split, Task
from ltc2hw.tasks.images import ImageSequences

SHIFT = 1
"""Pixels that an image moves by at most, in each direction."""


def shifted_images(
    images: npt.NDArray[np.uint8], most: int, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """Images (B, 784) moved by whole pixels, each direction uniform in ±most.

    What leaves is lost, black enters.

    >>> corner = np.zeros((1, 784), np.uint8)
    >>> corner[0, 0] = 9
    >>> bool(np.array_equal(shifted_images(corner, 0, np.random.default_rng(0)), corner))
    True
    """
    size = len(images)
    square = np.zeros((size, SIDE + 2 * most, SIDE + 2 * most), np.uint8)
    square[:, most : most + SIDE, most : most + SIDE] = images.reshape(-1, SIDE, SIDE)
    moves = rng.integers(0, 2 * most + 1, size=(2, size, 1))
    rows, columns = moves + np.arange(SIDE)
    moved: npt.NDArray[np.uint8] = square[
        np.arange(size)[:, None, None], rows[:, :, None], columns[:, None, :]
    ]
    return moved.reshape(size, -1)


def shifted_task(task: Task, most: int = SHIFT) -> Task:
    """The task whose training images move by up to ``most`` pixels anew in every epoch.

    What the task itself does to its training samples comes after that.

    Raises:
        InvalidValueError: for a shift below zero or beyond the image.
    """
    if not 0 <= most < SIDE:
        raise InvalidValueError("shift of images", most, f"0 to {SIDE - 1} pixels")
    own = task.augment

    def augment(split: Split, rng: np.random.Generator) -> Split:
        assert isinstance(split, LazySplit)
        assert isinstance(split.sequences, ImageSequences)
        images = shifted_images(split.sequences.images, most, rng)
        moved = LazySplit(replace(split.sequences, images=images), split.labels)
        return moved if own is None else own(moved, rng)

    return replace(task, augment=augment)
