"""Renews the generated parts of ``docs/numerics.md`` and ``docs/lava.md`` from the models."""

from __future__ import annotations

from pathlib import Path

from ltc2hw.dynamics.page import lava, numerics

if __name__ == "__main__":
    docs = Path(__file__).parents[1] / "docs"
    for name, filled in (("numerics.md", numerics), ("lava.md", lava)):
        page = docs / name
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
