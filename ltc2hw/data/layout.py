"""Which axis of samples is time and which the samples: told by the labels, or asked for.

Labels say how many samples there are, and so do lengths. Where both axes could be that of the
samples, nothing is guessed: two readings of the same numbers would train two different networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ltc2hw.data.options import Layout
from ltc2hw.data.parts import samples_of
from ltc2hw.errors import InvalidValueError, ShapeError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Shapes:
    """What is known of a part: shapes of samples and labels, and what lengths say.

    ``rows``: labels of two axes can be a row per sample, ``steps``: labels can be one at every
    step. ``longest`` is the largest length.
    """

    x: Shape
    y: Shape | None
    lengths: int | None = None
    longest: int = 0
    rows: bool = True
    steps: bool = True


@dataclass(frozen=True, order=True)
class Axes:
    """Order of the first two axes, and whether labels have both of them."""

    layout: Layout
    every_step: bool


def readings(part: Shapes) -> set[Axes]:
    """All readings of a part that fit together.

    >>> sorted(readings(Shapes((270, 29, 12), (270,))))
    [Axes(layout='batch-first', every_step=False)]
    >>> len(readings(Shapes((29, 29, 12), (29,))))
    2
    """
    found: set[Axes] = set()
    sizes: tuple[tuple[Layout, int, int], ...] = (
        ("time-first", part.x[1], part.x[0]),
        ("batch-first", part.x[0], part.x[1]),
    )
    for layout, samples, steps in sizes:
        if part.lengths not in (None, samples) or part.longest > steps:
            continue
        if part.y is None or _one_each(part, samples):
            found.add(Axes(layout, False))
        if part.steps and part.y is not None and _at_steps(part, part.y):
            found.add(Axes(layout, True))
    if part.x[:2] == (1, 1):
        # One sample of one step is the same in either order.
        found = {axes for axes in found if axes.layout == "time-first"}
    return found


def _at_steps(part: Shapes, y: Shape) -> bool:
    """Whether labels have the axes of the samples."""
    return len(y) in (2, 3) and y[:2] == part.x[:2]


def _one_each(part: Shapes, samples: int) -> bool:
    """Whether labels are one, or one row, per sample."""
    assert part.y is not None
    if len(part.y) == 2 and part.y[1] > 1 and not part.rows:
        return False
    return len(part.y) in (1, 2) and part.y[0] == samples


def read_axes(
    parts: Mapping[str, Shapes],
    where: str,
    layout: Layout | None = None,
    every_step: bool | None = None,
) -> Axes:
    """The one reading that all parts have in common and that the options admit.

    Raises:
        ShapeError: if labels or lengths fit to neither axis of the samples.
        InvalidValueError: if an option says otherwise than the shapes, or if there are several
            readings; says which option decides.

    >>> read_axes({"train": Shapes((29, 29, 1), (29,)), "test": Shapes((29, 9, 1), (9,))}, "file")
    Axes(layout='time-first', every_step=False)
    """
    common: set[Axes] | None = None
    for name, part in parts.items():
        found = readings(part)
        if not found:
            raise _no_reading(name, part, where)
        common = found if common is None else common & found
    if not common:
        shapes = "; ".join(f"{name}: {_told(part)}" for name, part in parts.items())
        raise InvalidValueError(f"layout of {where}", shapes, "the same order in every part")
    admitted = {
        axes
        for axes in common
        if layout in (None, axes.layout) and every_step in (None, axes.every_step)
    }
    if len(admitted) == 1:
        return admitted.pop()
    told = "; ".join(f"{name}: {_told(part)}" for name, part in parts.items())
    if not admitted:
        said = [] if layout is None else [f"layout {layout}"]
        said += [] if every_step is None else [f"labels {_words(every_step)}"]
        possible = " or ".join(
            f"{axes.layout} with labels {_words(axes.every_step)}" for axes in sorted(common)
        )
        raise InvalidValueError(f"{' and '.join(said)} of {where}", told, possible)
    raise _several(admitted, told, where)


def _several(admitted: set[Axes], told: str, where: str) -> InvalidValueError:
    remedies = []
    if len({axes.layout for axes in admitted}) > 1:
        remedies.append("layout='time-first' or layout='batch-first'")
    if len({axes.every_step for axes in admitted}) > 1:
        remedies.append("every_step=True or every_step=False")
    return InvalidValueError(
        f"order of axes of {where}",
        f"not to be told from {told}",
        "one reading",
        f"say {', and '.join(remedies)}",
    )


def _no_reading(name: str, part: Shapes, where: str) -> ShapeError:
    which = samples_of(name, where)
    if part.lengths is not None and readings(replace(part, lengths=None, longest=0)):
        return ShapeError(
            f"lengths of the {which}",
            f"{part.lengths} numbers up to {part.longest}",
            f"one per sample and within the steps of samples {part.x}",
        )
    remedy = ""
    if part.y is not None and part.y[:2] == part.x[1::-1]:
        remedy = "labels at every step have the samples' order of axes: transpose them"
    elif not part.rows and readings(replace(part, rows=True)):
        remedy = "say several_labels=True if each column is a label of its own"
    return ShapeError(
        f"labels of the {which}",
        f"of shape {part.y}",
        f"one per sample, or per step and sample, of samples {part.x}",
        remedy,
    )


def _told(part: Shapes) -> str:
    """Shapes in a few words."""
    labels = "" if part.y is None else f" with labels {part.y}"
    lengths = "" if part.lengths is None else f" and {part.lengths} lengths"
    return f"samples {part.x}{labels}{lengths}"


def _words(every_step: bool) -> str:
    return "at every step" if every_step else "per sample"
