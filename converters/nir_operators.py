"""Convolutions as nodes of NIR: Conv1d and Conv2d, the pooling that some are, and gates' of ours.

NIR's paddings are the same before and after. Where ours are not, zeros lengthen the kernel, and the
metadata note what it was.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from ltc2hw.converters.convolutions import same_padding, symmetric
from ltc2hw.converters.nir_graph import CONVOLUTION_TYPE, Node
from ltc2hw.converters.nir_record import KEY
from ltc2hw.converters.products import at
from ltc2hw.errors import Ltc2hwError
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray

Entries = dict[str, Any]

NOTED = frozenset(("width", "dilation", "padding"))
"""What the metadata of a lengthened kernel hold."""


def feature_of(convolution: Conv) -> str:
    """Its row in the table of features."""
    if pooling_type(convolution):
        return "sum-pooling"
    return "convolution" if len(convolution.stride) == 2 else "convolution-1d"


def convolution_entries(convolution: Conv, bias: FloatArray | None) -> Entries:
    """The node of a convolution; ``bias`` is one number per value, equal within a channel."""
    kind = pooling_type(convolution)
    if kind and bias is None:
        window = convolution.kernel.shape[2:]
        padding = [before for before, _ in convolution.padding]
        sizes = {"kernel_size": window, "stride": window, "padding": padding}
        return {"type": kind, **{name: np.array(size) for name, size in sizes.items()}}
    channels = convolution.targets[0]
    each = np.zeros(channels) if bias is None else bias.reshape(channels, -1)[:, 0]
    made, padding, metadata = convolution, _padding(convolution), {}
    if padding is None:
        made = symmetric(convolution)
        padding = _number([before for before, _ in made.padding])
        metadata = {KEY: _noted(convolution)}
    return {
        "type": "Conv2d" if len(made.stride) == 2 else "Conv1d",
        "input_shape": _number(made.sources[1:]),
        "weight": made.kernel,
        "stride": _number(made.stride),
        "padding": padding,
        "dilation": _number(made.dilation),
        "groups": made.groups,
        "bias": each,
        "metadata": metadata,
    }


def pooling_type(convolution: Conv) -> str:
    """``SumPool2d`` or ``AvgPool2d`` where a convolution is exactly one, else nothing.

    >>> from ltc2hw.numbers.convolution import average_pool
    >>> pooling_type(average_pool((2, 4, 4), 2))
    'AvgPool2d'
    """
    kernel, window = convolution.kernel, convolution.kernel.shape[2:]
    alone = kernel.shape[0] == convolution.sources[0] == convolution.groups
    steps = convolution.stride == window and set(convolution.dilation) == {1}
    even = all(before == after for before, after in convolution.padding)
    if len(window) != 2 or math.prod(window) == 1 or not (alone and steps and even):
        return ""
    if np.all(kernel == 1.0):
        return "SumPool2d"
    return "AvgPool2d" if np.all(kernel == 1.0 / math.prod(window)) else ""


def extension_entries(convolution: Conv) -> Entries:
    """What our own node says of a convolution: paddings are pairs."""
    return {
        "type": CONVOLUTION_TYPE,
        "weight": convolution.kernel,
        "input_shape": np.array(convolution.sources[1:]),
        "stride": np.array(convolution.stride),
        "padding": np.array(convolution.padding),
        "dilation": np.array(convolution.dilation),
        "groups": convolution.groups,
    }


def read_extension(node: Node) -> Conv:
    """The convolution that our own node holds.

    Raises:
        DamagedFileError: for numbers that make no kernel.
    """
    kernel, groups = node.numbers("weight"), node.integer("groups")
    if kernel.ndim not in (3, 4):
        raise node.damaged(f"its weight has shape {kernel.shape}")
    padding = node.integers("padding")
    if len(padding) != 2 * (kernel.ndim - 2):
        raise node.damaged("padding is not a pair for every dimension")
    sources = (kernel.shape[1] * groups, *node.integers("input_shape"))
    pairs = [padding[place : place + 2] for place in range(0, len(padding), 2)]
    try:
        return Conv(
            kernel, sources, node.integers("stride"), pairs, node.integers("dilation"), groups
        )
    except Ltc2hwError as error:
        raise node.damaged(str(error)) from error


def as_noted(made: Conv, metadata: Mapping[str, Any]) -> Conv:
    """The convolution that was written, where the one that was read is its even form."""
    noted = metadata.get(KEY)
    if not isinstance(noted, Mapping) or set(noted) != NOTED:
        return made
    try:
        width, dilation = (np.asarray(noted[name]).tolist() for name in ("width", "dilation"))
        padding = np.asarray(noted["padding"]).reshape(-1, 2).tolist()
        places = [
            (pad[0] - before + np.arange(size) * d) // step
            for pad, (before, _), size, d, step in zip(
                made.padding, padding, width, dilation, made.dilation, strict=True
            )
        ]
        kernel = at(made.kernel, np.ix_(*places))
        written = Conv(kernel, made.sources, made.stride, padding, dilation, made.groups)
        # What another tool changed in the node counts.
        return written if symmetric(written) == made else made
    except (Ltc2hwError, TypeError, ValueError, IndexError):
        return made


def _noted(convolution: Conv) -> Entries:
    return {
        "width": np.array(convolution.kernel.shape[2:]),
        "dilation": np.array(convolution.dilation),
        "padding": np.array(convolution.padding),
    }


def _padding(convolution: Conv) -> Any:
    """The entry of a node: numbers of zeros, or ``same``; None where neither says it."""
    if all(before == after for before, after in convolution.padding):
        return _number([before for before, _ in convolution.padding])
    same = same_padding(convolution.kernel.shape[2:], convolution.dilation)
    return "same" if convolution.padding == same and set(convolution.stride) == {1} else None


def _number(sizes: Any) -> Any:
    """One number for what has one dimension, as NIR writes it, else all."""
    return int(sizes[0]) if len(sizes) == 1 else np.array(sizes)
