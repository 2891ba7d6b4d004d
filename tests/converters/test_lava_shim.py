"""lava-nc 0.10.0 is importable in every lane, unchanged on disk, and computes what it should."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from ltc2hw.converters.lava.runner import run_job
from ltc2hw.converters.lava.shim import PATCHED_MODULE, patch_source, require_lava
from ltc2hw.errors import LavaError

ROOT = Path(__file__).parents[2]
PAST_THE_PIN = sys.version_info >= (3, 11)
INSTALL = "from ltc2hw.converters.lava.shim import install_finder; install_finder(); "


def _python(script: str, *path: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, (*path, ROOT)))}
    return subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False
    )


def _lif_spikes(
    spikes: npt.NDArray[np.int64], weights: npt.NDArray[np.int64], du: int, dv: int, vth: int
) -> npt.NDArray[np.int64]:
    """Lava's current-based LIF one neuron and one step at a time, in Python's own integers."""
    neurons, steps = len(weights), spikes.shape[1]
    result = np.zeros((neurons, steps), dtype=np.int64)
    for neuron in range(neurons):
        current = voltage = arriving = 0
        for step in range(steps):
            current = int(current * (4096 - (du + 1)) / 4096) + arriving * 64
            voltage = int(voltage * (4096 - dv) / 4096) + current
            if voltage > vth * 64:
                result[neuron, step] = 1
                voltage = 0
            arriving = int(weights[neuron] @ spikes[:, step])
    return result


def test_the_patch_changes_one_decorator_and_keeps_the_lines() -> None:
    before = (
        "import x\n\n@dataclass\nclass ByteEncoder:\n    base: int = 0\n\n@dataclass\nclass A:\n"
    )
    after = patch_source(before, "var_model.py")
    changed = [
        (old, new)
        for old, new in zip(before.split("\n"), after.split("\n"), strict=True)
        if old != new
    ]
    assert changed == [("@dataclass", "@dataclass(unsafe_hash=True)")]


@pytest.mark.parametrize(
    "source",
    ["", "class ByteEncoder:\n", "@dataclass(frozen=True)\nclass ByteEncoder:\n"],
)
def test_a_file_that_is_not_the_release_is_refused(source: str) -> None:
    with pytest.raises(LavaError, match=r"var_model\.py is not the file of lava-nc 0\.10\.0"):
        patch_source(source, "var_model.py")


def test_only_the_chosen_start_method_may_be_chosen_again() -> None:
    done = _python(
        INSTALL + "import multiprocessing as m\n"
        "from ltc2hw.converters.lava.shim import chosen_start_method\n"
        "choose = m.set_start_method\n"
        "choose('fork')\n"
        "with chosen_start_method():\n"
        "    m.set_start_method('fork')\n"
        "    try: m.set_start_method('spawn')\n"
        "    except RuntimeError as error: print(error)\n"
        "assert m.set_start_method is choose\n"
        "print(m.get_start_method())"
    )
    assert done.stdout.splitlines() == ["context has already been set", "fork"], done.stderr


@pytest.mark.skipif(not PAST_THE_PIN, reason="Python 3.10 needs no patch, so none is applied")
def test_a_changed_installation_is_refused_on_import(tmp_path: Path) -> None:
    package = tmp_path / "lava" / "magma" / "compiler"
    package.mkdir(parents=True)
    (package / "var_model.py").write_text("class ByteEncoder:\n    pass\n", encoding="utf-8")
    # Other parts of lava are namespace folders too; the one placed first must win here.
    for folder in (package, package.parent, package.parent.parent):
        (folder / "__init__.py").touch()
    done = _python(INSTALL + f"import {PATCHED_MODULE}", tmp_path)
    assert "LavaError" in done.stderr
    assert "install lava-nc 0.10.0 afresh" in done.stderr


def test_a_missing_lava_is_told_with_its_extra() -> None:
    done = _python(
        "import sys; sys.modules['lava'] = None\n"
        "from ltc2hw.converters.lava.shim import require_lava\n"
        "require_lava('this test')"
    )
    assert "MissingExtraError: this test needs the extra 'lava'" in done.stderr
    assert ("--ignore-requires-python lava-nc==0.10.0" in done.stderr) == PAST_THE_PIN


def test_the_finder_is_installed_once() -> None:
    done = _python(
        "import sys; count = len(sys.meta_path)\n"
        "import ltc2hw.converters.lava.shim as shim\n"
        "shim.install_finder(); shim.install_finder()\n"
        "print(len(sys.meta_path) - count)"
    )
    assert done.stdout.split() == ["1"]


class TestWithLava:
    """Needs lava-nc itself."""

    @pytest.fixture(autouse=True)
    def _needs_lava(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pytest.importorskip("lava.magma", reason="the lava extra is not installed")
        monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def test_it_is_found(self) -> None:
        require_lava("this test")

    @pytest.mark.skipif(not PAST_THE_PIN, reason="Python 3.10 accepts the release as it is")
    def test_without_the_shim_this_python_cannot_import_it(self) -> None:
        done = _python(f"import {PATCHED_MODULE}")
        assert "mutable default" in done.stderr

    @pytest.mark.parametrize(
        "choice",
        ["get_start_method()", "set_start_method('fork')", "set_start_method('fork', force=True)"],
    )
    def test_a_start_method_chosen_before_is_kept(self, choice: str) -> None:
        done = _python(
            f"import multiprocessing as m; m.{choice}; choose = m.set_start_method\n"
            "import ltc2hw.converters.lava.assembly\n"
            "assert m.set_start_method is choose\n"
            "print(m.get_start_method())"
        )
        assert done.stdout.split() == ["fork"], done.stderr

    @pytest.mark.parametrize("method", ["spawn", "forkserver"])
    def test_another_start_method_is_refused_with_the_remedy(self, method: str) -> None:
        done = _python(
            f"import multiprocessing as m; m.set_start_method({method!r})\n"
            "from ltc2hw.errors import LavaError\n"
            "try: import ltc2hw.converters.lava.assembly\n"
            "except LavaError as error: print(error)\n"
            "m.set_start_method('fork', force=True)\n"
            "import ltc2hw.converters.lava.assembly\n"
            "print(m.get_start_method())"
        )
        told, after = done.stdout.splitlines()
        assert f"this process chose '{method}'" in told
        assert "set_start_method('fork', force=True)" in told
        assert after == "fork", done.stderr

    def test_equal_encoders_are_equal_and_the_file_stays_as_it_is(self) -> None:
        done = _python(
            INSTALL + f"import {PATCHED_MODULE} as m, pathlib\n"
            "before = pathlib.Path(m.__file__).read_bytes()\n"
            "assert m.CoreEncoder().x == m.ByteEncoder(0, 0, 0)\n"
            "assert b'unsafe_hash' not in before\n"
            "print('imported')"
        )
        assert done.stdout.split() == ["imported"], done.stderr

    def test_a_forked_process_can_import_it(self) -> None:
        done = _python(
            INSTALL + "import os\n"
            "if os.fork() == 0:\n"
            "    import lava.proc.lif.process\n"
            "    os._exit(7)\n"
            "print(os.waitstatus_to_exitcode(os.wait()[1]))"
        )
        assert done.stdout.split() == ["7"], done.stderr

    def test_dense_and_lif_give_the_spikes_of_the_formula(self, tmp_path: Path) -> None:
        rng = np.random.default_rng(0)
        spikes = (rng.random((20, 150)) < 0.2).astype(np.int64)
        weights = 2 * rng.integers(-60, 100, (30, 20))
        du, dv, vth = 400, 200, 300
        np.savez(tmp_path / "input.npz", spikes=spikes, weights=weights, du=du, dv=dv, vth=vth)
        run_job("tests.converters.lava_jobs.spiking:run", tmp_path)
        with np.load(tmp_path / "result.npz", allow_pickle=False) as result:
            found = result["spikes"]
        expected = _lif_spikes(spikes, weights, du, dv, vth)
        assert 1000 < expected.sum() < expected.size
        assert np.array_equal(found, expected)
