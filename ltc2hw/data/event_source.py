"""Recordings of events as parts of a task's data."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.data.events.batch import Binned, bin_parts
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.data.options import DataOptions
from ltc2hw.data.parts import PartName
from ltc2hw.data.source import Part, Source
from ltc2hw.errors import InvalidValueError


def events_source(recordings: Mapping[PartName, Recordings], options: DataOptions) -> Source:
    """All recordings, their events counted into steps and channels as the options say.

    Raises:
        DamagedFileError, InvalidValueError, TooLargeError: as
            :func:`~ltc2hw.data.events.batch.bin_parts`, and for recordings without labels.
    """
    binned = bin_parts(recordings, options.binning)
    first = next(iter(binned.values()))
    return Source(
        {name: _part(part, recordings[name].source) for name, part in binned.items()},
        layout="time-first",
        kind="classification",
        every_step=False,
        graded=first.graded and None,
        classes=first.classes,
        index=True,
        events=True,
        shape=first.shape,
        notes={name: text for part in binned.values() for name, text in part.provenance.items()},
    )


def _part(binned: Binned, source: str) -> Part:
    if binned.labels is None:
        raise InvalidValueError(
            f"labels of {source}", "not there", "one per recording",
            "put each class in a folder of its own, or list file and label in labels.csv",
        )  # fmt: skip
    return Part(binned.x, binned.labels, binned.lengths)
