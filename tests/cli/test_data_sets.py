"""Data sets by name on the command line: their root, their options, what is missing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ltc2hw.cli import main
from ltc2hw.tasks import load_task
from tests.data.events.published import write_nmnist, write_spikes


def run(*arguments: object) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as exit_:
        return int(exit_.code or 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_nmnist(tmp_path / "data" / "nmnist", train=4, test=2)
    return tmp_path / "data"


def test_a_data_set_goes_through_the_pipeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    write_spikes(root / "shd" / "shd_train.h5", [0, 1, 2] * 3)
    write_spikes(root / "shd" / "shd_test.h5", [1, 0, 2, 1], seed=1)
    data = ("--data-root", root, "--binning", "bins=4,downsample=14,values=binary")
    model, fixed = tmp_path / "model.h5", tmp_path / "fixed.h5"
    table = tmp_path / "data.json"
    assert run("data", "shd", *data, "--json", table) == 0
    assert "shd: classification, 3 classes per sample; up to 4 steps of 50 spikes" in (
        capsys.readouterr().out
    )
    summary = json.loads(table.read_text())
    assert [part["samples"] for part in summary["splits"].values()] == [6, 3, 4]
    assert run("train", "shd", *data, "--hidden", 4, "--epochs", 1, "--out", model) == 0
    assert run("quantize", model, "--target", "loihi2", "--task", "shd", *data, "--out", fixed,
               "--quiet") == 0  # fmt: skip
    trace = tmp_path / "t.h5"
    assert run("simulate", fixed, "--task", "shd", *data, "--out", trace) == 0
    assert "of 4 test samples" in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["data", "train", "quantize", "simulate", "compare", "learn"])
def test_every_verb_has_the_option(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(verb, "--help") == 0
    assert "--data-root DIR" in capsys.readouterr().out


def test_the_environment_names_the_root(
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LTC2HW_DATA", str(root))
    whole = tmp_path / "whole.npz"
    assert run("data", "nmnist", "--binning", "bins=3,downsample=2", "--out", whole) == 0
    assert "2 polarities of 17 rows of 17 columns" in capsys.readouterr().out
    # The file keeps the shape, and needs no name any more.
    assert load_task(whole).shape == (2, 17, 17)


WRONG = {
    "no root": (["mnist-rows"], "name their folder with --data-root, or LTC2HW_DATA"),
    "no such root": (
        ["shd", "--data-root", "{in}/none"],
        "{in}/none; expected a folder that exists (name the folder that holds SHD with --data",
    ),
    "no files": (["shd", "--data-root", "{in}"], "expected shd_train.h5, shd_test.h5 (they are at"),
    "a path with a root": (["{in}/nmnist", "--data-root", "{in}"], "expected none, as a path is"),
    "a layout": (["nmnist", "--data-root", "{in}", "--layout", "time-first"], "expected nothing"),
    "a misspelt set": (["mnist", "--data-root", "{in}"], "mnist-rate-T"),
    "a packed file": (["ssc", "--data-root", "{in}"], "unpack it to ssc_train.h5"),
    "a damaged file": (["nmnist", "--data-root", "{out}"], "its last event is cut off"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_a_newcomer_does_wrong_is_answered_in_one_line(
    name: str,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("LTC2HW_DATA", raising=False)
    (root / "ssc").mkdir()
    (root / "ssc" / "ssc_train.h5.gz").write_bytes(b"")
    write_nmnist(tmp_path / "other" / "nmnist")
    damaged = tmp_path / "other" / "nmnist" / "Train" / "3" / "00000.bin"
    damaged.write_bytes(damaged.read_bytes()[:-2])
    arguments, message = WRONG[name]
    places = {"{in}": str(root), "{out}": str(tmp_path / "other")}
    filled = []
    for text in (*arguments, message):
        for word, place in places.items():
            text = text.replace(word, place)
        filled.append(text)
    assert run("data", *filled[:-1], "--out", tmp_path / "out.npz") == 2
    error = capsys.readouterr().err
    assert filled[-1] in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out.npz").exists()


def test_words_are_a_task_of_spikes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_spikes(tmp_path / "shd_train.h5", [0, 1, 2] * 3)
    write_spikes(tmp_path / "shd_test.h5", [1, 0], seed=1)
    options = ("--data-root", tmp_path, "--binning", "bins=5,values=binary,downsample=10")
    assert run("data", "shd", *options) == 0
    told = capsys.readouterr().out
    assert "shd: classification, 3 classes per sample; up to 5 steps of 70 spikes" in told
    assert "of each class the last tenth of the training recordings for validation" in told
