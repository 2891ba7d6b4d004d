"""NIR nodes without state: the shape that each sends, and its affine map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from ltc2hw.converters.assembly import Assembly
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.convolutions import Sizes, per_channel, pooling, same_padding
from ltc2hw.converters.nir_graph import Node, spread
from ltc2hw.converters.nir_operators import as_noted
from ltc2hw.converters.nir_record import KEY
from ltc2hw.converters.products import Written, numbers_in
from ltc2hw.converters.signals import Signal
from ltc2hw.errors import Ltc2hwError, ShapeError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.weights import Sparse

STEP_TOLERANCE = 1e-6
"""How far, relative to itself, a delay may be from a whole number of steps."""


@dataclass(frozen=True)
class Step:
    """What a node does: the shape that it sends, and its affine map."""

    shape: Shape
    apply: Callable[[Assembly, Signal], Signal]


def linear(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """``y = W x (+ b)``."""
    conversion.meet("linear", node.label)
    matrix = weight_matrix(node)
    out = (matrix.shape[0],)
    if "bias" not in node.entries:
        return Step(out, lambda _, signal: signal.through(matrix))
    bias = node.vector("bias", out)
    return Step(out, lambda _, signal: signal.through(matrix).plus_constant(bias))


def scale(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """``y = s x``, elementwise."""
    conversion.meet("linear", node.label)
    factors = spread(node.numbers("scale"), shape, "factors")
    return Step(shape, lambda _, signal: signal.scaled(factors))


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

    def apply(_: Assembly, signal: Signal) -> Signal:
        if signal.size != each.size:
            raise ShapeError("number of delays", each.size, f"{signal.size}, as many as arrive")
        if different.size == 1:
            return signal.delayed(int(different[0]))
        # Each delay becomes a projection of its own, from all that arrives.
        numbers = different.size * sum(
            signal.size if sparse.issparse(matrix) else numbers_in(matrix)
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
    # Some tools count the dimension of batches, which is not among them here.
    if not all(-dimensions <= number <= dimensions for number in (start, end)):
        raise ShapeError("start_dim and end_dim", (start, end), f"within {dimensions}")
    last = max(0, dimensions - 1)
    start, end = (min(number + dimensions * (number < 0), last) for number in (start, end))
    if start > end:
        raise ShapeError("start_dim and end_dim", (start, end), "the first before the last")
    joined = int(np.prod(shape[start : end + 1]))
    return Step((*shape[:start], joined, *shape[end + 1 :]), lambda _, signal: signal)


def convolution(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Cross-correlation of (C, H, W) or (C, L) with zero padding."""
    axes = AXES[node.type]
    conversion.meet("convolution" if axes == 2 else "convolution-1d", node.label)
    weight = node.numbers("weight")
    if weight.ndim != 2 + axes:
        raise node.damaged(f"its weight has shape {weight.shape}")
    stride, dilation = (sizes(node, entry, axes) for entry in ("stride", "dilation"))
    groups = node.integer("groups")
    _check_batch(shape)
    if "input_shape" in node.entries:
        said = (weight.shape[1] * groups, *sizes(node, "input_shape", axes))
        if len(shape) == 1 + axes and said[1:] != shape[1:]:
            raise ShapeError("input_shape", said[1:], f"{shape[1:]}, as arrives there")
        shape = shape if len(shape) == 1 + axes else said
    padding = _padding(node, weight.shape[2:], stride, dilation, conversion)
    made = as_noted(Conv(weight, shape, stride, padding, dilation, groups), node.metadata)
    bias = per_channel(node.vector("bias", made.targets[:1], 0.0), made.targets)
    return Step(
        made.targets, lambda assembly, signal: assembly.through(signal, made).plus_constant(bias)
    )


def pool(node: Node, shape: Shape, conversion: Conversion, dt: float) -> Step:
    """Sum or mean of a window."""
    conversion.meet("sum-pooling", node.label)
    size, stride, padding = (
        sizes(node, entry, 2) for entry in ("kernel_size", "stride", "padding")
    )
    uncounted = "count_include_pad" in node.entries and not node.integer("count_include_pad")
    ceiling = "ceil_mode" in node.entries and node.integer("ceil_mode") != 0
    _check_batch(shape)
    made = pooling(shape, size, stride, padding, mean=node.type == "AvgPool2d")
    if (uncounted and any(padding)) or (ceiling and more_windows(made)):
        conversion.meet("padding", node.label)
    return Step(made.targets, lambda assembly, signal: assembly.through(signal, made))


def more_windows(pool: Conv) -> bool:
    """Whether torch's ``ceil_mode`` would add a window that is not whole.

    >>> [more_windows(pooling((1, 4, n), (2, 2), (2, 2), mean=True)) for n in (4, 5)]
    [False, True]
    """
    for size, kernel, stride, (padding, _) in zip(
        pool.sources[1:], pool.kernel.shape[2:], pool.stride, pool.padding, strict=True
    ):
        whole, rest = divmod(size + 2 * padding - kernel, stride)
        # A window more has to start within the image, or in what is padded before it.
        if rest and (whole + 1) * stride < size + padding:
            return True
    return False


def weight_matrix(node: Node) -> Written:
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


def sizes(node: Node, entry: str, axes: int) -> Sizes:
    """Integers as (height, width) or (length,), one for all if there is one."""
    values = node.integers(entry)
    if len(values) not in (1, axes):
        raise node.damaged(f"{entry} is not {'(height, width)' if axes == 2 else 'one integer'}")
    return values * axes if len(values) == 1 else values


def _check_batch(shape: Shape) -> None:
    """Refuse the shape of a batch of images."""
    if len(shape) == 4:
        limit, remedy = "(channels, height, width)", "leave out the dimension of batches"
        raise ShapeError("shape of an image", shape, limit, remedy)


def _padding(
    node: Node, kernel: Sizes, stride: Sizes, dilation: Sizes, conversion: Conversion
) -> tuple[tuple[int, int], ...]:
    """Zeros before and after; ``valid`` is none, ``same`` keeps the size, as in torch."""
    given = node.entries.get("padding")
    if not isinstance(given, str):
        return tuple((zeros, zeros) for zeros in sizes(node, "padding", len(kernel)))
    if given == "valid":
        return ((0, 0),) * len(kernel)
    if given != "same" or set(stride) != {1}:
        conversion.meet("padding", node.label)
    return same_padding(kernel, dilation)


AXES: Mapping[str, int] = {"Conv1d": 1, "Conv2d": 2}
"""Dimensions of the images of convolutions."""

STATELESS: Mapping[str, Callable[[Node, Shape, Conversion, float], Step]] = {
    "Affine": linear,
    "Linear": linear,
    "Scale": scale,
    "Delay": delay,
    "Flatten": flatten,
    "Conv1d": convolution,
    "Conv2d": convolution,
    "SumPool2d": pool,
    "AvgPool2d": pool,
}
