"""Standard streams that fail, paths that would lose a file, and what a name does to a terminal."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from ltc2hw.cli import main, program
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.files.bundle import load, load_trace
from ltc2hw.graph.fixed import FixedNetwork
from tests.cli.networks import TASK, write_pair

COMMAND = f"{sys.executable} -m ltc2hw"
SIMULATE = f"simulate fixed.h5 --task {TASK} --engine integer --samples 3"


@pytest.fixture(scope="module")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    write_pair(folder)
    return folder


@pytest.fixture
def folder(networks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with networks to read."""
    for name in ("model.h5", "fixed.h5"):
        (tmp_path / name).write_bytes((networks / name).read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shell(command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``ltc2hw ...`` in a shell; the status is that of ltc2hw, not of what reads from it."""
    return subprocess.run(
        ["bash", "-c", f"{COMMAND} {command}; exit ${{PIPESTATUS[0]}}"],
        capture_output=True, text=True, check=False, timeout=300, env={**os.environ, **environment},
    )  # fmt: skip


@pytest.mark.parametrize("way", ["| true", "| head -n 1", ">&-", ">/dev/full"])
def test_work_whose_result_is_a_file_is_done_whoever_reads(way: str, folder: Path) -> None:
    done = shell(f"{SIMULATE} --out trace.h5 --json measured.json {way}")
    assert done.returncode == 0
    told = "" if "full" not in way else (
        "ltc2hw simulate: warning: standard output: No space left on device\n"
    )  # fmt: skip
    assert done.stderr == told
    assert load_trace("trace.h5").outputs.shape == (8, 3, 1)
    assert json.loads((folder / "measured.json").read_text())["samples"] == 3


def test_progress_that_nobody_reads_ends_no_work(folder: Path) -> None:
    """Told before the file is written, and to a pipe that is closed by then."""
    learn = f"learn fixed.h5 --task {TASK} --engine integer --samples 3 --verify 0 --out out.h5"
    done = shell(f"{learn} | true")
    assert (done.returncode, done.stderr) == (0, "")
    assert isinstance(load(folder / "out.h5"), FixedNetwork)


@pytest.mark.parametrize("arguments", ["targets", "--help", "--version"])
@pytest.mark.parametrize(
    ("way", "problem"), [(">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")]
)
def test_text_that_cannot_be_printed_is_not_done(arguments: str, way: str, problem: str) -> None:
    done = shell(f"{arguments} {way}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith(f": error: standard output: {problem}\n")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("arguments", ["targets loihi2", "learn --help"])
def test_a_reader_may_leave(arguments: str) -> None:
    done = shell(f"{arguments} | head -n 1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize("way", ["2>&-", "2>/dev/full"])
def test_the_status_stays_where_errors_cannot_be_told(way: str) -> None:
    done = shell(f"targets loihi3 {way}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", "")


def test_terminals_without_greek_are_no_error(folder: Path) -> None:
    done = shell("learn --help", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u03a6" in done.stdout
    (folder / "gr\u00fcn.h5").write_bytes(b"no network")
    done = shell(f"simulate gr\u00fcn.h5 --task {TASK} --out out.h5", PYTHONIOENCODING="ascii")
    assert done.returncode == 2
    assert "gr\\xfcn.h5" in done.stderr


def test_names_stay_on_their_line_and_in_their_colour(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "a\nb\x1b[31m\u202e\x85\udcff"
    for arguments in (
        ["simulate", name, "--task", TASK, "--out", "out.h5"],
        ["simulate", "fixed.h5", "--task", name, "--out", "out.h5"],
        ["targets", name],
    ):
        assert main(arguments) == 2
        printed = capsys.readouterr()
        assert printed.err.count("\n") == 1
        assert printed.err.rstrip("\n").isprintable()
    with pytest.raises(SystemExit):
        main(["targets", "loihi2", name])
    printed = capsys.readouterr()
    assert printed.err == (
        "ltc2hw: error: unrecognized arguments: a\\nb\\x1b[31m\\u202e\\x85\\udcff"
        " (see ltc2hw --help)\n"
    )
    out = "a\nb\x1b[31m.h5"
    assert main([*SIMULATE.split(), "--out", out]) == 0
    assert capsys.readouterr().out.endswith("trace: a\\nb\\x1b[31m.h5\n")
    assert (folder / out).exists()


LOSSES = {
    "the input": ["simulate", "fixed.h5", "--task", TASK, "--out", "./fixed.h5"],
    "a link to the input": ["simulate", "fixed.h5", "--task", TASK, "--out", "link.h5"],
    "json": [
        "simulate", "fixed.h5", "--task", TASK, "--out", "new.h5", "--json", "sub/../new.h5",
    ],
    "json over the input": [
        "quantize", "model.h5", "--target", "loihi2", "--task", TASK, "--out", "q.h5",
        "--json", "model.h5",
    ],
    "one of two inputs": [
        "compare", "model.h5", "fixed.h5", "--task", TASK, "--out", "r.md", "--json", "fixed.h5",
    ],
    "exported": ["export", "fixed.h5", "--to", "nir", "--out", "fixed.h5"],
    "imported": ["import", "model.h5", "--from", "nir", "--out", "model.h5"],
    "learned": ["learn", "fixed.h5", "--task", TASK, "--out", "fixed.h5"],
    "checkpoint": ["train", TASK, "--out", "run.npz", "--checkpoint", "run.npz"],
}  # fmt: skip


@pytest.mark.parametrize("name", list(LOSSES))
def test_no_file_is_lost_to_another(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "sub").mkdir()
    (folder / "link.h5").symlink_to("fixed.h5")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert main(LOSSES[name]) == 2
    printed = capsys.readouterr()
    assert "expected another file than" in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    after = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert after == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "/dev/zero", "--task", TASK, "--out", "out.h5"],
        ["import", "/dev/zero", "--out", "out.h5"],
        ["export", "pipe", "--to", "nir", "--out", "out.h5"],
        ["compare", "model.h5", "/dev/zero", "--task", TASK, "--out", "out.md"],
        ["train", TASK, "--out", "out.h5", "--checkpoint", "/dev/zero"],
        ["simulate", "fixed.h5", "--task", TASK, "--out", "/dev/null"],
        ["simulate", "fixed.h5", "--task", TASK, "--out", "pipe"],
    ],
)
def test_devices_and_pipes_are_no_files(
    arguments: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert "expected a regular file" in printed.err
    assert printed.err.count("\n") == 1
    assert stat.S_ISFIFO(os.stat("pipe").st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert not list(folder.glob("out*"))


def test_json_goes_where_standard_output_goes(folder: Path) -> None:
    for way in ("| cat", "> log"):
        done = shell(f"{SIMULATE} --out trace.h5 --json /dev/stdout --quiet {way}")
        assert (done.returncode, done.stderr) == (0, "")
        text = done.stdout if "cat" in way else (folder / "log").read_text()
        assert json.loads(text)["samples"] == 3
    assert os.path.islink("/dev/stdout")


@pytest.mark.parametrize("number", ["99999999999999999999", "9" * 5000])
def test_absurd_numbers_are_one_line(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (
        ["demo", "--out", "demo", "--seed", number],
        ["simulate", "a", "--task", TASK, "--out", "b", "--samples", number],
        ["import", "a", "--out", "b", "--input-size", number],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_a_fault_of_ours_is_told_as_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line with the place, and neither the status of bad input nor that of a missed bound."""

    def divides(arguments: object, console: Console) -> bool:
        warnings.warn("careful\nnow", UserWarning, stacklevel=1)
        return 1 / 0 > 1

    verbs = {**program.VERBS, "targets": Verb("", lambda parser: None, divides)}
    monkeypatch.setattr(program, "VERBS", verbs)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["targets"]) == 3
    warned, told, rest = capsys.readouterr().err.split("\n")
    assert warned == "ltc2hw targets: warning: careful now"
    assert told.startswith("ltc2hw targets: fault of ltc2hw: ZeroDivisionError: division by zero,")
    assert "test_streams.py; please report it" in told
    assert rest == ""


WAITING = """
import signal, sys, time
from pathlib import Path
from ltc2hw.cli import main, program
from ltc2hw.cli.verb import Verb
from ltc2hw.files.atomic import _draft

def wait(arguments, console):
    with _draft(Path(".")):
        print("ready", flush=True)
        time.sleep(600)

program.VERBS = {"targets": Verb("", lambda parser: None, wait)}
sys.argv = ["ltc2hw", "targets"]
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("number", "status", "told"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "stopped by SIGTERM"),
        (signal.SIGHUP, 129, "stopped by SIGHUP"),
    ],
)
def test_signals_undo_what_is_half_done(
    number: signal.Signals, status: int, told: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", WAITING], cwd=tmp_path, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        assert list(tmp_path.iterdir())
        process.send_signal(number)
        error = process.communicate(timeout=60)[1]
    finally:
        process.kill()
    assert (process.returncode, error) == (status, f"ltc2hw targets: {told}\n")
    assert list(tmp_path.iterdir()) == []


IMPORTING = """
import os, runpy, signal, sys

class Interrupts:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Interrupts())
module, sys.argv[0] = "ltc2hw", "-m"
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


@pytest.mark.parametrize("module", ["ltc2hw.errors", "h5py", "ltc2hw.cli.program", "argparse"])
def test_an_interrupt_while_importing_is_one_line(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING, module], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "ltc2hw: interrupted\n"


def test_as_a_library_interrupts_are_left_alone() -> None:
    script = (
        "import signal; mine = lambda *args: None; signal.signal(signal.SIGTERM, mine)\n"
        "import ltc2hw.cli\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "ltc2hw.cli.main(['targets', '--quiet'])\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "assert signal.getsignal(signal.SIGTERM) is mine\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
