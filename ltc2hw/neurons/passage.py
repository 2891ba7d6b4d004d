"""What messages pass on their way to weights and ports while a network is trained.

Average pooling, dropout and batch normalization are no parts of a network of the graph: pooling and
the statistics of normalization are folded into weights and biases, exactly; dropout is none there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.neurons.initialise import check_numbers, check_sizes
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray


@dataclass(frozen=True)
class Passage:
    """Of one projection: ``dropout`` and average ``pool`` before its weights, ``norm`` after.

    ``dropout`` is the share of messages that are left out at each step of training, the others are
    scaled up; ``pool`` the side of windows whose averages are weighed; with ``norm``, sums are
    normalized per channel, by statistics of all steps together.

    Raises:
        InvalidValueError: for a dropout outside 0 to below 1, or a pool below 1.
    """

    dropout: float = 0.0
    pool: int = 1
    norm: bool = False

    def __post_init__(self) -> None:
        check_numbers(dropout=self.dropout)
        check_sizes(pool=self.pool)
        if not 0.0 <= self.dropout < 1.0:
            raise InvalidValueError("dropout", self.dropout, "0 to below 1")


PLAIN = Passage()
"""Nothing on the way."""


def dropped(x: Tensor, share: float, generator: torch.Generator) -> Tensor:
    """The messages without a share of them, drawn anew; the others scaled to the same mean."""
    kept = torch.rand(x.shape, generator=generator, dtype=x.dtype) >= share
    return x * (kept / (1.0 - share))


def pooled(x: Tensor, shape: Shape, size: int) -> Tensor:
    """Averages over windows of images: (B, N) to (B, fewer).

    >>> pooled(torch.tensor([[1.0, 3.0, 5.0, 9.0]]), (1, 2, 2), 2).tolist()
    [[4.5]]
    """
    pool = nn.functional.avg_pool1d if len(shape) == 2 else nn.functional.avg_pool2d
    return pool(x.reshape(-1, *shape), size).flatten(1)


def pooled_shape(shape: Shape, size: int) -> Shape:
    """Shape of the averages."""
    return (shape[0], *(side // size for side in shape[1:]))


def inner_weights(weights: Weights, shape: Shape, size: int) -> Weights:
    """The weights of averages, of weights that see the image (C, H, W) itself.

    Raises:
        ShapeError: for weights that are not made of such averages.
    """
    area = size ** (len(shape) - 1)
    whole = (slice(None), slice(None))
    every = (slice(None, None, size),) * (len(shape) - 1)
    small: Weights
    if isinstance(weights, Conv):
        kernel = weights.kernel[whole + every] * area
        small = Conv(
            kernel,
            pooled_shape(shape, size),
            [step // size for step in weights.stride],
            [[side // size for side in pair] for pair in weights.padding],
            groups=weights.groups,
        )
    else:
        matrix = weights.to_array().reshape(-1, *shape)
        cut = tuple(slice(0, side // size * size, size) for side in shape[1:])
        averaged = matrix[whole + cut] * area
        small = Dense(averaged.reshape(len(matrix), -1))
    _require_same(outer_weights(small, shape, size), weights, size)
    return small


def _require_same(made: Weights, given: Weights, size: int) -> None:
    """Raise unless both are the same operator, to the rounding of an average."""
    if type(made) is type(given) and made.shape == given.shape:
        values = np.asarray(given.values)
        same = not isinstance(given, Conv) or given.with_values(made.values) == made
        if same and np.allclose(made.values, values, rtol=1e-12, atol=1e-300):
            return
    raise ShapeError("pool of a projection", size, "windows that its weights are made of")


def outer_weights(weights: Weights, shape: Shape, size: int) -> Weights:
    """Weights of averages as weights of the image (C, H, W) itself; computes the same.

    Raises:
        ShapeError: for padding beside windows that do not cover the image.

    >>> small = Conv([[[[4.0]]]], (1, 1, 1))
    >>> outer_weights(small, (1, 2, 2), 2).kernel.tolist()
    [[[[1.0, 1.0], [1.0, 1.0]]]]
    """
    sides = (size,) * (len(shape) - 1)
    window = np.full((1, 1, *sides), 1.0 / math.prod(sides))
    if isinstance(weights, Conv):
        uneven = any(side % size for side in shape[1:])
        if uneven and any(pad for pair in weights.padding for pad in pair):
            limit = f"windows of {size} side by side, where the layer above has padding"
            remedy = "use another pool, or no padding above it"
            raise ShapeError("image that is pooled", " x ".join(map(str, shape)), limit, remedy)
        kernel = np.kron(weights.kernel, window)
        return Conv(
            kernel,
            shape,
            [step * size for step in weights.stride],
            [[side * size for side in pair] for pair in weights.padding],
            groups=weights.groups,
        )
    small = pooled_shape(shape, size)
    matrix = weights.to_array().reshape(-1, *small)
    wide = np.kron(matrix, window)
    rest = [(0, side - side // size * size) for side in shape[1:]]
    return Dense(np.pad(wide, [(0, 0), (0, 0), *rest]).reshape(len(matrix), math.prod(shape)))


class ChannelNorm(nn.Module):
    """Batch normalization of sums (B, N), channel by channel; one set of statistics for all steps.

    ``y = (x - mean) / √(variance + ε) · weight + bias``
    """

    def __init__(self, channels: int, dtype: torch.dtype) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(channels, dtype=dtype)
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Normalized sums, (B, N)."""
        images = x.reshape(len(x), self.channels, -1)
        normed: Tensor = self.norm(images)
        return normed.reshape(len(x), -1)

    def folded(self) -> tuple[FloatArray, FloatArray]:
        """What sums of each channel are multiplied by, and what is added: (C,) each."""
        norm = self.norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        mean, variance, weight, bias = (
            tensor.detach().cpu().double().numpy()
            for tensor in (norm.running_mean, norm.running_var, norm.weight, norm.bias)
        )
        factor = weight / np.sqrt(variance + norm.eps)
        return factor, bias - mean * factor


def added_constant(model: Model, port: str) -> str:
    """The constant that is added to what arrives at a port, and to nothing else.

    Raises:
        UnsupportedError: if the model has none.

    >>> from ltc2hw.dynamics.models.ltc import ltc
    >>> added_constant(ltc, "current")
    'bias_current'
    """
    values = model.program.values
    for value in values:
        if value.operation is not Operation.ADD:
            continue
        ends = [values[argument] for argument in value.arguments]
        names = {
            end.operation: (index, end.name)
            for index, end in zip(value.arguments, ends, strict=True)
        }
        if Operation.PORT not in names or Operation.PARAMETER not in names:
            continue
        index, constant = names[Operation.PARAMETER]
        uses = sum(own.arguments.count(index) for own in values)
        if names[Operation.PORT][1] == port and uses == 1:
            return constant
    raise UnsupportedError(
        "batch norm",
        f"port {port!r} of model {model.name!r}",
        "no constant is added there that could take its mean",
        "train without batch norm",
    )
