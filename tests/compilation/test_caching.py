"""Machine code is kept where it can be; where it cannot, that costs time and nothing else."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw.compilation import caching as compilation

ROOT = Path(__file__).parents[2]

TWO_FUNCTIONS = """
from ltc2hw.compilation.caching import cached

def double(x):
    return 2 * x

def treble(x):
    return 3 * x

double, treble = cached(double, nogil=True), cached(treble, error_model="numpy")
print(double(7), treble(7), double.stats.cache_hits.total())
"""


def run_at(folder: Path, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run Python without a home, so that only ``folder`` is left for caches."""
    environment = {**os.environ, "PYTHONPATH": os.fspath(ROOT), **settings}
    environment.pop("NUMBA_CACHE_DIR", None)
    nowhere = os.devnull + "/nowhere"
    environment |= {"HOME": nowhere, "XDG_CACHE_HOME": nowhere, "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= settings
    return subprocess.run(
        [sys.executable, *command],
        check=False,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def read_only(folder: Path) -> None:
    """Let no cache be made beside sources; the tests may run as root, whom no permission stops."""
    (folder / "__pycache__").write_text("in the way of a folder\n")


def test_without_a_place_functions_compile_and_say_so_once(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TWO_FUNCTIONS)
    read_only(tmp_path)
    done = run_at(tmp_path, "two.py")
    assert done.stdout == "14 21 0\n", done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "set NUMBA_CACHE_DIR" in done.stderr
    told = run_at(tmp_path, "two.py", NUMBA_CACHE_DIR=os.fspath(tmp_path / "cache"))
    assert (told.stdout, told.stderr) == ("14 21 0\n", "")


def test_machine_code_is_kept_beside_the_sources(tmp_path: Path) -> None:
    (tmp_path / "two.py").write_text(TWO_FUNCTIONS)
    for hits in (0, 1):
        done = run_at(tmp_path, "two.py")
        assert (done.stdout, done.stderr) == (f"14 21 {hits}\n", "")
    for kind in ("*.nbi", "*.nbc"):
        for file in (tmp_path / "__pycache__").glob(kind):
            file.write_bytes(file.read_bytes()[:20])
        for hits in (0, 1):
            done = run_at(tmp_path, "two.py")
            assert (done.stdout, done.stderr) == (f"14 21 {hits}\n", "")


def test_every_package_with_compiled_code_can_be_read_only(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    copy = tmp_path / "ltc2hw"
    unneeded = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "ltc2hw", copy, symlinks=False, ignore=unneeded)
    for folder in {path.parent for path in copy.rglob("*.py")}:
        read_only(folder)
    program = (
        "import ltc2hw, ltc2hw.training, ltc2hw.training.compiled, ltc2hw.simulations.fast\n"
        "import ltc2hw.simulations.plasticity.fast, ltc2hw.simulations.learning_engine.fast\n"
        "print(ltc2hw.__file__)"
    )
    done = run_at(tmp_path, "-c", program, PYTHONPATH=os.fspath(tmp_path))
    assert done.stdout == f"{copy / '__init__.py'}\n", done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_full_disk_only_costs_the_cache(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """/dev/full takes no byte."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    monkeypatch.setattr("numba.core.config.CACHE_DIR", os.fspath(tmp_path))
    compilation.tell_uncached.cache_clear()

    def half(values: Any) -> Any:
        return values / 2

    compiled: Any = compilation.cached(half)
    files = compiled._cache._cache_file
    monkeypatch.setattr(type(files), "_open_for_write", full_disk)
    with caplog.at_level(logging.WARNING):
        assert compiled(np.ones(3)).tolist() == [0.5, 0.5, 0.5]
        assert compiled(4) == 2
    assert len(caplog.records) == 1
    compilation.tell_uncached.cache_clear()


def full_disk(_: Any, path: str) -> Any:
    """Opens a file that cannot be written."""
    return open("/dev/full", "wb", buffering=0)
