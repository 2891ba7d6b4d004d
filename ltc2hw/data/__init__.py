"""Data of one's own: read from files and objects, told apart, arranged; numpy, without torch."""

from __future__ import annotations

from ltc2hw.data.options import DETECTED, DataOptions
from ltc2hw.data.prepared import Prepared, prepare
from ltc2hw.data.reading import (
    SUFFIXES,
    Unlabelled,
    read_data,
    read_samples,
    read_source,
    with_files,
)
from ltc2hw.data.source import Part, Source

__all__ = [
    "DETECTED",
    "SUFFIXES",
    "DataOptions",
    "Part",
    "Prepared",
    "Source",
    "Unlabelled",
    "prepare",
    "read_data",
    "read_samples",
    "read_source",
    "with_files",
]
