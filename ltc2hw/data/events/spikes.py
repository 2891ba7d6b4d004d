"""Spoken words as spikes of 700 channels: SHD and SSC in their HDF5 files.

``spikes/times`` (seconds, float16) and ``spikes/units`` (channels from 0) have a row for each
recording, ``labels`` its class, ``extra/keys`` the names of the classes.

Source: Cramer, Stradmann, Schemmel, Zenke, IEEE Transactions on Neural Networks and Learning
Systems 33, 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from ltc2hw.data.events.labelled import Labelled
from ltc2hw.data.events.recording import Events
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.data.source import Array
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.foreign_hdf5 import ForeignTree, read_rows
from ltc2hw.files.hdf5_reader import LENGTHS, VALUES
from ltc2hw.numbers.words import IntArray

CHANNELS = 700
MICROSECONDS = 1e6

BLOCK = 2048
"""Recordings that are read at a time."""


def read_spikes(path: Path) -> Recordings:
    """The recordings of a file, read in blocks; their sensor is a row of 700 channels, all ON.

    Raises:
        DamagedFileError: for a file without these arrays, or that is no whole HDF5 file; when a
            recording is read, for times and units that are not of one length, or none.
        OSError: if it cannot be opened.
    """
    tree = read_rows(path, 0, 0)
    labels = _labels(tree, path)
    blocks: dict[int, list[tuple[Array, Array]]] = {}

    def read(index: int) -> Events:
        block = index // BLOCK
        if block not in blocks:
            blocks.clear()
            first = block * BLOCK
            blocks[block] = _rows(path, first, min(first + BLOCK, len(labels)))
        return _events(*blocks[block][index % BLOCK], f"recording {index} of {path}")

    names = tuple(str(index) for index in range(len(labels)))
    return Recordings(str(path), names, read, Labelled(labels, _classes(tree, labels, path)))


def _entry(tree: ForeignTree, *names: str) -> Any:
    """What lies under names in a file, None if there is nothing."""
    found: Any = tree
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _missing(path: Path, what: str) -> DamagedFileError:
    return DamagedFileError(path, f"it holds no {what}", "expected a file of SHD or SSC")


def _labels(tree: ForeignTree, path: Path) -> IntArray:
    labels = _entry(tree, "labels")
    if not isinstance(labels, np.ndarray) or labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise _missing(path, "labels, whole numbers (recordings,)")
    if not len(labels):
        raise _missing(path, "recording")
    return labels.astype(np.int64)


def _classes(tree: ForeignTree, labels: IntArray, path: Path) -> tuple[str, ...]:
    """Names of the classes; each recording has one of them."""
    keys = _entry(tree, "extra", "keys")
    if not isinstance(keys, tuple):
        raise _missing(path, "extra/keys, the names of the classes")
    if labels.min() < 0 or labels.max() >= len(keys):
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DamagedFileError(path, f"label {wrong} is none of its {len(keys)} keys")
    return keys


def _rows(path: Path, first: int, last: int) -> list[tuple[Array, Array]]:
    """Times and units of some recordings."""
    tree = read_rows(path, first, last)
    columns = []
    for name in ("times", "units"):
        lengths = _entry(tree, "spikes", name, LENGTHS)
        values = _entry(tree, "spikes", name, VALUES)
        if not isinstance(lengths, np.ndarray) or len(lengths) != last - first:
            raise _missing(path, f"spikes/{name} with a row for each label")
        columns.append(np.split(cast(Array, values), np.cumsum(lengths)[:-1]))
    return list(zip(*columns, strict=True))


def _events(times: Array, units: Array, name: str) -> Events:
    """A recording in microseconds.

    Raises:
        DamagedFileError: for times and units that are not of one length, none, or times that are
            no numbers.
    """
    if len(times) != len(units) or not len(times):
        raise DamagedFileError(name, f"it has {len(times)} times and {len(units)} units")
    if not np.isfinite(times).all() or units.dtype.kind not in "iu":
        raise DamagedFileError(name, "its times are not finite, or its units not whole")
    t = np.rint(times.astype(np.float64) * MICROSECONDS).astype(np.int64)
    order = np.argsort(t, kind="stable")
    zeros = np.zeros(len(t), np.int64)
    return Events(units[order], zeros, t[order], zeros == 0, CHANNELS, 1, name)
