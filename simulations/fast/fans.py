"""Fan-outs: which projections multiply a message together, how, and their weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ltc2hw.graph.fixed import FixedProjection
from ltc2hw.graph.structure import Variable
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.integer_limits import magnitude
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import Word
from ltc2hw.simulations.fast.kinds import WIDE, Types
from ltc2hw.simulations.fast.orders import Order
from ltc2hw.simulations.fast.proofs import INT16
from ltc2hw.simulations.fast.tables import FAN_LANES, Shape, Table, padded
from ltc2hw.simulations.fast.widths import INT8, Facts, sent_word

FEWEST_SOURCES = 32
"""Half a block of messages; the matrix unit multiplies fewer no faster."""

LARGEST_EXPONENT = 22
"""Exponent for which ``2^(exponent + 8)``, the worth of a second byte, is a short number."""


@dataclass(frozen=True)
class Fan:
    """Projections that read the same message and multiply with the same types."""

    source: str
    variable: Variable
    delay: int
    narrow: bool
    """Whether sums have 16 bits."""
    matrix: bool
    """Whether the matrix unit multiplies."""
    shape: Shape
    word: Word
    """Of the message."""
    projections: tuple[FixedProjection, ...]

    @property
    def sources(self) -> int:
        """Neurons that send."""
        return self.projections[0].weights.shape[1]

    @property
    def planes(self) -> int:
        """Bytes of a message that are multiplied one by one."""
        return 2 if self.matrix and span(self.word) > INT8 else 1

    def rows(self, width: int, types: Types, orders: Mapping[str, Order]) -> Table:
        """Dense weights (sources, width) of all projections, side by side, in memory's order."""
        rows: Table = np.zeros((self.sources, width), dtype=types.weights)
        column = 0
        for projection in self.projections:
            matrix = projection.weights.to_array()
            by_source = orders[self.source].placed(matrix).T
            rows[:, column : column + matrix.shape[0]] = orders[projection.target].placed(by_source)
            column += padded(matrix.shape[0])
        return rows


def group_fans(facts: Facts, types: Types, *, matrices: bool) -> list[Fan]:
    """Dense projections of one message share a fan-out; others have their own.

    With ``matrices`` the matrix unit multiplies where it can and is worth it.
    """
    grouped: dict[tuple[Any, ...], list[Fan]] = {}
    projections = facts.network.projections
    for index, (projection, largest) in enumerate(zip(projections, facts.sums, strict=True)):
        word = sent_word(facts.populations[projection.source], projection.variable)
        matrix = matrices and suits_matrices(projection, word)
        events = projection.variable == "spikes"
        alone = Fan(
            source=projection.source,
            variable=projection.variable,
            delay=projection.delay,
            narrow=types is not WIDE
            and events
            and not matrix
            and fits_16_bits(projection, largest),
            matrix=matrix,
            shape=shape_of(projection, word, types, matrix=matrix),
            word=word,
            projections=(projection,),
        )
        own = index if isinstance(projection.weights, Sparse | Conv) else -1
        key = (alone.source, alone.variable, alone.delay, alone.narrow, matrix, own)
        grouped.setdefault(key, []).append(alone)
    return [
        replace(fans[0], projections=tuple(fan.projections[0] for fan in fans))
        for fans in grouped.values()
    ]


def fits_16_bits(projection: FixedProjection, largest: int) -> bool:
    """Whether 16 bits hold all sums over spikes; ``largest`` is what magnitudes add up to.

    Any spikes add up to no more than the positive weights of a row, and no less than the negative.
    """
    if largest <= INT16 or largest > 2 * INT16:
        return largest <= INT16
    weights = projection.weights
    spikes = np.ones(weights.shape[1], dtype=np.int64)
    signs = (np.maximum(weights.values, 0), np.minimum(weights.values, 0))
    rows = (weights.with_values(values).row_magnitudes(spikes) for values in signs)
    return all(int(row.max()) <= INT16 for row in rows)


def suits_matrices(projection: FixedProjection, word: Word) -> bool:
    """Whether two bytes hold the message, and the matrix unit is faster."""
    weights = projection.weights
    if isinstance(weights, Sparse | Conv) or weights.shape[1] < FEWEST_SOURCES:
        return False
    return span(word) <= INT16 and projection.exponent <= LARGEST_EXPONENT


def shape_of(projection: FixedProjection, word: Word, types: Types, *, matrix: bool) -> Shape:
    """What the fan-out of a projection reads, and how its weights are stored."""
    sparse = isinstance(projection.weights, Sparse)
    if isinstance(projection.weights, Conv):
        events = projection.variable == "spikes"
        return Shape.KERNEL_EVENTS if events else Shape.KERNEL_VALUES
    if projection.variable == "spikes":
        return Shape.SPARSE_EVENTS if sparse else Shape.DENSE_EVENTS
    if sparse:
        return Shape.SPARSE_VALUES
    if matrix:
        return Shape.DENSE_BYTES
    in_pairs = types is not WIDE and span(word) <= INT16
    return Shape.DENSE_PAIRS if in_pairs else Shape.DENSE_VALUES


def span(word: Word) -> int:
    """Largest number of a word; of a signed one's two ends, the smaller magnitude."""
    return magnitude(word) - word.signed


def paired(rows: Table) -> Table:
    """Weights (sources, width) as blocks of FAN_LANES columns: (blocks, pairs, FAN_LANES, 2)."""
    sources, width = rows.shape
    even: Table = np.concatenate([rows, np.zeros((sources % 2, width), dtype=rows.dtype)])
    return even.reshape(-1, 2, width // FAN_LANES, FAN_LANES).transpose(2, 0, 3, 1)
