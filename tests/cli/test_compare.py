"""``ltc2hw compare``: which engines run on how many samples, and samples of unequal lengths."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.comparison.compare import compare
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, write_pair
from tests.random_networks import random_network


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in write_pair(tmp_path_factory.mktemp("networks"))]


def measured(pair: list[str], folder: Path, *options: str, task: str = TASK) -> Any:
    """What ``compare`` writes."""
    out = folder / "report.json"
    assert main(["compare", *pair, "--task", task, "--quiet", "--out", str(out), *options]) == 0
    return json.loads(out.read_text("utf-8"))


def test_lava_runs_where_it_is_named_only(pair: list[str], tmp_path: Path) -> None:
    report = measured(pair, tmp_path, "--samples", "9", "--no-causes")
    assert report["samples"] == {"float64": 9, "integer": 9, "fast": 9}
    assert report["causes"] == []


def test_engines_with_samples_of_their_own(pair: list[str], tmp_path: Path) -> None:
    pytest.importorskip("torch")
    options = ["--samples", "9", "--engine-samples", "torch=4", "--engine-samples", "integer=5"]
    report = measured(pair, tmp_path, *options, "--cause-samples", "6")
    assert report["samples"] == {"float64": 9, "integer": 5, "fast": 9, "torch": 4}
    assert report["reference"] == "fast"
    assert report["explained_samples"] == 6
    assert report["causes"]
    whole = measured(pair, tmp_path, "--samples", "4", "--no-causes")
    assert report["float_scores"]["torch"] == pytest.approx(whole["scores"]["float64"])


def test_the_table_says_what_stands_beside(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", *pair, "--task", TASK, "--samples", "9", "--no-causes"]
    arguments += ["--engine-samples", "fast=3", "--out", str(tmp_path / "report.md")]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    header = next(line for line in printed.splitlines() if line.startswith("  engine"))
    assert "float64 on these" in header
    assert "samples  0/21" in printed
    assert "samples 21/21" in printed


def test_what_costs_most_is_printed(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    arguments = ["compare", *pair, "--task", TASK, "--samples", "30", "--account-runs", "16"]
    assert main([*arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    account = json.loads(out.read_text("utf-8"))["account"]
    assert 10 < account["evaluations"] <= 16
    start = next(i for i, line in enumerate(printed) if line.startswith("Account: "))
    for line, share in zip(printed[start + 2 :], account["shares"][:5], strict=False):
        assert line.startswith(f"  {share['name']} ")
    assert any(line.startswith("  all together ") for line in printed[start:])
    assert any("ladder and account" in line for line in printed)


def test_where_and_when_the_runs_part_is_told(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    arguments = ["compare", *pair, "--task", TASK, "--samples", "9", "--cause-samples", "3"]
    assert main([*arguments, "--out", str(out)]) == 0
    printed = capsys.readouterr().out.splitlines()
    drift = json.loads(out.read_text("utf-8"))["drift"]
    assert drift["samples"] == 3
    start = next(i for i, line in enumerate(printed) if line.startswith("On the first 3 samples"))
    for line, population in zip(printed[start + 1 :], drift["populations"], strict=False):
        assert line.startswith(f"{population['name']}: ")
    assert any(line.startswith("samples") for line in printed)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--engine-samples", "lava"], "'lava' is not ENGINE=N with N >= 1"),
        (["--engine-samples", "fast=0"], "'fast=0' is not ENGINE=N"),
        (["--engine-samples", "fast=x"], "'fast=x' is not ENGINE=N"),
        (["--engine-samples", "gpu=3"], "engine to compare is 'gpu'"),
        (["--engine-samples", "float64=3"], "engine to compare is 'float64'"),
        (["--cause-samples", "0"], "invalid positive integer"),
        (["--account-runs", "9"], "runs of the account is 9; expected 10 to"),
    ],
)
def test_senseless_numbers_of_samples_are_one_line(
    pair: list[str], tmp_path: Path, options: list[str], told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "report.md"
    arguments = ["compare", *pair, "--task", TASK, "--out", str(out), *options]
    try:
        status: Any = main(arguments)
    except SystemExit as ended:
        status = ended.code
    printed = capsys.readouterr()
    assert status == 2
    assert told in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not out.exists()


def test_a_bound_of_another_kind_is_refused_before_any_work(
    pair: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["compare", *pair, "--task", TASK, "--out", str(tmp_path / "r.md")]
    assert main([*arguments, "--max-accuracy-drop", "1"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "bound on accuracy is 1.0; expected one on mse" in printed.err


def test_samples_of_unequal_lengths_from_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    network = random_network(rng, inputs=2, hidden=(6,), outputs=3)
    lengths = rng.integers(2, 7, 60)
    x = [rng.uniform(-1, 1, (length, 2)) for length in lengths]
    np.savez(tmp_path / "own.npz", x=np.concatenate(x), lengths=lengths, y=rng.integers(0, 3, 60))
    task = load_task(str(tmp_path / "own.npz"))
    assert task.test.lengths is not None
    fixed = ltc2hw.quantize(network, "loihi2", task.train.x, lengths=task.train.lengths)
    ltc2hw.save(network, tmp_path / "model.h5")
    ltc2hw.save(fixed, tmp_path / "fixed.h5")
    files = [str(tmp_path / "model.h5"), str(tmp_path / "fixed.h5")]
    made = ["quantize", files[0], "--target", "loihi2", "--task", str(tmp_path / "own.npz")]
    assert main([*made, "--out", str(tmp_path / "again.h5"), "--quiet"]) == 0
    again = ltc2hw.load(tmp_path / "again.h5")
    assert again.populations == fixed.populations
    assert again.projections == fixed.projections
    found = measured(files, tmp_path, task=str(tmp_path / "own.npz"))
    wanted = compare(
        network, fixed, task.test.x, task.test.labels, decision=task.decision, task=task.name,
        lengths=task.test.lengths,
    )  # fmt: skip
    assert found["scores"] == dict(wanted.scores)
    assert found["exact"]["fast"] == {
        "compared": wanted.exact["fast"].compared, "mismatches": 0, "first": None,
    }  # fmt: skip
    arguments = ["simulate", files[1], "--task", str(tmp_path / "own.npz"), "--quiet"]
    arguments += ["--out", str(tmp_path / "trace.h5"), "--json", str(tmp_path / "trace.json")]
    assert main(arguments) == 0
    told = json.loads((tmp_path / "trace.json").read_text("utf-8"))
    assert told["accuracy"] == wanted.scores["fast"]
    assert os.path.exists(tmp_path / "trace.h5")
