"""Constants of images are kept once per channel where that loses nothing; little unfolds."""

from __future__ import annotations

import tracemalloc
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.hdf5 import read_tree, write_tree
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers import capacity
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray

SHAPE = (3, 20, 30)


def network(constants: Mapping[str, FloatArray] | None = None) -> Network:
    neurons = Neurons("a", 1800, "ltc", constants, shape=SHAPE)
    link = Projection("x", "spikes", "a", "current", Conv(np.ones((3, 1, 1, 1)), (1, 20, 30)))
    return Network((Input("x", 600, shape=(1, 20, 30)), neurons), (link,), "a")


def test_constants_that_are_equal_within_channels_are_kept_once(tmp_path: Path) -> None:
    path, rng = tmp_path / "net.h5", np.random.default_rng(0)
    each, signs = rng.random(1800), np.zeros(1800)
    signs[7] = -0.0
    threshold = rng.random((3, 1, 1))
    given = network({"threshold": threshold, "tau_mem.bias": each, "tau_adp.bias": signs})
    x = (rng.random((6, 2, 600)) < 0.3).astype(float)
    for saved in (given, ltc2hw.quantize(given, "loihi2", x)):
        ltc2hw.save(saved, path)
        assert ltc2hw.load(path) == saved
        with h5py.File(path) as file:
            constants = file["content/populations/1/constants"]
            assert constants["threshold"].shape == (3, 1, 1)
            assert constants["tau_mem.bias"].shape == (1800,)
            assert constants["adaptation_strength"].shape == (3, 1, 1)
    ltc2hw.save(given, path)
    loaded = ltc2hw.load(path)
    assert isinstance(loaded, Network)
    neurons = loaded.population("a")
    assert isinstance(neurons, Neurons)
    assert np.signbit(neurons.constants["tau_adp.bias"]).tolist() == np.signbit(signs).tolist()


def test_rows_and_populations_that_are_no_images_are_kept_as_before(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    neurons = Neurons("a", 6, "lif", {"current_decay": 1.0}, shape=(2, 3))
    link = Projection("x", "spikes", "a", "current", Conv(np.ones((2, 1, 1)), (1, 3)))
    rows = Network((Input("x", 3, shape=(1, 3)), neurons), (link,), "a")
    ltc2hw.save(rows, path)
    assert ltc2hw.load(path) == rows
    with h5py.File(path) as file:
        assert file["content/populations/1/constants/threshold"].shape == (2, 1)


def test_what_a_file_unfolds_to_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.h5"
    ltc2hw.save(network(), path)
    tree: Any = read_tree(path)
    population = tree["content"]["populations"]["1"]
    population["size"] = 3 << 22
    population["shape"] = np.array([3, 1 << 11, 1 << 11])
    write_tree(path, tree)
    tracemalloc.start()
    try:
        with pytest.raises(DamagedFileError, match="constants of all neurons is 113246208 numbers"):
            ltc2hw.load(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20
    # What would unfold to more than that is kept as it is, so that it opens.
    monkeypatch.setattr("ltc2hw.files.channels.MAXIMUM_NUMBERS", 10_000)
    monkeypatch.setattr(capacity, "MAXIMUM_NUMBERS", 10_000)
    ltc2hw.save(network(), path)
    assert ltc2hw.load(path) == network()
    with h5py.File(path) as file:
        assert file["content/populations/1/constants/threshold"].shape == (1800,)
