"""The generated parts of ``docs/formats.md``: the table of features, and the notes to its cells.

A test holds the page against :func:`filled`; ``scripts/write_formats.py`` renews it.
"""

from __future__ import annotations

from ltc2hw.converters.features import COLUMNS, FEATURES, Column, Status, cell_of
from ltc2hw.files.texts import with_parts

MARKS = {Status.EXACT: "yes", Status.REFUSED: "no"}


def filled(page: str) -> str:
    """The page with its generated parts renewed; the prose stays."""
    return with_parts(page, {"table": table(), "notes": "\n".join(map(notes, COLUMNS))})


def table() -> str:
    """Rows of features, columns of formats."""
    lines = ["| feature | " + " | ".join(COLUMNS.values()) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for name, feature in FEATURES.items():
        marks = [mark(column, name) for column in COLUMNS]
        lines.append(f"| {feature.title} | " + " | ".join(marks) + " |")
    return "\n".join(lines) + "\n"


def mark(column: Column, feature: str) -> str:
    """What a cell of the table shows.

    >>> mark("norse-out", "initial-membrane")
    '`initial-membrane`'
    """
    cell = cell_of(column, feature)
    if cell is None:
        return ""
    return f"`{cell.change}`" if cell.change else MARKS[cell.status]


def notes(column: Column) -> str:
    """How features are kept, what changes do, and remedies, for one column."""
    lines = [f"### {COLUMNS[column]}\n"]
    for name, feature in FEATURES.items():
        cell = cell_of(column, name)
        if cell is not None and cell.text:
            lines.append(f"- {feature.title}: {mark(column, name)}; {cell.text}.")
    return "\n".join(lines) + "\n"
