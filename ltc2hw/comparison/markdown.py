"""Reports as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from ltc2hw.comparison.drift_texts import findings
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.tables import Table, summary, tables, title
from ltc2hw.files.texts import in_markdown


def to_markdown(report: Report) -> str:
    """All tables of a report under one heading."""
    found = () if report.drift is None else findings(report.drift)
    parts = [
        f"# {in_markdown(title(report))}",
        in_markdown(summary(report)),
        *(["\n".join(f"- {in_markdown(text)}" for text in found)] if found else []),
        *map(table_markdown, tables(report)),
    ]
    return "\n\n".join(parts) + "\n"


def table_markdown(table: Table) -> str:
    """A table under a heading of the second level."""
    columns = range(len(table.header))
    aligned = ["---:" if table.is_numeric(column) else "---" for column in columns]
    texts = (tuple(map(in_markdown, cells)) for cells in (table.header, *table.rows))
    header, *rows = map(_line, texts)
    lines = [header, _line(aligned), *rows]
    return f"## {in_markdown(table.title)}\n\n" + "\n".join(lines)


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
