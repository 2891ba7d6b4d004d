"""The weights that a projection may have, whichever they are."""

from __future__ import annotations

from collections.abc import Iterable

from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense, Sparse

Weights = Dense | Sparse | Conv
Matrix = Dense | Sparse
"""Weights that store a number for every synapse."""


def expanded(weights: Weights) -> Matrix:
    """The same weights with a number for every synapse: convolutions become sparse matrices.

    Raises:
        TooLargeError: for a convolution of more synapses than can be held.

    >>> import numpy as np
    >>> expanded(Conv(np.ones((1, 1, 2, 2)), (1, 3, 3))).shape
    (4, 9)
    """
    return weights.to_sparse() if isinstance(weights, Conv) else weights


def described(weights: Weights) -> str:
    """What weights are but for their numbers, in words.

    >>> import numpy as np
    >>> described(Dense(np.ones((4, 9))))
    'dense 4x9'
    >>> described(Conv(np.ones((4, 2, 3, 3)), (2, 9, 9), 2, ((0, 1), (1, 1))))
    'convolution 4x2x3x3, stride 2, padding 0+1x1'
    """
    if isinstance(weights, Conv):
        parts = [
            f"convolution {times(weights.kernel.shape)}",
            f"stride {same(weights.stride)}",
            f"padding {same(padding_texts(weights))}",
        ]
        if max(weights.dilation) > 1:
            parts.append(f"dilation {same(weights.dilation)}")
        if weights.groups > 1:
            parts.append(f"{weights.groups} groups")
        return ", ".join(parts)
    if isinstance(weights, Sparse):
        return f"sparse {times(weights.shape)} of {weights.synapses} synapses"
    return f"dense {times(weights.shape)}"


def padding_texts(weights: Conv) -> tuple[str, ...]:
    """Padding of each dimension: ``1`` for that on both sides, ``0+1`` for before and after."""
    return tuple(str(a) if a == b else f"{a}+{b}" for a, b in weights.padding)


def times(sizes: Iterable[object]) -> str:
    """Sizes in a word.

    >>> times((4, 2, 3))
    '4x2x3'
    """
    return "x".join(map(str, sizes))


def same(sizes: Iterable[object]) -> str:
    """The one size, if all are the same, else all of them.

    >>> same((2, 2)), same((1, 2))
    ('2', '1x2')
    """
    listed = tuple(sizes)
    return str(listed[0]) if len(set(listed)) == 1 else times(listed)
