"""Convolutions, pooling and batch norm of a user's own modules stay kernels as long as they can."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the torch extra is not installed")

from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import ltc2hw  # noqa: E402
from ltc2hw.converters.torch import from_module  # noqa: E402
from ltc2hw.errors import UnsupportedError  # noqa: E402
from ltc2hw.neurons import LIFCell, ReadoutCell  # noqa: E402
from ltc2hw.numbers.convolution import Conv  # noqa: E402
from ltc2hw.numbers.weights import Dense  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")


def plain_cell(size: int) -> Any:
    """A cell that takes what arrives as its current."""
    cell = LIFCell(size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        weights = dict(cell.named_parameters())["weight_input"]
        weights.copy_(torch.eye(size).expand_as(weights))
    return cell


class Front(nn.Module):
    """A convolution with batch norm and pooling, a cell, another convolution, a cell."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding="same", bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.a = plain_cell(4 * 4 * 4)
        self.deep = nn.Conv2d(4, 3, (2, 3), padding=1, stride=2)
        self.b = plain_cell(3 * 3 * 2)
        self.out = ReadoutCell(18, 2, generator=torch.Generator().manual_seed(1))

    def forward(self, x: Any, state: Any = None) -> Any:
        a, b, out = state or (None,) * 3
        h = F.avg_pool2d(self.norm(self.conv(3 * x)), 2)
        spikes, a = self.a(h.flatten(1), a)
        h = 4.0 * self.deep(spikes.reshape(-1, 4, 4, 4)) + 0.1
        spikes, b = self.b(h.flatten(1), b)
        answer, out = self.out(spikes, out)
        return answer, (a, b, out)


def trained() -> Any:
    torch.manual_seed(0)
    module: Any = Front().double()
    with torch.no_grad():
        module.norm.running_mean.normal_(0, 0.3)
        module.norm.running_var.uniform_(0.3, 2.0)
        module.norm.weight.uniform_(0.5, 2.0)
        module.norm.bias.normal_(0, 0.2)
    return module.eval()


def test_layers_between_cells_are_kernels() -> None:
    module = trained()
    network = from_module(module, input_shape=(2, 8, 8))
    kernels = [p.weights for p in network.projections if isinstance(p.weights, Conv)]
    assert [(k.kernel.shape, k.stride) for k in kernels] == [
        ((4, 2, 4, 4), (2, 2)), ((3, 4, 2, 3), (2, 2)),
    ]  # fmt: skip
    shapes = {p.name: p.shape for p in network.populations}
    assert shapes["input"] == (2, 8, 8)
    assert (shapes["a"], shapes["b"]) == ((4, 4, 4), (3, 3, 2))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20, 3, 2, 8, 8))
    state, answers = None, []
    with torch.no_grad():
        for step in torch.tensor(x):
            answer, state = module(step, state)
            answers.append(answer.numpy())
    trace = ltc2hw.simulate(network, x.reshape(20, 3, -1), record="all")
    assert all(spikes.any() for name, spikes in trace.spikes.items() if name != "constant")
    np.testing.assert_allclose(trace.outputs, np.stack(answers), atol=1e-10)


def test_batch_norm_is_folded_into_kernel_and_constant() -> None:
    module = trained()
    network = from_module(module, input_shape=(2, 8, 8))
    norm = module.norm
    scale = (norm.weight / torch.sqrt(norm.running_var + norm.eps)).detach().numpy()
    weight = 3.0 * module.conv.weight.detach().numpy() * scale[:, None, None, None]
    first = next(p.weights for p in network.projections if p.source == "input")
    assert isinstance(first, Conv)
    spread = np.zeros((4, 2, 4, 4))
    for row in range(2):
        for column in range(2):
            spread[:, :, row : row + 3, column : column + 3] += weight / 4
    np.testing.assert_allclose(first.kernel, spread, atol=1e-15)


def test_a_cell_behind_a_convolution_has_a_matrix_without_writing_it_out() -> None:
    """Its own weights are one; what stands before them is never written out by itself."""

    class Wide(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = nn.Sequential(
                nn.Conv2d(2, 32, 5, padding=2), nn.Conv2d(32, 32, 5, stride=2), nn.Flatten(),
            )  # fmt: skip
            self.out = ReadoutCell(32 * 15 * 15, 3, generator=torch.Generator().manual_seed(1))

        def forward(self, x: Any, state: Any = None) -> Any:
            return self.out(self.net(x), state)

    torch.manual_seed(2)
    module = Wide().double().eval()
    tracemalloc.start()
    try:
        network = from_module(module, input_shape=(2, 34, 34))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60 << 20
    arriving = next(p.weights for p in network.projections if p.port == "current")
    assert isinstance(arriving, Dense)
    assert arriving.shape == (3, 2312)
    x = np.random.default_rng(0).normal(size=(4, 2, 2, 34, 34))
    state, answers = None, []
    with torch.no_grad():
        for step in torch.tensor(x):
            answer, state = module(step, state)
            answers.append(answer.numpy())
    found = ltc2hw.simulate(network, x.reshape(4, 2, -1)).outputs
    np.testing.assert_allclose(found, np.stack(answers), atol=1e-10)


def test_what_no_convolution_is_is_refused_by_name() -> None:
    class Bad(nn.Module):
        def __init__(self, layer: Any) -> None:
            super().__init__()
            self.layer = layer
            self.out = ReadoutCell(18, 2, generator=torch.Generator().manual_seed(1))

        def forward(self, x: Any, state: Any = None) -> Any:
            return self.out(self.layer(x).flatten(1)[:, :18], state)

    def strided(x: Any) -> Any:
        return F.conv2d(x, torch.ones(2, 2, 3, 3), padding="same", stride=2)

    class Called(nn.Module):
        def forward(self, x: Any) -> Any:
            return strided(x)

    for layer, message in (
        (nn.MaxPool2d(2), "use average pooling, or a convolution with a stride"),
        (nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), "pad"),
        (nn.AvgPool2d(2, ceil_mode=True), "pool with the defaults"),
        (Called(), "give the numbers of zeros"),
    ):
        with pytest.raises(UnsupportedError, match=message):
            from_module(Bad(layer).eval(), input_shape=(2, 9, 9))
    with pytest.raises(UnsupportedError, match=r"call module.eval"):
        from_module(Bad(nn.BatchNorm2d(2)), input_shape=(2, 9, 9))
