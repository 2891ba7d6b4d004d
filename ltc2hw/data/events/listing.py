"""A list of recordings, ``labels.csv``: a line for each file with its label, and maybe its part."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from ltc2hw.data.events.tree import Tree
from ltc2hw.data.parts import PART_NAMES, PartName
from ltc2hw.errors import DamagedFileError, UnknownNameError
from ltc2hw.files.archive import shown

LIST = "labels.csv"
REQUIRED, COLUMNS = {"file", "label"}, {"file", "label", "part"}


def read_list(tree: Tree, recordings: Sequence[str]) -> dict[PartName, list[tuple[str, str]]]:
    """Names and labels by part, of the list in a folder or an archive.

    Raises:
        DamagedFileError: for a line that names no recording, or one again, or has no label; for
            recordings without a line; for what is no such list.
        UnknownNameError: for an unknown part.
    """
    where = f"{tree.source}/{LIST}"
    parts: dict[PartName, list[tuple[str, str]]] = {}
    known, left = set(recordings), dict.fromkeys(recordings)
    for line, row in _rows(tree.read(LIST), where):
        name = row["file"].replace("\\", "/").removeprefix("./")
        problem = "" if row["label"] else "has no label"
        if name not in left:
            problem = "is there twice" if name in known else "is not there"
        if problem:
            text = f"line {line}: {shown(name) or 'its file'} {problem}"
            raise DamagedFileError(where, text, "name each recording below the folder once")
        del left[name]
        parts.setdefault(_part(row, line, where), []).append((name, row["label"]))
    if left:
        problem = f"{len(left)} recordings have no line, the first is {shown(next(iter(left)))}"
        raise DamagedFileError(where, problem, "add them, or move them away")
    return parts


def _part(row: dict[str, str], line: int, where: str) -> PartName:
    told = row.get("part", "")
    if told and told.lower() not in PART_NAMES:
        raise UnknownNameError(f"part in line {line} of {where}", shown(told), [*PART_NAMES])
    return PART_NAMES.get(told.lower(), "all")


def _rows(content: bytes, where: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and fields of each line."""
    try:
        lines = csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True)
    except UnicodeDecodeError as error:
        raise DamagedFileError(where, "it is no text in UTF-8") from error
    try:
        columns = [name.strip().lower() for name in next(lines, [])]
        if not set(columns) >= REQUIRED or sorted(columns) != sorted(COLUMNS & set(columns)):
            problem = f"its first line is {shown(','.join(columns)) or 'empty'}"
            raise DamagedFileError(where, problem, "expected file,label or file,label,part")
        for cells in filter(None, lines):
            if len(cells) != len(columns):
                problem = f"line {lines.line_num} has not {len(columns)} fields"
                raise DamagedFileError(where, problem, "separate them by commas")
            row = dict(zip(columns, (cell.strip() for cell in cells), strict=True))
            yield lines.line_num, row
    except csv.Error as error:
        raise DamagedFileError(where, f"line {lines.line_num}: {shown(str(error))}") from error
