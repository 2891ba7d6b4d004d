"""NIR nodes without state: the shape that each sends, and its affine map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.lowering import Pair, Shape, Window, convolution, per_channel, pooling
from ltc2hw.converters.nir_graph import Node, spread
from ltc2hw.converters.nir_record import KEY
from ltc2hw.converters.signals import Matrix, Signal
from ltc2hw.errors import Ltc2hwError, ShapeError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import FloatArray

STEP_TOLERANCE = 1e-6
"""How far, relative to itself, a delay may be from a whole number of steps."""


@dataclass(frozen=True)
class Step:
    """What a node does: the shape that it sends, and its affine map."""

    shape: Shape
    apply: Callable[[Signal], Signal]


def linear(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """``y = W x (+ b)``."""
    conversion.meet("linear", node.label)
    matrix = weight_matrix(node)
    out = (matrix.shape[0],)
    if "bias" not in node.entries:
        return Step(out, lambda signal: signal.through(matrix))
    bias = node.vector("bias", out)
    return Step(out, lambda signal: signal.through(matrix).plus_constant(bias))


def scale(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """``y = s x``, elementwise."""
    conversion.meet("linear", node.label)
    factors = spread(node.numbers("scale"), shape, "factors")
    return Step(shape, lambda signal: signal.scaled(factors))


def delay(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """``y(t) = x(t - τ)``, by a whole number of steps."""
    given = node.numbers("delay")
    steps = given / dt
    whole = np.rint(steps)
    different = np.unique(whole)
    if np.any(steps < 0):
        raise node.damaged("its delay is negative")
    if np.any(np.abs(steps - whole) > STEP_TOLERANCE * np.maximum(whole, 1.0)):
        conversion.meet("fractional-delay", node.label)
    conversion.meet("delay", node.label)
    each = spread(whole, shape, "delays")

    def apply(signal: Signal) -> Signal:
        if signal.size != each.size:
            raise ShapeError("number of delays", each.size, f"{signal.size}, as many as arrive")
        if different.size == 1:
            return signal.delayed(int(different[0]))
        # Each delay becomes a projection of its own, from all that arrives.
        numbers = different.size * sum(
            signal.size if sparse.issparse(matrix) else matrix.size
            for matrix in signal.terms.values()
        )
        require_capacity("delays", numbers, 0, "use fewer different delays")
        total = Signal(signal.size, {})
        for number in different:
            total = total.plus(signal.only(each.ravel() == number).delayed(int(number)))
        return total

    return Step(shape, apply)


def flatten(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Join dimensions; the order of the numbers stays."""
    conversion.meet("flatten", node.label)
    dimensions = len(shape)
    start, end = (
        node.integer(name) if name in node.entries else default
        for name, default in (("start_dim", 1), ("end_dim", -1))
    )
    start, end = (number % dimensions if dimensions else 0 for number in (start, end))
    joined = int(np.prod(shape[start : end + 1]))
    return Step((*shape[:start], joined, *shape[end + 1 :]), lambda signal: signal)


def convolution_2d(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Cross-correlation of (C, H, W) with zero padding."""
    conversion.meet("convolution", node.label)
    weight = _kernels(node, 4)
    kernel = (weight.shape[2], weight.shape[3])
    stride, dilation = pair(node, "stride"), pair(node, "dilation")
    padding, cut = _padding(node, kernel, stride, dilation, conversion)
    window = Window(kernel, stride, padding, dilation)
    groups = node.integer("groups")
    if len(shape) != 3 and "input_shape" in node.entries:
        shape = (weight.shape[1] * groups, *pair(node, "input_shape"))
    return _convolution(node, shape, weight, window, cut)


def convolution_1d(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Cross-correlation of (C, L) with zero padding: of an image of height 1."""
    conversion.meet("convolution-1d", node.label)
    weight = _kernels(node, 3)[:, :, None]
    kernel, stride = (1, weight.shape[3]), (1, node.integer("stride"))
    dilation = (1, node.integer("dilation"))
    padding, cut = _padding(node, kernel, stride, dilation, conversion)
    window = Window(kernel, stride, (0, padding[1]), dilation)
    if len(shape) != 2 and "input_shape" in node.entries:
        shape = (weight.shape[1] * node.integer("groups"), node.integer("input_shape"))
    if len(shape) != 2:
        raise ShapeError(f"shape before {node.label}", shape, "(channels, length)")
    step = _convolution(node, (shape[0], 1, shape[1]), weight, window, cut)
    return Step((step.shape[0], step.shape[2]), step.apply)


def pool(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Sum or mean of a window."""
    conversion.meet("sum-pooling", node.label)
    window = Window(pair(node, "kernel_size"), pair(node, "stride"), pair(node, "padding"))
    uncounted = "count_include_pad" in node.entries and not node.integer("count_include_pad")
    ceiling = "ceil_mode" in node.entries and node.integer("ceil_mode") != 0
    if (uncounted and window.padding != (0, 0)) or (ceiling and more_windows(window, shape)):
        conversion.meet("padding", node.label)
    matrix, out = pooling(_image(shape), window, mean=node.type == "AvgPool2d")
    return Step(out, lambda signal: signal.through(matrix))


def more_windows(window: Window, shape: Shape) -> bool:
    """Whether torch's ``ceil_mode`` would add a window that is not whole.

    >>> [more_windows(Window((2, 2), (2, 2)), (1, 4, width)) for width in (4, 5)]
    [False, True]
    """
    for size, kernel, stride, padding in zip(
        shape[-2:], window.kernel, window.stride, window.padding, strict=True
    ):
        whole = (size + 2 * padding - kernel) // stride
        rest = (size + 2 * padding - kernel) % stride
        # A window more has to start within the image, or in what is padded before it.
        if rest and (whole + 1) * stride < size + padding:
            return True
    return False


def weight_matrix(node: Node) -> Matrix:
    """Weights (N, M) of a linear node, sparse where our metadata say so."""
    weight = node.numbers("weight")
    if weight.ndim != 2 or 0 in weight.shape:
        raise node.damaged(f"its weight has shape {weight.shape}")
    noted = node.metadata.get(KEY)
    if not isinstance(noted, Mapping) or not {"indptr", "indices"} <= set(noted):
        return weight
    try:
        # Checked as our own weights are, before the rows are laid out.
        indptr, indices = np.asarray(noted["indptr"]), np.asarray(noted["indices"])
        places = Sparse(indptr, indices, np.zeros(indices.shape), weight.shape[1])
        if places.shape != weight.shape:
            raise ShapeError("shape of sparse weights", places.shape, str(weight.shape))
        kept = places.with_values(weight[places.coordinates]).to_scipy()
    except (TypeError, ValueError, OverflowError, Ltc2hwError) as error:
        raise node.damaged(f"its metadata {KEY} are no sparse matrix") from error
    # Weights that another tool put elsewhere are kept too.
    return kept if np.array_equal(kept.toarray(), weight) else weight


def pair(node: Node, entry: str) -> tuple[int, int]:
    """One or two integers as (height, width)."""
    values = node.integers(entry)
    if len(values) not in (1, 2):
        raise node.damaged(f"{entry} is not (height, width)")
    return values[0], values[-1]


def _convolution(node: Node, shape: Shape, weight: FloatArray, window: Window, cut: Pair) -> Step:
    """The map of a convolution whose first rows and columns are left out, ``cut`` of them."""
    matrix, out = convolution(_image(shape), weight, window, node.integer("groups"))
    if cut != (0, 0):
        places = np.arange(matrix.shape[0]).reshape(out)[:, cut[0] :, cut[1] :]
        matrix, out = matrix[places.ravel()], places.shape
    bias = per_channel(node.vector("bias", out[:1], 0.0), out)
    return Step(out, lambda signal: signal.through(matrix).plus_constant(bias))


def _image(shape: Shape) -> Shape:
    """The shape, unless it is that of a batch of images."""
    if len(shape) == 4:
        limit, remedy = "(channels, height, width)", "leave out the dimension of batches"
        raise ShapeError("shape of an image", shape, limit, remedy)
    return shape


def _kernels(node: Node, dimensions: int) -> FloatArray:
    weight = node.numbers("weight")
    if weight.ndim != dimensions:
        raise node.damaged(f"its weight has shape {weight.shape}")
    return weight


def _padding(
    node: Node, kernel: Pair, stride: Pair, dilation: Pair, conversion: Conversion
) -> tuple[Pair, Pair]:
    """Zeros on every side, and how many rows and columns to leave out at the start.

    ``valid`` is none, ``same`` keeps the size; where that takes an odd number of zeros, there is
    one more at the end than at the start, as in torch.
    """
    given = node.entries.get("padding")
    if not isinstance(given, str):
        return pair(node, "padding"), (0, 0)
    if given == "valid":
        return (0, 0), (0, 0)
    if given != "same" or stride != (1, 1):
        conversion.meet("padding", node.label)
    zeros = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    height, width = (number - number // 2 for number in zeros)
    return (height, width), (2 * height - zeros[0], 2 * width - zeros[1])


STATELESS: Mapping[str, Callable[[Node, Shape, Conversion, float], Step]] = {
    "Affine": linear,
    "Linear": linear,
    "Scale": scale,
    "Delay": delay,
    "Flatten": flatten,
    "Conv1d": convolution_1d,
    "Conv2d": convolution_2d,
    "SumPool2d": pool,
    "AvgPool2d": pool,
}
