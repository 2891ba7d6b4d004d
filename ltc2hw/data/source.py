"""What a reader of a file gives: arrays as they lie there, and what the format says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy.typing as npt

from ltc2hw.data.options import Kind, Layout
from ltc2hw.data.parts import PartName

Array = npt.NDArray[Any]


@dataclass(frozen=True, eq=False)
class Part:
    """Samples of one part and what belongs to them, in no certain layout yet.

    ``x``: one array with three axes or more, or, for samples of unequal length, a sequence of
    arrays (T_i, N), or one flat array (sum of T_i, N) with ``offsets`` (B + 1,) or ``lengths``.
    ``y``: labels, numbers or texts; None where there are none. ``lengths`` (B,): steps of each
    sample of a padded ``x``.
    """

    x: Array | Sequence[Array]
    y: Array | None = None
    lengths: Array | None = None
    offsets: Array | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """Parts by name, and what the format itself says; None where it says nothing.

    ``classes`` are the names of the classes, in order. ``index``: labels are numbers of these
    classes already. ``heads``: numbers of classes of each of several labels. ``events``: samples
    were counted from recordings of events. ``shape`` is what the inputs of a step are, such as
    (channels, height, width); () where the samples' axes tell it. ``notes`` tell how the data were
    read; they end in a task's provenance.
    """

    parts: Mapping[PartName, Part]
    layout: Layout | None = None
    kind: Kind | None = None
    every_step: bool | None = None
    graded: bool | None = None
    decision_steps: int | None = None
    classes: tuple[str, ...] = ()
    index: bool = False
    events: bool = False
    heads: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()
    notes: Mapping[str, str] = field(default_factory=dict)
