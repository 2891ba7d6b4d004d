"""What the README shows works as shown."""

from __future__ import annotations

import re
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest

from ltc2hw.cli.program import VERBS, make_parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted((ROOT / "docs").glob("*.md"))


def test_the_example_runs_as_it_stands(tmp_path: Path) -> None:
    for package in ("torch", "matplotlib"):
        pytest.importorskip(package)
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in example.splitlines() if line]) <= 15
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    scores = {name: float(score.split()[0]) for name, score in literal_eval(done.stdout).items()}
    assert list(scores) == ["float64", "integer", "fast"]
    assert scores["integer"] == scores["fast"]
    assert min(scores.values()) > 85.0
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "fixed.h5"}


@pytest.mark.parametrize("line", re.findall(r"^ltc2hw (\w+ .*)$", README, flags=re.MULTILINE))
def test_every_command_shown_is_one(line: str) -> None:
    command = line.partition(" #")[0].split()
    assert command[0] in VERBS
    make_parser().parse_args(command)


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    missing = [target for target in local if not (page.parent / target).exists()]
    assert missing == []
