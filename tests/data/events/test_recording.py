"""What events are, and which are refused with the event's number."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ltc2hw.data.events import Events
from ltc2hw.errors import InvalidValueError, ShapeError
from tests.data.events.recordings import listed, made, random_events, structured

EVENTS = random_events(0, 50)


@pytest.mark.parametrize("order", ["xytp", "txyp", "ptyx"])
@pytest.mark.parametrize("kind", ["i2", "u4", "i8", "f8"])
def test_fields_come_in_any_order_and_type(order: str, kind: str) -> None:
    rows = [tuple(event["xytp".index(name)] for name in order) for event in EVENTS]
    types: list[Any] = [(name, "i8" if name == "t" else kind) for name in order]
    found = Events.from_array(np.array(rows, types), (34, 34, 2))
    assert listed(found) == EVENTS
    assert found.sensor == (34, 34)
    assert found.t.dtype == np.int64


@pytest.mark.parametrize("on", [True, 1, 1.0])
@pytest.mark.parametrize("off", [False, 0, -1])
def test_polarity_is_a_boolean_or_a_sign(on: Any, off: Any) -> None:
    found = made([0, 0, 0], [0, 0, 0], [0, 1, 2], [on, off, on], 1, 1)
    assert found.p.tolist() == [True, False, True]


def test_other_names_of_fields_are_known() -> None:
    array = structured(EVENTS)
    fields = {"timestamp": array["t"], "on": array["p"], "x": array["x"], "y": array["y"]}
    assert listed(Events.from_array(fields, (34, 34))) == EVENTS


def test_without_rows_the_sensor_is_a_row_of_channels() -> None:
    cochlea = np.array([(5, 699, 1)], [("t", "i8"), ("x", "i8"), ("p", "i8")])
    found = Events.from_array(cochlea, (700, 1, 1))
    assert (found.x.tolist(), found.y.tolist()) == ([699], [0])
    with pytest.raises(InvalidValueError, match="also y"):
        Events.from_array(cochlea, (700, 2))


def test_arrays_are_copied_and_cannot_be_written() -> None:
    x = np.array([1, 2])
    found = made(x, [0, 0], [0, 1], [0, 1], 3, 1)
    x[0] = 9
    assert found.x.tolist() == [1, 2]
    with pytest.raises(ValueError, match="read-only"):
        found.x[0] = 1


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "x outside": ({"x": [0, 3]}, r"x of event 1 of a.bin is 3; expected 0 to 2 \(sensor 3x4\)"),
    "y outside": ({"y": [-1, 0]}, "y of event 0 of a.bin is -1; expected 0 to 3"),
    "backwards": ({"t": [5, 4]}, "time of event 1 of a.bin is 4; expected at least 5"),
    "seconds": ({"t": [0.0, 0.25]}, "t of event 1 of a.bin is 0.25.*multiply seconds by 1e6"),
    "nan": ({"t": [0.0, np.nan]}, "t of event 1 of a.bin is nan"),
    "infinite": ({"x": [0.0, np.inf]}, "x of event 1 of a.bin is inf"),
    "too late": ({"t": [0, 1 << 60]}, "time in a.bin is 1152921504606846976"),
    "beyond 64 bits": ({"t": np.array([0, 1 << 63], "u8")}, "t of event 1"),
    "polarity 2": ({"p": [1, 2]}, "p of event 1 of a.bin is 2; expected 0 and 1, or -1 and 1"),
    "three polarities": ({"p": [0, -1]}, "p of event 1 of a.bin is -1"),
    "texts": ({"x": ["a", "b"]}, "x of a.bin is of type"),
    "objects": ({"x": np.array([None, 1])}, "x of a.bin is of type"),
    "none": ({"x": [], "y": [], "t": [], "p": []}, "at least one"),
    "lengths": ({"t": [1]}, "number of t of a.bin is 1; expected 2, as many as x"),
    "two axes": ({"x": [[0, 1]]}, "shape of x of a.bin"),
    "no sensor": ({"width": 0}, "sensor's width is 0"),
    "half a pixel": ({"width": 1.5}, "sensor's width is 1.5"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_makes_no_sense_is_refused(name: str) -> None:
    change, message = WRONG[name]
    right: dict[str, Any] = {"x": [0, 2], "y": [0, 3], "t": [0, 1], "p": [0, 1], "width": 3}
    with pytest.raises((InvalidValueError, ShapeError), match=message):
        made(**{**right, **change}, height=4, source="a.bin")


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((5, 4)), r"is an array of shape \(5, 4\).*name the columns"),
        ([[0, 0, 0, 0]], "is list"),
        ({"x": [0], "t": [0]}, "also y and p"),
        ({"x": [0], "y": [0], "t": [0], "ts": [0], "p": [0]}, "is t and ts; expected one t"),
    ],
)
def test_arrays_without_fields_are_refused(array: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Events.from_array(array, (3, 3))


@pytest.mark.parametrize("sensor", [34, (34,), (1, 2, 3, 4), "34x34", (34, 0), (34, None)])
def test_an_unclear_sensor_is_refused(sensor: Any) -> None:
    with pytest.raises(InvalidValueError, match="sensor"):
        Events.from_array(structured(EVENTS), sensor)
