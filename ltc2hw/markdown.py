"""Reports as Markdown."""

from __future__ import annotations

from ltc2hw.report import Report
from ltc2hw.tables import Table, summary, tables, title


def to_markdown(report: Report) -> str:
    """All tables of a report under one heading."""
    parts = [f"# {title(report)}", summary(report), *map(table_markdown, tables(report))]
    return "\n\n".join(parts) + "\n"


def table_markdown(table: Table) -> str:
    """A table under a heading of the second level."""
    columns = range(len(table.header))
    aligned = ["---:" if table.is_numeric(column) else "---" for column in columns]
    lines = [_line(table.header), _line(aligned), *map(_line, table.rows)]
    return f"## {table.title}\n\n" + "\n".join(lines)


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"
