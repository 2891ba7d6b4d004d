"""Which axis is which: told by labels and lengths, asked for where there are two readings."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.data.layout import Axes, Shapes, read_axes, readings
from ltc2hw.errors import InvalidValueError, ShapeError

sizes = st.integers(1, 40)


@given(steps=sizes, samples=sizes, inputs=sizes)
def test_labels_tell_the_order_wherever_the_axes_differ(
    steps: int, samples: int, inputs: int
) -> None:
    time_first = {"all": Shapes((steps, samples, inputs), (samples,))}
    batch_first = {"all": Shapes((samples, steps, inputs), (samples,))}
    if steps != samples or steps == 1:
        assert read_axes(time_first, "x") == Axes("time-first", False)
        if steps != 1 or samples != 1:
            assert read_axes(batch_first, "x") == Axes("batch-first", False)
    else:
        with pytest.raises(InvalidValueError, match="say layout='time-first' or"):
            read_axes(time_first, "x")


@given(steps=sizes, samples=sizes, stated=st.sampled_from(["time-first", "batch-first"]))
def test_what_is_said_is_what_is_read(steps: int, samples: int, stated: str) -> None:
    shape = (steps, samples, 3) if stated == "time-first" else (samples, steps, 3)
    part = {"all": Shapes(shape, (samples,))}
    if samples == steps == 1 and stated == "batch-first":
        return
    assert read_axes(part, "x", stated).layout == stated  # type: ignore[arg-type]
    other = "batch-first" if stated == "time-first" else "time-first"
    if steps != samples:
        with pytest.raises(InvalidValueError, match=f"layout {other} of x"):
            read_axes(part, "x", other)  # type: ignore[arg-type]


@given(samples=sizes, steps=sizes, outputs=st.integers(1, 5), longest=sizes)
def test_every_reading_fits_the_shapes(
    samples: int, steps: int, outputs: int, longest: int
) -> None:
    part = Shapes((samples, steps, 2), (samples, steps, outputs), samples, min(longest, steps))
    for axes in readings(part):
        assert axes.every_step
        batch, time = part.x[:2] if axes.layout == "batch-first" else part.x[1::-1]
        assert part.lengths == batch
        assert part.longest <= time


def test_another_part_can_tell() -> None:
    square = Shapes((9, 9, 2), (9,))
    assert read_axes({"train": square, "test": Shapes((4, 9, 2), (4,))}, "x").layout == (
        "batch-first"
    )
    assert read_axes({"train": square, "test": Shapes((9, 4, 2), (4,))}, "x").layout == (
        "time-first"
    )


def test_lengths_can_tell() -> None:
    part = {"all": Shapes((9, 7, 2), (9, 7), lengths=7, longest=9, rows=False)}
    assert read_axes(part, "x") == Axes("time-first", True)
    with pytest.raises(ShapeError, match="lengths of the samples"):
        read_axes({"all": Shapes((9, 7, 2), (9,), lengths=8, longest=5)}, "x")
    # Lengths beyond the steps of one reading leave the other.
    both = {"all": Shapes((9, 9, 2), (9,), lengths=9, longest=9)}
    with pytest.raises(InvalidValueError, match="not to be told"):
        read_axes(both, "x")


def test_rows_and_labels_at_every_step_are_told_apart_or_asked_for() -> None:
    part = Shapes((9, 7, 2), (9, 7))
    with pytest.raises(InvalidValueError, match="every_step=True or every_step=False"):
        read_axes({"all": part}, "x")
    assert read_axes({"all": part}, "x", every_step=False) == Axes("batch-first", False)
    with pytest.raises(InvalidValueError, match="layout='time-first'"):
        read_axes({"all": part}, "x", every_step=True)
    assert read_axes({"all": part}, "x", "time-first", True) == Axes("time-first", True)


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ({"all": Shapes((9, 7, 2), (8,))}, "labels of the samples of x is of shape"),
        ({"all": Shapes((9, 7, 2), ())}, "labels of the samples of x is of shape"),
        (
            {"train": Shapes((9, 7, 2), (9,)), "test": Shapes((7, 4, 2), (4,))},
            "the same order in every part",
        ),
    ],
)
def test_what_fits_nowhere_is_refused(shapes: dict[str, Shapes], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        read_axes(shapes, "x")


def test_one_sample_of_one_step_has_one_reading() -> None:
    assert read_axes({"all": Shapes((1, 1, 4), (1,))}, "x") == Axes("time-first", False)


def test_without_labels_nothing_is_guessed() -> None:
    with pytest.raises(InvalidValueError, match="layout='time-first'"):
        read_axes({"all": Shapes((9, 7, 2), None)}, "x")
    assert read_axes({"all": Shapes((9, 7, 2), None, 9, 7)}, "x").layout == "batch-first"
    shapes = {"all": Shapes(np.zeros((9, 7, 2)).shape, None)}
    assert read_axes(shapes, "x", "batch-first").layout == "batch-first"
