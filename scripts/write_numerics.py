"""Renews the generated parts of ``docs/numerics.md`` and ``docs/lava.md`` from the models."""

from __future__ import annotations

from pathlib import Path

from ltc2hw.dynamics.page import lava, numerics
from ltc2hw.files.texts import with_parts

if __name__ == "__main__":
    docs = Path(__file__).parents[1] / "docs"
    for name, parts in (("numerics.md", numerics()), ("lava.md", lava())):
        page = docs / name
        text = with_parts(page.read_text(encoding="utf-8"), parts)
        page.write_text(text, encoding="utf-8")
