"""How a network learned."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ltc2hw.comparison.drawing import BOTH_COLOR, FLOAT_COLOR, INTEGER_COLOR
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.numbers.scalars import shown
from ltc2hw.plot.axes import axes_for

HEIGHT = 2.8

LABELS = {
    "loss": "training loss",
    "validation_loss": "validation loss",
    "validation": "validation score",
    "stream": "score while learning",
}


def learning_curve(history: Any, ax: Axes | None = None) -> Axes:
    """Draw losses and the validation score of training, or the scores of on-chip learning.

    ``history``: what :func:`ltc2hw.training.train` returned or its ``history``; records as
    mappings; or the file or the content of ``--json`` of ``ltc2hw train`` or ``ltc2hw learn``.

    Raises:
        InvalidValueError: for anything else, and for a history without records.
        DamagedFileError, OSError: for a file that is no JSON, or cannot be opened.

    >>> record = {"epoch": 0, "loss": 1.0, "validation_loss": 1.1, "validation": 0.5}
    >>> learning_curve([record, {**record, "epoch": 1, "loss": 0.5}]).get_xlabel()
    'epoch'
    """
    records = _records(history)
    is_stream = "samples" in records[0]
    along = "samples" if is_stream else "epoch"
    left = ("stream", "validation") if is_stream else ("loss", "validation_loss")
    for name in (along, *left, "validation"):
        if any(not isinstance(record.get(name), (int, float)) for record in records):
            limit = f"records with numbers {along}, {', '.join(left)} and validation"
            raise InvalidValueError(f"{name} of a history", "missing", limit)
    steps = [record[along] for record in records]
    with axes_for(ax, HEIGHT) as axes:
        for name, color in zip(left, (FLOAT_COLOR, INTEGER_COLOR), strict=True):
            values = [record[name] for record in records]
            axes.plot(steps, values, color=color, marker="o", markersize=3, label=LABELS[name])
        axes.set_xlabel("samples learned" if is_stream else "epoch")
        axes.set_ylabel("score" if is_stream else "loss")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        handles, labels = axes.get_legend_handles_labels()
        if not is_stream:
            other = axes.twinx()
            scores = [record["validation"] for record in records]
            handles += other.plot(
                steps, scores, color=BOTH_COLOR, linestyle="--", marker="o", markersize=3
            )
            labels.append(LABELS["validation"])
            other.set_ylabel(LABELS["validation"])
            other.grid(visible=False)
            other.spines["right"].set_visible(True)
        axes.legend(handles, labels, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)
    return axes


def _records(history: Any) -> list[Mapping[str, Any]]:
    """Records as mappings, at least one."""
    if isinstance(history, (str, os.PathLike)):
        history = _content(Path(history))
    if isinstance(history, Mapping):
        history = history.get("history", history.get("curve"))
    listed = getattr(history, "history", history)
    if isinstance(listed, Sequence) and not isinstance(listed, str) and listed:
        records = [r if isinstance(r, Mapping) else getattr(r, "__dict__", None) for r in listed]
        if all(isinstance(record, Mapping) for record in records):
            return records  # type: ignore[return-value]
    limit = "a result of training, its history, or what ltc2hw train or learn wrote as JSON"
    raise InvalidValueError("history", shown(history), limit)


def _content(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(path, "it is no JSON") from error
