"""``ltc2hw learn`` on a network that begins with convolutions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.convolution import Conv
from ltc2hw.tasks import load_task
from tests.learning.test_front_end import CHAIN, fixed, small

SAMPLES = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two convolutions and a readout, and events with labels."""
    folder = tmp_path_factory.mktemp("front")
    rng = np.random.default_rng(2)
    ltc2hw.save(fixed(small(*CHAIN)), folder / "fixed.h5")
    x = (rng.random((5, SAMPLES, 50)) < 0.3).astype(np.uint8)
    np.savez(folder / "events.npz", x=x, y=np.arange(SAMPLES) % 3)
    return folder


def learn(folder: Path, out: Path, *arguments: str) -> int:
    data = ["--task", str(folder / "events.npz"), "--out", str(out)]
    return main(["learn", str(folder / "fixed.h5"), *data, *arguments])


@pytest.mark.parametrize("engine", ["fast", "integer"])
def test_what_lies_behind_learns_and_the_kernels_are_told_as_held(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], engine: str
) -> None:
    out, measured = tmp_path / "adapted.h5", tmp_path / "learn.json"
    assert learn(folder, out, "--json", str(measured), "--engine", engine, "--verify", "2") == 0
    told = capsys.readouterr().out
    assert "learns: b.spikes->readout.current" in told
    assert (
        "held: input.spikes->a.current, a.spikes->b.current (a kernel's change is a sum over all"
        " its places, which no synapse knows)"
    ) in told
    network, adapted = ltc2hw.load(folder / "fixed.h5"), ltc2hw.load(out)
    assert isinstance(network, FixedNetwork)
    assert isinstance(adapted, FixedNetwork)
    for old, new in zip(network.projections, adapted.projections, strict=True):
        assert isinstance(old.weights, Conv) == (old == new)
    train = load_task(folder / "events.npz").train
    train = train.take(np.random.default_rng(0).permutation(train.samples))
    words = ltc2hw.PlasticWords(seed=0)
    expected = ltc2hw.learn(network, train.x, train.labels, words=words, engine="integer")
    assert adapted.projections == expected.network.projections
    assert json.loads(measured.read_text("utf-8"))["verification"]["cosine"]["lowest"] > 0.99


@pytest.mark.parametrize("named", ["b", "b:current", "a"])
def test_kernels_that_shall_learn_are_refused_in_one_line(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], named: str
) -> None:
    out = tmp_path / "adapted.h5"
    assert learn(folder, out, "--learns", named) == 2
    error = capsys.readouterr().err
    assert f"plastic port of {named[0]} is current, to which kernels alone lead" in error
    assert "name what lies behind the convolutions" in error
    assert error.count("\n") == 1
    assert not out.exists()
