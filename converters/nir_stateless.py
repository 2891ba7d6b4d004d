"""NIR nodes without state: the shape that each sends, and its affine map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ltc2hw.capacity import require_capacity
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.lowering import Shape, Window, convolution, per_channel, pooling
from ltc2hw.converters.nir_graph import Node
from ltc2hw.converters.nir_record import KEY
from ltc2hw.converters.signals import Matrix, Signal
from ltc2hw.errors import Ltc2hwError, ShapeError
from ltc2hw.weights import Sparse
from ltc2hw.words import FloatArray

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
    bias = node.vector("bias", out[0])
    return Step(out, lambda signal: signal.through(matrix).plus_constant(bias))


def scale(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """``y = s x``, elementwise."""
    conversion.meet("linear", node.label)
    factors = node.numbers("scale")
    shape = factors.shape if factors.size > 1 else shape
    return Step(shape, lambda signal: signal.scaled(factors.ravel()))


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
    shape = given.shape if given.size > 1 else shape

    def apply(signal: Signal) -> Signal:
        if given.size not in (1, signal.size):
            limit = f"one, or {signal.size}, of what arrives there"
            raise ShapeError(f"number of delays of {node.label}", given.size, limit)
        if different.size == 1:
            return signal.delayed(int(different[0]))
        # Each delay becomes a projection of its own, from all that arrives.
        numbers = different.size * sum(
            signal.size if sparse.issparse(matrix) else matrix.size
            for matrix in signal.terms.values()
        )
        require_capacity(f"delays of {node.label}", numbers, 0, "use fewer different delays")
        total = Signal(signal.size, {})
        for number in different:
            total = total.plus(signal.only(whole.ravel() == number).delayed(int(number)))
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
    padding = _padding(node, conversion)
    window = Window(kernel, pair(node, "stride"), padding, pair(node, "dilation"))
    groups = node.integer("groups")
    if len(shape) != 3 and "input_shape" in node.entries:
        shape = (weight.shape[1] * groups, *pair(node, "input_shape"))
    return _convolution(node, shape, weight, window)


def convolution_1d(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Cross-correlation of (C, L) with zero padding: of an image of height 1."""
    conversion.meet("convolution-1d", node.label)
    weight = _kernels(node, 3)[:, :, None]
    stride, dilation = node.integer("stride"), node.integer("dilation")
    padding = _padding(node, conversion)[1]
    window = Window((1, weight.shape[3]), (1, stride), (0, padding), (1, dilation))
    if len(shape) != 2 and "input_shape" in node.entries:
        shape = (weight.shape[1] * node.integer("groups"), node.integer("input_shape"))
    if len(shape) != 2:
        raise ShapeError(f"shape before {node.label}", shape, "(channels, length)")
    step = _convolution(node, (shape[0], 1, shape[1]), weight, window)
    return Step((step.shape[0], step.shape[2]), step.apply)


def pool(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Sum or mean of a window."""
    conversion.meet("sum-pooling", node.label)
    window = Window(pair(node, "kernel_size"), pair(node, "stride"), pair(node, "padding"))
    matrix, out = pooling(shape, window, mean=node.type == "AvgPool2d")
    return Step(out, lambda signal: signal.through(matrix))


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


def _convolution(node: Node, shape: Shape, weight: FloatArray, window: Window) -> Step:
    matrix, out = convolution(shape, weight, window, node.integer("groups"))
    bias = per_channel(node.vector("bias", out[0], 0.0), out)
    return Step(out, lambda signal: signal.through(matrix).plus_constant(bias))


def _kernels(node: Node, dimensions: int) -> FloatArray:
    weight = node.numbers("weight")
    if weight.ndim != dimensions:
        raise node.damaged(f"its weight has shape {weight.shape}")
    return weight


def _padding(node: Node, conversion: Conversion) -> tuple[int, int]:
    """Numbers of zeros; ``valid`` is none."""
    given = node.entries.get("padding")
    if isinstance(given, str) and given != "valid":
        conversion.meet("padding", node.label)
    return (0, 0) if isinstance(given, str) else pair(node, "padding")


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
