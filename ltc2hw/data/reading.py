"""Data in files, by the end of the name; a folder by what is in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ltc2hw.data.arranging import SAME, arrange
from ltc2hw.data.event_source import events_source
from ltc2hw.data.events.reading import RECORDING_ENDS
from ltc2hw.data.events.recording import NAMES
from ltc2hw.data.events.recordings import ARCHIVE, read_recordings
from ltc2hw.data.names import arrays_source, only_samples, read_name
from ltc2hw.data.options import DETECTED, DataOptions, StrPath
from ltc2hw.data.parts import PartName
from ltc2hw.data.prepared import Prepared, prepare
from ltc2hw.data.source import Array, Part, Source
from ltc2hw.data.splitting import training_part
from ltc2hw.data.ts import TRAIN, read_ts, read_ts_file
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.files.foreign_hdf5 import ForeignTree, read_foreign
from ltc2hw.files.npz import read_npy, read_npz
from ltc2hw.graph.images import require_same_image

MOST_BYTES = 1 << 32
"""Most bytes that an archive may unfold to; spikes shrink to a hundredth."""

Arrays = dict[str, Array | str]


def npz_arrays(path: StrPath) -> Arrays:
    """Arrays of an ``.npz`` file."""
    return read_npz(path, MOST_BYTES, texts=True)


def hdf5_arrays(path: StrPath) -> Arrays:
    """Datasets of an HDF5 file, ``group/name``; a process of its own reads it."""
    found: Arrays = {}

    def collect(tree: ForeignTree, before: str) -> None:
        for name, value in tree.items():
            if isinstance(value, Mapping):
                collect(value, f"{before}{name}/")
            elif isinstance(value, tuple):
                found[before + name] = np.array(value, dtype=np.str_)
            else:
                found[before + name] = value

    collect(read_foreign(path, MOST_BYTES // 8), "")
    return found


def npy_arrays(path: StrPath) -> Arrays:
    """Array of an ``.npy`` file, and of those beside it whose names say what they are."""
    path = Path(path)
    found: Arrays = {path.stem: read_npy(path)}
    if read_name(path.stem) is None:
        return found
    for beside in sorted(path.parent.glob("*.npy")):
        if beside != path and read_name(beside.stem) is not None:
            found[beside.stem] = read_npy(beside)
    return found


ARRAYS: Mapping[str, Callable[[StrPath], Arrays]] = {
    ".npz": npz_arrays,
    ".npy": npy_arrays,
    ".h5": hdf5_arrays,
    ".hdf5": hdf5_arrays,
}
"""Readers of arrays by name, by the end of a file's name."""

SUFFIXES = (*ARRAYS, ".ts")
"""Ends of the names of files that are read."""


def read_source(path: StrPath, options: DataOptions = DETECTED) -> Source:
    """What a file or a folder holds; the options say how events are counted.

    Raises:
        UnknownNameError: for a file of another kind.
        InvalidValueError: for a file that is not what its name says.
        OSError: if there is none.
    """
    path = Path(path)
    suffix = path.suffix.casefold()
    if path.is_dir():
        pairs = sorted(path.glob(f"*{TRAIN}"))
        return read_ts(pairs[0]) if len(pairs) == 1 else _events(path, options)
    with path.open("rb"):
        pass
    if suffix == ".ts":
        return read_ts(path)
    if suffix in ARRAYS:
        arrays = ARRAYS[suffix](path)
        if suffix == ".npz" and _are_events(arrays):
            return _events(path, options)
        return arrays_source(arrays, str(path))
    if suffix == ARCHIVE or suffix in RECORDING_ENDS:
        return _events(path, options)
    known = (*SUFFIXES, "a folder or .zip of recordings")
    raise UnknownNameError(f"end of the name of {path}", path.suffix, known)


def _events(path: Path, options: DataOptions) -> Source:
    return events_source(read_recordings(path, options.sensor), options)


def _are_events(arrays: Arrays) -> bool:
    """Whether arrays are coordinates, times and polarities."""
    return all(any(name in arrays for name in names) for names in NAMES.values())


def read_data(path: StrPath, options: DataOptions = DETECTED) -> Prepared:
    """Samples and labels of a file or folder, and of the files that the options name.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError: for data that have no one reading.
        DamagedFileError: for damaged files.
        OSError: if there is no such file.
    """
    source = read_source(path, options)
    source = replace(source, notes={"source": str(path), **source.notes})
    return prepare(with_files(source, options, str(path)), options, str(path))


def with_files(source: Source, options: DataOptions, where: str) -> Source:
    """A source with the samples of the files that the options name.

    Raises:
        InvalidValueError: if there are such samples already.
        ShapeError, InvalidValueError, UnknownNameError, DamagedFileError, OSError: as
            :func:`read_data`.
    """
    parts, notes = dict(source.parts), dict(source.notes)
    named: tuple[tuple[PartName, StrPath | None], ...] = (
        ("test", options.test),
        ("validation", options.validation),
    )
    for name, other in named:
        if other is not None:
            added = _added(parts, name, other, where, options)
            parts[name] = added.parts[name]
            if added.shape and source.shape:
                require_same_image(f"samples of {other}", added.shape, source.shape, SAME)
            notes[f"{name} samples"] = str(other)
    return replace(source, parts=parts, notes=notes)


def _added(
    parts: dict[PartName, Part], name: PartName, path: StrPath, where: str, options: DataOptions
) -> Source:
    """The samples of another file, as the part that they are added as.

    Raises:
        InvalidValueError: if there are such samples already, or the file does not say which.
    """
    if name in parts:
        raise InvalidValueError(f"{name} samples", f"in {path} and in {where}", "in one of them")
    single = str(path).endswith(".ts")
    source = read_ts_file(path) if single else read_source(path, options)
    found = source.parts
    chosen = next((found[key] for key in (name, "all") if key in found), None)
    if chosen is None:
        raise InvalidValueError(
            f"content of {path}", ", ".join(found), f"{name} samples", "name its arrays x and y"
        )
    return replace(source, parts={name: chosen})


class Unlabelled(NamedTuple):
    """Samples (T, B, N) of any type, the steps (B,) of each, and the shape of a step."""

    x: Array
    lengths: Array | None
    shape: tuple[int, ...]


def read_samples(path: StrPath, options: DataOptions = DETECTED) -> Unlabelled:
    """Samples for calibration; labels are not needed.

    Of a file with several parts, those for training.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError, DamagedFileError, OSError: as
            :func:`read_data`; where there are no labels, the layout is asked for.
    """
    where, suffix = str(path), Path(path).suffix.casefold()
    arrays = ARRAYS[suffix](path) if suffix in ARRAYS and Path(path).is_file() else {}
    if arrays and not _are_events(arrays):
        source = only_samples(arrays, where)
    else:
        source = read_source(path, options)
    name = training_part(source.parts, where) if len(source.parts) > 1 else next(iter(source.parts))
    arranged = arrange(replace(source, parts={name: source.parts[name]}), options, where)
    part = arranged.parts[name]
    return Unlabelled(part.x, part.lengths, arranged.shape)
