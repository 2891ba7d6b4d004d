"""Axes to draw on: the user's, or new ones in the style of the reports."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from ltc2hw.comparison.drawing import STYLE, WIDTH, WORD_COLOR, shortened
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.notes import label_axes
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.scalars import is_integer, require_type, shown


@contextmanager
def axes_for(ax: Axes | None, height: float) -> Iterator[Axes]:
    """The axes that were given, or new ones of some height in inches.

    Raises:
        InvalidValueError: for what are no axes.
    """
    if ax is not None:
        require_type("ax", ax, Axes)
        yield ax
        return
    with plt.rc_context(STYLE):
        _, made = plt.subplots(figsize=(WIDTH, height), layout="constrained")
        yield made


def chosen_sample(trace: Trace, sample: int) -> int:
    """A sample of a trace, counted from 0.

    Raises:
        InvalidValueError: if there is none of that number.
    """
    require_type("trace", trace, Trace)
    count = trace.outputs.shape[1]
    if not is_integer(sample) or not 0 <= sample < count:
        raise InvalidValueError("sample", shown(sample), f"0 to {count - 1}")
    return int(sample)


def along_time(axes: Axes, trace: Trace, sample: int) -> None:
    """Name the axis of time, shade what comes after the sample's end, tell sample and label."""
    notes = trace.notes
    steps = trace.outputs.shape[0]
    axes.set_xlabel("step")
    axes.set_xlim(-0.5, steps - 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if notes.lengths is not None and notes.lengths[sample] < steps:
        axes.axvspan(notes.lengths[sample] - 0.5, steps - 0.5, color=WORD_COLOR, zorder=0)
    title = f"sample {sample}"
    if (
        notes.labels is not None
        and notes.labels.dtype.kind != "f"
        and len(label_axes(notes.labels)) == 1
    ):
        title += f", label {notes.labels[sample]}"
    if notes.task:
        title = f"{shortened(notes.task)}, {title}"
    axes.set_title(title, loc="left")
