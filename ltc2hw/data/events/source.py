"""Recordings as a source of data, like the arrays of any other file."""

from __future__ import annotations

import os
from collections.abc import Mapping

from ltc2hw.data.events.batch import Binned, bin_parts
from ltc2hw.data.events.binning import Binning
from ltc2hw.data.events.reading import RECORDING_ENDS, end_of
from ltc2hw.data.events.recording import NAMES
from ltc2hw.data.events.recordings import (
    ARCHIVE,
    PART_NAMES,
    Recordings,
    read_recordings,
)
from ltc2hw.data.events.tree import open_tree
from ltc2hw.data.source import Part, PartName, Source
from ltc2hw.files.archive import Archive, StrPath, read_bytes


def holds_recordings(path: StrPath) -> bool:
    """Whether a path looks like event recordings; no event is read.

    A folder or a zip archive does with a recording in it, or an archive called as a part is; an
    ``.npz`` file with times and polarities; another file by the end of its name.

    Raises:
        DamagedFileError: for a damaged archive.
        OSError: if there is no such file.
    """
    end = end_of(os.fspath(path))
    if os.path.isdir(path) or end == ARCHIVE:
        return any(
            end_of(name) in RECORDING_ENDS
            or (end_of(name) == ARCHIVE and name[: -len(ARCHIVE)].lower() in PART_NAMES)
            for name in open_tree(path).names
        )
    if end == ".npz":
        members = Archive(read_bytes(path), path, 1 << 40).sizes
        return all(any(f"{name}.npy" in members for name in NAMES[field]) for field in "xtp")
    return end in RECORDING_ENDS


def events_source(path: StrPath, binning: Binning, sensor: tuple[int, ...] | None = None) -> Source:
    """The recordings of a path as samples, time first, with lengths, classes and provenance.

    Raises:
        DamagedFileError, InvalidValueError, UnknownNameError, TooLargeError, OSError: as
            :func:`~ltc2hw.data.events.recordings.read_recordings` and
            :func:`~ltc2hw.data.events.batch.bin_parts`.
    """
    return recordings_source(read_recordings(path, sensor), binning)


def recordings_source(parts: Mapping[PartName, Recordings], binning: Binning) -> Source:
    """The same of recordings at hand, of all parts or of ``{"all": ...}``.

    Raises:
        DamagedFileError, InvalidValueError, TooLargeError: as
            :func:`~ltc2hw.data.events.batch.bin_parts`.

    >>> from ltc2hw.data.events import Events
    >>> clip = Events([0, 1], [0, 0], [0, 2000], [1, 1], width=2, height=1)
    >>> clips = Recordings("two", ("a", "b"), lambda _: clip)
    >>> recordings_source({"all": clips}, Binning(bins=2)).parts["all"].x.shape
    (2, 2, 4)
    """
    binned = bin_parts(parts, binning)
    first = next(iter(binned.values()))
    many = len(binned) > 1
    notes = {
        f"{name} of {part}" if many and name in OF_PARTS else name: text
        for part, one in binned.items()
        for name, text in one.provenance.items()
    }
    return Source(
        parts={name: _part(one) for name, one in binned.items()},
        layout="time-first",
        kind="classification" if first.classes else None,
        every_step=False if first.classes else None,
        graded=binning.graded,
        classes=first.classes,
        index=bool(first.classes),
        notes=notes,
    )


OF_PARTS = ("events", "events left out by the binning", "files passed over")
"""Notes that each part has of its own."""


def _part(binned: Binned) -> Part:
    equal = bool((binned.lengths == len(binned.x)).all())
    return Part(binned.x, binned.labels, None if equal else binned.lengths)
