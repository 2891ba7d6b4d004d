"""Weights that are not dense, as the kernels walk through them: source by source."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.numbers.weights import Sparse

Array = npt.NDArray[Any]


class SparseRows:
    """Collects the targets of every synapse of sparse weights, and where a source's begin."""

    def __init__(self) -> None:
        self._pointers: list[Array] = [np.zeros(0, np.int64)]
        self._targets: list[Array] = [np.zeros(0, np.int64)]

    @property
    def pointers(self) -> Array:
        """Of every source its first synapse, after those of earlier ones, and the end."""
        return np.concatenate(self._pointers)

    @property
    def targets(self) -> Array:
        """Of every synapse."""
        return np.concatenate(self._targets)

    def add(self, weights: Sparse) -> tuple[int, Array]:
        """Where the pointers of weights start, and the place of each synapse in their values.

        >>> SparseRows().add(Sparse.from_array(np.array([[0.0, 2.0], [3.0, 4.0]])))
        (0, array([1, 0, 2]))
        """
        rows, columns = weights.coordinates
        order = np.lexsort((rows, columns))
        first = sum(known.size for known in self._pointers)
        counts = np.bincount(columns, minlength=weights.shape[1])
        ends = sum(known.size for known in self._targets) + np.concatenate([[0], np.cumsum(counts)])
        self._pointers.append(ends.astype(np.int64))
        self._targets.append(rows[order].astype(np.int64))
        return first, order
