"""scikit-learn's embedded 8x8 digits as sequences: a row or a pixel per step.

1797 real handwritten digits, 16 grey levels, from the UCI repository (Alpaydin, Kaynak 1998,
"Optical Recognition of Handwritten Digits"); the data come with scikit-learn, nothing is loaded
over a network.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ltc2hw.data.options import TEST_FRACTION, VALIDATION_FRACTION
from ltc2hw.data.splitting import SPLIT_SEED, stratified
from ltc2hw.errors import MissingExtraError
from ltc2hw.tasks.moving import moved_images
from ltc2hw.tasks.split import Split
from ltc2hw.tasks.task import Task

SIDE = 8
IMAGE = (1, SIDE, SIDE)
GREY_LEVELS = 16.0
CLASSES = 10


def _images() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Images (1797, 8, 8) in multiples of 1/16 and their classes."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise MissingExtraError("torch", "the digits tasks (scikit-learn's data)") from error
    data = load_digits()
    return data.images.astype(np.float64) / GREY_LEVELS, data.target.astype(np.int64)


def _sequence(images: npt.NDArray[np.float64], inputs: int) -> npt.NDArray[np.float64]:
    """Images (B, 8, 8) as (T, B, inputs), in reading order."""
    flat = images.reshape(len(images), -1, inputs)
    return np.ascontiguousarray(flat.transpose(1, 0, 2))


def shift_images(split: Split, rng: np.random.Generator) -> Split:
    """Move each image by up to one pixel in each direction; what leaves is lost, zeros enter.

    Half of the moves along each axis are zero.
    """
    _, samples, inputs = split.x.shape
    images = split.x.transpose(1, 0, 2).reshape(1, samples, SIDE * SIDE)
    moves = rng.choice(np.array([1, 0, 0, -1]), size=(2, samples))
    return Split(_sequence(moved_images(images, IMAGE, moves.T)[0], inputs), split.labels)


def _digits(name: str, inputs: int, decision_steps: int) -> Task:
    images, labels = _images()
    fractions = (TEST_FRACTION, VALIDATION_FRACTION)
    parts = stratified(labels, fractions, np.random.default_rng(SPLIT_SEED))
    test, validation, train = (Split(_sequence(images[p], inputs), labels[p]) for p in parts)
    return Task(
        name=name,
        kind="classification",
        steps=SIDE * SIDE // inputs,
        inputs=inputs,
        outputs=CLASSES,
        train=train,
        validation=validation,
        test=test,
        augment=shift_images,
        decision_steps=decision_steps,
    )


def digits_rows() -> Task:
    """One row of eight pixels per step, T = 8."""
    return _digits("digits-rows", SIDE, decision_steps=1)


def digits_pixels() -> Task:
    """One pixel per step, T = 64."""
    return _digits("digits-pixels", 1, decision_steps=1)


PERMUTATION_SEED = 20230519


def _reordered(split: Split, order: npt.NDArray[np.int64]) -> Split:
    """The same samples with their steps in another order."""
    return Split(np.ascontiguousarray(split.x[order]), split.labels)


def digits_permuted() -> Task:
    """One pixel per step in one fixed random order, T = 64: neighbours in space are far in time."""
    task = digits_pixels()
    order = np.random.default_rng(PERMUTATION_SEED).permutation(task.steps)

    def shifted(split: Split, rng: np.random.Generator) -> Split:
        return _reordered(shift_images(_reordered(split, np.argsort(order)), rng), order)

    return replace(
        task,
        name="digits-permuted",
        train=_reordered(task.train, order),
        validation=_reordered(task.validation, order),
        test=_reordered(task.test, order),
        augment=shifted,
    )
