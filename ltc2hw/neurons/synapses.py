"""Projections of a network as torch modules: weights with a gradient, and no others than there are.

``weight`` is a matrix (N_target, N_source), the weights that a sparse one stores, a vector, or a
kernel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse

BLOCK = 1 << 22
"""Most products of a message and a weight that are held at a time."""


class DenseSynapses(nn.Module):
    """``y = x weight^T``, x: (B, N_source)."""

    def __init__(self, weights: Dense, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights.matrix, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """What arrives, (B, N_target)."""
        return nn.functional.linear(x, self.weight)


class SparseSynapses(nn.Module):
    """The same with the stored weights alone: places without one stay without.

    >>> synapses = SparseSynapses(Sparse.from_array([[0.0, 2.0], [0.0, 0.0]]), torch.float32)
    >>> synapses(torch.tensor([[3.0, 4.0]])).tolist(), synapses.weight.shape
    ([[8.0, 0.0]], torch.Size([1]))
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, weights: Sparse, dtype: torch.dtype) -> None:
        super().__init__()
        self.targets = weights.shape[0]
        rows, columns = (torch.tensor(places) for places in weights.coordinates)
        self.register_buffer("rows", rows, persistent=False)
        self.register_buffer("columns", columns, persistent=False)
        self.weight = nn.Parameter(torch.tensor(weights.data, dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        """What arrives, (B, N_target)."""
        return _product(x, self.weight, self.rows, self.columns, self.targets)


class ConvSynapses(nn.Module):
    """The same with a kernel that all places share, as :class:`ltc2hw.numbers.convolution.Conv`.

    >>> synapses = ConvSynapses(Conv([[[1.0, 2.0]]], (1, 3)), torch.float32)
    >>> synapses(torch.tensor([[1.0, 0.0, 1.0]])).tolist()
    [[1.0, 2.0]]
    """

    def __init__(self, weights: Conv, dtype: torch.dtype) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights.kernel, dtype=dtype))
        self.sources, self.groups = weights.sources, weights.groups
        self.stride, self.dilation = weights.stride, weights.dilation
        even = all(before == after for before, after in weights.padding)
        self.padding = tuple(before for before, _ in weights.padding) if even else ()
        # torch pads the last dimension first.
        self.pads = [pad for pair in reversed(weights.padding) for pad in pair]

    def forward(self, x: Tensor) -> Tensor:
        """What arrives, (B, N_target)."""
        return self.convolved(x, self.weight)

    def convolved(self, x: Tensor, kernel: Tensor) -> Tensor:
        """The same with another kernel, perhaps of more channels."""
        image = x.reshape(-1, *self.sources)
        if not self.padding:
            image = nn.functional.pad(image, self.pads)
        convolve: Callable[..., Tensor] = (
            nn.functional.conv1d if len(self.sources) == 2 else nn.functional.conv2d
        )
        padding = self.padding or 0
        sums = convolve(image, kernel, None, self.stride, padding, self.dilation, self.groups)
        return sums.flatten(1)

    @property
    def geometry(self) -> tuple[Any, ...] | None:
        """What convolutions of one message must have in common to be one; None for no such."""
        if self.groups > 1:
            return None
        return (tuple(self.weight.shape), self.stride, self.dilation, tuple(self.pads))


Synapses = DenseSynapses | SparseSynapses | ConvSynapses


def arriving(modules: Sequence[Synapses], x: Tensor) -> tuple[Tensor, ...]:
    """What arrives by each of several projections of one message; convolutions run as one.

    >>> kernels = ([[[1.0]]], [[[2.0]]])
    >>> modules = [ConvSynapses(Conv(kernel, (1, 2)), torch.float32) for kernel in kernels]
    >>> [sums.tolist() for sums in arriving(modules, torch.tensor([[1.0, 3.0]]))]
    [[[1.0, 3.0]], [[2.0, 6.0]]]
    """
    first = modules[0]
    if len(modules) == 1 or not isinstance(first, ConvSynapses):
        return tuple(module(x) for module in modules)
    kernel = torch.cat([module.weight for module in modules])
    return first.convolved(x, kernel).chunk(len(modules), dim=1)


def synapses_module(weights: Weights, dtype: torch.dtype) -> Synapses:
    """The module of a projection's weights."""
    if isinstance(weights, Conv):
        return ConvSynapses(weights, dtype)
    if isinstance(weights, Sparse):
        return SparseSynapses(weights, dtype)
    return DenseSynapses(weights, dtype)


class _SparseProduct(torch.autograd.Function):
    """Products by blocks of stored weights, so that memory does not grow with all of them."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, rows: Tensor, columns: Tensor, targets: int
    ) -> Tensor:
        ctx.save_for_backward(x, weight, rows, columns)
        sent, arrived = x.t().contiguous(), x.new_zeros(targets, len(x))
        for block in _blocks(len(weight), len(x)):
            products = sent[columns[block]] * weight[block, None]
            arrived.index_add_(0, rows[block], products)
        return arrived.t()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, rows, columns = ctx.saved_tensors
        sent, above = x.t().contiguous(), grad.t().contiguous()
        to_x, to_weight = torch.zeros_like(sent), torch.empty_like(weight)
        for block in _blocks(len(weight), len(x)):
            arriving = above[rows[block]]
            to_weight[block] = (arriving * sent[columns[block]]).sum(dim=1)
            to_x.index_add_(0, columns[block], arriving * weight[block, None])
        return to_x.t(), to_weight, None, None, None


def _blocks(count: int, batch: int) -> list[slice]:
    step = max(1, BLOCK // batch)
    return [slice(start, start + step) for start in range(0, count, step)]


_product: Callable[..., Tensor] = _SparseProduct.apply
