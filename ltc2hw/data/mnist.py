"""MNIST and Fashion-MNIST: 60,000 and 10,000 images of 28 by 28 grey values, in four IDX files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ltc2hw.data.idx import Bytes, parse_idx, unfolded
from ltc2hw.data.places import DataSet, find, not_found
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.archive import StrPath, read_bytes
from ltc2hw.numbers.words import IntArray

SIDE = 28
GREATEST = 255
"""White, the greatest grey value."""

TRAINING, TESTING = "train", "t10k"
IMAGES, LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"

FILES = tuple(f"{part}-{what}" for part in (TRAINING, TESTING) for what in (IMAGES, LABELS))

MNIST = DataSet(
    "MNIST",
    ("mnist", "MNIST/raw", "MNIST"),
    tuple(f"{file}.gz" for file in FILES),
    "http://yann.lecun.com/exdb/mnist",
    "CC BY-SA 3.0",
)

FASHION = DataSet(
    "Fashion-MNIST",
    ("fashion-mnist", "FashionMNIST/raw", "fashion"),
    MNIST.files,
    "https://github.com/zalandoresearch/fashion-mnist",
    "MIT",
    # Debian's package dataset-fashion-mnist.
    elsewhere=("/usr/share/datasets/fashion-mnist",),
)

CHECKSUMS: Mapping[str, tuple[str, ...]] = {
    MNIST.title: (
        "6bbc9ace898e44ae57da46a324031adb",
        "a25bea736e30d166cdddb491f175f624",
        "2646ac647ad5339dbf082846283269ea",
        "27ae3e4e09519cfbb04c329615203637",
    ),
    FASHION.title: (
        "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "9018921c3c673c538a1fc5bad174d6f9",
        "8181f5470baa50b63fa0f6fddb340f0a",
        "15d484375f8d13e6eb1aabb0c3f46965",
    ),
}
"""MD5 of the files as they are after gzip, in the order of FILES: both sets call theirs alike."""


@dataclass(frozen=True, eq=False)
class Images:
    """Grey values (B, 784) of images, row by row, their classes (B,), and where they came from."""

    training: Bytes
    training_labels: IntArray
    testing: Bytes
    testing_labels: IntArray
    source: str


def read_mnist(dataset: DataSet, root: StrPath | None = None) -> Images:
    """The images of MNIST or Fashion-MNIST, from files with or without ``.gz``.

    Raises:
        InvalidValueError: if a file is not there; says where to get it.
        DamagedFileError: for a file that is damaged or not the data set's own.
        OSError: for one that cannot be opened.
    """
    folder = find(dataset, root, lambda place: any(_path(place, file) for file in FILES))
    paths = {file: _path(folder, file) for file in FILES}
    missing = [file for file, path in paths.items() if path is None]
    if missing:
        raise not_found(dataset, missing, [folder])
    sums = dict(zip(FILES, CHECKSUMS[dataset.title], strict=True))
    found = {file: _read(path, dataset, sums[file]) for file, path in paths.items() if path}
    images, labels = (
        [found[f"{part}-{what}"] for part in (TRAINING, TESTING)] for what in (IMAGES, LABELS)
    )
    return Images(
        images[0].reshape(-1, SIDE * SIDE),
        labels[0].astype(np.int64),
        images[1].reshape(-1, SIDE * SIDE),
        labels[1].astype(np.int64),
        str(folder),
    )


def _path(folder: Path, file: str) -> Path | None:
    """Where a file lies in a folder, compressed or not."""
    candidates = (folder / file, folder / f"{file}.gz")
    return next((path for path in candidates if path.exists()), None)


def _read(path: Path, dataset: DataSet, wanted: str) -> Bytes:
    content = unfolded(read_bytes(path), str(path))
    array = parse_idx(content, str(path))
    found = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if found != wanted:
        problem = f"it is not the file of {dataset.title}: its MD5 is {found}, not {wanted}"
        remedy = f"other data sets call theirs alike; get it from {dataset.home}"
        raise DamagedFileError(path, problem, remedy)
    return array
