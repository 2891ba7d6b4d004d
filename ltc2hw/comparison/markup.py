"""Tables as HTML."""

from __future__ import annotations

from html import escape

from ltc2hw.comparison.tables import Table


def table_html(table: Table, heading: str = "h2") -> str:
    """A table under its title, which is a heading of some level."""
    header = row_html(table, "th", table.header)
    rows = "\n".join(row_html(table, "td", row) for row in table.rows)
    title = f"<{heading}>{escape(table.title)}</{heading}>"
    return f"<section>{title}\n<table>{header}\n{rows}</table></section>"


def row_html(table: Table, tag: str, cells: tuple[str, ...]) -> str:
    """A row of a table, numbers marked as such."""
    marked = (
        f'<{tag} class="number">{escape(cell)}</{tag}>'
        if table.is_numeric(column)
        else f"<{tag}>{escape(cell)}</{tag}>"
        for column, cell in enumerate(cells)
    )
    return f"<tr>{''.join(marked)}</tr>"
