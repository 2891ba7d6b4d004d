"""Pages that are run from top to bottom, as a reader would, and what they show of it.

A page's ``python`` blocks run one after the other with the names that they leave behind; a ``text``
block right after one shows what it prints. A ``console`` block holds commands after ``$``, each
with what it prints. All run in one empty folder. What is shown is held against what is printed:
words and layout must agree, numbers may differ (another processor rounds differently while it
trains), and a line ``...`` stands for any lines.

``python -m tests.docs.pages docs/tutorials/export.md`` runs a page and puts today's numbers in.
"""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.shared_data import shared_data

FENCE = re.compile(
    r"^```(?P<kind>python|console)\n(?P<code>.*?)^```\n(?:\n```text\n(?P<shown>.*?)^```\n)?",
    re.DOTALL | re.MULTILINE,
)
COMMAND = re.compile(r"^\$ (?P<code>(?:.*\\\n)*.*\n)(?P<shown>(?:(?!\$ ).*\n)*)", re.MULTILINE)
NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?: (?:points|%))?")
NAME = re.compile(
    r"\b(?:input|hidden|output)\b[\w.>-]*"
    r"(?: after \d+| weights| tau_\w+(?:\.\w+)?| bias_current| threshold)*"
)
"""Tensors of a network: which of them is the worst may depend on a last bit."""

PROGRESS = re.compile(r"^(?:[a-z0-9 -]+ \d+/\d+|compiling for this machine.*)\n", re.MULTILINE)
"""Lines of progress, which do not stay in a reader's terminal either."""

ANYTHING = "..."
DATA = {"event-camera": "nmnist"}
"""Folder of shared data that a page expects beside it."""

REFUSED = ": error: "


@dataclass(frozen=True)
class Step:
    """A block of Python or one command, with what the page shows of its output.

    ``place`` is where in the page the output is shown, None where nothing is.
    """

    kind: str
    code: str
    shown: str
    place: slice | None

    @property
    def refused(self) -> bool:
        """Whether the page shows an error."""
        return REFUSED in self.shown


def steps(page: str) -> Iterator[Step]:
    """What a page runs, in order."""
    for fence in FENCE.finditer(page):
        if fence["kind"] == "python":
            place = slice(*fence.span("shown")) if fence["shown"] is not None else None
            yield Step("python", fence["code"], fence["shown"] or "", place)
            continue
        first = fence.start("code")
        for command in COMMAND.finditer(fence["code"]):
            start, stop = command.span("shown")
            place = slice(first + start, first + stop)
            yield Step("console", command["code"].strip(), command["shown"], place)


def run(page: str, folder: Path, name: str = "page") -> Iterator[tuple[Step, str]]:
    """Run a page in a folder; yields each step with what it printed.

    Raises:
        AssertionError: if a command fails that is not shown to, or the other way round.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for step in steps(page):
            if step.kind == "python":
                printed = io.StringIO()
                with redirect_stdout(printed):
                    exec(compile(step.code, name, "exec"), names)
                yield step, printed.getvalue()
            else:
                yield step, _printed_by(step)
    finally:
        os.chdir(before)


def _printed_by(step: Step) -> str:
    done = subprocess.run(
        step.code,
        shell=True,
        capture_output=True,
        text=True,
        env=_environment(),
        check=False,
    )
    expected = 2 if step.refused else 0
    assert done.returncode == expected, f"{step.code}\n{done.stdout}{done.stderr}"
    return PROGRESS.sub("", done.stdout) + (done.stderr if step.refused else "")


def _environment() -> dict[str, str]:
    """This Python's commands come first; figures need no screen."""
    here = str(Path(sys.executable).parent)
    return {**os.environ, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "agg"}


def prepared(name: str, folder: Path) -> Path:
    """The folder with the real data that a page reads; skips the test where they are absent."""
    if name in DATA:
        (folder / DATA[name]).symlink_to(shared_data(DATA[name]))
    return folder


def kept(line: str) -> str:
    """A line without its numbers, names of tensors, and layout.

    >>> kept("  float64   96.66 %   -0.28 points")
    'float# # #'
    >>> kept("worst hidden.spikes->hidden.current after 1 weights, neuron 3: 2.5 % off")
    'worst tensor, neuron #: # off'
    """
    return " ".join(NUMBER.sub("#", NAME.sub("tensor", line)).split())


def aligned(shown: str, printed: str) -> list[str] | None:
    """The printed lines in the place of the shown ones; None where they do not agree.

    >>> aligned("score 1.5\\n...\\ndone\\n", "score 2.5\\nmore\\ndone\\n")
    ['score 2.5', '...', 'done']
    >>> aligned("score 1.5\\n", "error 1.5\\n") is None
    True
    """
    wanted, lines = shown.splitlines(), [line.rstrip() for line in printed.splitlines()]

    @cache
    def rest(at: int, line: int) -> list[str] | None:
        """What is shown from one line on, for what is printed from another on."""
        if at == len(wanted):
            return [] if line == len(lines) else None
        if wanted[at].strip() == ANYTHING:
            found = (rest(at + 1, later) for later in range(line, len(lines) + 1))
            after = next((lines for lines in found if lines is not None), None)
            return None if after is None else [wanted[at], *after]
        if line == len(lines) or kept(lines[line]) != kept(wanted[at]):
            return None
        after = rest(at + 1, line + 1)
        return None if after is None else [lines[line], *after]

    return rest(0, 0)


def renewed(page: str, folder: Path) -> str:
    """The page with what it prints today."""
    for step, printed in reversed(list(run(page, folder))):
        if step.place is None:
            continue
        lines = aligned(step.shown, printed)
        text = "".join(f"{line}\n" for line in lines) if lines is not None else printed
        page = page[: step.place.start] + text + page[step.place.stop :]
    return page


def pictures(page: str) -> list[str]:
    """Paths of the pictures that a page shows."""
    return re.findall(r"!\[[^]]*\]\(([^)]+)\)", page)


def renew(path: Path) -> None:
    """Run a page; put what it prints, and the pictures that it draws, in the place of old ones."""
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as name:
        folder = prepared(path.stem, Path(name))
        path.write_text(renewed(page, folder), encoding="utf-8")
        for picture in pictures(page):
            drawn = folder / Path(picture).name
            if drawn.exists():
                shutil.copyfile(drawn, path.parent / picture)


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        renew(Path(argument))
