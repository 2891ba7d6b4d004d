"""``ltc2hw check``: verdicts of the library, an exit status for continuous integration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.converters import nir
from ltc2hw.graph.network import Network
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, write_pair
from tests.random_networks import random_network


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_pair(tmp_path_factory.mktemp("networks"))


def checked(
    *arguments: str | Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str, Any]:
    out = tmp_path / "check.json"
    status = main(["check", *map(str, arguments), "--json", str(out)])
    captured = capsys.readouterr()
    assert captured.err == ""
    return status, captured.out, json.loads(out.read_text(encoding="utf-8"))


def test_it_says_what_the_library_says(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (pair[0], "--target", "loihi2", "--task", TASK)
    status, text, told = checked(*arguments, tmp_path=tmp_path, capsys=capsys)
    network = ltc2hw.load(pair[0])
    assert isinstance(network, Network)
    wanted = ltc2hw.check(network, "loihi2", load_task(TASK).train.x)
    assert told == json.loads(json.dumps(wanted.to_dict()))
    assert status == 0
    assert "can be converted for loihi2" in text


def test_what_is_not_calibrated_is_named_and_is_no_success(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (pair[0], "--target", "loihi2")
    status, text, told = checked(*arguments, tmp_path=tmp_path, capsys=capsys)
    assert status == 1
    needing = [part["name"] for part in told["parts"] if part["answer"] == "needs calibration"]
    assert needing == ["input"]
    assert "--task or --calibration" in text


def test_broken_rules_are_listed_with_their_remedies(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text, told = checked(pair[0], "--target", "loihi1", tmp_path=tmp_path, capsys=capsys)
    assert status == 1
    assert not told["convertible"]
    assert "graded-input" in text
    assert "encode the samples as spikes" in text


def test_an_integer_network_is_judged_by_the_rules(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, _, told = checked(pair[1], "--target", "loihi2", tmp_path=tmp_path, capsys=capsys)
    assert status == 0
    assert {part["answer"] for part in told["parts"]} == {"exact"}


def test_calibration_from_a_file_of_samples(
    pair: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "x.npz", x=load_task(TASK).train.x)
    arguments = (pair[0], "--target", "loihi2", "--calibration", tmp_path / "x.npz")
    status, _, told = checked(
        *arguments, "--layout", "time-first", tmp_path=tmp_path, capsys=capsys
    )
    assert status == 0
    network = ltc2hw.load(pair[0])
    assert told == ltc2hw.check(network, "loihi2", load_task(TASK).train.x).to_dict()


def test_a_graph_of_another_tool_is_read_as_import_would(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "net.nir"
    network = random_network(np.random.default_rng(0), model="LIF", hidden=(3,), graded=False)
    nir.write(network, path)
    status, text, told = checked(path, "--target", "loihi2", tmp_path=tmp_path, capsys=capsys)
    assert status == 1
    needing = [part["name"] for part in told["parts"] if part["answer"] == "needs calibration"]
    assert "hidden0" in needing
    assert text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--target", "loihi3"], "target is 'loihi3'; expected one of"),
        (["--target", "loihi2", "--allow", "all"], "limit to allow is 'all'"),
        (["--target", "loihi2", "--task", "nothing"], "nothing"),
        (["--target", "loihi2", "--weight-bits", "0"], "--weight-bits"),
        (["--target", "loihi2", "--task", "digits-rows"], "number of inputs"),
    ],
)
def test_wrong_calls_are_one_line(
    arguments: list[str],
    message: str,
    pair: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    try:
        status = main(["check", str(pair[0]), *arguments])
    except SystemExit as error:
        status = int(str(error.code))
    captured = capsys.readouterr()
    assert status == 2
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert message in captured.err
