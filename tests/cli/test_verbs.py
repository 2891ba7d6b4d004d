"""Each verb does what it says, and measures what the library measures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.files.bundle import load_trace
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.quantization.history import Source, calibrated_on
from ltc2hw.targets import TARGETS, load_target
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, write_pair


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("networks"))


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_targets_lists_all_and_shows_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["targets"]) == 0
    listed = capsys.readouterr().out
    assert all(f"{name} " in listed for name in TARGETS)
    assert main(["targets", "loihi1", "--json", str(tmp_path / "loihi1.json")]) == 0
    shown = capsys.readouterr().out
    assert "threshold mantissa" in shown
    limits = read(tmp_path / "loihi1.json")
    assert limits["words"]["state"] == load_target("loihi1").words.state


def test_quantize_writes_what_the_library_quantizes(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, measured = tmp_path / "fixed.h5", tmp_path / "quantize.json"
    arguments = ["quantize", str(pair[0]), "--target", "loihi2", "--task", TASK]
    assert main([*arguments, "--out", str(out), "--weight-bits", "4", "--json", str(measured)]) == 0
    fixed, network = ltc2hw.load(out), ltc2hw.load(pair[0])
    assert isinstance(fixed, FixedNetwork)
    assert isinstance(network, Network)
    options = ltc2hw.QuantizeOptions(weight_bits=4)
    x = load_task(TASK).train.x
    source = Source("task", TASK, samples=x.shape[1], whole=True)
    assert fixed == calibrated_on(ltc2hw.quantize(network, "loihi2", x, options), source)
    assert set(read(measured)["weight_bits"].values()) == {4}
    assert read(measured)["utilization"]["neurons"] == [7, 1048576]
    assert "7 neurons" in capsys.readouterr().out


@pytest.mark.parametrize(("which", "engine"), [(0, "float64"), (1, "integer")])
def test_simulate_writes_the_trace_and_the_score(
    pair: tuple[Path, Path], tmp_path: Path, which: int, engine: str
) -> None:
    out, measured = tmp_path / "trace.h5", tmp_path / "simulate.json"
    arguments = ["simulate", str(pair[which]), "--task", TASK, "--engine", engine]
    arguments += ["--samples", "25", "--out", str(out), "--json", str(measured), "--quiet"]
    assert main(arguments) == 0
    test = load_task(TASK).test
    network = ltc2hw.load(pair[which])
    outputs = ltc2hw.simulate(network, test.x[:, :25], engine).outputs
    assert np.array_equal(load_trace(out).outputs, outputs)
    readout = network.population("readout")
    unit = 1.0
    if isinstance(readout, FixedNeurons):
        unit = 2.0 ** -readout.fractions["membrane"]
    errors = (outputs[-1] * unit - test.labels[:25]) ** 2
    assert read(measured)["mse"] == pytest.approx(np.mean(errors))
    assert read(measured)["engine"] == engine
    assert read(measured)["samples"] == 25


def test_compare_writes_the_report(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, measured = tmp_path / "report.md", tmp_path / "report.json"
    arguments = ["compare", *map(str, pair), "--task", TASK, "--engines", "integer, fast"]
    arguments += ["--samples", "30", "--out", str(out), "--json", str(measured)]
    assert main(arguments) == 0
    report = read(measured)
    assert report["samples"] == {"float64": 30, "integer": 30, "fast": 30}
    assert report["exact"]["fast"]["mismatches"] == 0
    assert report["task"] == TASK
    assert out.read_text("utf-8").startswith("# add-8 on loihi2")
    printed = capsys.readouterr()
    assert "mismatches of fast, at most" in printed.out
    assert printed.err == ""


@pytest.mark.parametrize(("limit", "status"), [("-100.5", 1), ("1e9", 0)])
def test_a_missed_bound_is_status_1(
    pair: tuple[Path, Path], tmp_path: Path, limit: str, status: int
) -> None:
    arguments = ["compare", *map(str, pair), "--task", TASK, "--engines", "integer"]
    arguments += ["--samples", "5", "--out", str(tmp_path / "r.json"), "--quiet"]
    assert main([*arguments, f"--max-mse-increase={limit}"]) == status
    assert read(tmp_path / "r.json")["bounds"][0]["met"] == (status == 0)


def test_export_to_nir_keeps_the_numbers(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "network.nir"
    assert main(["export", str(pair[1]), "--to", "nir", "--out", str(out)]) == 0
    fixed = ltc2hw.load(pair[1])
    assert isinstance(fixed, FixedNetwork)
    read_back, expected = ltc2hw.converters.nir.read(out), dequantize(fixed)
    assert read_back.populations == expected.populations
    assert read_back.projections == expected.projections
    assert "changed: dequantize" in capsys.readouterr().out


def test_export_to_lava_writes_a_folder(pair: tuple[Path, Path], tmp_path: Path) -> None:
    pytest.importorskip("lava.magma.core")
    out = tmp_path / "network"
    assert main(["export", str(pair[1]), "--to", "lava", "--out", str(out), "--quiet"]) == 0
    assert {"run.py", "README.md", "network.json"} <= {path.name for path in out.iterdir()}
    assert main(["export", str(pair[1]), "--to", "lava", "--out", str(out), "--quiet"]) == 2


def test_quiet_prints_nothing(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", *map(str, pair), "--task", TASK, "--engines", "integer"]
    assert main([*arguments, "--samples", "5", "--out", str(tmp_path / "r.md"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_train_writes_a_network_that_the_other_verbs_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    model, checkpoint = tmp_path / "model.h5", tmp_path / "run.npz"
    arguments = ["train", "digits-rows", "--out", str(model), "--hidden", "5", "--epochs", "2"]
    arguments += ["--seed", "3", "--gate", "static", "--method", "bptt"]
    measured = tmp_path / "train.json"
    assert main([*arguments, "--checkpoint", str(checkpoint), "--json", str(measured)]) == 0
    first = ltc2hw.load(model)
    assert first.provenance["task"] == "digits-rows"
    assert first.provenance["gate"] == "static"
    assert "epoch 2/2" in capsys.readouterr().out
    task = load_task("digits-rows")
    outputs = ltc2hw.simulate(first, task.test.x).outputs
    assert read(measured)["accuracy"]["test"] == task.score(outputs, task.test.labels)
    assert len(read(measured)["history"]) == 2
    # The finished run is taken from its checkpoint, to the same bits.
    assert main([*arguments, "--checkpoint", str(checkpoint), "--quiet"]) == 0
    assert ltc2hw.load(model) == first
    fixed = tmp_path / "fixed.h5"
    arguments = ["quantize", str(model), "--target", "loihi2", "--task", "digits-rows"]
    assert main([*arguments, "--out", str(fixed), "--quiet"]) == 0


def test_a_demo_on_recordings_says_where_they_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    flags = ["--task", "nmnist", "--data-root", str(tmp_path), "--out", str(out)]
    assert main(["demo", *flags]) == 2
    error = capsys.readouterr().err
    assert "files of N-MNIST" in error
    assert "--data-root" in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_small_demo_states_its_bounds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two epochs cannot reach the accuracy that the demo states, so it ends with False."""
    for package in ("torch", "matplotlib"):
        pytest.importorskip(package)
    from ltc2hw.cli.console import Console
    from ltc2hw.cli.demo import pipeline
    from ltc2hw.training import ModelOptions, Recipe, TrainingOptions

    recipe = Recipe(ModelOptions(hidden=(6,)), TrainingOptions(updates=2, epochs=2))
    assert not pipeline(load_task("digits-rows"), recipe, ("integer",), tmp_path, Console())
    assert {path.name for path in tmp_path.iterdir()} == {
        "model.h5", "fixed.h5", "report.json", "report.md", "report.html",
    }  # fmt: skip
    report = read(tmp_path / "report.json")
    assert not report["bounds"][0]["met"]
    printed = capsys.readouterr().out
    assert "MISSED" in printed
    assert str(tmp_path / "report.html") in printed
