"""A Lava job ends in its result or in a typed error, and never leaves a process behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.converters.lava import scratch
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


def _group_of(folder: Path) -> str:
    """Process group of a job, once it has written it."""
    file = folder / "group"
    deadline = time.monotonic() + 60.0
    while not (file.exists() and file.read_text(encoding="utf-8")):
        assert time.monotonic() < deadline, "the job did not start"
        time.sleep(0.05)
    return file.read_text(encoding="utf-8")


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


@pytest.mark.parametrize(
    ("job", "fate"), [("run_killed", "killed by signal 9"), ("run_stopped", "stopped")]
)
def test_the_loss_of_one_process_of_lava_is_noticed(tmp_path: Path, job: str, fate: str) -> None:
    with pytest.raises(LavaError, match=rf"{job} failed: ChildProcessError: .* was {fate}"):
        run_job(f"{JOBS}:{job}", tmp_path, timeout=3600.0)
    assert not (tmp_path / "result.npz").exists()
    _assert_nothing_left(tmp_path)


def test_a_stopped_job_is_noticed(tmp_path: Path) -> None:
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            run_job(f"{JOBS}:run_hanging", tmp_path, timeout=3600.0)
        except LavaError as error:
            outcome.append(error)

    caller = threading.Thread(target=run)
    caller.start()
    os.kill(int(_group_of(tmp_path)), signal.SIGSTOP)
    caller.join()
    assert "run_hanging was stopped" in str(outcome[0])
    _assert_nothing_left(tmp_path)


def test_what_a_run_leaves_behind_is_in_its_folder() -> None:
    with scratch.scratch_folder() as folder:
        if len(str(folder)) > 60:
            pytest.skip("the name of this system's temporary folder is too long for sockets")
        with pytest.raises(LavaError):
            run_job(f"{JOBS}:run_raising", folder, temporary=True)
        assert list(folder.glob("pymp-*"))


@pytest.mark.parametrize("name", ["SIGKILL", "SIGTERM", "SIGHUP"])
def test_a_job_ends_with_its_caller(tmp_path: Path, name: str) -> None:
    script = (
        "from pathlib import Path; import sys; "
        "from ltc2hw.converters.lava.runner import run_job; "
        "from ltc2hw.converters.lava.scratch import scratch_folder\n"
        "with scratch_folder() as folder:\n"
        "    print(folder, flush=True)\n"
        f"    run_job({JOBS + ':run_hanging'!r}, folder, temporary=True)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        folder = Path(caller.stdout.readline().decode().strip())
        group = _group_of(folder)
        time.sleep(1.0)
        caller.send_signal(getattr(signal, name))
        caller.wait()
    deadline = time.monotonic() + 30.0
    while (_living_members(group) or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _living_members(group) == []
    assert not folder.exists()


def test_folders_of_killed_makers_go_and_those_of_living_ones_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    abandoned = tmp_path / f"{scratch.PREFIX}abandoned"
    abandoned.mkdir()
    (abandoned / "lock").touch()
    other = tmp_path / "of-somebody-else"
    other.mkdir()
    with scratch.scratch_folder() as first, scratch.scratch_folder() as second:
        assert first.is_dir()
        assert second.is_dir()
        assert not abandoned.exists()
    assert list(tmp_path.iterdir()) == [other]


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
        _group_of(tmp_path)
        time.sleep(1.0)
        caller.send_signal(2)
        _, stderr = caller.communicate(timeout=30)
    assert b"KeyboardInterrupt" in stderr
    _assert_nothing_left(tmp_path)
