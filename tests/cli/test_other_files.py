"""A network meets other files than the one it was trained on: classes, events, samples alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw import errors
from ltc2hw.cli import main
from ltc2hw.cli.common import fitted_task
from ltc2hw.files.bundle import load_trace
from ltc2hw.graph.network import Input, Projection
from ltc2hw.numbers.weights import Dense
from ltc2hw.tasks import Split, Task

pytest.importorskip("torch")

NAMES = ("loose", "well", "worn")
MEANS = {"loose": 0.0, "well": 0.5, "worn": 1.0}


def written(path: Path, order: tuple[str, ...], seed: int) -> Path:
    """Sixty samples whose level is their class; the file's own order of names."""
    rng = np.random.default_rng(seed)
    names = np.array(order)[np.arange(60) % len(order)]
    x = np.stack([MEANS[name] + 0.05 * rng.random((6, 2)) for name in names])
    lines = ["@univariate false", "@dimension 2", "@classLabel true " + " ".join(order), "@data"]
    for sample, name in zip(x, names, strict=True):
        lines.append(":".join([*(",".join(map(str, c)) for c in sample.T), name]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("machine")
    data = written(folder / "first.ts", NAMES, 0)
    model, fixed = str(folder / "model.h5"), str(folder / "fixed.h5")
    train = ["train", str(data), "--epochs", "15", "--hidden", "12", "--out", model, "--quiet"]
    assert main(train) == 0
    quantize = ["quantize", model, "--target", "loihi2", "--task", str(data), "--out", fixed]
    assert main([*quantize, "--quiet"]) == 0
    return folder


def scored(folder: Path, data: Path) -> float:
    record, trace = folder / "sim.json", str(folder / "trace.h5")
    arguments = ["simulate", str(folder / "fixed.h5"), "--task", str(data), "--out", trace]
    assert main([*arguments, "--json", str(record), "--quiet"]) == 0
    score: float = json.loads(record.read_text())["accuracy"]
    return score


def test_another_order_of_classes_is_no_loss(folder: Path) -> None:
    own = scored(folder, folder / "first.ts")
    assert own > 0.8
    for order in (("well", "worn", "loose"), ("worn", "loose")):
        assert scored(folder, written(folder / "other.ts", order, 1)) > 0.8


def test_unknown_classes_are_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    MEANS["new"] = 0.2
    data = written(folder / "new.ts", ("loose", "new"), 2)
    arguments = ["simulate", str(folder / "fixed.h5"), "--task", str(data), "--out", "t.h5"]
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert "classes of task new is loose, new; expected those that the network was" in line
    assert len(line.splitlines()) == 1


def test_samples_alone_are_all_run(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.random.default_rng(3).random((7, 5, 2))
    np.savez(folder / "unlabelled.npz", x=x, lengths=[5, 3, 5, 5, 2, 5, 5])
    fixed, out = str(folder / "fixed.h5"), str(folder / "input.h5")
    file = str(folder / "unlabelled.npz")
    assert main(["simulate", fixed, "--unlabelled", file, "--out", out]) == 0
    assert "ran 7 samples" in capsys.readouterr().out
    network = ltc2hw.load(fixed)
    alone = ltc2hw.simulate(network, x.swapaxes(0, 1), lengths=[5, 3, 5, 5, 2, 5, 5])
    assert np.array_equal(load_trace(out).outputs, alone.outputs)
    for given in ([], ["--task", "digits-rows", "--unlabelled", file]):
        assert main(["simulate", fixed, *given, "--out", out]) == 2
        assert "one of --task TASK and --unlabelled FILE" in capsys.readouterr().err


def test_a_trace_is_no_damaged_network(folder: Path) -> None:
    scored(folder, folder / "first.ts")
    with pytest.raises(errors.DamagedFileError, match="load_trace reads traces"):
        ltc2hw.load(folder / "trace.h5")


def test_a_score_without_lengths_is_refused() -> None:
    split = Split(np.zeros((3, 2, 1)), np.array([0, 1]), np.array([1, 3]))
    task = Task("uneven", "classification", 3, 1, 2, split, split, split)
    outputs = np.zeros((3, 2, 2))
    with pytest.raises(errors.InvalidValueError, match=r"lengths is None.*split.lengths"):
        task.score(outputs, split.labels)
    assert task.score(outputs, split.labels, split.lengths) == 0.5


def test_answers_in_spikes_are_counted() -> None:
    split = Split(np.zeros((3, 2, 1)), np.array([0, 1]))
    task = Task("counted", "classification", 3, 1, 2, split, split, split)
    wires = (Projection("input", "spikes", "out", "current", Dense(np.ones((2, 1)))),)
    for model, said, steps in (("lif", None, 3), ("lif", 1, 1), ("readout", None, 1)):
        populations = (Input("input", 1), ltc2hw.Neurons("out", 2, model))
        network = ltc2hw.Network(populations, wires, "out")
        assert fitted_task(network, task, said).decision_steps == steps
