"""What reaches a terminal, a pipe, and nobody."""

from __future__ import annotations

import io

import pytest

from ltc2hw.cli.console import Console
from ltc2hw.comparison.tables import Table


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def report_progress(console: Console) -> None:
    for done in range(5):
        console.progress("work", done, 4)
    console.progress("epoch", 1, 2, "loss 0.5")
    console.line("done")


def test_a_terminal_has_one_bar_that_grows() -> None:
    stream = Terminal()
    report_progress(Console(stream=stream))
    work, epoch, done, rest = stream.getvalue().split("\n")
    states = work.split("\r\x1b[K")[1:]
    assert [state.count("#") for state in states] == [0, 6, 12, 18, 24]
    assert states[-1] == "work [########################] 4/4"
    assert epoch.endswith("] 1/2 loss 0.5")
    assert (done, rest) == ("done", "")


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
