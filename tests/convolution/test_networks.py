"""Networks of convolutions: shapes, files, and the same numbers as written out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import ShapeError
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv, sum_pool
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray

LTC = {"threshold": 0.2, "tau_mem.bias": 0.5}


def gated_network(seed: int = 0) -> Network:
    """Events of 2x9x8 through two convolutional LTC populations with event gates to a readout."""
    rng = np.random.default_rng(seed)

    def kernel(*shape: int) -> FloatArray:
        return np.asarray(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])))

    image, one, two = (2, 9, 8), (4, 9, 8), (3, 4, 4)
    first = Conv(kernel(4, 2, 3, 3), image, 1, 1)
    own = Conv(kernel(4, 4, 3, 3), one, 1, 1)
    second = Conv(kernel(3, 4, 3, 2), one, 2, ((0, 0), (0, 0)))
    assert second.targets == two
    neurons = [
        Neurons(name, int(np.prod(shape)), "ltc", LTC, shape=shape)
        for name, shape in (("one", one), ("two", two))
    ]
    ends = (
        ("input", "one", "current", first, 0),
        ("input", "one", "tau_mem", first, 0),
        ("one", "one", "tau_adp", own, 1),
        ("one", "two", "current", second, 0),
        ("one", "two", "current", second, 2),
        ("two", "out", "current", Dense(rng.normal(size=(5, 48)) / 4), 0),
    )
    return Network(
        (Input("input", 144, shape=image), *neurons, Neurons("out", 5, "readout")),
        tuple(
            Projection(source, "spikes", target, port, weights, delay)
            for source, target, port, weights, delay in ends
        ),
        "out",
    )


def events(seed: int = 1) -> FloatArray:
    """Spikes of 12 steps, 3 samples."""
    return (np.random.default_rng(seed).random((12, 3, 144)) < 0.2).astype(float)


def test_all_engines_give_the_integers_of_the_expansion() -> None:
    x = events()
    fixed = ltc2hw.quantize(gated_network(), "loihi2", calibration=x)
    written_out = ltc2hw.simulate(without_kernels(fixed), x, engine="integer", record="all")
    assert written_out.spikes["one"].any()
    assert written_out.spikes["two"].any()
    for engine in ("integer", "fast", "torch"):
        trace = ltc2hw.simulate(fixed, x, engine=engine, record="all")
        for name, states in written_out.states.items():
            for variable, values in states.items():
                np.testing.assert_array_equal(trace.states[name][variable], values)
        np.testing.assert_array_equal(trace.outputs, written_out.outputs)


def test_a_file_holds_kernels_and_shapes(tmp_path: Path) -> None:
    network = gated_network()
    fixed = ltc2hw.quantize(network, "loihi2", calibration=events())
    for saved in (network, fixed):
        ltc2hw.save(saved, tmp_path / "net.h5")
        assert ltc2hw.load(tmp_path / "net.h5") == saved
        assert (tmp_path / "net.h5").stat().st_size < 200_000
    assert fixed.population("two").shape == (3, 4, 4)
    assert "one (4x9x8 ltc)" in repr(network)


def test_ends_that_are_no_such_images_are_refused() -> None:
    network = gated_network()
    projection = network.projections[0]
    for shape, name in (((2, 8, 9), "input"), ((), "input")):
        populations = (Input("input", 144, shape=shape), *network.populations[1:])
        with pytest.raises(ShapeError, match=rf"shape of {name}.*\(2, 9, 8\)"):
            replace(network, populations=populations)
    pool = sum_pool((2, 9, 8), 2)
    with pytest.raises(ShapeError, match=r"shape of one is \(4, 9, 8\); expected \(2, 4, 4\)"):
        replace(network, projections=(replace(projection, weights=pool),))
    with pytest.raises(ShapeError, match="shape of a"):
        Neurons("a", 8, "lif", shape=(2, 2, 3))


def test_constants_may_be_given_per_channel() -> None:
    threshold = np.array([0.5, 1.0]).reshape(2, 1, 1)
    neurons = Neurons("a", 12, "lif", {"threshold": threshold}, shape=(2, 2, 3))
    assert neurons.constants["threshold"].tolist() == [0.5] * 6 + [1.0] * 6
    with pytest.raises(ShapeError, match=r"one per channel has the shape \(2, 1, 1\)"):
        Neurons("a", 12, "lif", {"threshold": threshold.ravel()}, shape=(2, 2, 3))
    with pytest.raises(ShapeError, match="needs neurons with a shape of channels"):
        Neurons("a", 12, "lif", {"threshold": threshold})


def test_samples_that_are_images_are_told_to_be_rows() -> None:
    network = gated_network()
    images = np.zeros((3, 2, 2, 9, 8))
    with pytest.raises(ShapeError, match=r"expected \(steps, batch, 144\) .*x\.reshape"):
        ltc2hw.simulate(network, images)
    rows = images.reshape(*images.shape[:2], -1)
    assert ltc2hw.simulate(network, rows).outputs.shape[:2] == (3, 2)
