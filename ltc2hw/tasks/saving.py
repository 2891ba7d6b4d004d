"""A task's samples and labels in one ``.npz`` file that reads back as the same task."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.files.atomic import StrPath, write_arrays
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks.task import Task, class_names

PARTS = ("train", "validation", "test")

ORIGIN = ("made from", "source", "binning")
"""What of a task's provenance is kept."""

COMPACT: tuple[str, ...] = ("uint8", "int8", "int16", "float32")
"""Types that samples are kept in if they hold every one of them exactly."""


def save_task(task: Task, path: StrPath) -> None:
    """Write arrays ``x_train`` (T, B, N), ``y_train``, ``lengths_train``, ... and what they mean.

    What a task does to its training samples in every epoch is not in the file.

    Raises:
        InvalidValueError, OSError: if the file cannot be written.

    >>> from pathlib import Path
    >>> from ltc2hw.tasks import load_task
    >>> task = Task.from_arrays(np.arange(60.0).reshape(30, 2, 1), ["a", "b", "c"] * 10)
    >>> save_task(task, "example.npz")
    >>> load_task("example.npz").checksum == task.checksum
    True
    >>> Path("example.npz").unlink()
    """
    arrays: dict[str, npt.NDArray[Any]] = {
        "layout": np.array("time-first"),
        "kind": np.array(task.kind),
        "every_step": np.array(task.every_step),
        "graded": np.array(task.graded),
        "decision_steps": np.array(task.decision_steps),
        "provenance": np.array(_origin(task)),
    }
    if task.kind == "classification":
        names = class_names(task)
        arrays["classes"] = np.array(names, dtype=np.str_)
    if len(task.shape) > 1:
        arrays["shape"] = np.array(task.shape)
    if task.heads:
        arrays["heads"] = np.array(task.heads)
    for name in PARTS:
        split = getattr(task, name)
        arrays[f"x_{name}"] = compact(split.x)
        arrays[f"y_{name}"] = split.labels
        if split.lengths is not None:
            arrays[f"lengths_{name}"] = split.lengths
    write_arrays(path, arrays)


def _origin(task: Task) -> str:
    """Where the samples come from, in one line."""
    said = (task.provenance.get(key) for key in ORIGIN)
    return "; ".join(text for text in said if text) or task.name


def compact(x: FloatArray) -> npt.NDArray[Any]:
    """Samples in the smallest type that holds them exactly.

    >>> compact(np.array([0.0, 255.0])).dtype, compact(np.array([0.1])).dtype
    (dtype('uint8'), dtype('float64'))
    """
    for kind in COMPACT:
        with np.errstate(invalid="ignore", over="ignore"):
            smaller = x.astype(kind)
        if np.array_equal(smaller, x):
            return smaller
    return x
