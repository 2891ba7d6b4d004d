"""What flows between populations: affine functions of the variables that they send.

Other tools put linear layers, scales, convolutions and delays between their neurons. All of them
are affine, so whatever lies between two populations is one matrix per source, variable and delay,
plus a constant. Convolutions stay convolutions (:mod:`ltc2hw.converters.products`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ltc2hw.converters.products import Matrix, apply, is_identity, product, total
from ltc2hw.errors import ShapeError
from ltc2hw.graph.structure import Variable


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
        """Apply a map of shape (N_out, N).

        Raises:
            ShapeError: if it has another number of columns.
            TooLargeError: if a product would have too many numbers, before it is made.
        """
        rows, columns = matrix.shape
        if columns != self.size:
            raise ShapeError("columns of a matrix", columns, f"{self.size}, what arrives there")
        # The constant is a column, also where it is a single 1.
        terms: dict[Source, Matrix] = {
            s: apply(matrix, np.asarray(m)) if s.population == CONSTANT else product(matrix, m)
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
            terms[source] = total(terms[source], term) if source in terms else term
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
