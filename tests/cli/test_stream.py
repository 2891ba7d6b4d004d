"""``ltc2hw stream``: rows through a real pipe, line by line, with the numbers of one long run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.compilation.telling import COMPILING
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.words import FloatArray
from tests.cli.networks import write_pair
from tests.random_networks import random_network

ROWS = np.random.default_rng(1).uniform(0, 1, (9, 2)).round(3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    write_pair(folder)
    network = random_network(np.random.default_rng(2), inputs=2, hidden=(4,), graded=False)
    ltc2hw.save(network, folder / "spikes.h5")
    # Compiled here, so that no test in this process hears of it.
    list(ltc2hw.stream(ltc2hw.load(folder / "fixed.h5"), [np.zeros((1, 1, 2))] * 2))
    return folder


@pytest.mark.parametrize("behind", [False, True])
def test_options_stand_before_and_behind_the_file(
    folder: Path, tmp_path: Path, behind: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.csv"
    np.savetxt(rows, ROWS)
    arguments = [str(folder / "fixed.h5"), "--decide", str(rows)]
    assert (
        main(["stream", *(sorted(arguments, key="--decide".__eq__) if behind else arguments)]) == 0
    )
    assert len(capsys.readouterr().out.splitlines()) == len(ROWS)
    with pytest.raises(SystemExit, match="2"):
        main(["stream", *arguments, str(rows)])
    assert "unrecognized arguments" in capsys.readouterr().err


@pytest.fixture
def pipe(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A real process with the integer network, unbuffered by nobody but itself."""
    command = [sys.executable, "-m", "ltc2hw", "stream", str(folder / "fixed.h5")]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str], row: FloatArray) -> float:
    """What is answered to a row before the next is sent."""
    stdin: IO[str] | None = process.stdin
    stdout: IO[str] | None = process.stdout
    assert stdin is not None
    assert stdout is not None
    stdin.write(" ".join(map(str, row)) + "\n")
    stdin.flush()
    return float(stdout.readline())


def ended(process: subprocess.Popen[str], last: str = "") -> tuple[int, str, str]:
    """Status, output and errors at the end; that something was compiled first is no error."""
    out, err = process.communicate(last)
    return process.returncode, out, err.replace(f"ltc2hw stream: {COMPILING}\n", "")


def expected(folder: Path, engine: str = "integer") -> FloatArray:
    """Outputs of one long run in real units."""
    network = ltc2hw.load(folder / "fixed.h5")
    assert isinstance(network, FixedNetwork)
    trace = ltc2hw.simulate(network, ROWS[:, None], engine)
    return real_outputs(network, trace)[:, 0, 0]


def test_each_row_is_answered_before_the_next(folder: Path, pipe: subprocess.Popen[str]) -> None:
    assert [told(pipe, row) for row in ROWS] == expected(folder).tolist()
    assert ended(pipe) == (0, "", "")


def test_ctrl_c_ends_it_with_whole_lines(folder: Path, pipe: subprocess.Popen[str]) -> None:
    assert told(pipe, ROWS[0]) == expected(folder)[0]
    pipe.send_signal(signal.SIGINT)
    assert ended(pipe) == (130, "", "ltc2hw stream: interrupted\n")


def test_a_bad_line_is_named_after_the_answers_to_those_before(
    folder: Path, pipe: subprocess.Popen[str]
) -> None:
    assert told(pipe, ROWS[0]) == expected(folder)[0]
    status, out, err = ended(pipe, "1 two\n")
    assert (status, out) == (2, "")
    assert err == "ltc2hw stream: error: line 2, column 2 is 'two'; expected a finite number\n"


def test_the_reader_may_leave(folder: Path) -> None:
    command = f"yes 1 0 | {sys.executable} -m ltc2hw stream fixed.h5 | head -n 2"
    done = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[1]}}"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    errors = done.stderr.replace(f"ltc2hw stream: {COMPILING}\n", "")
    assert (done.returncode, done.stdout.count("\n"), errors) == (0, 2, "")


@pytest.mark.parametrize("mark", [" ", "\t", ",", " , ", ";"])
@pytest.mark.parametrize("engine", ["fast", "integer"])
def test_files_of_any_separator(
    mark: str, engine: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [mark.join(map(str, row)) for row in ROWS]
    path = folder / "rows.csv"
    path.write_text("\ufefffirst,second\n# rows\n" + "\n\r\n".join(lines), encoding="utf-8")
    common = ["stream", str(folder / "fixed.h5"), str(path), "--engine", engine, "--header"]
    assert main(common) == 0
    found = capsys.readouterr().out.split()
    assert [float(value) for value in found] == expected(folder).tolist()
    assert main([*common, "--raw"]) == 0
    network = ltc2hw.load(folder / "fixed.h5")
    outputs = ltc2hw.simulate(network, ROWS[:, None], "integer").outputs[:, 0, 0]
    assert [int(value) for value in capsys.readouterr().out.split()] == outputs.tolist()


def test_pipes_by_name_and_classes(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A network of spikes and three outputs: the largest of each step, by number."""
    spikes = np.rint(ROWS).astype(int)
    path = folder / "rows"
    os.mkfifo(path)
    text = "\\n".join(" ".join(map(str, row)) for row in spikes)
    writer = subprocess.Popen(["bash", "-c", f"printf '{text}' > {path}"])
    assert main(["stream", str(folder / "spikes.h5"), str(path), "--decide"]) == 0
    assert writer.wait() == 0
    network = ltc2hw.load(folder / "spikes.h5")
    outputs = ltc2hw.simulate(network, spikes[:, None]).outputs[:, 0]
    assert [int(n) for n in capsys.readouterr().out.split()] == outputs.argmax(axis=1).tolist()


@pytest.mark.parametrize(
    ("network", "content", "message"),
    [
        ("fixed.h5", b"1 2 3\n", "line 1 is a row of 3; expected 2 numbers"),
        ("fixed.h5", b"1,,2\n", "line 1 is a row of 3"),
        ("fixed.h5", b"1,2,\n", "line 1 is a row of 3"),
        ("fixed.h5", b"1 0\n\n1 nan\n", "line 3, column 2 is 'nan'; expected a finite number"),
        ("fixed.h5", b"1 1_0\n", "line 1, column 2 is '1_0'"),
        ("fixed.h5", b"0,5;0,5\n", "line 1, column 1 is '0,5'"),
        ("fixed.h5", b"a,b\n", "(--header leaves the first line out)"),
        ("fixed.h5", b"\xff\xfe1\n", "line 1 is no text"),
        ("spikes.h5", b"1 0\n0.5 1\n", "line 2, column 1 is 0.5; expected 0 or 1"),
    ],
)
def test_bad_lines_are_one_line(
    network: str, content: bytes, message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = folder / "bad.csv"
    path.write_bytes(content)
    assert main(["stream", str(folder / network), str(path)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["model.h5", "--raw"], "--raw is given for a float network"),
        (["model.h5", "--engine", "fast"], "quantize the network first"),
        (["fixed.h5", "nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["fixed.h5", "."], ".: Is a directory"),
        (["fixed.h5", "/dev/zero"], "line 1 is endless"),
    ],
)
def test_wrong_calls_are_one_line(
    arguments: list[str],
    message: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(folder)
    assert main(["stream", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_what_is_clipped_is_told_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "large.csv"
    path.write_text("0 0\n99 0\n99 0\n")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert main(["stream", str(folder / "fixed.h5"), str(path)]) == 0
    assert capsys.readouterr().err == (
        "ltc2hw stream: warning: row 2 does not fit the input's word: clipped\n"
    )
