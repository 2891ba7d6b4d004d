"""Bounds that a run states: mismatches, lost accuracy, added error."""

from __future__ import annotations

import math

from ltc2hw.comparison.report import Bound, Report
from ltc2hw.comparison.tables import naming
from ltc2hw.errors import InvalidValueError


def exact_bounds(report: Report) -> tuple[Bound, ...]:
    """Every engine gives the bits of ``integer``."""
    return tuple(
        Bound(f"mismatches of {engine}, at most", exact.mismatches, 0, exact.mismatches == 0)
        for engine, exact in report.exact.items()
    )


def check_bound(measured: str, metric: str, limit: float) -> None:
    """Raise unless a bound on a score can be held against what is measured.

    Raises:
        InvalidValueError: if another score is measured, or the limit is no number.
    """
    if measured != metric:
        raise InvalidValueError(f"bound on {metric}", limit, f"one on {measured}")
    if not math.isfinite(limit):
        raise InvalidValueError(f"bound on {metric}", limit, "a finite number")


def loss_bound(report: Report, metric: str, limit: float) -> tuple[Bound, ...]:
    """The integers lose at most ``limit``: points of accuracy, or of another score as it is.

    Raises:
        InvalidValueError: as :func:`check_bound`.
    """
    check_bound(report.metric, metric, limit)
    way = "lost" if report.higher_is_better else "added"
    name, lost = f"{naming(metric).axis} {way}, at most", report.lost
    if metric == "accuracy":
        # In points, without the last bits of a difference of binary fractions.
        name, lost = "points of accuracy lost, at most", round(100 * lost, 9)
    return (Bound(name, lost, limit, lost <= limit),)


def accuracy_bound(report: Report, limit: float) -> tuple[Bound, ...]:
    """The float network reaches an accuracy, in per cent."""
    reached = round(100 * report.scores["float64"], 9)
    return (Bound("float accuracy in per cent, at least", reached, limit, reached >= limit),)
