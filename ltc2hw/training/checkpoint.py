"""Checkpoints: everything that training needs to go on as if it had never stopped.

One npz file (no pickle): a JSON text with options and history, and arrays. Written to a temporary
file and renamed, so that the file of that name is always a whole one.
"""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files import write_arrays
from ltc2hw.training.options import complete

SCHEMA = 1
_KIND = "ltc2hw training checkpoint"
_META = "meta"


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
    """Read a checkpoint.

    Raises:
        DamagedFileError: if the file is truncated, foreign or of an unknown schema.
        OSError: if it cannot be opened.
    """
    remedy = "delete it to start over"
    try:
        # Opened here, because np.load leaves a file that it cannot read open.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as content:
            arrays = {name: content[name] for name in content.files}
        meta = json.loads(str(arrays.pop(_META)))
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DamagedFileError(path, f"not a training checkpoint: {error}", remedy) from error
    if meta.get("kind") != _KIND or meta.get("schema") != SCHEMA:
        raise DamagedFileError(path, f"unknown schema {meta.get('schema')}", remedy)
    return Checkpoint(meta["plan"], tuple(meta["history"]), arrays)


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
