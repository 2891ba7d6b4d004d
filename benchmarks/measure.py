"""Paired measurements: every round times all candidates one after the other.

Machines are shared and change their clock, so single times say little. Ratios of times of the same
round say more; their median and quartiles are what the tables show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

Timed = Callable[[], object]


@dataclass(frozen=True)
class Spread:
    """Median and quartiles of repeated measurements."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarize one or more values."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, _, high = quantiles(values, n=4, method="inclusive")
        return cls(median(values), low, high)

    def __format__(self, spec: str) -> str:
        spec = spec or ".3g"
        return f"{self.median:{spec}} ({self.low:{spec}} to {self.high:{spec}})"

    def scaled(self, factor: float) -> Spread:
        """The same measurements in another unit."""
        return Spread(self.median * factor, self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Paired:
    """Seconds of every candidate in every round."""

    seconds: Mapping[str, Sequence[float]]

    def spread(self, name: str) -> Spread:
        """Seconds of a candidate."""
        return Spread.of(self.seconds[name])

    def ratio(self, slow: str, fast: str) -> Spread:
        """How many times longer ``slow`` takes than ``fast``, round by round."""
        pairs = zip(self.seconds[slow], self.seconds[fast], strict=True)
        return Spread.of([first / second for first, second in pairs])


def seconds_of(function: Timed, at_least: float = 0.0) -> float:
    """Seconds of one call; of the mean call if it has to be repeated to take long enough."""
    calls = 0
    begin = time.perf_counter()
    while True:
        function()
        calls += 1
        elapsed = time.perf_counter() - begin
        if elapsed >= at_least:
            return elapsed / calls


def paired(candidates: Mapping[str, Timed], rounds: int, at_least: float = 0.02) -> Paired:
    """Time all candidates in turns, after one call of each that is not counted."""
    for function in candidates.values():
        function()
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(rounds):
        for name, function in candidates.items():
            seconds[name].append(seconds_of(function, at_least))
    return Paired(seconds)


def peak_megabytes() -> float:
    """Peak resident memory of this process so far; needs Linux.

    Not ``ru_maxrss``: a process inherits that of the one that started it.
    """
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024
