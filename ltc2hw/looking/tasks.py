"""Tasks and their splits as tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from ltc2hw.looking.view import View, ends, span

SPLITS = ("train", "validation", "test")


def view(task: Any) -> View:
    """A task, or one of its splits."""
    if not hasattr(task, "kind"):
        return View(repr(task).strip("<>"), {"split": [split_row("split", task)]})
    facts = {
        "kind": task.kind,
        "steps": task.steps,
        "inputs": task.inputs,
        "shape_of_inputs": list(task.shape) if len(task.shape) > 1 else None,
        "graded_inputs": task.graded,
        "outputs": task.outputs,
        "labels_at_every_step": task.every_step,
        "steps_of_a_decision": task.decision_steps,
        "classes": list(task.classes) or None,
        "outputs_of_each_label": list(task.heads) or None,
        "splits": [split_row(name, getattr(task, name)) for name in SPLITS],
        "provenance": dict(task.provenance),
    }
    return View(repr(task).strip("<>"), facts)


def split_row(name: str, split: Any) -> dict[str, Any]:
    """How many samples, how long, what they hold and what they should give."""
    steps, samples, inputs = split.shape
    row: dict[str, Any] = {
        "split": name,
        "samples": samples,
        "steps": steps if split.lengths is None else ends(split.lengths),
        "inputs": inputs,
        "values": _span(split),
    }
    if split.labels.dtype.kind == "f":
        row["targets"] = ends(split.labels[np.isfinite(split.labels)])
    else:
        several = split.labels.ndim == 2 and not split.every_step
        columns = split.labels.T if several else [split.labels[split.labels >= 0]]
        counts = [int(np.unique(column).size) for column in columns]
        row["classes"] = counts if several else counts[0]
    return row


def _span(split: Any) -> dict[str, float]:
    """Lowest and highest number of all samples."""
    spans = [(piece.min().item(), piece.max().item()) for piece in (p.x for p in split.pieces())]
    return span(min(low for low, _ in spans), max(high for _, high in spans))
