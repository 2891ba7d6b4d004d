"""Convolutions and pooling of Norse: one kernel here, nn.Conv2d there, the same spikes."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
snn = pytest.importorskip("norse.torch", reason="the norse extra is not installed")

from torch import nn  # noqa: E402

import ltc2hw  # noqa: E402
from ltc2hw.converters import norse  # noqa: E402
from ltc2hw.errors import ShapeError, UnsupportedError  # noqa: E402
from ltc2hw.graph.expansion import without_kernels  # noqa: E402
from ltc2hw.graph.network import Input, Network, Projection  # noqa: E402
from ltc2hw.graph.neurons import Neurons  # noqa: E402
from ltc2hw.numbers.convolution import Conv, sum_pool  # noqa: E402
from ltc2hw.numbers.weights import Sparse  # noqa: E402
from tests.converters.test_products import random_convolution  # noqa: E402

STEPS, BATCH = 30, 2

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


def images(seed: int = 0) -> Any:
    """Convolution with batch norm, uneven padding, pooling before and behind, one dimension."""
    torch.manual_seed(seed)
    norm: Any = nn.BatchNorm2d(6)
    with torch.no_grad():
        norm.running_mean.normal_(0, 0.1)
        norm.running_var.uniform_(0.5, 2.0)
        norm.weight.uniform_(0.5, 2.0)
        norm.bias.normal_(0, 0.1)
    layers = nn.Sequential(nn.Conv2d(2, 6, 3, padding="same", bias=True), norm, nn.Dropout2d())
    behind = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(6, 4, 2, padding=1, stride=2))
    return snn.SequentialState(
        snn.Lift(layers),
        snn.LIF(snn.LIFParameters(v_th=torch.tensor(0.3))),
        snn.Lift(behind),
        snn.LIF(snn.LIFParameters(v_th=torch.tensor(0.1))),
        snn.Lift(nn.Sequential(nn.Flatten(2), nn.Conv1d(4, 3, 4, padding="same"), nn.AvgPool1d(3))),
        snn.LIF(snn.LIFParameters(v_th=torch.tensor(0.02))),
        nn.Flatten(2),
        snn.Lift(nn.Linear(9, 2)),
        snn.LI(),
    ).double().eval()  # fmt: skip


def test_layers_are_kernels_and_answer_as_norse_does() -> None:
    module = images()
    network = norse.from_module(module, input_shape=(2, 8, 10))
    kernels = [p.weights for p in network.projections if isinstance(p.weights, Conv)]
    assert [k.kernel.shape for k in kernels] == [(6, 2, 3, 3), (4, 6, 4, 4)]
    # An image that is read as a row has no kernel for that: a population has one shape.
    rows = [p.weights for p in network.projections if isinstance(p.weights, Sparse)]
    assert (9, 36) in [weights.shape for weights in rows]
    shapes = {p.name: p.shape for p in network.populations}
    assert (2, 8, 10) in shapes.values()
    assert {(6, 8, 10), (4, 3, 3), (3, 3)} <= set(shapes.values())
    x = (np.random.default_rng(0).random((STEPS, BATCH, 2, 8, 10)) < 0.4).astype(float)
    with torch.no_grad():
        expected, _ = module(torch.tensor(x))
    trace = ltc2hw.simulate(network, x.reshape(STEPS, BATCH, -1), record="all")
    assert all(s.any() for name, s in trace.spikes.items())
    np.testing.assert_allclose(trace.outputs, expected.numpy(), atol=1e-6)


def test_what_would_be_too_large_written_out_comes_in_and_goes_out() -> None:
    torch.manual_seed(1)
    module = snn.SequentialState(
        snn.Lift(nn.Conv2d(2, 32, 5, padding=2, stride=2)), snn.LIF(),
        snn.Lift(nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(32, 32, 5, padding=2))), snn.LIF(),
    ).double().eval()  # fmt: skip
    tracemalloc.start()
    try:
        network = norse.from_module(module, input_shape=(2, 64, 64))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(p.weights.synapses for p in network.projections) > 20_000_000
    assert peak < 40 << 20
    written, _ = norse.to_module(network)
    again = norse.from_module(written)
    found = [p.weights for p in again.projections if isinstance(p.weights, Conv)]
    kept = [p.weights for p in network.projections if isinstance(p.weights, Conv)]
    for a, b in zip(found, kept, strict=True):
        np.testing.assert_allclose(a.kernel, b.kernel, rtol=1e-12)
        assert (a.sources, a.stride, a.padding) == (b.sources, b.stride, b.padding)


@pytest.mark.parametrize("seed", range(12))
def test_any_convolution_goes_out_as_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = random_convolution(rng, ((3, 17), (2, 9, 10))[seed % 2])
    second = random_convolution(rng, first.targets)
    decays = {"current_decay": 0.5, "membrane_decay": 0.3, "threshold": 0.1}
    populations = (
        Input("input", first.shape[1], shape=first.sources),
        Neurons("a", first.shape[0], "lif", decays, shape=first.targets),
        Neurons("b", second.shape[0], "lif", decays, shape=second.targets),
    )
    links = (
        Projection("input", "spikes", "a", "current", first),
        Projection("a", "spikes", "b", "current", second),
    )
    network = Network(populations, links, "b")
    module, changes = norse.to_module(network)
    assert changes == ()
    kinds = (nn.Conv1d, nn.Conv2d)
    assert sum(isinstance(part, kinds) for part in module.modules()) == 2
    assert not any(isinstance(part, nn.Linear) for part in module.modules())
    x = (rng.random((STEPS, BATCH, first.shape[1])) < 0.4).astype(float)
    with torch.no_grad():
        spikes, _ = module(torch.tensor(x))
    expected = ltc2hw.simulate(network, x).outputs
    assert np.array_equal(spikes.numpy(), expected)
    assert np.array_equal(ltc2hw.simulate(norse.from_module(module), x).outputs, expected)
    plain = ltc2hw.simulate(without_kernels(network), x)
    assert np.array_equal(plain.outputs, expected)


def test_a_recurrent_convolution_is_a_matrix() -> None:
    rng = np.random.default_rng(0)
    image = (2, 5, 5)
    first = Conv(rng.normal(size=(2, 1, 3, 3)), (1, 5, 5), 1, 1)
    own = Conv(rng.normal(size=(2, 2, 3, 3)) / 4, image, 1, 1)
    decays = {"current_decay": 0.5, "membrane_decay": 0.3, "threshold": 0.2}
    network = Network(
        (Input("input", 25, shape=(1, 5, 5)), Neurons("a", 50, "lif", decays, shape=image)),
        (
            Projection("input", "spikes", "a", "current", first),
            Projection("a", "spikes", "a", "current", own, 1),
        ),
        "a",
    )
    module, _ = norse.to_module(network)
    x = (rng.random((STEPS, BATCH, 25)) < 0.4).astype(float)
    with torch.no_grad():
        spikes, _ = module(torch.tensor(x))
    assert np.array_equal(spikes.numpy(), ltc2hw.simulate(network, x).outputs)


def test_constants_that_differ_within_a_channel_are_written_out() -> None:
    """A convolution has one factor and one bias per channel, Norse scales by the leak."""
    rng = np.random.default_rng(0)
    pool = sum_pool((2, 4, 4), 2)
    constants: Any = {
        "current_decay": 1.0,
        "membrane_decay": rng.uniform(0.2, 0.9, 8),
        "threshold": 0.5,
    }
    network = Network(
        (Input("input", 32, shape=pool.sources), Neurons("a", 8, "lif", constants)),
        (Projection("input", "spikes", "a", "current", pool.to_sparse()),),
        "a",
    )
    x = (rng.random((STEPS, BATCH, 32)) < 0.4).astype(float)
    kernel = Projection("input", "spikes", "a", "current", pool)
    image = Neurons("a", 8, "lif", constants, shape=pool.targets)
    for given in (network, Network((network.input, image), (kernel,), "a")):
        module, _ = norse.to_module(given)
        assert any(isinstance(part, nn.Linear) for part in module.modules())
        with torch.no_grad():
            spikes, _ = module(torch.tensor(x))
        assert np.array_equal(spikes.numpy(), ltc2hw.simulate(given, x).outputs)


def test_what_does_not_fit_is_named() -> None:
    misplaced: tuple[tuple[nn.Module, Any, str], ...] = (
        (nn.Conv2d(2, 3, 3), (2, 9), "Conv2d.*channels, height, width"),
        (nn.Conv1d(2, 3, 3), (2, 9, 9), "Conv1d.*channels, length"),
        (nn.AvgPool1d(2), (2, 9, 9), "AvgPool1d.*channels, length"),
        (nn.Conv2d(2, 3, 3), (4, 9, 9), "input channels of a kernel"),
        (nn.Conv2d(2, 3, 3), (2, 2, 9), "fits in"),
        (nn.Unflatten(2, (2, 3)), 7, "Unflatten.*7 numbers together"),
        (nn.Unflatten(1, (1, 1)), 7, "dimension of"),
        (nn.Unflatten(7, (1, 1)), 7, "within 3"),
    )
    for layer, shape, message in misplaced:
        lifted = layer if isinstance(layer, nn.Unflatten) else snn.Lift(layer)
        module = snn.SequentialState(lifted, snn.LIF()).eval()
        with pytest.raises(ShapeError, match=message):
            norse.from_module(module, input_shape=shape)
    refused: tuple[tuple[nn.Module, str], ...] = (
        (nn.MaxPool2d(2), "train with a stride, or with average or sum pooling"),
        (nn.Conv2d(2, 3, 3, padding=1, padding_mode="circular"), "pad with zeros"),
        (nn.AvgPool2d(2, ceil_mode=True), "leave ceil_mode"),
        (nn.AvgPool1d(2, padding=1, count_include_pad=False), "divisors"),
        (nn.BatchNorm2d(2).train(), "module.eval"),
    )
    for other, message in refused:
        module = snn.SequentialState(snn.Lift(other), snn.LIF())
        shape = (2, 8) if isinstance(other, nn.AvgPool1d) else (2, 8, 8)
        with pytest.raises(UnsupportedError, match=message):
            norse.from_module(module, input_shape=shape)
    over_time = snn.SequentialState(nn.BatchNorm2d(2), snn.LIF()).eval()
    with pytest.raises(UnsupportedError, match="put batch normalization into Lift"):
        norse.from_module(over_time, input_shape=(2, 8, 8))
