"""How data of one's own are read: what is not said is detected, and told."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from ltc2hw.data.events.binning import Binning
from ltc2hw.data.events.recording import sensor_size
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.decision import several_at_steps
from ltc2hw.graph.labels import head_sizes
from ltc2hw.numbers.fields import require_size, set_field
from ltc2hw.numbers.scalars import require_type, shown

Layout = Literal["time-first", "batch-first", "channels-first"]
"""Axes of samples: (T, B, N), (B, T, N), or (B, N, T)."""

LAYOUTS: tuple[Layout, ...] = get_args(Layout)

Kind = Literal["classification", "regression"]
KINDS: tuple[Kind, ...] = get_args(Kind)

TEST_FRACTION, VALIDATION_FRACTION = 0.2, 0.1
"""Parts of the samples that are set apart where a file has no such samples of its own."""

USUAL = Binning()

StrPath = str | os.PathLike[str]


@dataclass(frozen=True)
class DataOptions:
    """What is known about data; None is detected, or asked for where there are two readings.

    - ``layout``: order of the samples' axes.
    - ``kind``: whether labels are classes or targets of a regression.
    - ``every_step``: whether each step has a label of its own.
    - ``graded``: whether samples are numbers (True) or spikes, 0 and 1.
    - ``classes``: how many classes there are, where labels count them from 0 and the training
      samples do not show all of them; of several labels, for each.
    - ``several_labels``: whether each sample has a row of labels (B, H), one for each of several
      questions.
    - ``test``, ``validation``: files with those samples, read like the data themselves.
    - ``test_fraction``, ``validation_fraction``: what is set apart where there are no such
      samples: of all samples, by a fixed seed, each class in the same proportion.
    - ``binning``, ``sensor``: how events become steps and channels, and (width, height) of their
      sensor where their files do not tell it.
    - ``root``: folder with data sets that have a name, such as MNIST; the environment's
      LTC2HW_DATA if None.
    - ``decision_steps``: how many of the last steps of the readout are averaged into a decision.

    Raises:
        UnknownNameError: for an unknown layout or kind.
        InvalidValueError: for fractions that leave no training samples, sizes below one, several
            numbers of classes of one label.
        UnsupportedError: for several labels at every step.

    >>> DataOptions(layout="batch-first").layout
    'batch-first'
    """

    layout: Layout | None = None
    kind: Kind | None = None
    every_step: bool | None = None
    graded: bool | None = None
    classes: int | tuple[int, ...] | None = None
    test: StrPath | None = None
    validation: StrPath | None = None
    test_fraction: float = TEST_FRACTION
    validation_fraction: float = VALIDATION_FRACTION
    decision_steps: int | None = None
    binning: Binning = USUAL
    sensor: tuple[int, ...] | None = None
    several_labels: bool = False
    root: StrPath | None = None

    def __post_init__(self) -> None:
        for name, known in (("layout", LAYOUTS), ("kind", KINDS)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise UnknownNameError(f"{name} of data", value, known)
        for name in ("every_step", "graded"):
            value = getattr(self, name)
            if value not in (None, True, False):
                raise InvalidValueError(name, shown(value), "True, False or None")
        if self.decision_steps is not None:
            require_size("decision_steps", self.decision_steps)
        self._check_labels()
        require_type("binning", self.binning, Binning)
        if self.sensor is not None:
            set_field(self, "sensor", sensor_size(self.sensor))
        self._check_fractions()

    def _check_labels(self) -> None:
        if self.several_labels not in (True, False):
            raise InvalidValueError("several_labels", shown(self.several_labels), "True or False")
        if self.classes is not None and not self.several_labels:
            if isinstance(self.classes, (tuple, list)):
                remedy = "several numbers belong to several_labels=True"
                raise InvalidValueError("classes", shown(self.classes), "one number", remedy)
            require_size("classes", self.classes)
        if not self.several_labels:
            return
        if self.classes is not None:
            set_field(self, "classes", head_sizes(self.classes, name="classes"))
        if self.every_step:
            raise several_at_steps()
        if self.kind == "regression":
            limit = "labels that are classes; targets may be several anyway"
            raise InvalidValueError("several_labels", "said of a regression", limit)

    def _check_fractions(self) -> None:
        for name in ("test_fraction", "validation_fraction"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not 0 < value < 1:
                raise InvalidValueError(name, shown(value), "a number between 0 and 1")
        if self.test_fraction + self.validation_fraction >= 1:
            together = self.test_fraction + self.validation_fraction
            raise InvalidValueError(
                "test and validation fraction together", together, "less than 1",
                "the rest is for training",
            )  # fmt: skip


DETECTED = DataOptions()
"""Nothing is said of the data."""


def require_only(options: DataOptions, allowed: Sequence[str], what: str) -> None:
    """Raise if more is said of data than they have a use for.

    Raises:
        InvalidValueError: naming the first option that is said in vain.

    >>> require_only(DataOptions(root="data"), ("root",), "task mnist-rows")
    """
    for field in dataclasses.fields(options):
        value = getattr(options, field.name)
        if field.name not in allowed and value != field.default:
            limit = f"nothing, for {what}"
            raise InvalidValueError(f"{field.name} of data", shown(value), limit, "leave it out")
