"""Every tutorial runs from top to bottom and prints what it shows."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.docs.pages import Step, aligned, pictures, prepared, renewed, run, steps

PAGES = Path(__file__).parents[2] / "docs"

NEEDS = {
    "gallery": ("torch", "sklearn", "matplotlib"),
    "accuracy": ("torch", "sklearn", "matplotlib"),
    "tutorials/own-data": ("torch", "matplotlib"),
    "tutorials/event-camera": ("torch", "matplotlib"),
    "tutorials/own-network": ("torch", "sklearn", "norse", "nir", "snntorch", "matplotlib"),
    "tutorials/lost-accuracy": ("torch", "sklearn"),
    "tutorials/on-chip-adaptation": ("torch", "sklearn"),
    "tutorials/export": ("torch", "sklearn", "lava"),
}
"""Pages that run, and the packages that each needs."""

CC = '#!/bin/sh\nexec "{python}" -m ziglang cc "$@"\n'


@pytest.fixture(autouse=True)
def _compiler(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """A C compiler, also where the machine has none."""
    if shutil.which("cc") is None:
        folder = tmp_path_factory.mktemp("compiler")
        (folder / "cc").write_text(CC.format(python=sys.executable))
        (folder / "cc").chmod(0o755)
        monkeypatch.setenv("PATH", str(folder), prepend=":")


# What snnTorch, Norse and their exporters warn of is theirs; a reader is only told.
@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", NEEDS)
def test_a_page_runs_and_prints_what_it_shows(name: str, tmp_path: Path) -> None:
    for package in NEEDS[name]:
        pytest.importorskip(package)
    path = PAGES / f"{name}.md"
    page, told = path.read_text(encoding="utf-8"), 0
    folder = prepared(path.stem, tmp_path)
    for step, printed in run(page, folder, name):
        if step.place is not None:
            assert aligned(step.shown, printed) is not None, f"{step.code}\n{printed}"
            told += 1
    assert told > 0


def test_the_gallery_shows_what_its_lines_draw() -> None:
    page = (PAGES / "gallery.md").read_text(encoding="utf-8")
    drawn = re.findall(r'savefig\("([^"]+)"\)', page)
    shown = [Path(path).name for path in pictures(page) if "gallery" in path]
    assert shown == drawn
    assert all((PAGES / path).is_file() for path in pictures(page))


def test_every_tutorial_is_run() -> None:
    tutorials = {f"tutorials/{path.stem}" for path in (PAGES / "tutorials").glob("*.md")}
    assert {"tutorials/index", *NEEDS} == tutorials | {"gallery", "accuracy"}


PAGE = """
```python
print("answer", 6 * 7)
```

```text
answer 41
```

```console
$ echo one
one
$ echo two && \\
  echo 3
...
3
```
"""


def test_steps_and_what_they_print_are_found(tmp_path: Path) -> None:
    first, second, third = steps(PAGE)
    assert (first.kind, first.code, first.shown) == (
        "python",
        'print("answer", 6 * 7)\n',
        "answer 41\n",
    )
    assert (second.code, second.shown) == ("echo one", "one\n")
    assert (third.code, third.shown) == ("echo two && \\\n  echo 3", "...\n3\n")
    printed = [text for _, text in run(PAGE, tmp_path)]
    assert printed == ["answer 42\n", "one\n", "two\n3\n"]
    assert renewed(PAGE, tmp_path) == PAGE.replace("41", "42")


def test_what_is_left_out_may_look_like_what_follows() -> None:
    assert aligned("...\nstep 9\nend\n", "step 1\nstep 2\nend\n") == ["...", "step 2", "end"]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("one\n", "one\ntwo\n"),
        ("one\ntwo\n", "one\n"),
        ("one\n...\ntwo\n", "one\nthree\n"),
        ("two\n", "one\ntwo\n"),
        ("accuracy 90 %\n", "error 90 %\n"),
    ],
)
def test_what_differs_is_told(shown: str, printed: str) -> None:
    assert aligned(shown, printed) is None


def test_a_command_that_fails_unannounced_ends_the_page(tmp_path: Path) -> None:
    page = "```console\n$ exit 3\n```\n"
    with pytest.raises(AssertionError, match="exit 3"):
        list(run(page, tmp_path))


def test_a_refusal_that_is_shown_must_happen(tmp_path: Path) -> None:
    page = "```console\n$ true\nltc2hw: error: no\n```\n"
    assert next(steps(page)) == Step("console", "true", "ltc2hw: error: no\n", slice(18, 36))
    with pytest.raises(AssertionError, match="true"):
        list(run(page, tmp_path))
