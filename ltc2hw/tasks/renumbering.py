"""Classes of other data in the order in which a network answers them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.labels import NO_LABEL
from ltc2hw.tasks.split import Split
from ltc2hw.tasks.task import Task


def in_order(task: Task, names: Sequence[str]) -> Task:
    """A task whose classes are ``names``, in this order; each file numbers its own.

    The task may lack some of them, and has no others.

    Raises:
        InvalidValueError: for a class that is none of the names, or several labels per sample in
            another order.

    >>> split = Split(np.zeros((1, 2, 1)), np.array([0, 1]))
    >>> task = Task("t", "classification", 1, 1, 2, split, split, split, classes=("b", "c"))
    >>> in_order(task, ("a", "b", "c")).train.labels.tolist()
    [1, 2]
    """
    names = tuple(names)
    if task.classes == names:
        return task
    unknown = [name for name in task.classes if name not in names]
    if unknown or task.heads:
        raise InvalidValueError(
            f"classes of task {task.name}",
            ", ".join(task.classes),
            f"those that the network was trained for, {', '.join(names)}",
            "name them alike, or train the network further with --start",
        )
    numbers = np.array([names.index(name) for name in task.classes])

    def renumbered(split: Split) -> Split:
        labels = np.where(split.labels == NO_LABEL, NO_LABEL, numbers[split.labels])
        return split.labelled(labels)

    return replace(
        task,
        outputs=len(names),
        classes=names,
        train=renumbered(task.train),
        validation=renumbered(task.validation),
        test=renumbered(task.test),
    )
