"""The weights that a projection may have, whichever they are."""

from __future__ import annotations

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
