"""A Lava job ends in its result or in a typed error, and never leaves a process behind."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.converters.lava.runner import JobTraceback, run_job
from ltc2hw.errors import InvalidValueError, LavaError

pytest.importorskip("lava.magma", reason="the lava extra is not installed")

ROOT = Path(__file__).parents[2]
JOBS = "tests.converters.lava_jobs.counting"


@pytest.fixture(autouse=True)
def _importable_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def _living_members(group: str) -> list[str]:
    """Processes of the group that are not just waiting to be reaped."""
    listing = subprocess.run(
        ["ps", "-e", "-o", "pgid=,stat=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listing.stdout.splitlines()]
    return [" ".join(row) for row in rows if row[0] == group and not row[1].startswith("Z")]


def _assert_nothing_left(folder: Path) -> None:
    group = (folder / "group").read_text(encoding="utf-8")
    deadline = time.monotonic() + 5.0
    while _living_members(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _living_members(group) == []


def test_a_job_leaves_its_result_and_no_process(tmp_path: Path) -> None:
    run_job(f"{JOBS}:run_well", tmp_path)
    with np.load(tmp_path / "result.npz", allow_pickle=False) as result:
        assert result["total"] == 1 + 2 + 3 + 4 + 5
    _assert_nothing_left(tmp_path)


def test_an_exception_in_a_process_model_becomes_our_error(tmp_path: Path) -> None:
    with pytest.raises(LavaError, match=r"ValueError: the third step went wrong") as caught:
        run_job(f"{JOBS}:run_raising", tmp_path, timeout=600.0)
    assert isinstance(caught.value.__cause__, JobTraceback)
    assert "in run_spk" in str(caught.value.__cause__)
    _assert_nothing_left(tmp_path)


def test_an_exception_while_compiling_becomes_our_error(tmp_path: Path) -> None:
    with pytest.raises(LavaError, match="run_uncompilable failed"):
        run_job(f"{JOBS}:run_uncompilable", tmp_path)


def test_a_hanging_process_model_becomes_our_error(tmp_path: Path) -> None:
    with pytest.raises(LavaError, match=r"did not end within 10 seconds"):
        run_job(f"{JOBS}:run_hanging", tmp_path, timeout=10.0)
    assert not (tmp_path / "result.npz").exists()
    _assert_nothing_left(tmp_path)


def test_a_killed_job_becomes_our_error(tmp_path: Path) -> None:
    with pytest.raises(LavaError, match=r"ended with status -9"):
        run_job(f"{JOBS}:run_dying", tmp_path)
    _assert_nothing_left(tmp_path)


def test_a_failed_job_leaves_no_shared_memory(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    if not shared.is_dir():
        pytest.skip("this system does not show its shared memory as files")
    before = set(shared.iterdir())
    with pytest.raises(LavaError):
        run_job(f"{JOBS}:run_raising", tmp_path)
    assert set(shared.iterdir()) <= before


def test_an_unknown_job_is_named(tmp_path: Path) -> None:
    with pytest.raises(LavaError, match="no_such_function"):
        run_job(f"{JOBS}:no_such_function", tmp_path)


@pytest.mark.parametrize("job", ["module", "module:", ":function"])
def test_a_job_without_module_or_function_is_refused(tmp_path: Path, job: str) -> None:
    with pytest.raises(InvalidValueError, match="name like"):
        run_job(job, tmp_path)


def test_a_timeout_that_is_not_positive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="timeout is 0"):
        run_job(f"{JOBS}:run_well", tmp_path, timeout=0)


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidValueError, match="an existing folder"):
        run_job(f"{JOBS}:run_well", tmp_path / "missing")


def test_an_interrupt_ends_the_whole_group(tmp_path: Path) -> None:
    # A shell starts background jobs with the interrupt ignored: the caller listens again.
    script = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "from pathlib import Path; from ltc2hw.converters.lava.runner import run_job; "
        f"run_job({JOBS + ':run_hanging'!r}, Path({str(tmp_path)!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", script], stderr=subprocess.PIPE) as caller:
        deadline = time.monotonic() + 60.0
        while not (tmp_path / "group").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.0)
        caller.send_signal(2)
        _, stderr = caller.communicate(timeout=30)
    assert b"KeyboardInterrupt" in stderr
    _assert_nothing_left(tmp_path)
