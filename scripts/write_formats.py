"""Renews the generated parts of ``docs/formats.md`` from the table that the converters obey."""

from __future__ import annotations

from pathlib import Path

from ltc2hw.converters.formats_page import filled

if __name__ == "__main__":
    page = Path(__file__).parents[1] / "docs" / "formats.md"
    page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
