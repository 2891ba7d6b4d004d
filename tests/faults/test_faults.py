"""A short seeded run of ``python -m tests.faults``, and that it finds what it looks for."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from tests.faults.__main__ import main, table
from tests.faults.runs import STUCK, Run
from tests.faults.scenarios import SCENARIOS
from tests.faults.trials import OLD, Reference, judge, judge_refusal, judge_signal

SIMULATE = next(scenario for scenario in SCENARIOS if scenario.name == "simulate")
ENDED = Run(0, "", 1.0, ())


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_a_few_faults_leave_the_old_file_or_the_new_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    verbs = ["simulate", "export, NIR", "import"]
    assert main(["--disks", "9", "--kills", "12", "--seed", "4", "--verbs", *verbs]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert len(printed) == 2 + 3 * len({line.split("|")[2] for line in printed[2:]})
    counts = [[int(cell) for cell in line.split("|")[3:-1]] for line in printed[2:]]
    runs, new, old, _, findings = (sum(column) for column in zip(*counts, strict=True))
    assert runs == new + old == 21
    # The faults were ones: most runs did not get to their end.
    assert old > 5
    assert findings == 0


@pytest.mark.parametrize(
    ("trace", "done", "expected"),
    [
        (b"the new file", ENDED, []),
        (OLD, Run(2, "", 1.0, ()), []),
        (OLD, ENDED, ["success without its files"]),
        (None, Run(2, "", 1.0, ()), ["out.h5 is gone"]),
        (b"the new", Run(2, "", 1.0, ()), ["out.h5 is damaged: "]),
        (b"the new file", Run(0, "", 1.0, (1, 2)), ["2 processes left"]),
    ],
)
def test_what_is_looked_for_is_found(
    trace: bytes | None, done: Run, expected: list[str], tmp_path: Path
) -> None:
    (tmp_path / "out.json").write_bytes(b"{}")
    if trace is not None:
        (tmp_path / "out.h5").write_bytes(trace)
    reference = Reference({}, {"out.h5": b"the new file", "out.json": b"{}"})
    outcome = judge(SIMULATE, tmp_path, reference, {"out.h5": OLD}, done)
    assert len(outcome.findings) == len(expected)
    assert all(map(str.startswith, outcome.findings, expected))
    assert outcome.done == (trace == b"the new file")
    assert table({("simulate", "kill"): [outcome]}).count("\n") == 3


def test_bad_statuses_and_tracebacks_are_found(tmp_path: Path) -> None:
    outcome = judge(SIMULATE, tmp_path, Reference({}, {}), {}, ENDED)
    told = "ltc2hw simulate: error: out.h5: No space left on device\n"
    for status, errors, bad in ((2, told, 0), (1, told, 1), (2, told * 2, 1), (-11, "", 1)):
        outcome.findings.clear()
        judge_refusal(outcome, Run(status, errors, 1.0, ()), "No space left on device")
        assert len(outcome.findings) == bad
    line = "ltc2hw simulate: interrupted\n"
    for status, errors, bad in (
        (130, line, 0), (-2, "in site.py", 0), (-2, "in ltc2hw", 1), (-2, line, 0),
        (130, line * 2, 1),
        (STUCK, "", 1), (143, line, 1),
    ):  # fmt: skip
        outcome.findings.clear()
        judge_signal(outcome, Run(status, errors, 1.0, ()), signal.SIGINT)
        assert len(outcome.findings) == bad
