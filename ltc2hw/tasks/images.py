"""MNIST and Fashion-MNIST as sequences: their rows, their pixels, or images that stay or flicker.

Images are kept as bytes, and the samples of a batch are made when it is asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.data import DETECTED, DataOptions
from ltc2hw.data.idx import Bytes
from ltc2hw.data.mnist import FASHION, GREATEST, MNIST, SIDE, Images, read_mnist
from ltc2hw.data.options import require_only
from ltc2hw.data.places import DataSet
from ltc2hw.data.prepared import CHECKSUM
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.tasks.split import LazySplit, Split, checksum
from ltc2hw.tasks.task import Augmentation, Task

PIXELS = SIDE * SIDE
CLASSES = 10

VALIDATION_IMAGES = 5_000
"""Of the training images, the last ones."""

PERMUTATION_SEED = 20230519
"""Of the order of pixels in the permuted tasks: ``default_rng(seed).permutation(784)``; step t
has the pixel that comes ``order[t]``-th in reading order."""

SPIKE_SEEDS = {"train": 404, "validation": 505, "test": 606}
"""Of the spikes of the rate-coded tasks, by part."""

USUAL_STEPS, MOST_STEPS = 20, 10_000


class Coding(Protocol):
    """How images become sequences."""

    @property
    def steps(self) -> int:
        """How many steps an image takes."""

    @property
    def inputs(self) -> int:
        """How many numbers a step has."""

    @property
    def spikes(self) -> bool:
        """Whether all numbers are 0 or 1."""

    def encode(self, images: Bytes, numbers: IntArray) -> FloatArray:
        """Images (B, 784), and their numbers in the data set, as x (T, B, N)."""


@dataclass(frozen=True)
class Scan:
    """Some pixels in each step, in reading order or another one: grey values over 255."""

    inputs: int
    order: tuple[int, ...] | None = None
    spikes: bool = False

    @property
    def steps(self) -> int:
        """How many steps an image takes."""
        return PIXELS // self.inputs

    def encode(self, images: Bytes, numbers: IntArray) -> FloatArray:
        """X (T, B, N)."""
        chosen = images if self.order is None else images[:, list(self.order)]
        turned = chosen.reshape(len(images), self.steps, self.inputs).transpose(1, 0, 2)
        return turned / GREATEST


@dataclass(frozen=True)
class Still:
    """The whole image in every step: grey values over 255."""

    steps: int
    inputs: int = PIXELS
    spikes: bool = False

    def encode(self, images: Bytes, numbers: IntArray) -> FloatArray:
        """X (T, B, N)."""
        return np.repeat((images / GREATEST)[None], self.steps, axis=0)


@dataclass(frozen=True)
class Rate:
    """A spike of each pixel in each step with a probability of its grey value over 255.

    Spikes of image ``i`` are drawn by Philox with the key (seed, i), 16 bits for each step and
    pixel, so that they are the same in every batch: there is one where they are below
    ``grey · 65536 / 255``, rounded up. Black never spikes, white always.
    """

    steps: int
    seed: int
    inputs: int = PIXELS
    spikes: bool = True

    def encode(self, images: Bytes, numbers: IntArray) -> FloatArray:
        """X (T, B, N)."""
        x = np.zeros((self.steps, len(images), PIXELS))
        limits = LIMITS[images]
        for index, number in enumerate(numbers.tolist()):
            drawn = _words(self.seed, number, self.steps * PIXELS).reshape(self.steps, PIXELS)
            x[:, index] = drawn < limits[index]
        return x


WORD_BITS = 16
LIMITS: npt.NDArray[np.int32] = -(
    -np.arange(GREATEST + 1, dtype=np.int32) * (1 << WORD_BITS) // GREATEST
)
"""Below which a word of 16 bits is a spike, by grey value."""


def _words(seed: int, number: int, count: int) -> npt.NDArray[np.uint16]:
    """Random words of 16 bits, the same on every machine."""
    raw = np.random.Philox(key=np.array((seed, number), np.uint64)).random_raw(-(-count // 4))
    return raw.astype("<u8").view("<u2")[:count]


@dataclass(frozen=True, eq=False)
class ImageSequences:
    """Images (B, 784) as bytes, their numbers in the data set, and how they become sequences.

    >>> white = ImageSequences(np.full((1, 784), 255, np.uint8), np.array([7]), Scan(28))
    >>> white.shape, float(white.array().min())
    ((28, 1, 28), 1.0)
    """

    images: Bytes
    numbers: IntArray
    coding: Coding

    @property
    def shape(self) -> tuple[int, int, int]:
        """Steps, samples and inputs."""
        return self.coding.steps, len(self.images), self.coding.inputs

    @property
    def spikes(self) -> bool:
        """Whether all numbers are 0 or 1."""
        return self.coding.spikes

    def take(self, indices: npt.NDArray[np.int64]) -> ImageSequences:
        """The images at ``indices``, in that order."""
        return ImageSequences(self.images[indices], self.numbers[indices], self.coding)

    def array(self) -> FloatArray:
        """X as float64, (T, B, N)."""
        return self.coding.encode(self.images, self.numbers)

    def digest(self) -> bytes:
        """What tells these sequences from all others."""
        hasher = hashlib.sha256(repr(self.coding).encode())
        for array in (self.images, self.numbers):
            hasher.update(np.ascontiguousarray(array).data)
        return hasher.digest()


def fresh_spikes(split: Split, rng: np.random.Generator) -> Split:
    """The same images with spikes that are drawn anew; the augmentation of rate-coded tasks.

    Raises:
        InvalidValueError: for samples that are no images with spikes.
    """
    sequences = split.sequences if isinstance(split, LazySplit) else None
    if not isinstance(sequences, ImageSequences) or not isinstance(sequences.coding, Rate):
        raise InvalidValueError("samples", repr(split), "images that are coded as spikes")
    coding = replace(sequences.coding, seed=int(rng.integers(1 << 63)))
    return LazySplit(replace(sequences, coding=coding), split.labels)


@dataclass(frozen=True)
class Form:
    """A way to read images: its coding by part and steps, and what a task of it has."""

    coding: Callable[[str, int], Coding]
    shape: tuple[int, ...]
    said: str
    steps: int | None = None
    """Steps of images that last as long as one says, unless another number is said."""
    augment: Augmentation | None = None


def _permutation() -> tuple[int, ...]:
    return tuple(np.random.default_rng(PERMUTATION_SEED).permutation(PIXELS).tolist())


IMAGE = (1, SIDE, SIDE)

FORMS: Mapping[str, Form] = {
    "rows": Form(lambda part, steps: Scan(SIDE), (SIDE,), "a row of pixels in a step"),
    "pixels": Form(lambda part, steps: Scan(1), (1,), "a pixel in a step, in reading order"),
    "permuted": Form(
        lambda part, steps: Scan(1, _permutation()),
        (1,),
        f"a pixel in a step, in the order of NumPy's permutation of seed {PERMUTATION_SEED}",
    ),
    "rate": Form(
        lambda part, steps: Rate(steps, SPIKE_SEEDS[part]),
        IMAGE,
        f"spikes of each pixel in each step, as probable as it is light, seeds {SPIKE_SEEDS}",
        USUAL_STEPS,
        fresh_spikes,
    ),
    "image": Form(lambda part, steps: Still(steps), IMAGE, "the image in each step", USUAL_STEPS),
}
"""Ways to read images, by the second part of a task's name."""

SETS: Mapping[str, tuple[DataSet, tuple[str, ...]]] = {
    "mnist": (MNIST, tuple(map(str, range(CLASSES)))),
    "fashion": (
        FASHION,
        (
            *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
            *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        ),
    ),
}
"""Data sets and their classes, by the first part of a task's name."""


def image_task(
    data: str, form: str, steps: int | None = None, options: DataOptions = DETECTED
) -> Task:
    """Images of a data set of SETS in a form of FORMS, ``steps`` long where the form allows it.

    Raises:
        InvalidValueError: for steps of a form that has its own, too many of them, options that
            these data do not have, files that are not there.
        DamagedFileError, OSError: for files that cannot be read.
    """
    dataset, classes = SETS[data]
    chosen, name = FORMS[form], f"{data}-{form}"
    if steps is not None and chosen.steps is None:
        limit = f"{name} without a number, as its images have steps of their own"
        raise InvalidValueError("task", f"{name}-{steps}", limit)
    if steps is not None and not 1 <= steps <= MOST_STEPS:
        raise InvalidValueError(f"steps of {name}", steps, f"1 to {MOST_STEPS}")
    steps = steps or chosen.steps or 0
    require_only(options, ("root", "decision_steps"), f"task {name}")
    images = read_mnist(dataset, options.root)
    codings = {part: chosen.coding(part, steps) for part in SPIKE_SEEDS}
    parts = {part: _split(images, part, coding) for part, coding in codings.items()}
    coding = codings["train"]
    return Task(
        name=name if chosen.steps is None else f"{name}-{steps}",
        kind="classification",
        steps=coding.steps,
        inputs=coding.inputs,
        outputs=CLASSES,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        augment=chosen.augment,
        decision_steps=options.decision_steps or 1,
        graded=not coding.spikes,
        classes=classes,
        provenance=_provenance(dataset, images, chosen, parts),
        shape=chosen.shape,
    )


def _split(images: Images, part: str, coding: Coding) -> LazySplit:
    """One part; validation samples are the last of the training images."""
    numbers: IntArray
    if part == "test":
        own, labels = images.testing, images.testing_labels
        numbers = np.arange(len(own))
    else:
        edge = len(images.training) - VALIDATION_IMAGES
        numbers = np.arange(len(images.training))
        numbers = numbers[:edge] if part == "train" else numbers[edge:]
        own, labels = images.training[numbers], images.training_labels[numbers]
    return LazySplit(ImageSequences(own, numbers, coding), labels)


def _provenance(
    dataset: DataSet, images: Images, form: Form, parts: Mapping[str, LazySplit]
) -> dict[str, str]:
    return {
        "source": f"{dataset.title}, {images.source}",
        "steps and inputs": form.said,
        "split": f"the last {VALIDATION_IMAGES} training images for validation, the rest as the "
        "data say",
        CHECKSUM: checksum(parts),
    }
