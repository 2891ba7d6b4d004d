"""What charts are drawn from: plain numbers with their intervals; no drawing library.

Scores are in their own unit: accuracy is a fraction, 0.9 and not 90. An interval is ``low`` to
``high``, both or neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.fields import number_array, require_finite
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import FloatArray


@dataclass(frozen=True)
class Mark:
    """A named number and between what it lies: the score of a stage, or what a part costs.

    Raises:
        InvalidValueError: for numbers that are not finite, half an interval or a reversed one.

    >>> Mark("+ weights", 0.9, 0.87, 0.92).interval, Mark("hidden threshold", 0.02).interval
    ((0.87, 0.92), (0.02, 0.02))
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    def __post_init__(self) -> None:
        require_number(f"value of {self.name}", self.value)
        if self.low is None and self.high is None:
            return
        low, high = self.low, self.high
        name = f"interval of {self.name}"
        if low is None or high is None:
            raise InvalidValueError(name, f"{low} to {high}", "two numbers, or none")
        require_number(f"low end of {self.name}", low)
        require_number(f"high end of {self.name}", high)
        if low > high:
            raise InvalidValueError(name, f"{low:g} to {high:g}", "low <= high")

    @property
    def interval(self) -> tuple[float, float]:
        """From where to where the number may lie: itself where nothing is known."""
        if self.low is None or self.high is None:
            return self.value, self.value
        return self.low, self.high


@dataclass(frozen=True)
class Point(Mark):
    """A network that was tried: its score, and what it costs (bytes, operations).

    Raises:
        InvalidValueError: for numbers that are not finite, half an interval or a reversed one.

    >>> Point("4 bits", 0.9, cost=1200).chosen
    False
    """

    cost: float = field(kw_only=True)
    chosen: bool = field(default=False, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(f"cost of {self.name}", self.cost)


def pareto_front(points: Sequence[Point], *, higher_is_better: bool = True) -> tuple[Point, ...]:
    """The points than which no other is both cheaper and better, from the cheapest on.

    Of equal ones the first stands for all.

    >>> tried = (("a", 0.9, 4), ("b", 0.8, 2), ("c", 0.7, 3), ("d", 0.9, 5))
    >>> points = [Point(name, score, cost=cost) for name, score, cost in tried]
    >>> [point.name for point in pareto_front(points)]
    ['b', 'a']
    """
    sign = -1 if higher_is_better else 1
    front: list[Point] = []
    for point in sorted(points, key=lambda point: (point.cost, sign * point.value)):
        if not front or sign * point.value < sign * front[-1].value:
            front.append(point)
    return tuple(front)


@dataclass(frozen=True)
class Histogram:
    """How often values of a tensor occur, and the grid that its integers lie on.

    ``counts[i]`` values lie from ``edges[i]`` to ``edges[i + 1]``. Integers stand for the
    multiples of ``step`` from ``lowest`` to ``highest``; ``beyond`` values lie outside of these by
    more than half a step and are clipped.
    """

    name: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    step: float
    lowest: float
    highest: float
    beyond: int

    @property
    def levels(self) -> int:
        """How many values the grid has.

        >>> binned("w", [0.1, -0.5], step=0.25, lowest=-0.5, highest=0.25).levels
        4
        """
        return round((self.highest - self.lowest) / self.step) + 1


BINS = 80
"""Of a histogram: what a picture can show."""


def binned(
    name: str, values: npt.ArrayLike, step: float, lowest: float, highest: float, bins: int = BINS
) -> Histogram:
    """Count values in equal bins over all of them and the grid.

    Where the grid is coarser than the bins, each of its steps holds a whole number of bins, so that
    it can be seen which values go where. No values give no counts.

    Raises:
        InvalidValueError: for values that are not finite, a step that is not positive, or a grid
            that is reversed.

    >>> found = binned("w", [0.0, 0.1, 0.9], step=0.5, lowest=-1.0, highest=0.5, bins=5)
    >>> found.edges[:3], found.counts, found.beyond
    ((-1.25, -0.75, -0.25), (0, 0, 2, 0, 1), 1)
    """
    numbers: FloatArray = number_array(name, values, "fiub", "numbers").astype(np.float64).ravel()
    require_finite(name, numbers)
    require_finite(f"grid of {name}", np.array([step, lowest, highest], dtype=np.float64))
    if step <= 0 or highest < lowest:
        grid = f"{lowest:g} to {highest:g} by {step:g}"
        raise InvalidValueError(f"grid of {name}", grid, "rising, by a positive step")
    if not numbers.size:
        return Histogram(name, (), (), float(step), float(lowest), float(highest), 0)
    start = min(lowest, float(numbers.min()))
    end = max(highest, float(numbers.max()))
    width = bin_width(step, end - start, bins)
    first = lowest - step / 2
    first -= width * max(0, np.ceil((first - start) / width))
    count = int(max(1, np.ceil((end - first) / width * (1 - 1e-12))))
    edges = first + width * np.arange(count + 1)
    counts, _ = np.histogram(numbers, edges)
    half = step / 2
    beyond = int(np.count_nonzero((numbers < lowest - half) | (numbers > highest + half)))
    return Histogram(
        name,
        tuple(edges.tolist()),
        tuple(counts.tolist()),
        float(step),
        float(lowest),
        float(highest),
        beyond,
    )


def bin_width(step: float, span: float, bins: int) -> float:
    """Width of a bin: a whole part of a step or a whole number of steps, near ``span / bins``.

    >>> bin_width(0.5, span=2.0, bins=16), bin_width(0.5, span=100.0, bins=50)
    (0.125, 2.0)
    """
    wanted = max(span, step) / bins
    if wanted <= step:
        return float(step / max(1, np.floor(step / wanted)))
    return float(step * np.ceil(wanted / step))


def require_number(name: str, value: float) -> None:
    """Raise unless this is a finite number.

    >>> require_number("cost", float("nan"))
    Traceback (most recent call last):
    ...
    ltc2hw.errors.InvalidValueError: cost is nan; expected a finite number
    """
    require_type(name, value, int, float, np.integer, np.floating)
    if not np.isfinite(value):
        raise InvalidValueError(name, value, "a finite number")
