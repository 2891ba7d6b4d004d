"""Tasks by name of data sets whose files one has: ``mnist-rows``, ``nmnist``, ``shd``."""

from __future__ import annotations

import re

from ltc2hw.data import DataOptions
from ltc2hw.data.events.sets import EVENT_SETS
from ltc2hw.tasks.images import FORMS, SETS, image_task
from ltc2hw.tasks.recorded import recorded_task
from ltc2hw.tasks.task import Task

IMAGES = re.compile(rf"({'|'.join(SETS)})-({'|'.join(FORMS)})(?:-([0-9]{{1,9}}))?")

NAMES = (
    *(f"{data}-{form}{'-T' if one.steps else ''}" for data in SETS for form, one in FORMS.items()),
    *EVENT_SETS,
)
"""Names as errors list them; T is a number of steps, which may be left out."""


def named_task(text: str, options: DataOptions) -> Task | None:
    """The task of a data set's name; None for what is none.

    Raises:
        InvalidValueError: for files that are not there, and as
            :func:`~ltc2hw.tasks.images.image_task` and
            :func:`~ltc2hw.tasks.recorded.recorded_task`.
        DamagedFileError, OSError: for files that cannot be read.
    """
    images = IMAGES.fullmatch(text)
    if text in EVENT_SETS:
        return recorded_task(text, options)
    if images is not None:
        steps = None if images[3] is None else int(images[3])
        return image_task(images[1], images[2], steps, options)
    return None
