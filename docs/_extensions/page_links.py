"""Links of the pages: written for the forge, they lead to pages of the site, too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]

ELSEWHERE = {
    "README.md": "/index.md",
    "docs": "/README.md",
    "ltc2hw/dynamics/models": "/api/dynamics.rst",
}
"""Pages of the site for what the forge shows at other places."""

LINK = re.compile(r"(?<=\]\()(?![a-z]+:|[#/])([^)#\s]+)")
"""The path of a link or picture that leads into the tree."""


def moved(text: str, folder: Path) -> str:
    """Markdown of a page in ``folder`` whose links lead to pages of the site, else to files."""

    def target(link: re.Match[str]) -> str:
        path = (folder / link[0]).resolve()
        below = path.relative_to(ROOT).as_posix()
        if below in ELSEWHERE:
            return ELSEWHERE[below]
        return "/" + (below.removeprefix("docs/") if below.startswith("docs/") else f"../{below}")

    return LINK.sub(target, text)


def read(app: Sphinx, page: str, source: list[str]) -> None:
    """Move the links of a page; the front page begins with the README."""
    path = Path(app.env.doc2path(page))
    if path.suffix == ".md":
        source[0] = moved(source[0], path.parent)
    if page == app.config.root_doc:
        readme = ROOT / "README.md"
        app.env.note_dependency(str(readme))
        source[0] = moved(readme.read_text(encoding="utf-8"), ROOT) + "\n" + source[0]


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("source-read", read)
    return {"parallel_read_safe": True}
