"""Tasks: embedded or generated data, without torch. ``load_task`` finds them by name."""

from __future__ import annotations

import re
from collections.abc import Callable

from ltc2hw.errors import UnknownNameError
from ltc2hw.tasks.add import add_task
from ltc2hw.tasks.digits import digits_permuted, digits_pixels, digits_rows
from ltc2hw.tasks.task import Split, Task

TASKS: dict[str, Callable[[], Task]] = {
    "digits-rows": digits_rows,
    "digits-pixels": digits_pixels,
    "digits-permuted": digits_permuted,
}
"""Tasks without a parameter, by name; ``add-T`` exists for every length T."""

_ADD = re.compile(r"add-([0-9]{1,9})")


def load_task(name: str) -> Task:
    """The task called ``name``: one of :data:`TASKS`, or ``add-T`` (e.g. add-100).

    Raises:
        UnknownNameError: if there is no such task.
        InvalidValueError: if the Add task cannot have that length.
        MissingExtraError: if the task's data come with a package that is not installed.

    >>> load_task("add-20").steps
    20
    """
    add = _ADD.fullmatch(name)
    if add is not None:
        return add_task(int(add.group(1)))
    if name not in TASKS:
        raise UnknownNameError("task", name, (*TASKS, "add-T (e.g. add-100)"))
    return TASKS[name]()


__all__ = ["TASKS", "Split", "Task", "load_task"]
