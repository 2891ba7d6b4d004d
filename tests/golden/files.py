"""The committed files: tables of cases as JSON, networks and states as compressed HDF5."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import ltc2hw

FOLDER = Path(__file__).parent / "data"

Opened = TypeVar("Opened")


def table(name: str) -> Any:
    """The cases of a kind."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def opened(folder: str, name: str) -> Any:
    """The network of a file."""
    return read(folder, name, ltc2hw.load)


def read(folder: str, name: str, reader: Callable[[Path], Opened]) -> Opened:
    """What a reader makes of a file that is kept compressed."""
    content = gzip.decompress((FOLDER / folder / f"{name}.h5.gz").read_bytes())
    with TemporaryDirectory() as place:
        path = Path(place) / f"{name}.h5"
        path.write_bytes(content)
        return reader(path)
