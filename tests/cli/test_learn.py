"""``ltc2hw learn``: adapts as the library does, reports, refuses."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.fixed import FixedNetwork
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, write_pair

SAMPLES = 12


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("networks"))[1]


def learn(fixed: Path, out: Path, *arguments: str) -> int:
    common = ["learn", str(fixed), "--task", TASK, "--out", str(out), "--engine", "integer"]
    return main([*common, "--samples", str(SAMPLES), *arguments])


def test_learn_writes_what_the_library_learns(
    fixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, measured = tmp_path / "adapted.h5", tmp_path / "learn.json"
    assert learn(fixed, out, "--json", str(measured), "--seed", "3", "--passes", "2") == 0
    network, adapted = ltc2hw.load(fixed), ltc2hw.load(out)
    assert isinstance(network, FixedNetwork)
    assert isinstance(adapted, FixedNetwork)
    train = load_task(TASK).train
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(train.samples)[:SAMPLES] for _ in range(2)])
    rule, words = ltc2hw.FPTTRule(error="linear"), ltc2hw.PlasticWords(seed=3)
    targets = train.labels[order].reshape(-1, 1)
    expected = ltc2hw.learn(network, train.x[:, order], targets, rule, words, "integer").network
    assert adapted.projections == expected.projections
    assert adapted.populations == expected.populations
    found = json.loads(measured.read_text("utf-8"))
    assert found["samples"] == 2 * SAMPLES
    assert found["updates"] == 2 * SAMPLES * 8
    assert found["curve"][-1]["samples"] == 2 * SAMPLES
    assert len(found["verification"]["per_step"]) == 5 * 8
    assert found["verification"]["cosine"]["lowest"] > 0.99
    assert found["memory"]["bytes_per_synapse"] == 6
    assert {"before", "after"} == set(found["mse"])
    assert "cosine" in capsys.readouterr().out


def test_only_what_is_named_learns(fixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapted.h5"
    rates = ["--learning-rate", "2^-1", "--rounding", "nearest", "--verify", "0", "--quiet"]
    assert learn(fixed, out, "--learns", "readout:current", *rates) == 0
    before, after = ltc2hw.load(fixed), ltc2hw.load(out)
    assert isinstance(before, FixedNetwork)
    assert isinstance(after, FixedNetwork)
    for old, new in zip(before.projections, after.projections, strict=True):
        assert (old == new) == (old.target != "readout")


def test_a_missed_bound_is_status_1_and_the_network_is_kept(fixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapted.h5"
    assert learn(fixed, out, "--min-cosine", "1.5", "--verify", "1", "--quiet") == 1
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "0.01"], "learning_rate of an integer rule is 0.01"),
        (["--learning-rate", "3^-1"], "--learning-rate: invalid rate like 2^-6 value: '3^-1'"),
        (["--value-bits", "4"], "expected at least the 8 bits of the weight"),
        (["--mean-bits", "80"], "plastic word mean is 80"),
        (["--learns", "input"], "plastic path to input is absent"),
        (["--learns", "nowhere"], "population is 'nowhere'"),
        (["--learns", "readout:tau_adp"], "plastic port"),
        (["--min-cosine", "0.9", "--verify", "0"], "samples to verify is 0"),
        (["--passes", "0"], "--passes: invalid positive integer"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    fixed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    out = tmp_path / "adapted.h5"
    try:
        status = learn(fixed, out, *arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    error = capsys.readouterr().err
    assert status == 2
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()
