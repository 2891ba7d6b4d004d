"""``ltc2hw show``: every file of ours is told apart and shown, every other refused in a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.converters import nir
from ltc2hw.files.learning_file import save_learning
from ltc2hw.graph.fixed import FixedNetwork
from tests.cli.networks import TASK, write_pair
from tests.random_networks import random_network


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("networks"))


def shown(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[str, Any]:
    out = tmp_path / "shown.json"
    assert main(["show", str(path), "--json", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out, json.loads(out.read_text(encoding="utf-8"))


def refused(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["show", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


@pytest.mark.parametrize("which", [0, 1])
def test_networks(
    which: int, pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, told = shown(pair[which], tmp_path, capsys)
    network = ltc2hw.load(pair[which])
    assert [row["name"] for row in told["populations"]] == [p.name for p in network.populations]
    titles = ("Populations", "Constants", "Projections")
    for title in (*titles, "Formats", "Resources") if which else titles:
        assert f"\n{title}\n" in text


def test_traces_of_simulate_hold_labels_and_task(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "trace.h5"
    assert main(["simulate", str(pair[1]), "--task", TASK, "--out", str(out), "--quiet"]) == 0
    text, told = shown(out, tmp_path, capsys)
    assert (told["task"], told["engine"]) == (TASK, "fast")
    assert "Spikes" in text
    trace = ltc2hw.files.bundle.load_trace(out)
    for row in told["states"]:
        real = trace.real(row["population"], row["variable"])
        assert row["range"] == {"low": real.min(), "high": real.max()}


def test_states_of_learning(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = ltc2hw.load(pair[1])
    assert isinstance(fixed, FixedNetwork)
    x = np.zeros((3, 2, fixed.input.size))
    targets = np.zeros((2, fixed.population(fixed.output).size))
    rule = ltc2hw.FPTTRule(error="linear")
    learned = ltc2hw.learn(fixed, x, targets, rule, engine="integer")
    save_learning(learned.learning, tmp_path / "state.h5")
    text, told = shown(tmp_path / "state.h5", tmp_path, capsys)
    assert told["updates"] == 6
    assert "Memories" in text


def test_checkpoints_of_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    from ltc2hw.training.checkpoint import Checkpoint, save_checkpoint

    record = {"epoch": 0, "loss": 0.5, "validation": 0.25}
    plan = {"task": {"name": "toy"}, "model": {"hidden": [8, 8]}, "training": {"epochs": 3}}
    path = tmp_path / "run.npz"
    save_checkpoint(Checkpoint(plan, (record,), {"best": np.zeros(7)}), path)
    text, told = shown(path, tmp_path, capsys)
    assert "checkpoint of training on toy after 1 epochs" in text
    assert told["history"] == [{**record, "refused": 0}]
    assert "8, 8" in text
    path.write_bytes(path.read_bytes()[:-30])
    refused(path, capsys)


def test_records_of_verbs(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    arguments = ["compare", str(pair[0]), str(pair[1]), "--task", TASK, "--samples", "3"]
    assert main([*arguments, "--engines", "integer", "--out", str(report), "--quiet"]) == 0
    text, told = shown(report, tmp_path, capsys)
    assert "report of a comparison" in text
    assert "Ladder" in text
    written = json.loads(report.read_text())
    assert told["ladder"] == written["ladder"]
    assert {row["resource"]: row["used"] for row in told["resources"]} == {
        name: used for name, (used, _) in written["utilization"].items()
    }


def test_networks_of_other_tools_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.nir"
    nir.write(random_network(np.random.default_rng(0), model="LIF", hidden=(3,)), path)
    assert "nir" in (line := refused(path, capsys))
    assert "ltc2hw import" in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is not a network, a trace"),
        (b"[1, 2]", "its JSON is no object"),
        (b"\xff\xfe\x00", "it is not a network, a trace"),
        (b"[" * 100_000, "it is not a network, a trace"),
        (b"\x89HDF\r\n\x1a\n" + b"\0" * 600, "not a whole HDF5 file"),
    ],
    ids=["empty", "list", "bytes", "deep", "hdf5"],
)
def test_other_files_are_refused(
    content: bytes, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    assert message in refused(path, capsys)


def test_archives_of_samples_are_told_from_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "data.npz", x=np.zeros((2, 3, 1)), y=np.zeros(3))
    assert "ltc2hw data looks at samples" in refused(tmp_path / "data.npz", capsys)


def test_missing_files_and_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "No such file" in refused(tmp_path / "none.h5", capsys)
    refused(tmp_path, capsys)


def test_an_input_is_not_overwritten(
    pair: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = pair[0].read_bytes()
    assert main(["show", str(pair[0]), "--json", str(pair[0])]) == 2
    assert "which would be lost" in capsys.readouterr().err
    assert pair[0].read_bytes() == before
