"""Weight operators of projections: a dense matrix or compressed sparse rows.

They hold float64 numbers in a float graph and int64 mantissas in an integer graph, and have the
same interface as :class:`ltc2hw.numbers.convolution.Conv`, so that little else in the program asks
which one it is given.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.numbers.fields import (
    ArrayFields,
    frozen,
    integer_array,
    number_array,
    require_finite,
    require_size,
    set_field,
)
from ltc2hw.numbers.matrix_product import matrix_product

Numbers = npt.NDArray[Any]

EXACT_INTEGER = 1 << 53
"""Largest magnitude up to which float64 holds every integer."""


@dataclass(frozen=True, eq=False)
class Dense(ArrayFields):
    """All-to-all weights: ``y_j = Σ_i matrix[j, i] x_i``, matrix of shape (N_target, N_source).

    Raises:
        ShapeError: unless the matrix has two dimensions, none of them empty.
        InvalidValueError: if a weight is NaN or infinite.

    >>> Dense([[1.0, 2.0]]).apply(np.array([[3.0, 4.0]]))
    array([[11.]])
    """

    matrix: Numbers

    def __post_init__(self) -> None:
        matrix = weight_numbers("weights", self.matrix)
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ShapeError("shape of weights", matrix.shape, "(targets, sources), both >= 1")
        set_field(self, "matrix", matrix)

    @property
    def shape(self) -> tuple[int, int]:
        """(N_target, N_source)."""
        return self.matrix.shape[0], self.matrix.shape[1]

    @property
    def values(self) -> Numbers:
        """The stored weights as one vector."""
        return self.matrix.ravel()

    @property
    def coordinates(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Target and source of every value, in the order of :attr:`values`."""
        rows, columns = np.indices(self.matrix.shape).reshape(2, -1)
        return rows, columns

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Target of every value, in the order of :attr:`values`."""
        return self.coordinates[0]

    @property
    def synapses(self) -> int:
        """Connections: as many as values."""
        return self.matrix.size

    def with_values(self, values: Numbers) -> Dense:
        """Return the same structure holding other weights (in the order of :attr:`values`).

        Raises:
            ShapeError, InvalidValueError: unless there is one number for each weight.
        """
        return Dense(other_values(values, self.matrix.shape))

    def apply(self, messages: Numbers) -> Numbers:
        """Messages of shape (B, N_source) to sums of shape (B, N_target).

        Integers are summed as doubles where no partial sum can leave ±2^53, which is exact in any
        order and several times as fast; as 64-bit integers otherwise.

        Raises:
            ShapeError, InvalidValueError: unless there is one number for each source.
        """
        messages = checked_messages(messages, self.shape[1])
        if self._exact_as_reals(messages):
            sums = matrix_product(messages.astype(np.float64), self._reals.T)
            return np.asarray(sums.astype(np.int64))
        return matrix_product(messages, self.matrix.T)

    def _exact_as_reals(self, messages: Numbers) -> bool:
        if self.matrix.dtype.kind != "i" or messages.dtype.kind not in "iu" or not messages.size:
            return False
        return magnitude_of(messages) * self._largest * self.shape[1] <= EXACT_INTEGER

    @cached_property
    def _reals(self) -> Numbers:
        return self.matrix.astype(np.float64)

    @cached_property
    def _largest(self) -> int:
        return magnitude_of(self.matrix)

    def row_magnitudes(self, source_limits: Numbers) -> Numbers:
        """``Σ_i |w_ji| limit_i`` for each target j: no message within the limits exceeds it.

        Raises:
            ShapeError, InvalidValueError: unless there is one limit (N_source,) for each source.
        """
        return np.asarray(np.abs(self.matrix) @ checked_limits(source_limits, self.shape[1]))

    def to_array(self) -> Numbers:
        """Return the matrix of shape (N_target, N_source)."""
        return self.matrix


@dataclass(frozen=True, eq=False)
class Sparse(ArrayFields):
    """Compressed sparse rows: row j holds ``data[indptr[j]:indptr[j+1]]`` at columns ``indices``.

    Columns within a row rise strictly, so equal operators have equal arrays.

    Raises:
        ShapeError, InvalidValueError: if the arrays do not describe such a matrix.

    >>> Sparse.from_array(np.array([[0.0, 2.0]])).apply(np.array([[3.0, 4.0]]))
    array([[8.]])
    """

    indptr: npt.NDArray[np.int64]
    indices: npt.NDArray[np.int64]
    data: Numbers
    sources: int

    def __post_init__(self) -> None:
        require_size("sources of sparse weights", self.sources)
        indptr = integer_array("indptr", self.indptr)
        indices = integer_array("column indices", self.indices)
        data = weight_numbers("weights", self.data)
        if indptr.ndim != 1 or indptr.size < 2 or indices.shape != data.shape or data.ndim != 1:
            raise ShapeError(
                "shape of sparse weights",
                (indptr.shape, indices.shape, data.shape),
                "indptr (targets + 1,), indices and data of one length",
            )
        # Each entry by itself first: differences of any numbers would overflow.
        outside = indptr.min() < 0 or indptr.max() > data.size
        if outside or indptr[0] != 0 or indptr[-1] != data.size or np.any(np.diff(indptr) < 0):
            worst = (int(indptr.min()), int(indptr.max()))
            raise InvalidValueError("indptr", worst, f"rising from 0 to {data.size}")
        require_size("the sources of sparse weights", self.sources)
        row = np.repeat(np.arange(indptr.size - 1), np.diff(indptr))
        if indices.size and (indices.min() < 0 or indices.max() >= self.sources):
            raise InvalidValueError("column index", int(indices.max()), f"0 to {self.sources - 1}")
        if np.any((np.diff(indices) <= 0) & (np.diff(row) == 0)):
            raise InvalidValueError("column indices", "unsorted", "rising strictly in each row")
        set_field(self, "indptr", indptr)
        set_field(self, "indices", indices)
        set_field(self, "data", data)

    @classmethod
    def from_array(cls, array: Numbers) -> Sparse:
        """Keep the non-zero entries of a matrix of shape (N_target, N_source)."""
        return cls.from_scipy(sparse.csr_matrix(np.asarray(array)))

    @classmethod
    def from_scipy(cls, matrix: sparse.spmatrix) -> Sparse:
        """Take any SciPy sparse matrix of shape (N_target, N_source); duplicates are summed."""
        rows = matrix.tocsr().copy()
        rows.sum_duplicates()
        return cls(rows.indptr, rows.indices, rows.data, int(rows.shape[1]))

    @property
    def shape(self) -> tuple[int, int]:
        """(N_target, N_source)."""
        return self.indptr.size - 1, self.sources

    @property
    def values(self) -> Numbers:
        """The stored weights as one vector."""
        return self.data

    @property
    def coordinates(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Target and source of every value, in the order of :attr:`values`."""
        return self.rows, self.indices

    @property
    def rows(self) -> npt.NDArray[np.int64]:
        """Target of every value, in the order of :attr:`values`."""
        return np.repeat(np.arange(self.indptr.size - 1), np.diff(self.indptr))

    @property
    def synapses(self) -> int:
        """Connections: as many as values."""
        return self.data.size

    def with_values(self, values: Numbers) -> Sparse:
        """Return the same structure holding other weights (in the order of :attr:`values`).

        Raises:
            ShapeError, InvalidValueError: unless there is one number for each weight.
        """
        data = other_values(values, self.data.shape)
        return Sparse(self.indptr, self.indices, data, self.sources)

    def apply(self, messages: Numbers) -> Numbers:
        """Messages of shape (B, N_source) to sums of shape (B, N_target).

        Raises:
            ShapeError, InvalidValueError: unless there is one number for each source.
        """
        return np.asarray((self.to_scipy() @ checked_messages(messages, self.sources).T).T)

    def row_magnitudes(self, source_limits: Numbers) -> Numbers:
        """``Σ_i |w_ji| limit_i`` for each target j: no message within the limits exceeds it.

        Raises:
            ShapeError, InvalidValueError: unless there is one limit (N_source,) for each source.
        """
        return np.asarray(abs(self.to_scipy()) @ checked_limits(source_limits, self.sources))

    def to_array(self) -> Numbers:
        """Return the full matrix of shape (N_target, N_source)."""
        return np.asarray(self.to_scipy().toarray())

    def to_scipy(self) -> sparse.csr_matrix:
        """Return the same weights as a SciPy CSR matrix."""
        return sparse.csr_matrix((self.data, self.indices, self.indptr), shape=self.shape)


def checked_messages(messages: npt.ArrayLike, sources: int) -> Numbers:
    """Messages of shape (B, ``sources``) as an array.

    Raises:
        ShapeError: for another shape.
        InvalidValueError: for what are no numbers.

    >>> checked_messages([[1, 2]], 3)
    Traceback (most recent call last):
    ...
    ltc2hw.errors.ShapeError: shape of messages is (1, 2); expected (samples, 3)
    """
    array = number_array("messages", messages, "iubf", "real numbers")
    if array.ndim != 2 or array.shape[1] != sources:
        raise ShapeError("shape of messages", array.shape, f"(samples, {sources})")
    # NumPy would take doubles for sums of unsigned and signed integers of 64 bits.
    return integer_array("messages", array) if array.dtype.kind == "u" else array


def checked_limits(limits: npt.ArrayLike, sources: int) -> Numbers:
    """Largest magnitudes of messages, (``sources``,), as an array.

    Raises:
        ShapeError: for another shape.
        InvalidValueError: for what are no numbers.
    """
    array = number_array("limits of messages", limits, "iubf", "real numbers")
    if array.shape != (sources,):
        raise ShapeError("shape of limits of messages", array.shape, f"({sources},)")
    return array


def other_values(values: npt.ArrayLike, shape: tuple[int, ...]) -> Numbers:
    """Numbers in the order of an operator's values, or in its own shape, in that shape.

    Raises:
        ShapeError: for more, fewer or otherwise arranged numbers.
        InvalidValueError: for what are no numbers.

    >>> other_values([1, 2], (2, 1)).tolist()
    [[1], [2]]
    """
    array = number_array("values of weights", values, "iubf", "real numbers")
    size = math.prod(shape)
    if array.shape not in {(size,), shape}:
        limit = " or ".join(dict.fromkeys((f"({size},)", str(shape))))
        raise ShapeError("shape of values of weights", array.shape, limit)
    return array.reshape(shape)


def magnitude_of(integers: Numbers) -> int:
    """Largest magnitude, as an integer that cannot overflow."""
    return max(int(integers.max()), -int(integers.min()))


def weight_numbers(name: str, value: npt.ArrayLike) -> Numbers:
    """Return weights as read-only float64, or as int64 where they are integers.

    Raises:
        InvalidValueError: for a weight that is no number, NaN or infinite.
    """
    array = number_array(name, value, "iubf", "real numbers")
    if array.dtype.kind != "f":
        return integer_array(name, array)
    reals = array.astype(np.float64)
    require_finite(name, reals)
    return frozen(reals)
