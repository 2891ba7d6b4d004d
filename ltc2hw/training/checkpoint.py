"""Checkpoints: everything that training needs to go on as if it had never stopped.

One npz file (no pickle): a JSON text with options and history, and arrays. Written to a temporary
file and renamed, so that the file of that name is always a whole one.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.archive import DAMAGE, one_line, shown
from ltc2hw.files.atomic import write_arrays
from ltc2hw.files.npz import read_npz
from ltc2hw.training.options import complete

MOST_UPDATES = 1 << 53
"""More updates than any training makes; optimizers count on from there in 64 bits."""

SCHEMA = 1
_KIND = "ltc2hw training checkpoint"
_META = "meta"
_REMEDY = "delete it to start over"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A training run after some whole epoch.

    ``plan`` says what is being trained and how; a run continues only a checkpoint of the same
    plan. ``history`` holds one record per finished epoch. ``arrays`` hold parameters, optimizer,
    FPTT memories and the best parameters so far. No generator needs saving: each epoch derives its
    own from (seed, epoch).
    """

    plan: Mapping[str, Any]
    history: tuple[Mapping[str, Any], ...]
    arrays: Mapping[str, npt.NDArray[Any]]


def save_checkpoint(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> None:
    """Write a checkpoint whole or not at all.

    Raises:
        OSError: if the folder does not exist or cannot be written.
    """
    meta = json.dumps(
        {
            "kind": _KIND,
            "schema": SCHEMA,
            "plan": checkpoint.plan,
            "history": checkpoint.history,
        }
    )
    write_arrays(path, {_META: np.array(meta), **checkpoint.arrays})


def load_checkpoint(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint; nothing in it is run, and sizes are checked before arrays are made.

    Raises:
        DamagedFileError: if the file is truncated, foreign or of an unknown schema.
        OSError: if it cannot be opened.
    """
    content = read_npz(path)
    text = content.pop(_META, None)
    if not isinstance(text, str):
        raise _damaged(path, f"it is no training checkpoint, without {_META}")
    try:
        meta = json.loads(text)
    except DAMAGE as error:
        raise _damaged(path, f"no training checkpoint: {one_line(error)}") from error
    if not isinstance(meta, dict) or meta.get("kind") != _KIND:
        raise _damaged(path, "it is no training checkpoint")
    if meta.get("schema") != SCHEMA:
        raise _damaged(path, f"unknown schema {shown(str(meta.get('schema')))}")
    plan, history = meta.get("plan"), meta.get("history")
    if not isinstance(plan, dict) or not all(isinstance(part, dict) for part in plan.values()):
        raise _damaged(path, "it does not say what was trained")
    if not isinstance(history, list) or not all(isinstance(record, dict) for record in history):
        raise _damaged(path, "it has no history")
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, values in content.items():
        if isinstance(values, str):
            raise _damaged(path, f"array {shown(name)} is a text")
        arrays[name] = values
    # Before everything was rounded in training, no epoch was refused.
    return Checkpoint(plan, tuple({"refused": 0, **record} for record in history), arrays)


def require_whole(
    saved: Checkpoint, own: Checkpoint, record: Collection[str], path: str | os.PathLike[str]
) -> None:
    """Refuse a checkpoint that lacks something, or has numbers that no training leaves behind.

    ``own`` is the checkpoint of a run of the same plan, whatever its epoch: names, shapes and
    types of arrays are those. ``record`` are the entries of each epoch's record.

    Raises:
        DamagedFileError: naming the first difference.
    """
    for name in sorted({*saved.arrays, *own.arrays}):
        if name not in own.arrays:
            raise _damaged(path, f"it has an array {shown(name)}, which its plan does not make")
        if name not in saved.arrays:
            raise _damaged(path, f"array {name} is missing")
        _require_like(name, saved.arrays[name], own.arrays[name], path)
    for epoch, found in enumerate(saved.history):
        if set(found) != set(record) or found["epoch"] != epoch:
            raise _damaged(path, f"its history has no record of epoch {epoch}")
        if not all(_is_finite(value) for value in found.values()):
            raise _damaged(path, f"its record of epoch {epoch} has more than finite numbers")


def _require_like(
    name: str, found: npt.NDArray[Any], own: npt.NDArray[Any], path: str | os.PathLike[str]
) -> None:
    if found.shape != own.shape or found.dtype != own.dtype:
        one, other = (f"{values.dtype} {values.shape}" for values in (found, own))
        raise _damaged(path, f"array {name} is {one}, not {other}")
    if not np.all(np.isfinite(found)):
        raise _damaged(path, f"array {name} is not finite")
    if found.dtype.kind in "iu" and np.any(found < 0):
        raise _damaged(path, f"array {name} counts below 0")
    if found.dtype.kind in "iu" and np.any(found > MOST_UPDATES):
        raise _damaged(path, f"array {name} counts beyond {MOST_UPDATES}")


def _is_finite(value: object) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value)  # type: ignore[arg-type]


def _damaged(path: str | os.PathLike[str], problem: str) -> DamagedFileError:
    return DamagedFileError(path, problem, _REMEDY)


def require_same_plan(
    saved: Mapping[str, Any], wanted: Mapping[str, Any], path: str | os.PathLike[str]
) -> None:
    """Refuse to continue a checkpoint of another task, network or method.

    Raises:
        InvalidValueError: naming the first difference.
    """
    known = complete(saved)
    for part, values in complete(wanted).items():
        for name, value in values.items():
            found = known.get(part, {}).get(name)
            if found != value:
                raise InvalidValueError(
                    f"{name} of checkpoint {path}",
                    found,
                    str(value),
                    "use the options that it was made with, or another file",
                )
