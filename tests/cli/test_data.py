"""Data of one's own on every verb, and what ``ltc2hw data`` tells of them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.quantization.history import CALIBRATION
from ltc2hw.tasks import load_task
from ltc2hw.training.checkpoint import load_checkpoint
from tests.random_networks import random_network

RNG = np.random.default_rng(3)
X = RNG.uniform(-1, 1, size=(40, 9, 3)).round(3)
Y = np.array(["up", "down"])[np.arange(40) % 2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and a network that fits them."""
    path = tmp_path_factory.mktemp("own")
    np.savez(path / "own.npz", x=X, y=Y)
    np.savez(path / "square.npz", x=X[:9], y=Y[:9])
    np.save(path / "alone.npy", X[:9, :5])
    np.save(path / "silent.npy", np.zeros((9, 5, 3)))
    with h5py.File(path / "own.h5", "w") as file:
        file["x"], file["y"] = X, np.arange(40) % 2
    (path / "mine.py").write_text(
        "import numpy as np\n"
        "def load(): return np.ones((40, 9, 3)), np.arange(40) % 2\n"
        "def leave(): raise SystemExit(0)\n"
        "class Broken:\n"
        "    def __len__(self): return 3\n"
        "    def __getitem__(self, index): raise RuntimeError('no file')\n"
        "def broken(): return Broken()\n"
    )
    network = random_network(np.random.default_rng(0), inputs=3, hidden=(5,), outputs=2)
    ltc2hw.save(network, path / "model.h5")
    return path


def run(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return int(exit_.code or 0)


def test_data_are_told_and_written(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, table = tmp_path / "out.npz", tmp_path / "out.json"
    assert run("data", folder / "own.npz", "--out", out, "--json", table) == 0
    told = capsys.readouterr().out
    assert "own: classification, 2 classes per sample; up to 9 steps of 3 numbers" in told
    assert "batch-first, told by the labels: (40, 9, 3)" in told
    assert "seed 20230518" in told
    summary = json.loads(table.read_text())
    assert summary["classes"] == ["down", "up"]
    assert [part["samples"] for part in summary["splits"].values()] == [28, 4, 8]
    assert load_task(out).checksum == summary["provenance"]["checksum"]


def test_every_verb_takes_data(folder: Path, tmp_path: Path) -> None:
    data, model, fixed = folder / "own.npz", folder / "model.h5", tmp_path / "fixed.h5"
    options = ("--layout", "batch-first", "--test-fraction", "0.3", "--quiet")
    assert run("quantize", model, "--target", "loihi2", "--task", data, "--out", fixed,
               *options) == 0  # fmt: skip
    trace, report, adapted = tmp_path / "t.h5", tmp_path / "r.json", tmp_path / "a.h5"
    assert run("simulate", fixed, "--task", data, "--out", trace, "--json", tmp_path / "s.json",
               *options) == 0  # fmt: skip
    assert json.loads((tmp_path / "s.json").read_text())["samples"] == 12
    assert run("compare", model, fixed, "--task", data, "--out", report, "--engines", "integer",
               *options) == 0  # fmt: skip
    assert json.loads(report.read_text())["task"] == "own"
    assert run("learn", fixed, "--task", data, "--out", adapted, "--samples", "3", "--verify", "0",
               *options) == 0  # fmt: skip
    trained = tmp_path / "m.h5"
    assert run("train", data, "--hidden", "4", "--epochs", "1", "--out", trained, *options) == 0
    network = ltc2hw.load(trained)
    assert (network.input.size, network.population(network.output).size) == (3, 2)


def test_a_function_is_a_task_in_the_installed_command(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ltc2hw", "data", "mine:load"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "channels 0, 1, 2 are constant" in done.stdout


def test_calibration_on_samples_alone(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, alone, out = folder / "model.h5", folder / "alone.npy", tmp_path / "fixed.h5"
    start = ("quantize", model, "--target", "loihi2", "--out", out)
    assert run(*start, "--calibration", alone, "--layout", "batch-first", "--samples", 4) == 0
    network = ltc2hw.load(model)
    assert isinstance(network, ltc2hw.Network)
    wanted = ltc2hw.quantize(network, "loihi2", X[:4, :5].swapaxes(0, 1))
    made = ltc2hw.load(out)
    assert isinstance(made, ltc2hw.FixedNetwork)
    remembered = json.loads(made.provenance[CALIBRATION])
    assert remembered == {
        "calibration": str(alone), "data": {"layout": "batch-first"}, "samples": 4
    }  # fmt: skip
    assert replace(made, provenance=wanted.provenance) == wanted
    capsys.readouterr()
    for arguments, message in (
        ((), "samples to calibrate on is not given; expected one of --task TASK and --calibration"),
        (("--calibration", alone), "say --layout time-first or --layout batch-first"),
        (("--calibration", alone, "--task", folder / "own.npz"), "is --task and --calibration"),
        (("--calibration", folder / "none.npy"), "none.npy: No such file"),
    ):
        assert run(*start, *arguments) == 2
        printed = capsys.readouterr().err
        assert message in printed
        assert printed.count("\n") == 1


def test_training_tells_how_it_read_the_data(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = folder / "own.npz"
    options = ("--test", data, "--epochs", "1", "--hidden", "4", "--out", tmp_path / "m.h5")
    assert run("train", data, *options) == 0
    first, second, *_ = capsys.readouterr().out.splitlines()
    assert first.startswith("own: classification, 2 classes per sample; up to 9 steps of 3")
    assert second == "warning: 36 test samples are training samples, too"


WRONG = {
    "square": (["data", "{in}/square.npz"], "(say --layout time-first or --layout batch-first)"),
    "misspelt": (["data", "digit-rows"], "a path that exists, module:function"),
    "no file": (["data", "{in}/none.npz"], "none.npz: No such file"),
    "another layout": (["data", "{in}/own.npz", "--layout", "time-first"], "layout time-first of"),
    "another kind": (["data", "{in}/own.npz", "--kind", "regression"], "is texts; expected numb"),
    "no spikes": (["data", "{in}/own.npz", "--input", "spikes"], "expected 0 or 1"),
    "no fraction": (["data", "{in}/own.npz", "--test-fraction", "20"], "test_fraction is 20.0"),
    "no test file": (["data", "{in}/own.npz", "--test", "{in}/no.npz"], "no.npz: No such file"),
    "no size": (["data", "{in}/own.npz", "--sensor", "34"], "--sensor: invalid size like 34x34"),
    "options for a task": (["data", "add-8", "--classes", "3"], "options of data is given"),
    "the data themselves": (["data", "{in}/own.npz", "--out", "{in}/own.npz"], "would be lost"),
    "a network": (["data", "{in}/model.h5"], "expected arrays x and y"),
    "data for a network": (["show", "{in}/own.h5"], "own.h5 is a file of data"),
    "data to start from": (
        ["train", "{in}/own.npz", "--start", "{in}/own.npz", "--out", "{out}/m.h5"],
        "own.npz is a file of data; expected a network of ltc2hw (data are named by TASK",
    ),
    "data to import": (
        ["import", "{in}/own.npz", "--out", "{out}/m.h5"],
        "own.npz is a file of data; expected a network of another tool",
    ),
    "calibrated on silence": (
        [
            "quantize",
            "{in}/model.h5",
            "--target",
            "loihi2",
            "--out",
            "{out}/f.h5",
            "--calibration",
            "{in}/silent.npy",
            "--layout",
            "batch-first",
        ],
        "samples of silent to calibrate on is zero throughout",
    ),
    "arrays binned": (
        ["data", "{in}/own.npz", "--binning", "window_us=5"],
        "binning of data is given; expected nothing",
    ),
    "updates of bptt": (
        ["train", "{in}/own.npz", "--method", "bptt", "--updates", "3", "--out", "{out}/m.h5"],
        "--updates is 3; expected none, as bptt",
    ),
    "a function that ends Python": (
        ["data", "{in}/mine.py:leave"],
        "failing with SystemExit: 0, in leave, line 3",
    ),
    "a data set that fails": (
        ["data", "{in}/mine.py:broken"],
        "failing with RuntimeError: no file, in __getitem__, line 6",
    ),
    "other widths": (
        ["simulate", "{in}/model.h5", "--task", "add-8", "--out", "{out}/t.h5"],
        "number of inputs is 3; expected 2 for task add-8",
    ),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_a_newcomer_does_wrong_is_answered_in_one_line(
    name: str, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = WRONG[name]
    before = sorted(folder.iterdir())
    filled = [a.replace("{in}", str(folder)).replace("{out}", str(tmp_path)) for a in arguments]
    assert run(*filled) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert sorted(folder.iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_tells_data_apart(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, x in (("one", X), ("two", X + 1)):
        (tmp_path / name).mkdir()
        np.savez(tmp_path / name / "own.npz", x=x, y=Y)
    saved = tmp_path / "run.npz"

    def train(name: str) -> int:
        return run("train", tmp_path / name / "own.npz", "--hidden", "4", "--epochs", "1",
                   "--out", tmp_path / "m.h5", "--checkpoint", saved, "--quiet")  # fmt: skip

    assert train("one") == 0
    checksum = load_task(tmp_path / "one" / "own.npz").checksum
    assert load_checkpoint(saved).plan["task"] == {"name": "own", "data": checksum}
    assert train("one") == 0
    capsys.readouterr()
    assert train("two") == 2
    assert "data" in capsys.readouterr().err
