"""What a tuning or a search of widths prints: the trail, the scores, the front."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.comparison.tables import Table, change_text, naming, score_text
from ltc2hw.tuning.narrowing import Narrowed
from ltc2hw.tuning.noise import Paired
from ltc2hw.tuning.trail import Trial
from ltc2hw.tuning.tune import Tuned

NAMES = {"float": "float64", "plain": "integers as quantized", "tuned": "integers tuned"}
"""What the networks of a tuning are called in a table."""

MOST_NAMED = 3
"""Widths that a row names; of more their number is told."""


def trail_table(found: Tuned | Narrowed) -> Table:
    """A row for each trial; what it gained, or, where widths are searched, what it has lost."""
    searched = isinstance(found, Narrowed)
    rows = tuple(
        (
            str(number),
            trial.what,
            "" if trial.score is None else score_text(found.metric, trial.score),
            paired_text(found.metric, trial.lost if searched else trial.gain),
            "" if trial.bytes is None else f"{trial.bytes:,}",
            outcome(trial),
        )
        for number, trial in enumerate(found.trials, 1)
    )
    amount = "lost" if searched else "gain"
    title = f"Tried, on {naming(found.metric).sentence} of validation samples"
    return Table(title, ("trial", "what", found.metric, amount, "bytes", ""), rows)


def outcome(trial: Trial) -> str:
    """What became of a trial, in a word or two."""
    if trial.refused:
        return "refused"
    over = f", exceeds {' and '.join(trial.over)}" if trial.over else ""
    return ("kept" if trial.kept else "not kept") + over


def paired_text(metric: str, difference: Paired | None) -> str:
    """A gain with its standard error.

    >>> paired_text("accuracy", Paired(0.05, 0.012))
    '+5.00 ± 1.20 points'
    """
    if difference is None or difference == Paired(0.0, 0.0):
        return ""
    if metric == "accuracy":
        return f"{100 * difference.mean:+.2f} ± {100 * difference.error:.2f} points"
    return f"{difference.mean:+.3g} ± {difference.error:.2g}"


def score_table(found: Tuned | Narrowed) -> Table:
    """Float, plain and tuned, on validation samples and on test samples."""

    def rows(part: str, scores: Mapping[str, float]) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (
                part,
                NAMES[name],
                score_text(found.metric, score),
                change_text(found.metric, score - scores["float"]),
            )
            for name, score in scores.items()
        )

    title = naming(found.metric).title
    body = (*rows("validation", found.scores), *rows("test, looked at once", found.tested))
    return Table(title, ("samples", "network", found.metric, "change"), body)


def front_table(found: Narrowed) -> Table:
    """The networks that no other beats, the smallest first."""
    rows = tuple(
        (
            f"{point.bytes:,}",
            f"{point.operations:,.0f}",
            score_text(found.metric, point.score),
            paired_text(found.metric, point.lost) or "0",
            "chosen" if point == found.chosen else "keeps the score" if point.kept else "",
            widths_text(point.bits),
        )
        for point in found.front
    )
    header = ("bytes", "operations", found.metric, "lost", "", "narrower words")
    return Table(f"No other network is better, of {len(found.points)} tried", header, rows)


def widths_text(bits: Mapping[str, int]) -> str:
    """Widths by name, in short.

    >>> widths_text({"input": 4}), widths_text({"a": 2, "b": 3, "c": 2, "d": 2})
    ('input=4', '4 words, of 2 to 3 bits')
    """
    if len(bits) <= MOST_NAMED:
        return ", ".join(f"{name}={width}" for name, width in bits.items())
    return f"{len(bits)} words, of {min(bits.values())} to {max(bits.values())} bits"


def width_table(found: Narrowed) -> Table:
    """The words of the chosen network that are narrower than they were."""
    rows = tuple((name, str(width)) for name, width in found.chosen.bits.items())
    return Table("Widths of the chosen network", ("word", "bits"), rows)
