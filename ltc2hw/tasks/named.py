"""Tasks by name of data sets whose files one has: ``mnist-rows``, ``fashion-rate-20``."""

from __future__ import annotations

import re

from ltc2hw.data import DataOptions
from ltc2hw.tasks.images import FORMS, SETS, image_task
from ltc2hw.tasks.task import Task

IMAGES = re.compile(rf"({'|'.join(SETS)})-({'|'.join(FORMS)})(?:-([0-9]{{1,9}}))?")

NAMES = tuple(
    f"{data}-{form}{'-T' if one.steps else ''}" for data in SETS for form, one in FORMS.items()
)
"""Names as errors list them; T is a number of steps, which may be left out."""


def named_task(text: str, options: DataOptions) -> Task | None:
    """The task of a data set's name; None for what is none.

    Raises:
        InvalidValueError: for files that are not there, and as
            :func:`~ltc2hw.tasks.images.image_task`.
        DamagedFileError, OSError: for files that cannot be read.
    """
    images = IMAGES.fullmatch(text)
    if images is not None:
        steps = None if images[3] is None else int(images[3])
        return image_task(images[1], images[2], steps, options)
    return None
