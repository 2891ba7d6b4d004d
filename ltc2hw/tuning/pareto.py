"""Networks by what they reach and what they cost; those that no other beats."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ltc2hw.tuning.noise import Paired


@dataclass(frozen=True)
class Tradeoff:
    """A network that was measured: its widths, score, loss against float, and what it costs.

    ``bits``: words that are not as wide as at the start; ``bytes``: what the target stores;
    ``operations``: synaptic operations of a sample; ``kept``: whether it keeps what was asked for.
    """

    bits: Mapping[str, int]
    score: float
    lost: Paired
    bytes: int
    operations: float
    kept: bool

    @property
    def costs(self) -> tuple[float, float, float]:
        """What is better where it is smaller."""
        return (self.lost.mean, float(self.bytes), self.operations)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def front(points: Collection[Tradeoff]) -> tuple[Tradeoff, ...]:
    """Points that none beats: no other is as good in all, and better in something.

    >>> none = Paired(0.0, 0.0)
    >>> one, two = (Tradeoff({}, 0.9, none, size, 1.0, True) for size in (100, 50))
    >>> front([one, two]) == (two,)
    True
    """
    kept = [
        point
        for point in points
        if not any(
            other.costs != point.costs
            and all(a <= b for a, b in zip(other.costs, point.costs, strict=True))
            for other in points
        )
    ]
    return tuple(sorted(kept, key=lambda point: (point.bytes, -point.score)))
