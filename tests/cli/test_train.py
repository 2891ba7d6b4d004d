"""``ltc2hw train`` and ``demo``: options without meaning end in one line, before any file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.dynamics import find_model
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.tasks import load_task

SEED = str(2**64)

CASES = {
    "a layer beyond memory": (["--hidden", "1000000000"], "parameters of a cell is 3000"),
    "a layer beyond many machines": (["--hidden", "9" * 18], "expected at most 67108864"),
    "a layer beyond all memory": (
        ["--hidden", "9" * 40],
        "argument --hidden: " + "9" * 40 + " is too large",
    ),
    "a seed of twenty digits": (["--seed", SEED], f"argument --seed: {SEED} is too large"),
    "threads": (["--threads", "100000000"], "threads is 100000000; expected an integer from 1 to"),
    "many epochs": (["--epochs", "1" + 12 * "0"], "epochs is 1000000000000; expected"),
    "epochs": (["--epochs", "1" + 30 * "0"], "argument --epochs: 1" + 30 * "0" + " is too large"),
    "a constant without a number": (["--constant", "x"], "--constant: 'x' is not NAME=VALUE"),
    "a constant from high to low": (
        ["--neuron", "brf", "--constant", "omega=50..15"],
        "--constant: 'omega=50..15' is not NAME=VALUE with a finite number, nor NAME=LOW..HIGH",
    ),
    "a constant without an end": (
        ["--neuron", "brf", "--constant", "omega=15.."],
        "--constant: 'omega=15..' is not NAME=VALUE with a finite number, nor NAME=LOW..HIGH",
    ),
    "a constant twice": (
        ["--neuron", "alif", "--constant", "jump=1", "--constant", "jump=1..2"],
        "--constant jump is given twice",
    ),
    "a fixed constant of nobody": (
        ["--neuron", "brf", "--fixed", "nothing"],
        "constant of model brf is 'nothing'",
    ),
    "a fixed constant of the LTC": (["--fixed", "threshold"], "fixed is ('threshold',)"),
    "a constant of nobody": (
        ["--neuron", "adlif", "--constant", "nothing=1"],
        "constant of model adlif is 'nothing'",
    ),
    "a gate of a neuron without": (["--neuron", "lif", "--gate", "dense"], "gate is dense"),
    "a neuron of nobody": (["--neuron", "alien"], "neuron is 'alien'; expected one of ltc"),
    "weights too wide": (["--weight-bits", "1000"], "weight_bits is 1000; expected"),
    "weights too narrow": (["--weight-bits", "1"], "weight_bits is 1; expected"),
    "weights in words": (
        ["--weight-bits", "binary"],
        "argument --weight-bits: invalid width (bits from 1",
    ),
    "a target without rounding": (["--target", "loihi2"], "--target is loihi2; expected none"),
    "samples without rounding": (["--samples", "8"], "--samples is 8; expected none without"),
    "widths without rounding": (["--bits", "input=8"], "--bits is input=8; expected none without"),
    "fine states without rounding": (["--fine-states"], "--fine-states is given; expected none"),
    "a target of nobody": (["--round", "all", "--target", "moon"], "target is 'moon'; expected"),
    "a width of nobody": (["--round", "all", "--bits", "nobody=8"], "nobody"),
    "a width twice": (["--round", "all", "--bits", "input=8", "--bits", "input=7"], "given twice"),
    "weights beyond the chip": (["--round", "all", "--weight-bits", "12"], "12"),
    "a GPU": (["--round", "all", "--device", "cuda"], "rounding of everything"),
}


ROUNDED = ["--weight-bits", "2", "--round", "all", "--target", "loihi2"]


def test_all_rounding_is_one_command_and_what_is_told_are_the_integers(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    first, second = tmp_path / "first.h5", tmp_path / "second.h5"
    common = ["train", "digits-rows", "--epochs", "1", "--batch-size", "256"]
    measured = tmp_path / "m.json"
    assert status([*common, "--hidden", "6", *ROUNDED, "--out", str(first)]) == 0
    told = ["--json", str(measured), "--samples", "100"]
    assert status([*common, *ROUNDED, "--start", str(first), "--out", str(second), *told]) == 0
    task = load_task("digits-rows")
    options = QuantizeOptions(weight_bits=2)
    network = ltc2hw.load(second)
    assert isinstance(network, Network)
    fixed = ltc2hw.quantize(network, "loihi2", task.train.x[:, :100], options)
    trace = ltc2hw.simulate(fixed, task.test.x, engine="integer")
    right = task.judge(trace.outputs.astype(float), task.test.labels, None)
    record = json.loads(measured.read_text())
    assert record["accuracy"]["test"] == np.mean(right)
    assert record["training"]["rounding"] == "all"
    # A network that was trained learns further at a fifth of the task's own rate.
    assert record["training"]["learning_rate"] == pytest.approx(0.2 * 5e-3)


def status(arguments: list[str]) -> object:
    """What the process would end with; a parser ends it at once."""
    try:
        return main(arguments)
    except SystemExit as ended:
        return ended.code


@pytest.mark.parametrize("case", CASES)
def test_senseless_options_are_one_line(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    options, message = CASES[case]
    assert status(["train", "add-6", "--out", str(tmp_path / "out.h5"), *options]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("ltc2hw train: error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert list(tmp_path.iterdir()) == []


def test_another_neuron_trains_and_becomes_integers(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out, fixed = tmp_path / "out.h5", tmp_path / "fixed.h5"
    options = ["--neuron", "adlif", "--constant", "threshold=0.2..0.4", "--fixed", "threshold"]
    small = ["--hidden", "9", "--epochs", "1"]
    assert main(["train", "add-4", "--quiet", "--out", str(out), *options, *small]) == 0
    network = ltc2hw.load(out)
    assert isinstance(network, Network)
    hidden = network.population("hidden")
    assert isinstance(hidden, Neurons)
    assert hidden.model == find_model("adlif")
    threshold = hidden.constants["threshold"]
    assert len(set(threshold.tolist())) == 9
    assert np.all((threshold >= 0.2) & (threshold <= 0.4))
    task = ["--target", "loihi2", "--task", "add-4", "--out", str(fixed)]
    assert main(["quantize", str(out), "--quiet", *task]) == 0
    assert isinstance(ltc2hw.load(fixed), FixedNetwork)


def test_the_largest_seed_trains(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    out = tmp_path / "out.h5"
    options = ["--hidden", "2", "--epochs", "1", "--seed", str(2**64 - 1)]
    assert main(["train", "add-2", "--quiet", "--out", str(out), *options]) == 0
    assert out.exists()


def test_a_demo_without_meaning_leaves_no_folder(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("torch", "sklearn"):
        pytest.importorskip(package)
    assert status(["demo", "--out", str(tmp_path / "folder"), "--seed", SEED]) == 2
    assert f"--seed: {SEED} is too large" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
