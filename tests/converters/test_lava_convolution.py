"""Convolutions as Lava's own ``Conv``: the integers of ``integer``, every state, every step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from benchmarks.networks import lif
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.convolution import Conv, sum_pool
from ltc2hw.numbers.words import FloatArray, Word
from tests.converters.test_lava_export import run_alone
from tests.convolution.random_conv_networks import (
    conv_samples,
    random_conv,
    random_fixed_conv_network,
)
from tests.simulations.traces import assert_same_state

pytest.importorskip("lava.magma", reason="the lava extra is not installed")

from lava.proc.conv import utils
from lava.proc.conv.process import Conv as LavaConv
from lava.proc.sparse.process import DelaySparse, Sparse

from ltc2hw.converters.lava import build, export, inprocess
from ltc2hw.converters.lava.convolution import in_lavas_order

SEEDS = st.integers(0, 2**32 - 1)


def assert_same_integers(found: Trace, expected: Trace) -> None:
    """Equal but for the counts of what did not fit, which Lava's own LIF does not keep."""
    assert found.recorded().keys() == expected.recorded().keys()
    for place, values in expected.recorded().items():
        np.testing.assert_array_equal(found.recorded()[place], values, err_msg=".".join(place))
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert_same_state(found.state, expected.state)


@settings(max_examples=60)
@given(seed=SEEDS, dimensions=st.sampled_from([1, 2]))
def test_lavas_own_function_adds_up_the_same(seed: int, dimensions: int) -> None:
    """Against ``lava.proc.conv.utils.conv``, which nobody here wrote."""
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 7)), *map(int, rng.integers(1, 9, dimensions)))
    real = random_conv(rng, shape, strides=3)
    conv = real.with_values(rng.integers(-128, 128, real.values.size))
    image = rng.integers(-1000, 1000, shape)
    form = in_lavas_order(conv, 3)
    width, height, _ = form.input_shape
    seen = image.reshape(shape[0], height, width).transpose()
    found = utils.conv(
        seen, form.weight, form.weight.shape[1:3], form.stride, form.padding, form.dilation,
        form.groups,
    )  # fmt: skip
    expected = conv.apply(image.reshape(1, -1))[0] << 3
    assert np.array_equal(found.transpose().ravel(), expected)


@settings(max_examples=25)
@given(seed=SEEDS, extreme=st.booleans())
def test_random_networks_give_the_integers_of_integer(seed: int, extreme: bool) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_conv_network(rng, extreme=extreme)
    x = conv_samples(rng, network, 7, 2, loudest=2.0)
    expected = ltc2hw.simulate(network, x, "integer", "all")
    assert_same_integers(inprocess.simulate(network, x, "all"), expected)


def many_convolutions(seed: int = 0) -> FixedNetwork:
    """Every kind of convolution at once, to several ports, with delays, spikes and graded."""
    rng = np.random.default_rng(seed)

    def conv(outputs: int, sources: tuple[int, ...], *width: int, **options: object) -> Conv:
        groups = options.get("groups", 1)
        assert isinstance(groups, int)
        shape = (outputs, sources[0] // groups, *width)
        kernel = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:]))
        return Conv(kernel, sources, **options)  # type: ignore[arg-type]

    image, two = (4, 7, 6), (6, 4, 3)
    uneven = conv(6, image, 3, 2, stride=2, padding=((2, 0), (0, 1)))
    split = conv(6, image, 2, 3, stride=2, padding=1, dilation=(2, 1), groups=2)
    same = conv(6, two, 3, 3, padding=1, groups=3)
    assert uneven.targets == split.targets == same.targets == two
    ends = [
        ("input", "value", "one", "current", uneven, 0),
        ("input", "value", "one", "current", split, 3),
        ("input", "value", "one", "tau_adp", split, 1),
        ("one", "current", "one", "tau_mem", same, 0),
        ("one", "spikes", "one", "tau_adp", same, 2),
        ("one", "spikes", "two", "current", same, 0),
        ("one", "membrane", "two", "current", same, 1),
        ("two", "spikes", "one", "current", same, 1),
        ("two", "spikes", "pool", "current", sum_pool(two, (2, 3)), 0),
    ]
    hidden = {"threshold": 0.2, "tau_mem.bias": 0.5}
    return ltc2hw.quantize(
        Network(
            (
                Input("input", 168, graded=True, shape=image),
                Neurons("one", 72, "ltc", hidden, shape=two),
                Neurons("two", 72, "lif", {"threshold": 0.5}, shape=two),
                Neurons("pool", 12, "readout", shape=(6, 2, 1)),
            ),
            tuple(Projection(*end) for end in ends),
            "pool",
        ),
        "loihi2",
        calibration=samples(),
    )


def samples() -> FloatArray:
    """Graded ones for :func:`many_convolutions`."""
    return np.random.default_rng(9).normal(size=(12, 2, 168))


def test_lavas_runtime_gives_every_integer() -> None:
    network = many_convolutions()
    built = build(network)
    kinds = [[type(process) for process in chain] for chain in built.connections]
    assert all(chain[-1] is LavaConv for chain in kinds)
    assert {len(chain) for chain in kinds} == {1, 2}
    expected = ltc2hw.simulate(network, samples(), "integer", "all")
    assert expected.spikes["one"].any()
    assert expected.spikes["two"].any()
    assert_same_integers(inprocess.simulate(network, samples(), "all"), expected)
    first = ltc2hw.simulate(network, samples()[:5], "lava", "all")
    second = ltc2hw.simulate(network, samples()[5:], "lava", "all", state=first.state)
    for part, steps in ((first, slice(0, 5)), (second, slice(5, 12))):
        for place, values in expected.recorded().items():
            assert np.array_equal(part.recorded()[place], values[steps]), place


def row_of_events() -> FixedNetwork:
    """Rows of spikes through kernels of one dimension, one as long as sizes in 8 bits are not."""
    rng = np.random.default_rng(3)
    first = Conv(rng.normal(size=(3, 2, 5)), (2, 140), 2, ((3, 0),), 2)
    long = Conv(rng.normal(size=(2, 3, 130)) / 20, first.targets, 1, 65)
    populations = (
        Input("input", 280, shape=(2, 140)),
        Neurons("one", first.shape[0], "lif", {"threshold": 1.0}, shape=first.targets),
        Neurons("two", long.shape[0], "lif", {"threshold": 1.0}, shape=long.targets),
    )
    projections = (
        Projection("input", "spikes", "one", "current", first, 1),
        Projection("one", "spikes", "two", "current", long),
    )
    x = (rng.random((4, 2, 280)) < 0.3).astype(float)
    return ltc2hw.quantize(Network(populations, projections, "two"), "loihi2", calibration=x)


def test_a_folder_runs_convolutions_of_any_size_without_ltc2hw(tmp_path: Path) -> None:
    network = row_of_events()
    x = conv_samples(np.random.default_rng(5), network, 6, 2)
    assert ltc2hw.simulate(network, x, "integer").spikes["two"].any()
    folder = tmp_path / "net"
    assert export(network, folder, samples=x) == ()
    # The kernels, and not what they are written out.
    assert (folder / "arrays.npz").stat().st_size < 40_000
    done = run_alone(folder)
    assert done.stdout == "all integers as promised\n", done.stderr


def test_what_lavas_conv_would_wrap_is_written_out() -> None:
    """Sums beyond 24 bits, which the register of 32 bits that Lava's Sparse has still holds."""
    network = many_convolutions()
    loud = replace(network.projections[0], exponent=network.projections[0].exponent + 9)
    strained = replace(network, projections=(loud, *network.projections[1:]), target="ideal")
    kinds = [type(chain[-1]) for chain in build(strained).connections]
    assert kinds[0] is Sparse
    assert set(kinds[1:]) == {LavaConv}
    expected = ltc2hw.simulate(strained, samples(), "integer", "all")
    assert_same_integers(inprocess.simulate(strained, samples(), "all"), expected)


def test_what_can_neither_wrap_nor_be_written_out_is_named() -> None:
    image = (16, 96, 96)
    kernel = np.full((16, 16, 3, 3), 100)
    size = int(np.prod(image))
    one = FixedProjection("input", "spikes", "a", "current", Conv(kernel, image, 1, 1), 8, 7, 6)
    given = FixedInput("input", size, False, Word(1, signed=False), 0, image)
    network = FixedNetwork((given, lif("a", size, 100, shape=image)), (one,), "a", "ideal")
    assert type(build(network).connections[0][0]) is LavaConv
    loud = replace(network, projections=(replace(one, exponent=10),))
    with pytest.raises(UnsupportedError, match=r"input\.spikes->a\.current.* beyond 24 bits"):
        build(loud)


def test_a_convolution_waits_behind_a_connection_that_changes_nothing() -> None:
    network = many_convolutions()
    built = build(network)
    for delay, chain in zip(built.schedule.delays, built.connections, strict=True):
        assert len(chain) == 1 + (delay > 0)
        if delay:
            assert type(chain[0]) is (DelaySparse if delay > 1 else Sparse)
    assert max(built.schedule.delays) > 1


def test_no_exponent_is_too_small_for_lavas_conv() -> None:
    network = many_convolutions()
    projections = tuple(replace(p, exponent=0) for p in network.projections)
    quiet = replace(network, projections=projections)
    expected = ltc2hw.simulate(quiet, samples(), "integer", "all")
    assert_same_integers(inprocess.simulate(quiet, samples(), "all"), expected)


def test_dilation_is_written_out_only_where_the_sides_differ() -> None:
    kernel = np.arange(1, 4).reshape(1, 1, 3)
    even = in_lavas_order(Conv(kernel, (1, 9), padding=2, dilation=2))
    assert (even.weight.shape, even.dilation) == ((1, 3, 1, 1), (2, 1))
    uneven = in_lavas_order(Conv(kernel, (1, 9), padding=((1, 2),), dilation=2))
    assert uneven.weight.ravel().tolist() == [3, 0, 2, 0, 1, 0]
    assert (uneven.dilation, uneven.padding) == ((1, 1), (2, 0))
