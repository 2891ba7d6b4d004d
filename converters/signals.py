"""What flows between populations: affine functions of the variables that they send.

Other tools put linear layers, scales, convolutions and delays between their neurons. All of them
are affine, so whatever lies between two populations is one matrix per source, variable and delay,
plus a constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ltc2hw.errors import ShapeError
from ltc2hw.graph.structure import Variable
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.words import FloatArray

Matrix: TypeAlias = "FloatArray | sparse.csr_matrix"
"""Shape (N, N_source); convolutions and identities are sparse."""


@dataclass(frozen=True)
class Source:
    """A variable of a population, some steps ago."""

    population: str
    variable: Variable
    delay: int = 0


CONSTANT = ""
"""Population of the source that is 1 at every step from the first one on."""


@dataclass(frozen=True)
class Signal:
    """``Σ matrix @ source`` of N numbers; the constant is a source of one number.

    >>> twice = Signal.of("input", 2, "spikes").through(np.array([[2.0, 0.0]])).plus_constant([1.0])
    >>> [matrix.tolist() for matrix in twice.terms.values()]
    [[[2.0, 0.0]], [[1.0]]]
    """

    size: int
    terms: Mapping[Source, Matrix]

    @classmethod
    def of(cls, population: str, size: int, variable: Variable) -> Signal:
        """What a population sends, as it is."""
        return cls(size, {Source(population, variable): sparse.identity(size, format="csr")})

    def through(self, matrix: Matrix) -> Signal:
        """Apply a matrix of shape (N_out, N).

        Raises:
            ShapeError: if it has another number of columns.
            TooLargeError: if a product would have too many numbers, before it is made.
        """
        rows, columns = matrix.shape
        if columns != self.size:
            raise ShapeError("columns of a matrix", columns, f"{self.size}, what arrives there")
        # A product with the identity would lose zeros that a sparse matrix stores. The constant is
        # a column, also where it is a single 1.
        terms = {
            s: matrix if s.population != CONSTANT and is_identity(m) else product(matrix, m)
            for s, m in self.terms.items()
        }
        return Signal(rows, terms)

    def only(self, rows: npt.NDArray[np.bool_]) -> Signal:
        """The same numbers where ``rows`` (N,) says so, and zeros elsewhere."""
        kept = np.flatnonzero(rows)
        shape = (self.size, self.size)
        return self.through(sparse.csr_matrix((np.ones(kept.size), (kept, kept)), shape=shape))

    def scaled(self, factors: npt.ArrayLike) -> Signal:
        """Multiply by one factor per number (or one for all).

        Raises:
            ShapeError: if there is another number of factors.
        """
        given = np.asarray(factors, dtype=np.float64)
        if given.shape not in {(), (1,), (self.size,)}:
            raise ShapeError("shape of factors", given.shape, f"({self.size},)")
        diagonal = np.broadcast_to(given, (self.size,))
        if np.all(diagonal == 1.0):
            return self
        return self.through(sparse.diags(diagonal, format="csr"))

    def plus_constant(self, constant: npt.ArrayLike) -> Signal:
        """Add a constant vector (N,)."""
        column = np.broadcast_to(np.asarray(constant, dtype=np.float64), (self.size,))[:, None]
        return self.plus(Signal(self.size, {Source(CONSTANT, "spikes"): np.array(column)}))

    def plus(self, other: Signal) -> Signal:
        """Add another signal of the same size.

        Raises:
            ShapeError: if it has another size.
        """
        if other.size != self.size:
            raise ShapeError("size of a sum's part", other.size, str(self.size))
        terms = dict(self.terms)
        for source, term in other.terms.items():
            terms[source] = terms[source] + term if source in terms else term
        return Signal(self.size, terms)

    def delayed(self, steps: int) -> Signal:
        """The same some steps later; nothing before, not even the constant."""
        terms = {
            Source(s.population, s.variable, s.delay + steps): m for s, m in self.terms.items()
        }
        return Signal(self.size, terms)

    def is_plain(self, source: Source) -> bool:
        """Whether it is nothing but that source, as it is."""
        return set(self.terms) == {source} and is_identity(self.terms[source])


def numbers_in(matrix: Matrix) -> int:
    """How many numbers a matrix takes: of a sparse one, each value and its place, and each row."""
    if isinstance(matrix, np.ndarray):
        return int(matrix.size)
    return 2 * int(matrix.nnz) + int(matrix.shape[0])


def product(first: Matrix, second: Matrix) -> Matrix:
    """``first @ second``, unless it is too large.

    Raises:
        TooLargeError: before anything is made.
    """
    rows, columns = first.shape[0], second.shape[1]
    most = rows * columns
    if not isinstance(first, np.ndarray) and not isinstance(second, np.ndarray):
        pairs = first.getnnz(axis=0).astype(np.int64) @ second.getnnz(axis=1).astype(np.int64)
        most = 2 * min(most, int(pairs)) + rows
    held = numbers_in(first) + numbers_in(second)
    require_capacity("product of weights", most, held, "put neurons between the layers")
    return first @ second


def is_identity(matrix: Matrix) -> bool:
    """Whether a matrix changes nothing."""
    if matrix.shape[0] != matrix.shape[1]:
        return False
    rows = sparse.csr_matrix(matrix)
    identity = sparse.identity(rows.shape[0], format="csr")
    return bool(rows.nnz == rows.shape[0] and (rows != identity).nnz == 0)
