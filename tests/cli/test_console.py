"""What reaches a terminal, a pipe, and nobody."""

from __future__ import annotations

import errno
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ltc2hw.cli import program
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.tables import Table
from ltc2hw.compilation.telling import COMPILING, LOG, tell_compiling

ROOT = Path(__file__).parents[2]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report_progress(console: Console) -> None:
    for done in range(5):
        console.progress("work", done, 4)
    console.progress("epoch", 1, 2, "loss 0.5")
    console.line("done")


def test_a_terminal_has_one_bar_that_grows_with_the_time_left() -> None:
    stream = Terminal()
    report_progress(Console(stream=stream))
    work, epoch, done, rest = stream.getvalue().split("\n")
    states = work.split("\r")[1:]
    for state in states:
        assert re.fullmatch(r"work [# 0-9]{24} [0-4]/4 \[\d\d:\d\d<(\?|\d\d:\d\d)\]", state), state
    assert states[0].startswith(f"work {' ' * 24} 0/4 [")
    assert states[-1].startswith(f"work {'#' * 24} 4/4 [")
    assert epoch.endswith("1/2 [00:00<?], loss 0.5")
    assert (done, rest) == ("done", "")


def test_a_note_stands_above_the_bar() -> None:
    stream = Terminal()
    console = Console(stream=stream)
    console.progress("work", 1, 4)
    console.note("compiling\x1b[31m")
    console.progress("work", 4, 4)
    console.note("done")
    first, second, third, rest = stream.getvalue().split("\n")
    assert first.split("\r")[1].startswith("work ")
    assert first.endswith("\rcompiling\\x1b[31m")
    assert second.split("\r")[-1].startswith(f"work {'#' * 24} 4/4")
    assert (third, rest) == ("done", "")


def test_progress_that_begins_again_has_a_bar_of_its_own() -> None:
    stream = Terminal()
    console = Console(stream=stream)
    for done in (2, 1):
        console.progress("work\n", done, 4)
    console.end_bar()
    console.end_bar()
    shown = stream.getvalue()
    assert shown.count("\n") == 2
    assert "work\\n " in shown


def test_a_bar_that_cannot_be_shown_ends_no_work() -> None:
    class Full(Terminal):
        def write(self, text: str) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    console = Console(stream=Full())
    report_progress(console)
    assert console.problem is not None
    assert console.problem.errno == errno.ENOSPC


def compiles(arguments: object, console: Console) -> bool:
    """A verb's work that compiles twice and warns twice."""
    for _ in range(2):
        tell_compiling()
        LOG.warning("code cannot be kept")
    return True


def test_compilation_is_told_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    verbs = {**program.VERBS, "targets": Verb("", lambda parser: None, compiles)}
    monkeypatch.setattr(program, "VERBS", verbs)
    level, handlers = LOG.level, list(LOG.handlers)
    assert program.main(["targets"]) == 0
    printed = capsys.readouterr()
    assert printed.out == f"{COMPILING}\n"
    assert printed.err == "ltc2hw targets: warning: code cannot be kept\n"
    assert program.main(["targets", "--quiet"]) == 0
    assert capsys.readouterr().out == ""
    assert (LOG.level, LOG.handlers) == (level, handlers)


SIMULATES = """
import logging, sys
import numpy as np
import ltc2hw
from tests.random_networks import random_fixed_network
logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
logging.getLogger("numba").setLevel(logging.WARNING)
network = random_fixed_network(np.random.default_rng(0), largest=4)
ltc2hw.simulate(network, np.zeros((2, 1, network.input.size)), "fast")
"""


def test_the_engine_tells_when_it_compiles_and_not_when_code_is_kept(tmp_path: Path) -> None:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)}
    told = [
        subprocess.run(
            [sys.executable, "-c", SIMULATES],
            cwd=ROOT, env=environment, capture_output=True, text=True, check=True,
        ).stdout.splitlines()
        for _ in range(2)
    ]  # fmt: skip
    assert set(told[0]) == {f"ltc2hw.compilation: {COMPILING}"}
    assert told[1] == []


def test_a_pipe_has_plain_lines() -> None:
    stream = io.StringIO()
    report_progress(Console(stream=stream))
    assert stream.getvalue() == "work 0/4\nwork 4/4\nepoch 1/2 loss 0.5\ndone\n"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()])
def test_quiet_is_quiet(stream: io.StringIO) -> None:
    console = Console(quiet=True, stream=stream)
    report_progress(console)
    console.table(Table("title", ("a",), (("1",),)))
    assert stream.getvalue() == ""
