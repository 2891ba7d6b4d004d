"""Tasks whose sequences are drawn from a fixed seed, by a name with a number in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from ltc2hw.tasks.add import add_task
from ltc2hw.tasks.cue import cue_task
from ltc2hw.tasks.mackey_glass import USUAL_AHEAD, mackey_glass_task
from ltc2hw.tasks.task import Task

NAMES = ("add-T (e.g. add-100)", "add-running-T", "cue-T", "mackey-glass-STEPS")
"""Names as errors list them."""

_NUMBER = re.compile(r"(?P<name>[a-z-]+?)(?:-(?P<number>[0-9]{1,9}))?")

_MADE: Mapping[str, tuple[Callable[[int], Task], int | None]] = {
    "add": (add_task, None),
    "add-running": (lambda steps: add_task(steps, running=True), None),
    "cue": (cue_task, None),
    "mackey-glass": (mackey_glass_task, USUAL_AHEAD),
}
"""What makes a task of a number, and the number where none is said; None if one has to be."""


def generated_task(text: str) -> Task | None:
    """The task of a name such as ``add-100``; None for what is none.

    Raises:
        InvalidValueError: for a number that the task cannot have.

    >>> [task and task.name for task in map(generated_task, ("cue-50", "mackey-glass", "cue"))]
    ['cue-50', 'mackey-glass-15', None]
    """
    found = _NUMBER.fullmatch(text)
    if found is None or found["name"] not in _MADE:
        return None
    make, usual = _MADE[found["name"]]
    number = usual if found["number"] is None else int(found["number"])
    return None if number is None else make(number)
