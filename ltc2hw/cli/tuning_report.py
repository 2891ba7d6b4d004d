"""The report of a tuning: what it was before and after, Pareto pictures, and all that was tried."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from ltc2hw.cli.tuning_tables import (
    front_table,
    score_table,
    trail_table,
    width_table,
    widths_text,
)
from ltc2hw.comparison.markdown import table_markdown
from ltc2hw.comparison.marks import Point
from ltc2hw.comparison.markup import table_html
from ltc2hw.comparison.tables import Table, naming, score_text
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.atomic import require_output, write_text
from ltc2hw.files.texts import in_markdown
from ltc2hw.tasks import Task
from ltc2hw.tuning.narrowing import Narrowed
from ltc2hw.tuning.noise import Paired
from ltc2hw.tuning.tune import START, Tuned

if TYPE_CHECKING:
    from ltc2hw.comparison.drawing import Picture

Found = Tuned | Narrowed

COSTS: Mapping[str, str] = {
    "bytes": "what the target stores, in bytes",
    "operations": "synaptic operations of a sample",
}
"""What networks cost, and how an axis calls it."""


def check_report(path: Path) -> None:
    """Raise before any work is done for a report that could not be written in the end.

    Raises:
        InvalidValueError: for another ending than those of :data:`RENDERERS`.
        MissingExtraError: for a page without matplotlib.
        OSError: for a folder that is missing or read-only.
    """
    if path.suffix not in RENDERERS:
        raise InvalidValueError("--report", repr(str(path)), "a name ending in .html or .md")
    require_output(path, text=True)
    if path.suffix == ".html":
        import_module("ltc2hw.comparison.drawing")


def save_report(found: Found, task: Task, path: Path) -> None:
    """Write the report, whole.

    Raises:
        OSError: if it cannot be written.
    """
    write_text(path, RENDERERS[path.suffix](found, task))


def title(found: Found, task: Task) -> str:
    """What was done, in one line."""
    what = "Widths" if isinstance(found, Narrowed) else "Tuning"
    return f"{what} of a network for {found.fixed.target}, on {task.name}"


def summary(found: Found) -> str:
    """Scores before and after, in one sentence."""
    scores, samples = (
        (found.tested, "test samples, looked at once")
        if found.tested
        else (found.scores, "validation samples")
    )
    texts = {name: score_text(found.metric, score) for name, score in scores.items()}
    return (
        f"{naming(found.metric).title}: {texts['float']} in float, {texts['plain']} as quantized,"
        f" {texts['tuned']} tuned, on {samples}; {len(found.trials)} networks were tried."
    )


def tables(found: Found) -> tuple[Table, ...]:
    """All tables that have rows, in reading order."""
    own = (front_table(found), width_table(found)) if isinstance(found, Narrowed) else ()
    made = (score_table(found), *own, trail_table(found))
    return tuple(table for table in made if table.rows)


def points(found: Found, cost: str) -> tuple[Point, ...]:
    """Networks that were measured, by score and by one of :data:`COSTS`."""
    return tuple(_points(found, cost))


def _points(found: Found, cost: str) -> Iterator[Point]:
    if isinstance(found, Narrowed):
        for point in found.points:
            name, chosen = widths_text(point.bits) or START, point == found.chosen
            yield _point(name, point.score, getattr(point, cost), point.lost, chosen=chosen)
        return
    last = max(index for index, trial in enumerate(found.trials) if trial.kept)
    for index, trial in enumerate(found.trials):
        spent = getattr(trial, cost)
        if trial.score is not None and spent is not None:
            yield _point(trial.what, trial.score, spent, trial.lost, chosen=index == last)


def _point(name: str, score: float, cost: float, lost: Paired | None, *, chosen: bool) -> Point:
    """A network, its score within a standard error of what it loses against float."""
    error = 0.0 if lost is None else lost.error
    return Point(name, score, score - error, score + error, cost=float(cost), chosen=chosen)


def pictures(found: Found, task: Task) -> tuple[Picture, ...]:
    """Score against each cost.

    Raises:
        MissingExtraError: without matplotlib.
    """
    from ltc2hw.comparison.charts import pareto
    from ltc2hw.comparison.drawing import picture

    score = naming(found.metric).title
    higher = bool(task.decision.higher_is_better)
    return tuple(
        picture(
            f"{score} against {cost}",
            f"{score} of validation samples and {text}: the networks that were tried. Bars are the"
            " standard error of what each loses against float.",
            lambda cost=cost, text=text: pareto(  # type: ignore[misc]
                points(found, cost), text, found.metric, higher_is_better=higher
            ),
        )
        for cost, text in COSTS.items()
    )


def to_markdown(found: Found, task: Task) -> str:
    """All tables under one heading."""
    parts = (f"# {in_markdown(title(found, task))}", in_markdown(summary(found)))
    return "\n\n".join((*parts, *map(table_markdown, tables(found)))) + "\n"


def to_html(found: Found, task: Task) -> str:
    """A page that loads nothing and runs nothing.

    Raises:
        MissingExtraError: without matplotlib.
    """
    from ltc2hw.comparison.page import document, figure_html

    shown = escape(title(found, task))
    figures = "\n".join(map(figure_html, pictures(found, task)))
    first, *others = map(table_html, tables(found))
    rest = "\n".join(others)
    body = f"""<h1>{shown}</h1>
<p>{escape(summary(found))}</p>
{first}
<div class="pictures">
{figures}
</div>
{rest}
"""
    return document(shown, body)


RENDERERS: Mapping[str, Callable[[Found, Task], str]] = {".html": to_html, ".md": to_markdown}
"""By the ending of a report's name."""
