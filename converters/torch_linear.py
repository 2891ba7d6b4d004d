"""What torch's linear operations do to flows, by their names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ltc2hw.converters.convolutions import Sizes, per_channel, pooling, same_padding
from ltc2hw.converters.plain_modules import exact_array
from ltc2hw.converters.products import Matrix
from ltc2hw.converters.signals import Signal
from ltc2hw.converters.torch_flow import (
    Flow,
    Shape,
    constant_flow,
    flow_like,
    misplaced,
    moved,
    one_step,
    refused,
    same_for_all,
)
from ltc2hw.errors import ShapeError
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray

# Without types in some versions of torch.
_broadcast: Callable[..., Shape] = torch.broadcast_shapes


def _each(flow: Flow, change: Callable[[Signal], Signal], features: Shape) -> Flow:
    """The same change to every step's signal."""
    made: dict[int, Signal] = {}
    signals = [made.setdefault(id(s), change(s)) for s in flow.signals]
    return flow_like(flow, signals, features, several=flow.several)


def linear(x: Any, weight: Any, bias: Any = None) -> Flow:
    """``W x + b`` over the last dimension."""
    if not isinstance(x, Flow) or isinstance(weight, Flow) or isinstance(bias, Flow):
        raise refused("linear", "weights that depend on the numbers", "use weights of the module")
    matrix, features = exact_array(weight, "weight of a linear layer"), x.features
    if not features or features[-1] != matrix.shape[1]:
        raise ShapeError("features before a linear layer", features, f"(..., {matrix.shape[1]})")
    copies = int(np.prod(features[:-1], dtype=np.int64))
    whole: Matrix = matrix
    if copies > 1:
        whole = sparse.kron(sparse.identity(copies), sparse.csr_matrix(matrix), format="csr")
    added = None if bias is None else np.tile(exact_array(bias, "bias of a linear layer"), copies)
    return _each(x, lambda signal: _affine(signal, whole, added), (*features[:-1], len(matrix)))


def _affine(signal: Signal, matrix: Matrix, added: FloatArray | None) -> Signal:
    signal = signal.through(matrix)
    return signal if added is None else signal.plus_constant(added)


def matmul(x: Any, other: Any) -> Flow:
    """A flow times a matrix of the module."""
    if not isinstance(x, Flow) or isinstance(other, Flow) or other.dim() != 2:
        raise refused("matmul", "a product of signals, or with them on the right", "use x @ W")
    return linear(x, other.t())


def conv2d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Flow:  # fmt: skip
    """Cross-correlation of (C, H, W) with zero padding."""
    return _convolved("conv2d", x, weight, bias, (stride, padding, dilation), groups, 2)


def conv1d(
    x: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1,
    groups: int = 1,
) -> Flow:  # fmt: skip
    """Cross-correlation of (C, L) with zero padding."""
    return _convolved("conv1d", x, weight, bias, (stride, padding, dilation), groups, 1)


def _convolved(
    name: str, x: Any, weight: Any, bias: Any, options: Sequence[Any], groups: int, axes: int
) -> Flow:
    _require_image(name, x, axes)
    kernel = exact_array(weight, f"weight of {name}")
    if kernel.ndim != axes + 2:
        raise ShapeError(f"weight of {name}", kernel.shape, f"{axes + 2} dimensions")
    stride, padding, dilation = options
    steps = _each_axis(dilation, axes)
    zeros: Any = padding if isinstance(padding, str) else _each_axis(padding, axes)
    if padding == "same" and set(_each_axis(stride, axes)) != {1}:
        raise refused(name, "padding `same` of a stride", "give the numbers of zeros")
    if padding == "same":
        zeros = same_padding(kernel.shape[2:], steps)
    elif padding == "valid":
        zeros = 0
    made = Conv(kernel, x.features, _each_axis(stride, axes), zeros, steps, groups)
    added = None
    if bias is not None:
        added = per_channel(exact_array(bias, f"bias of {name}"), made.targets)
    return _each(x, lambda signal: _affine(signal, made, added), made.targets)


def avg_pool2d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor_override: Any = None,
) -> Flow:  # fmt: skip
    """Mean of a window of (C, H, W)."""
    odd = ceil_mode or divisor_override or not count_include_pad
    return _pooled("avg_pool2d", x, (kernel_size, stride, padding), odd, 2)


def avg_pool1d(
    x: Any, kernel_size: Any, stride: Any = None, padding: Any = 0, ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Flow:  # fmt: skip
    """Mean of a window of (C, L)."""
    odd = ceil_mode or not count_include_pad
    return _pooled("avg_pool1d", x, (kernel_size, stride, padding), odd, 1)


def _pooled(name: str, x: Any, options: Sequence[Any], odd: object, axes: int) -> Flow:
    _require_image(name, x, axes)
    kernel, stride, padding = options
    if odd:
        raise refused(name, "means of windows of several sizes", "pool with the defaults")
    size = _each_axis(kernel, axes)
    # An empty stride is what pooling without one passes on.
    steps = size if stride is None or stride == () or stride == [] else _each_axis(stride, axes)
    made = pooling(x.features, size, steps, _each_axis(padding, axes), mean=True)
    return _each(x, lambda signal: signal.through(made), made.targets)


def _require_image(name: str, x: Any, axes: int) -> None:
    if not isinstance(x, Flow):
        raise refused(name, "weights that depend on the numbers", "use weights of the module")
    if x.several or len(x.features) != axes + 1:
        form = "(B, C, H, W)" if axes == 2 else "(B, C, L)"
        raise one_step(name, x, form)


def _each_axis(value: Any, axes: int) -> Sizes:
    """One number per axis of an image."""
    values = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    return tuple(map(int, values)) if len(values) == axes else (int(values[0]),) * axes


def batch_norm(
    x: Any, running_mean: Any, running_var: Any, weight: Any = None, bias: Any = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Flow:  # fmt: skip
    """``(x - mean) / sqrt(var + eps) · weight + bias`` with the trained statistics."""
    if training or running_mean is None:
        raise refused("batch_norm", "statistics of the samples", "call module.eval() first")
    if x.several or not x.features:
        raise one_step("batch_norm", x, "(B, C, ...)")
    scale = 1.0 / np.sqrt(exact_array(running_var, "variance of a batch norm") + eps)
    shift = -exact_array(running_mean, "mean of a batch norm") * scale
    if weight is not None:
        factors = exact_array(weight, "weight of a batch norm")
        scale, shift = scale * factors, shift * factors
    if bias is not None:
        shift = shift + exact_array(bias, "bias of a batch norm")
    factors, added = per_channel(scale, x.features), per_channel(shift, x.features)
    return _each(x, lambda signal: signal.scaled(factors).plus_constant(added), x.features)


def add(a: Any, b: Any, alpha: float = 1.0, out: Any = None) -> Flow:
    """``a + alpha b``, flows or numbers of the module."""
    _no_out(out)
    a, b = _together("add", a, b)
    pairs = zip(a.signals, b.signals, strict=True)
    signals = [first.plus(second.scaled(float(alpha))) for first, second in pairs]
    return flow_like(a, signals, a.features, several=a.several)


def subtract(a: Any, b: Any, alpha: float = 1.0, out: Any = None) -> Flow:
    """``a - alpha b``."""
    return add(a, b, -float(alpha), out)


def reversed_subtract(a: Any, b: Any, alpha: float = 1.0) -> Flow:
    """``b - alpha a``."""
    return add(b, a, -float(alpha))


def negative(a: Any) -> Flow:
    """``-a``."""
    return multiply(a, -1.0)


def multiply(a: Any, b: Any, out: Any = None) -> Flow:
    """A flow times numbers of the module."""
    _no_out(out)
    if isinstance(a, Flow) and isinstance(b, Flow):
        raise refused("mul", "a product of two signals", "let a gate of an LTC cell multiply")
    flow, factors = (a, b) if isinstance(a, Flow) else (b, a)
    return _scaled("mul", flow, factors)


def divide(a: Any, b: Any, rounding_mode: Any = None, out: Any = None) -> Flow:
    """A flow by numbers of the module."""
    _no_out(out)
    if isinstance(b, Flow) or rounding_mode is not None:
        raise refused("div", "a quotient of signals, or one that is rounded", "divide by numbers")
    divisor = b if isinstance(b, Tensor) else torch.as_tensor(b, dtype=a.dtype)
    return _scaled("div", a, 1.0 / divisor.double())


def _scaled(name: str, flow: Flow, factors: Any) -> Flow:
    # Torch computes with numbers of Python in the precision of the tensors that they meet.
    values = factors if isinstance(factors, Tensor) else torch.as_tensor(factors, dtype=flow.dtype)
    flow = _expanded(flow, _broadcast(flow.shape, values.shape))
    rows = same_for_all(_spread(values, flow), name)
    pairs = zip(flow.signals, rows, strict=True)
    signals = [signal.scaled(row.ravel()) for signal, row in pairs]
    return flow_like(flow, signals, flow.features, several=flow.several)


def _together(name: str, a: Any, b: Any) -> tuple[Flow, Flow]:
    """Two operands as flows of one form."""
    shapes = [tuple(x.shape) if isinstance(x, Tensor) else () for x in (a, b)]
    try:
        shape = _broadcast(*shapes)
    except RuntimeError as error:
        raise ShapeError("sum of shapes", shapes[1], f"{shapes[0]}, or one alike") from error
    flow = next(operand for operand in (a, b) if isinstance(operand, Flow))
    made = []
    for operand in (a, b):
        if not isinstance(operand, Flow):
            # Numbers of Python keep the precision that torch computes with.
            values = torch.as_tensor(operand, dtype=flow.dtype)
            operand = constant_flow(flow, values.expand(shape), name)
        made.append(_expanded(operand, shape))
    if made[0].several != made[1].several:
        raise misplaced(name, "a sum of a step and of several steps", "add step by step")
    return made[0], made[1]


def _expanded(flow: Flow, shape: Shape) -> Flow:
    if tuple(flow.shape) == tuple(shape):
        return flow
    made: Flow = moved("expand", Tensor.expand, (flow, tuple(shape)), {})
    return made


def _spread(values: Tensor, flow: Flow) -> Tensor:
    """Numbers (T, B, ...) for every step of a flow."""
    spread = values.expand(flow.shape)
    return spread if flow.several else spread[None]


def total(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Flow:
    """A sum over dimensions of a sample."""
    if not isinstance(x, Flow) or dim is None:
        raise refused("sum", "a sum over all samples", "sum over the features, dim=-1 for instance")
    dims = {d % x.dim() for d in (dim if isinstance(dim, (tuple, list)) else (dim,))}
    before = x.dim() - len(x.features)
    if min(dims, default=0) < before:
        remedy = "let forward answer at every step, and let the task read the last ones"
        raise misplaced("sum", "a sum over steps or samples", remedy)
    axes = {d - before for d in dims}
    held = tuple(1 if axis in axes else n for axis, n in enumerate(x.features))
    size = int(np.prod(held, dtype=np.int64))
    rows = np.broadcast_to(np.arange(size).reshape(held), x.features).ravel()
    columns = np.arange(rows.size)
    matrix = sparse.csr_matrix((np.ones(rows.size), (rows, columns)), shape=(size, rows.size))
    features = tuple(n for axis, n in enumerate(x.features) if axis not in axes)
    return _each(x, lambda signal: signal.through(matrix), held if keepdim else features)


def mean(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Flow:
    """A mean over dimensions of a sample."""
    summed = total(x, dim, keepdim)
    return divide(summed, torch.tensor(np.prod(x.features) / np.prod(summed.features)))


def _no_out(out: Any) -> None:
    if out is not None:
        raise refused("out", "a result in a place of its own", "use what the function returns")


OPERATIONS: Mapping[str, Callable[..., Flow]] = {
    "linear": linear,
    "matmul": matmul,
    "mm": matmul,
    "conv1d": conv1d,
    "conv2d": conv2d,
    "avg_pool1d": avg_pool1d,
    "avg_pool2d": avg_pool2d,
    "batch_norm": batch_norm,
    "add": add,
    "radd": add,
    "sub": subtract,
    "subtract": subtract,
    "rsub": reversed_subtract,
    "neg": negative,
    "negative": negative,
    "mul": multiply,
    "rmul": multiply,
    "multiply": multiply,
    "div": divide,
    "divide": divide,
    "truediv": divide,
    "true_divide": divide,
    "sum": total,
    "mean": mean,
}
"""Every operation that keeps a flow affine."""
