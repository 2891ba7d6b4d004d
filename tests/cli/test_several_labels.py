"""A data set of two questions on every verb, and networks with several readouts on theirs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.data import DataOptions
from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.files.bundle import load_trace
from ltc2hw.tasks import Task, load_task
from tests.test_readouts import FIXED, LABELS, NETWORK, X

CHANNELS = ("left", "middle", "right")
COUNT = 120


def questions() -> tuple[Any, Any, Any]:
    """Which channel is loud, and whether early or late, as texts; samples of unequal lengths."""
    rng = np.random.default_rng(4)
    channel, late = np.arange(COUNT) % 3, np.arange(COUNT) // 3 % 2
    x = 0.1 * rng.random((COUNT, 10, 3))
    for sample in range(COUNT):
        x[sample, 4 * late[sample] : 4 * late[sample] + 4, channel[sample]] += 1.0
    y = np.stack([np.array(CHANNELS)[channel], np.array(["early", "late"])[late]], axis=1)
    return x.round(3), y, np.where(np.arange(COUNT) % 2, 8, 10)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("two")
    x, y, lengths = questions()
    np.savez(path / "two.npz", x=x, y=y, lengths=lengths)
    return path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_from_data_to_the_compared_network(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, told = tmp_path / "whole.npz", tmp_path / "told.json"
    data = (folder / "two.npz", "--several-labels")
    assert run("data", *data, "--out", whole, "--json", told) == 0
    printed = capsys.readouterr().out
    assert "two: classification, 3 and 2 classes per sample" in printed
    assert "column 0: 3 classes: left, middle, right" in printed
    assert "classes of column 0" in printed
    counts = json.loads(told.read_text())["splits"]["train"]["labels"]
    assert list(counts) == ["0: left", "0: middle", "0: right", "1: early", "1: late"]
    assert sum(counts.values()) == 2 * load_task(whole).train.samples
    model, fixed = tmp_path / "model.h5", tmp_path / "fixed.h5"
    training = ("--hidden", "24", "--epochs", "12", "--rate", "0.01", "--batch-size", "10")
    assert run("train", whole, "--out", model, *training, "--json", tmp_path / "train.json") == 0
    assert json.loads((tmp_path / "train.json").read_text())["accuracy"]["test"] > 0.8
    task = ("--task", whole)
    assert run("quantize", model, "--target", "loihi2", *task, "--out", fixed) == 0
    report = tmp_path / "report.json"
    assert run("compare", model, fixed, *task, "--no-causes", "--out", report) == 0
    assert run("compare", model, fixed, "--task", *data, "--no-causes", "--out", report) == 0
    capsys.readouterr()
    trace, score = tmp_path / "trace.h5", tmp_path / "score.json"
    assert run("simulate", fixed, *task, "--out", trace, "--json", score) == 0
    printed = capsys.readouterr().out
    found = json.loads(score.read_text())
    each = found["accuracy of each label"]
    assert found["accuracy"] == pytest.approx(np.mean(each))
    assert "accuracy of each label: " in printed
    # The same numbers, one group of outputs after the other.
    test, network = load_task(whole).test, ltc2hw.load(fixed)
    outputs = ltc2hw.simulate(network, test.x, "integer", lengths=test.lengths).outputs
    assert test.lengths is not None
    last = outputs[test.lengths - 1, np.arange(test.samples)]
    for head, group in enumerate((last[:, :3], last[:, 3:])):
        assert each[head] == (group.argmax(axis=1) == test.labels[:, head]).mean()


def test_on_the_chip_a_readout_learns_one_label(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, out = tmp_path / "fixed.h5", tmp_path / "out.h5"
    ltc2hw.save(FIXED, fixed)
    data = ("--task", folder / "two.npz", "--several-labels")
    assert run("learn", fixed, *data, "--out", out) == 2
    line = capsys.readouterr().err
    assert line.startswith("ltc2hw learn: error: on-chip learning cannot express several labels")
    assert line.count("\n") == 1
    assert "--readout" in line
    assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "(say --several-labels if each column is a label of its own)"),
        (("--classes", "3,2"), "(several numbers belong to --several-labels)"),
        (("--several-labels", "--classes", "3"), "classes is 3; expected numbers of classes"),
        (("--several-labels", "--classes", "2,2,2"), "expected a row of 3 for each sample"),
        (("--several-labels", "--labels", "every-step"), "a task for each of them"),
        (("--several-labels", "--kind", "regression"), "several_labels is said of a regression"),
    ],
)
def test_what_a_newcomer_does_wrong(
    folder: Path, arguments: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("data", folder / "two.npz", *arguments) == 2
    line = capsys.readouterr().err
    assert message in line
    assert line.count("\n") == 1


def test_in_python(folder: Path, tmp_path: Path) -> None:
    x, y, lengths = questions()
    options = DataOptions(several_labels=True)
    task = Task.from_arrays(x, y, options, lengths=lengths)
    assert task.heads == (3, 2)
    assert task.classes == (*CHANNELS, "early", "late")
    pairs = [(a[:n], (CHANNELS.index(b), int(c == "late"))) for a, (b, c), n in
             zip(x, y, lengths, strict=True)]  # fmt: skip
    same = Task.from_dataset(pairs, options)
    np.testing.assert_array_equal(same.train.labels, task.train.labels)
    np.testing.assert_array_equal(same.train.x, task.train.x)
    for wrong in (y[:, :1], y[:, 0]):
        with pytest.raises(ShapeError, match="leave out several_labels=True"):
            Task.from_arrays(x, wrong, options)
    with pytest.raises(ShapeError, match="a row of 2 for each sample"):
        Task.from_arrays(x, y, options, test=(x, y[:, 0]))
    with pytest.raises(InvalidValueError, match="column 1 of arrays is early alone"):
        Task.from_arrays(x, np.stack([y[:, 0], np.full(COUNT, "early")], axis=1), options)
    odd = np.stack([y[:, 0], np.where(np.arange(COUNT) == 5, "middling", y[:, 1])], axis=1)
    with pytest.raises(InvalidValueError, match=r"class middling of arrays.*samples alone"):
        Task.from_arrays(x, odd, options)
    with pytest.raises(UnsupportedError, match="labels at every step"):
        DataOptions(several_labels=True, every_step=True)


def test_a_named_readout_is_simulated_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, fixed, data = (tmp_path / name for name in ("model.h5", "fixed.h5", "data.npz"))
    ltc2hw.save(NETWORK, model)
    ltc2hw.save(FIXED, fixed)
    names: Any = {f"{kind}_{part}": value for part in ("train", "validation", "test")
             for kind, value in (("x", X), ("y", LABELS))}  # fmt: skip
    np.savez(data, **names, layout="time-first")
    task, score = ("--task", data, "--classes", "3"), tmp_path / "score.json"
    for readout in ("speaker", "readout"):
        named = ("--readout", readout)
        out = ("--out", tmp_path / "trace.h5", "--json", score)
        assert run("simulate", fixed, *task, *named, *out) == 0
        assert json.loads(score.read_text())["readout"] == readout
        outputs = ltc2hw.simulate(FIXED.with_output(readout), X, "integer").outputs
        assert load_trace(tmp_path / "trace.h5").outputs.tolist() == outputs.tolist()
        report = tmp_path / "report.json"
        assert run("compare", model, fixed, *task, *named, "--no-causes", "--out", report) == 0
        expected = (outputs[-1].argmax(axis=1) == LABELS).mean()
        assert json.loads(report.read_text())["scores"]["integer"] == expected
    capsys.readouterr()
    for verb in (("simulate", fixed), ("compare", model, fixed)):
        none = tmp_path / "none.html"
        assert run(*verb, *task, "--readout", "nobody", "--out", none) == 2
        assert "nobody" in capsys.readouterr().err
        assert not none.exists()
