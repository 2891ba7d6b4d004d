"""Tasks: embedded, generated, or of one's own data, without torch. ``load_task`` finds them."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from ltc2hw.data import DETECTED, SUFFIXES, DataOptions, read_data
from ltc2hw.data.ts import TRAIN
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.numbers.scalars import require_type
from ltc2hw.tasks.digits import digits_permuted, digits_pixels, digits_rows
from ltc2hw.tasks.functions import function_task, names_function
from ltc2hw.tasks.generated import NAMES as GENERATED
from ltc2hw.tasks.generated import generated_task
from ltc2hw.tasks.named import NAMES, named_task
from ltc2hw.tasks.split import LazySplit, Split
from ltc2hw.tasks.task import Task

TASKS: dict[str, Callable[[], Task]] = {
    "digits-rows": digits_rows,
    "digits-pixels": digits_pixels,
    "digits-permuted": digits_permuted,
}
"""Tasks without a parameter, by name; those of :mod:`ltc2hw.tasks.generated` have a number."""


def load_task(name: str | os.PathLike[str], options: DataOptions = DETECTED) -> Task:
    """The task called ``name``: one of :data:`TASKS`, or with a number in its name, e.g. add-100.

    The latter are those of :data:`ltc2hw.tasks.generated.NAMES`. Or of a data set whose files lie
    below ``options.root``, e.g. ``mnist-rows``: one of :data:`~ltc2hw.tasks.named.NAMES`. Or the
    data of a path, read as ``options`` say (see :func:`ltc2hw.data.read_data`), or what
    ``module:function`` returns. A name goes before a file that is called so; write ``./name`` for
    the file.

    Raises:
        UnknownNameError: if there is neither such a task nor such a file.
        InvalidValueError: if a task cannot have the number of its name, or options are given for a
            task that has data of its own, or files of a data set are not there.
        ShapeError, InvalidValueError, DamagedFileError: for data that do not make a task.
        MissingExtraError: if the task's data come with a package that is not installed.

    >>> load_task("add-20").steps
    20
    """
    require_type("task", name, str, os.PathLike)
    text = os.fspath(name)
    own = TASKS[text]() if text in TASKS else generated_task(text)
    if own is not None:
        if options != DETECTED:
            raise InvalidValueError("options of data", "given", f"none for task {text}")
        return own
    named = named_task(text, options)
    if named is not None:
        return named
    if os.path.exists(text):
        return file_task(text, options)
    if names_function(text):
        return function_task(text, options)
    if os.path.dirname(text) or Path(text).suffix.casefold() in SUFFIXES:
        return file_task(text, options)
    known = (
        *TASKS,
        *GENERATED,
        *NAMES,
        "a path that exists",
        "module:function",
    )
    raise UnknownNameError("task", text, known)


def file_task(path: str | os.PathLike[str], options: DataOptions = DETECTED) -> Task:
    """The task of a file or folder, called like it.

    Raises:
        ShapeError, InvalidValueError, DamagedFileError, OSError: as
            :func:`ltc2hw.data.read_data`.
    """
    if options.root is not None:
        limit = "none, as a path is given"
        raise InvalidValueError("root of data", options.root, limit, "leave it out")
    data = read_data(path, options)
    # A folder may be called ".".
    name = Path(path).resolve().name
    stem = Path(name.removesuffix(TRAIN)).stem
    return Task.from_data(data, stem)


__all__ = ["TASKS", "LazySplit", "Split", "Task", "file_task", "load_task"]
