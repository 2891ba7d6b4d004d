"""The site builds without a warning and without a network; its links and pictures are there."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from importlib import import_module
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

for package in ("sphinx", "myst_parser", "furo", "sphinx_copybutton", "torch", "nir"):
    pytest.importorskip(package, reason=f"the site is built where {package} is installed")

ROOT = Path(__file__).parents[2]

PUBLIC = ("ltc2hw", "ltc2hw.tasks", "ltc2hw.training", "ltc2hw.neurons", "ltc2hw.dynamics")
"""Packages whose every public name has an entry in the reference."""


class Links(HTMLParser):
    """What a page links to, what it shows, and the places in it that links can lead to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if value and (name == "src" or (name == "href" and tag in ("a", "link"))):
                self.targets.append(value)
            if value and name == "id":
                self.places.add(value)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; any warning of Sphinx fails it."""
    folder = tmp_path_factory.mktemp("site")
    options = ["-W", "--keep-going", "-q", "-b", "html", "-d", str(folder / "trees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *options, "docs", str(folder / "html")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    """Every page with its links."""
    found = {path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}
    assert len(found) > 30
    return found


def test_links_lead_to_pages_and_to_places_in_them(site: Path, pages: dict[Path, Links]) -> None:
    missing = []
    for path, links in pages.items():
        for target in links.targets:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            file = (path.parent / unquote(url.path)).resolve() if url.path else path
            place = unquote(url.fragment)
            if not file.is_file() or (place and file in pages and place not in pages[file].places):
                missing.append(f"{path.relative_to(site)}: {target}")
    assert missing == []


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    loaded = re.compile(r"""<(?:script|img|link)[^>]*(?:src|href)=["'](?:https?:)?//""")
    assert [path.name for path in site.rglob("*.html") if loaded.search(path.read_text())] == []


def test_the_front_page_is_the_readme(site: Path) -> None:
    title = re.findall(r"^# (.*)$", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)[0]
    assert f"<h1>{title}<" in (site / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("package", PUBLIC)
def test_every_public_name_has_an_entry(site: Path, package: str) -> None:
    entries = "".join(page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html"))
    documented = {name.rpartition(".")[2] for name in re.findall(r' id="(ltc2hw[\w.]+)"', entries)}
    assert set(import_module(package).__all__) - documented - {"__version__"} == set()


def test_the_search_finds_what_pages_say(site: Path) -> None:
    index = (site / "searchindex.js").read_text(encoding="utf-8")
    assert all(word in index for word in ("quantiz", "membran", "loihi2"))
