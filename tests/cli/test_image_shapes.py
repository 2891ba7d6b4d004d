"""Data of another shape than a network's input, though of as many numbers, are refused."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense

SHAPE = (2, 4, 4)


def write(path: Path, *shape: int) -> str:
    """Samples and labels of the shape, the same numbers for all shapes."""
    rng = np.random.default_rng(0)
    x = (rng.random((40, 5, 32)) < 0.3).astype(np.uint8)
    np.savez(path, x=x.reshape(40, 5, *shape), y=np.arange(40) % 3)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A convolutional network over 2 x 4 x 4, its integers, and the same data in three shapes."""
    rng = np.random.default_rng(1)
    conv = Conv(rng.normal(0, 0.5, (3, 2, 2, 2)), SHAPE)
    size = conv.shape[0]
    network = Network(
        (
            Input("input", 32, shape=SHAPE),
            Neurons("conv", size, "lif", {"threshold": 0.3}, shape=conv.targets),
            Neurons("out", 3, "readout"),
        ),
        (
            Projection("input", "spikes", "conv", "current", conv),
            Projection("conv", "spikes", "out", "current", Dense(rng.normal(size=(3, size)))),
        ),
        "out",
    )
    ltc2hw.save(network, tmp_path / "model.h5")
    x = (rng.random((5, 8, 32)) < 0.3).astype(float)
    ltc2hw.save(ltc2hw.quantize(network, "loihi2", x), tmp_path / "fixed.h5")
    write(tmp_path / "same.npz", *SHAPE)
    write(tmp_path / "flat.npz", 32)
    write(tmp_path / "other.npz", 1, 4, 8)
    return tmp_path


VERBS: dict[str, Sequence[str]] = {
    "simulate": ("simulate", "fixed.h5", "--task", "DATA", "--out", "out.h5"),
    "simulate without labels": (
        "simulate", "fixed.h5", "--unlabelled", "DATA", "--layout", "batch-first", "--out",
        "out.h5",
    ),
    "compare": ("compare", "model.h5", "fixed.h5", "--task", "DATA", "--out", "out.json"),
    "quantize": ("quantize", "model.h5", "--target", "loihi2", "--task", "DATA", "--out", "out.h5"),
    "quantize without labels": (
        "quantize", "model.h5", "--target", "loihi2", "--calibration", "DATA", "--layout",
        "batch-first", "--out", "out.h5",
    ),
    "train further": (
        "train", "DATA", "--start", "model.h5", "--epochs", "1", "--out", "out.h5",
    ),
    "learn": ("learn", "fixed.h5", "--task", "DATA", "--out", "out.h5"),
}  # fmt: skip


@pytest.mark.parametrize("verb", VERBS)
def test_both_shapes_are_named_and_nothing_is_written(
    verb: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert main([word.replace("DATA", "other.npz") for word in VERBS[verb]]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "is (1, 4, 8); expected (2, 4, 4), as the network has" in line
    assert "if the 32 numbers are in that order already, give them as one axis" in line
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("data", ["same.npz", "flat.npz"])
@pytest.mark.parametrize("verb", ["simulate", "simulate without labels", "quantize"])
def test_the_same_shape_and_plain_numbers_fit(
    verb: str, data: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    assert main([word.replace("DATA", data) for word in VERBS[verb]]) == 0


def test_test_samples_have_the_shape_of_the_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    assert main(["data", "same.npz", "--test", "other.npz"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "(1, 4, 8); expected (2, 4, 4), as the others of the same data" in line
    assert main(["data", "same.npz", "--test", "flat.npz"]) == 0


def test_a_stated_shape_is_that_of_the_axes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "said.npz"
    np.savez(path, x=np.ones((40, 5, 1, 4, 8)), y=np.arange(40) % 3, shape=np.array(SHAPE))
    assert main(["data", str(path)]) == 2
    assert "is (1, 4, 8); expected (2, 4, 4)" in capsys.readouterr().err
