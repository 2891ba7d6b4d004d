"""The ``.ts`` files of the UCR/UEA archives, as sktime and aeon ship and write them.

A header of lines ``@name value``, then ``@data`` and one sample a line: channels apart by colons,
steps by commas, the label last. Source: sktime's description of the format, "sktime Dataset
Format" (github.com/sktime/sktime, examples/loading_data.ipynb).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ltc2hw.data.parts import PartName
from ltc2hw.data.source import Array, Part, Source
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.archive import StrPath, read_bytes, shown

TRAIN, TEST = "_TRAIN.ts", "_TEST.ts"
"""How the names of the two files of a data set end."""

MISSING = "fill the gaps, or leave the sample out"


def read_ts(path: StrPath) -> Source:
    """A data set; where its name ends in ``_TRAIN.ts``, with the test samples beside it.

    Raises:
        DamagedFileError: for a line that is not of this format, naming it.
        InvalidValueError: for missing values and time stamps, and for the test file alone.
        OSError: if there is no such file.
    """
    path = Path(path)
    beside = path.with_name(path.name.removesuffix(TRAIN) + TEST)
    if path.name.endswith(TRAIN) and beside.exists():
        train, test = read_ts_file(path), read_ts_file(beside)
        parts: dict[PartName, Part] = {"train": train.parts["all"], "test": test.parts["all"]}
        notes = {**train.notes, "test": str(beside)}
        return Source(
            parts, layout="batch-first", kind=train.kind, classes=train.classes, notes=notes
        )
    of_training = path.with_name(path.name.removesuffix(TEST) + TRAIN)
    if path.name.endswith(TEST) and of_training.exists():
        raise InvalidValueError(
            str(path), "the test samples alone", str(of_training),
            "the test samples beside it are found by themselves",
        )  # fmt: skip
    return read_ts_file(path)


def read_ts_file(path: StrPath) -> Source:
    """All samples of one file, each (T_i, N).

    Raises:
        DamagedFileError, InvalidValueError, OSError: as :func:`read_ts`.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DamagedFileError(path, f"it is no text in UTF-8: {error.reason}") from error
    lines = text.splitlines()
    header, start = _header(lines, path)
    kind = "regression" if "targetlabel" in header else "classification"
    if _flag(header, "timestamps"):
        raise InvalidValueError(str(path), "a file with time stamps", "values alone")
    if kind == "classification" and not _flag(header, "classlabel"):
        raise InvalidValueError(str(path), "a file without labels", "@classLabel true and names")
    samples, labels = [], []
    for number, line in enumerate(lines[start:], start + 1):
        if line.strip() and line[0] not in "#%":
            sample, label = _sample(line, f"line {number}", path)
            samples.append(sample)
            labels.append(label)
    if not samples:
        raise DamagedFileError(path, "it has no samples after @data")
    y, classes = _labels(labels, kind, header, path)
    return Source(
        {"all": Part(samples, y)},
        layout="batch-first",
        kind="regression" if kind == "regression" else "classification",
        classes=classes,
        notes={"problem": shown(header["problemname"])} if "problemname" in header else {},
    )


def _header(lines: list[str], path: StrPath) -> tuple[Mapping[str, str], int]:
    """Entries of the header by name, and how many lines it has."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        line = line.strip()
        if not line or line[0] in "#%":
            continue
        if line[0] != "@":
            raise DamagedFileError(path, f"line {number + 1} comes before @data and is no @name")
        name, _, value = line[1:].partition(" ")
        if name.casefold() == "data":
            return found, number + 1
        found[name.casefold()] = value.strip()
    raise DamagedFileError(path, "it has no line @data")


def _flag(header: Mapping[str, str], name: str) -> bool:
    return header.get(name, "false").casefold().split(" ")[0] == "true"


def _sample(line: str, place: str, path: StrPath) -> tuple[Array, str]:
    """Values (T, N) and the label of a line."""
    *channels, label = line.strip().split(":")
    if not channels:
        raise DamagedFileError(path, f"{place} has no label after a colon")
    values = []
    for channel in channels:
        if "?" in channel or "nan" in channel.casefold():
            raise InvalidValueError(f"{place} of {path}", "with missing values", "numbers", MISSING)
        try:
            values.append(np.array(channel.split(","), dtype=np.float64))
        except ValueError as error:
            raise DamagedFileError(path, f"{place}: {shown(str(error))}") from error
    if len({len(channel) for channel in values}) > 1:
        raise InvalidValueError(
            f"{place} of {path}", f"of channels of {sorted({len(c) for c in values})} steps",
            "channels of one length",
        )  # fmt: skip
    return np.stack(values, axis=1), label.strip()


def _labels(
    labels: list[str], kind: str, header: Mapping[str, str], path: StrPath
) -> tuple[Array, tuple[str, ...]]:
    if kind == "regression":
        try:
            return np.array(labels, dtype=np.float64), ()
        except ValueError as error:
            raise DamagedFileError(path, f"a target is no number: {shown(str(error))}") from error
    classes = tuple(header["classlabel"].split()[1:])
    return np.array(labels, dtype=np.str_), classes
