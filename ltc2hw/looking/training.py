"""Training as tables: the scores, and every epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ltc2hw.looking.reports import written_view
from ltc2hw.looking.view import View


def view(result: Any) -> View:
    """What :func:`ltc2hw.training.train` returned."""
    facts = {
        "scores": dict(result.metrics),
        "history": [dict(vars(record)) for record in result.history],
    }
    return View(repr(result).strip("<>"), facts)


def checkpoint_view(
    plan: Mapping[str, Any], history: Sequence[Mapping[str, Any]], arrays: Mapping[str, Any]
) -> View:
    """A checkpoint of training: what is trained and how, every epoch so far, what it keeps."""
    told = written_view("", {"plan": plan}).facts
    rows = [
        {"array": name, "type": array.dtype.name, "shape": " x ".join(map(str, array.shape)) or "1"}
        for name, array in arrays.items()
    ]
    task = plan.get("task", {}).get("name", "a task")
    title = f"checkpoint of training on {task} after {len(history)} epochs"
    return View(title, {**told, "history": list(history), "arrays": rows})
