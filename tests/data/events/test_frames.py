"""Bins against an independent count, event by event, and against tonic's frames."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.data.events import Binning, Events, frames, read_recordings
from ltc2hw.errors import InvalidValueError, TooLargeError, UnknownNameError
from tests.data.events.recordings import Event, listed, made, random_events, structured
from tests.shared_data import shared_data


def slow_selection(events: list[Event], sensor: tuple[int, int], binning: Binning) -> list[Event]:
    """Events that are left, their places in downsampled pixels, their times from the origin."""
    left, top, width, height = binning.crop or (0, 0, *sensor)
    zero = events[0][2] if binning.origin == "first-event" else 0
    first = 0 if binning.window_us is not None else -(10**9)
    first = first if binning.first_us is None else binning.first_us
    last = 10**9 if binning.last_us is None else binning.last_us
    return [
        ((x - left) // binning.downsample, (y - top) // binning.downsample, t - zero, p)
        for x, y, t, p in events
        if left <= x < left + width
        and top <= y < top + height
        and first <= t - zero < last
        and {"on": p, "off": not p}.get(binning.polarity, True)
    ]


def slow_step(index: int, kept: list[Event], binning: Binning) -> int:
    """The step of an event that is left."""
    t = kept[index][2]
    if binning.window_us is not None:
        return (t - (binning.first_us or 0)) // binning.window_us
    if binning.events_per_bin is not None:
        return index // binning.events_per_bin
    assert binning.bins is not None
    return (t - kept[0][2]) * binning.bins // (kept[-1][2] - kept[0][2] + 1)


def slow_frames(
    events: list[Event], sensor: tuple[int, int], binning: Binning
) -> list[list[float]] | None:
    """The same event by event, with nothing but Python's integers; None where no event is left."""
    kept = slow_selection(events, sensor, binning)
    steps = [slow_step(index, kept, binning) for index in range(len(kept))]
    total = binning.bins or max(steps, default=0) + 1
    if binning.window_us is not None and binning.last_us is not None:
        total = -(-(binning.last_us - (binning.first_us or 0)) // binning.window_us)
    total = min(total, binning.max_steps or total)
    _, _, width, height = binning.crop or (0, 0, *sensor)
    columns, rows = -(-width // binning.downsample), -(-height // binning.downsample)
    if not any(step < total for step in steps):
        return None
    cells: Counter[tuple[int, int]] = Counter()
    for step, (x, y, _, p) in zip(steps, kept, strict=True):
        plane = int(p) if binning.polarity == "two-channels" else 0
        sign = -1 if binning.polarity == "signed" and not p else 1
        if step < total:
            cells[step, (plane * rows + y) * columns + x] += sign
    planes = 2 if binning.polarity == "two-channels" else 1
    found = [[0.0] * (planes * rows * columns) for _ in range(total)]
    for (step, channel), value in cells.items():
        found[step][channel] = float(
            value if binning.values == "count" else (value > 0) - (value < 0)
        )
    return found


@st.composite
def binnings(draw: st.DrawFn) -> Binning:
    cut = draw(st.sampled_from(["window_us", "events_per_bin", "bins"]))
    size = draw(st.integers(1, 40)) * (500 if cut == "window_us" else 1)
    first = draw(st.none() | st.integers(-3000, 5000))
    steps: dict[str, Any] = {cut: size}
    return Binning(
        **steps,
        polarity=draw(st.sampled_from(["two-channels", "merge", "signed", "on", "off"])),
        values=draw(st.sampled_from(["count", "binary"])),
        downsample=draw(st.integers(1, 4)),
        crop=draw(st.none() | st.just((2, 1, 7, 9))),
        origin=draw(st.sampled_from(["first-event", "clock"])),
        first_us=first,
        last_us=draw(st.none() | st.integers((first or 0) + 20_000, 90_000)),
        max_steps=draw(st.none() | st.integers(4, 30)),
    )


@given(binning=binnings(), seed=st.integers(0, 5))
def test_bins_hold_the_sums_of_an_independent_count(binning: Binning, seed: int) -> None:
    rows = [(x, y, t + 500 * seed, p) for x, y, t, p in random_events(seed, 200, 10, 11)]
    events = Events.from_array(structured(rows), (10, 11))
    expected = slow_frames(rows, (10, 11), binning)
    if expected is None:
        with pytest.raises(InvalidValueError, match="none of 200"):
            frames(events, binning)
        return
    found = frames(events, binning)
    assert found.tolist() == expected
    assert len(found.T) == int(np.prod(binning.shape((10, 11))))


@given(binning=binnings())
def test_options_and_their_text_say_the_same(binning: Binning) -> None:
    assert Binning.from_text(binning.text) == binning


SENSOR = (128, 128, 2)


def gesture(clip: int) -> Events:
    return read_recordings(shared_data("dvs-gesture", "ten-clips.npz"), SENSOR)["all"].read(clip)


def tonics(events: Events, **options: Any) -> npt.NDArray[Any]:
    """Tonic's frames of the same events, (T, N)."""
    if find_spec("tonic") is None:
        pytest.skip("no tonic")
    from tonic.functional import to_frame_numpy

    found = to_frame_numpy(structured(listed(events)), SENSOR, **options)
    flat: npt.NDArray[Any] = found.reshape(len(found), -1)
    return flat


@pytest.mark.parametrize("clip", [0, 5])
def test_windows_hold_what_tonic_counts(clip: int) -> None:
    events = gesture(clip)
    ours = frames(events, Binning(window_us=50_000))
    theirs = tonics(events, time_window=50_000, include_incomplete=True)
    np.testing.assert_array_equal(ours, theirs[: len(ours)])
    assert ours.sum() == len(events) == theirs.sum()


def test_bins_of_events_hold_what_tonic_counts() -> None:
    events = gesture(3)
    ours = frames(events, Binning(events_per_bin=5000))
    theirs = tonics(events, event_count=5000, include_incomplete=True)
    np.testing.assert_array_equal(ours, theirs)


def test_equal_bins_hold_what_tonic_counts_where_it_leaves_no_event_out() -> None:
    events = gesture(7)
    # Tonic's windows are rounded down, so that the end is lost unless the span is divisible.
    bins = 20
    last = int(events.t[0]) + events.duration_us // bins * bins - 1
    part = events.t <= last
    whole = made(
        np.append(events.x[part], 0), np.append(events.y[part], 0),
        np.append(events.t[part], last), np.append(events.p[part], False), 128, 128,
    )  # fmt: skip
    ours = frames(whole, Binning(bins=bins))
    end = last + 1
    padded = made(
        np.append(whole.x, 0), np.append(whole.y, 0), np.append(whole.t, end),
        np.append(whole.p, False), 128, 128,
    )  # fmt: skip
    np.testing.assert_array_equal(ours, tonics(padded, n_time_bins=bins))


def test_channels_are_polarity_row_and_column() -> None:
    events = made([3], [2], [0], [True], width=5, height=4)
    x = frames(events, Binning())
    assert x.shape == (1, 2 * 4 * 5)
    assert np.flatnonzero(x[0]).tolist() == [(1 * 4 + 2) * 5 + 3]


def test_silent_windows_are_steps_too() -> None:
    events = made([0, 0], [0, 0], [10, 5010], [True, True], 1, 1)
    assert frames(events, Binning(window_us=1000, polarity="on")).T.tolist() == [[1, 0, 0, 0, 0, 1]]
    until = Binning(window_us=1000, polarity="on", last_us=8000)
    assert frames(events, until).T.tolist() == [[1, 0, 0, 0, 0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window_us": 0}, "window_us is 0"),
        ({"window_us": 1.5}, "window_us is 1.5"),
        ({"window_us": True}, "window_us is True"),
        ({"bins": 1 << 30}, "bins is 1073741824"),
        ({"downsample": 0}, "downsample is 0"),
        ({"downsample": None}, "downsample is None"),
        ({"window_us": 5, "bins": 3}, "window_us and bins; expected one of them"),
        ({"first_us": 5, "last_us": 5}, "last_us is 5; expected above first_us, 5"),
        ({"crop": (0, 0, 0, 5)}, "crop"),
        ({"crop": 5}, "crop"),
        ({"crop": (0, 0, 5)}, "crop"),
        ({"max_steps": -1}, "max_steps is -1"),
    ],
)
def test_options_without_meaning_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Binning(**options)


@pytest.mark.parametrize("name", ["polarity", "values", "origin"])
def test_unknown_words_are_refused(name: str) -> None:
    options: dict[str, Any] = {name: "both"}
    with pytest.raises(UnknownNameError, match=f"{name} is 'both'; expected one of"):
        Binning(**options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("window=5", "'window'; expected one of window_us"),
        ("window_us", "given once, as name=value"),
        ("bins=3,bins=4", "given once, as name=value"),
        ("bins=three", "bins is 'three'; expected a whole number"),
        ("bins=3:4", "bins is"),
        ("crop=1,2,3,4", "option of a binning is '2'"),
        ("crop=1:2:3", "crop is"),
        ("crop=a:b:c:d", "expected x0:y0:width:height"),
    ],
)
def test_texts_without_meaning_are_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        Binning.from_text(text)


EVENTS = Events.from_array(structured(random_events(0)), (34, 34), "a.bin")


@pytest.mark.parametrize(
    ("binning", "message"),
    [
        (Binning(crop=(30, 0, 5, 5)), r"crop is \(30, 0, 5, 5\); expected inside of the sensor"),
        (
            Binning(first_us=10**9),
            "events of a.bin left by .*first_us=10{9} is none of 300",
        ),
        (Binning(last_us=-5, window_us=10), "none of 300"),
    ],
)
def test_recordings_of_which_nothing_is_left_are_refused(binning: Binning, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        frames(EVENTS, binning)


def test_too_many_steps_are_refused_before_they_are_made() -> None:
    with pytest.raises(TooLargeError, match="steps of 1 samples of 2312 channels"):
        frames(made([0, 0], [0, 0], [0, 1 << 50], [0, 0], 34, 34), Binning(window_us=1))
