"""Facts about an object, once, and the tables that are made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy.typing as npt

from ltc2hw.comparison.markup import table_html
from ltc2hw.comparison.tables import Table
from ltc2hw.files.texts import printable

LONGEST = 160
"""Characters of a text in a table; JSON has it whole."""

MOST_ROWS = 200
"""Rows of a table that are printed; JSON has all."""


@dataclass(frozen=True)
class View:
    """A line that says what something is, and facts: JSON values by section.

    A section is rows (a sequence of mappings with the same keys) or values by name. ``tables`` are
    made of the facts, unless they were given.
    """

    title: str
    facts: Mapping[str, Any]
    made: tuple[Table, ...] | None = field(default=None)

    @property
    def tables(self) -> tuple[Table, ...]:
        """A table for each section that is not empty."""
        return tables_of(self.facts) if self.made is None else self.made

    def to_dict(self) -> dict[str, Any]:
        """The line and the facts, as JSON types."""
        return {"what": self.title, **self.facts}

    def to_html(self) -> str:
        """The line and the tables as HTML, without script and style."""
        tables = "\n".join(table_html(table, "h4") for table in self.tables)
        return f"<div><p>{escape(printable(self.title))}</p>\n{tables}</div>"


def tables_of(facts: Mapping[str, Any]) -> tuple[Table, ...]:
    """Tables of sections; values that stand alone come first, together.

    >>> for table in tables_of({"name": "x", "rows": [{"size": 1200, "range": span(0.5, 1.0)}]}):
    ...     print(table.title, table.header, table.rows)
    Summary ('', 'value') (('name', 'x'),)
    Rows ('size', 'range') (('1,200', '0.5 to 1'),)
    """
    alone = {name: value for name, value in facts.items() if not is_section(value)}
    sections = {name: value for name, value in facts.items() if is_section(value)}
    found = [] if not alone else [named_table("summary", alone)]
    found += [section_table(name, value) for name, value in sections.items() if holds(value)]
    return tuple(found)


def holds(section: Any) -> bool:
    """Whether a section has anything to show."""
    values = section.values() if isinstance(section, Mapping) else section
    return any(value not in ({}, [], ()) for value in values)


def span(low: float, high: float) -> dict[str, float]:
    """From the smallest to the largest of some numbers, as a JSON value."""
    return {"low": low, "high": high}


def ends(values: npt.NDArray[Any]) -> dict[str, float] | None:
    """The span of numbers; None of none.

    >>> import numpy as np
    >>> ends(np.array([3, -1]))
    {'low': -1, 'high': 3}
    """
    return span(values.min().item(), values.max().item()) if values.size else None


def is_span(value: object) -> bool:
    """Whether a value is what :func:`span` makes."""
    return isinstance(value, Mapping) and set(value) == {"low", "high"}


def is_section(value: object) -> bool:
    """Whether a value is rows, or values by name."""
    return (isinstance(value, Mapping) and not is_span(value)) or is_rows(value)


def is_rows(value: object) -> bool:
    """Whether a value is a sequence of mappings."""
    listed = isinstance(value, Sequence) and not isinstance(value, str)
    return listed and all(isinstance(row, Mapping) for row in value)  # type: ignore[attr-defined]


def section_table(name: str, section: Any) -> Table:
    """A section as a table."""
    if not isinstance(section, Mapping):
        return rows_table(name, section)
    if all(isinstance(value, Mapping) and not is_span(value) for value in section.values()):
        return rows_table(name, [{"": key, **value} for key, value in section.items()])
    return named_table(name, section)


def rows_table(name: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    """Rows under the names of their values; values that a row lacks are left open."""
    columns = tuple(dict.fromkeys(key for row in rows for key in row))
    shown = tuple(tuple(cell(row.get(column)) for column in columns) for row in rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        shown += ((f"and {len(rows) - MOST_ROWS:,} more", *[""] * (len(columns) - 1)),)
    return Table(titled(name), tuple(map(spaced, columns)), shown)


def named_table(name: str, values: Mapping[str, Any]) -> Table:
    """Values beside their names."""
    rows = tuple((spaced(key), cell(value)) for key, value in values.items())
    return Table(titled(name), ("", "value"), rows)


def titled(name: str) -> str:
    """The name of a section as a title."""
    text = spaced(name)
    return text[:1].upper() + text[1:]


def spaced(name: str) -> str:
    """A key of JSON in words; names of parts of a network stay what they are.

    >>> spaced("batch_size"), spaced("hidden.tau_mem")
    ('batch size', 'hidden.tau_mem')
    """
    return printable(name.replace("_", " ") if name.isidentifier() else name)


def cell(value: Any) -> str:
    """A JSON value in a table.

    >>> cell(1234567), cell(0.1234567), cell(span(-1, 2)), cell([3, "b"]), cell(None), cell(True)
    ('1,234,567', '0.1235', '-1 to 2', '3, b', '', 'yes')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, str):
        return shortened(value)
    if is_span(value):
        return f"{cell(value['low'])} to {cell(value['high'])}"
    if isinstance(value, Mapping):
        return shortened(", ".join(f"{spaced(key)} {cell(own)}" for key, own in value.items()))
    return shortened(", ".join(map(cell, value)))


def shortened(text: str) -> str:
    """A text of at most :data:`LONGEST` characters on one line."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
