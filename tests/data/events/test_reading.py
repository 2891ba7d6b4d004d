"""Formats of recordings: real files, files written by others, and what is refused."""

from __future__ import annotations

import io
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from ltc2hw.data.events import Events, read_recording, read_recordings
from ltc2hw.data.events.reading import parse_recording
from ltc2hw.errors import DamagedFileError, InvalidValueError, MissingExtraError
from tests.data.events.recordings import (
    aedat2,
    aedat3_header,
    listed,
    nmnist,
    packet,
    random_events,
    structured,
)
from tests.shared_data import shared_data

EVENTS = random_events(1, 200, 128, 128)


def tonics(function: str, *arguments: Any) -> npt.NDArray[Any]:
    """What tonic's reader of a format gives."""
    if find_spec("tonic") is None:
        pytest.skip("no tonic")
    from tonic import io as readers

    found = getattr(readers, function)(*arguments)
    array: npt.NDArray[Any] = found[-1] if isinstance(found, tuple) else found
    return array


def require_same(events: Events, theirs: npt.NDArray[Any]) -> None:
    for name in ("x", "y", "t", "p"):
        np.testing.assert_array_equal(getattr(events, name), theirs[name], name)


@pytest.mark.parametrize("part", ["Test", "Train"])
def test_real_recordings_of_nmnist_are_read_as_tonic_reads_them(part: str, tmp_path: Path) -> None:
    parts = read_recordings(shared_data("nmnist"))
    recordings = parts["test" if part == "Test" else "train"]
    assert len(recordings) == {"Test": 100, "Train": 1000}[part]
    with zipfile.ZipFile(shared_data("nmnist", f"{part}.zip")) as archive:
        for index in range(0, len(recordings), len(recordings) // 50):
            content = archive.read(f"{part}/{recordings.names[index]}")
            (tmp_path / "a.bin").write_bytes(content)
            dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
            theirs = tonics("read_mnist_file", str(tmp_path / "a.bin"), dtype)
            require_same(recordings.read(index), theirs)
            require_same(read_recording(tmp_path / "a.bin"), theirs)
            assert recordings.labelled is not None
            label = recordings.labelled.classes[recordings.labelled.labels[index]]
            assert recordings.names[index].startswith(f"{label}/")


def test_all_real_recordings_of_nmnist_are_whole() -> None:
    parts = read_recordings(shared_data("nmnist"))
    counts = [len(events) for part in parts.values() for events in part]
    sizes = sum(
        entry.file_size
        for part in ("Train", "Test")
        for entry in zipfile.ZipFile(shared_data("nmnist", f"{part}.zip")).infolist()
    )
    assert len(counts) == 1100
    assert 5 * sum(counts) == sizes


def test_clips_of_gestures_are_those_of_the_file() -> None:
    path = shared_data("dvs-gesture", "ten-clips.npz")
    clips = read_recordings(path, (128, 128))["all"]
    with np.load(path) as arrays:
        offsets, names = arrays["offsets"], arrays["names"]
        t, x = arrays["t_us"], arrays["x"]
    assert clips.labelled is not None
    assert clips.labelled.classes == tuple(names)
    for index, events in enumerate(clips):
        part = slice(offsets[index], offsets[index + 1])
        np.testing.assert_array_equal(events.t, t[part])
        np.testing.assert_array_equal(events.x, x[part])
    with pytest.raises(InvalidValueError, match=r"sensor of .* is not told by the file"):
        read_recordings(path)
    with pytest.raises(InvalidValueError, match="number of clips"):
        read_recording(path, (128, 128))


def test_bits_of_nmnist() -> None:
    events = [(1, 2, 3, True), (33, 0, (1 << 23) - 1, False)]
    assert nmnist(events) == bytes([1, 2, 128, 0, 3, 33, 0, 127, 255, 255])
    assert listed(parse_recording(nmnist(events), "a.bin", None)) == events


def test_a_wrapped_clock_of_nmnist_goes_on(tmp_path: Path) -> None:
    rows = [(5, 6, 8000, True), (0, 240, 8190, False), (7, 8, 100, False), (0, 240, 200, False)]
    path = tmp_path / "a.bin"
    path.write_bytes(nmnist([*rows, (9, 9, 3, True)]))
    events = read_recording(path)
    assert listed(events) == [
        (5, 6, 8000, True), (7, 8, 8192 + 100, False), (9, 9, 2 * 8192 + 3, True)
    ]  # fmt: skip
    dtype = np.dtype([("x", int), ("y", int), ("t", int), ("p", int)])
    require_same(events, tonics("read_mnist_file", str(path), dtype))


def test_larger_sensors_have_the_same_format() -> None:
    caltech = [(239, 179, 5, True)]
    assert listed(parse_recording(nmnist(caltech), "a.bin", (240, 180))) == caltech
    with pytest.raises(InvalidValueError, match=r"x of event 0 of a.bin is 239; expected 0 to 33"):
        parse_recording(nmnist(caltech), "a.bin", None)


@pytest.mark.parametrize(
    "lines", [(), ("# AEChip: ch.unizh.ini.jaer.chip.retina.DVS128", "#End Of ASCII Header")]
)
def test_aedat_2(lines: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2(EVENTS, lines))
    events = read_recording(path)
    assert listed(events) == EVENTS
    assert events.sensor == (128, 128)


def test_aedat_2_has_the_bits_that_tonic_finds(tmp_path: Path) -> None:
    """Tonic keeps the chip's own counting: its x is our row and its y our column, from below."""
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat2(EVENTS))
    if find_spec("tonic") is None:
        pytest.skip("no tonic")
    from tonic.io import get_aer_events_from_file, read_aedat_header_from_file

    version, start, _ = read_aedat_header_from_file(str(path))
    theirs = get_aer_events_from_file(str(path), version, start)
    ours = read_recording(path)
    np.testing.assert_array_equal(theirs["timeStamp"], ours.t)
    np.testing.assert_array_equal(127 - (theirs["address"] >> 8 & 127), ours.y)
    np.testing.assert_array_equal(127 - (theirs["address"] >> 1 & 127), ours.x)


def test_aedat_2_leaves_synchronization_out() -> None:
    content = aedat2(EVENTS[:3]) + bytes([0, 0, 128, 0]) + (10**6).to_bytes(4, "big")
    assert listed(parse_recording(content, "a.aedat", None)) == EVENTS[:3]


def test_aedat_3(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    first, second = EVENTS[:120], EVENTS[120:]
    path.write_bytes(aedat3_header() + packet(first) + packet(second))
    events = read_recording(path)
    assert listed(events) == EVENTS
    assert events.sensor == (128, 128)


def test_aedat_3_has_the_events_that_tonic_finds(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(aedat3_header() + packet(EVENTS[:120]) + packet(EVENTS[120:]))
    if find_spec("tonic") is None:
        pytest.skip("no tonic")
    from tonic.io import get_aer_events_from_file, read_aedat_header_from_file

    version, start, _ = read_aedat_header_from_file(str(path))
    theirs = get_aer_events_from_file(str(path), version, start)
    ours = read_recording(path)
    np.testing.assert_array_equal(theirs["timeStamp"], ours.t)
    np.testing.assert_array_equal(theirs["address"] >> 17, ours.x)
    np.testing.assert_array_equal(theirs["address"] >> 2 & 0x7FFF, ours.y)
    np.testing.assert_array_equal(theirs["address"] >> 1 & 1, ours.p)


def test_aedat_3_passes_over_what_is_no_valid_event_of_a_pixel() -> None:
    special = packet([(0, 0, 0, False)] * 3, kind=0)
    valid = packet(EVENTS[:10], invalid=(0, 7), spare=5)
    wrapped = packet([(1, 2, 3, True)], wraps=1)
    content = aedat3_header() + special + valid + special + wrapped
    expected = [event for index, event in enumerate(EVENTS[:10]) if index not in (0, 7)]
    found = listed(parse_recording(content, "a.aedat", None))
    assert found == [*expected, (1, 2, (1 << 31) + 3, True)]


def test_aedat_3_of_an_unknown_camera_asks_for_its_sensor() -> None:
    content = aedat3_header("#Format: RAW", "#Source 0: Prototype9") + packet(EVENTS)
    with pytest.raises(InvalidValueError, match=r"sensor of a.aedat is not told"):
        parse_recording(content, "a.aedat", None)
    assert listed(parse_recording(content, "a.aedat", (128, 200))) == EVENTS
    davis = aedat3_header("#Format: RAW", "#Source 0: DAVIS346BSI") + packet(EVENTS)
    assert parse_recording(davis, "a.aedat", None).sensor == (346, 260)
    with pytest.raises(InvalidValueError, match=r"sensor is 34x34; expected 346x260, as a.aedat"):
        parse_recording(davis, "a.aedat", (34, 34))


def write_aedat4(path: Path, compression: str, streams: tuple[str, ...] = ("events",)) -> None:
    """A file of iniVation's own library."""
    dv = pytest.importorskip("dv_processing")
    pytest.importorskip("aedat")
    configuration = dv.io.MonoCameraWriter.Config("Test", getattr(dv.CompressionType, compression))
    for name in streams:
        configuration.addEventStream((128, 128), name)
    writer = dv.io.MonoCameraWriter(str(path), configuration)
    for start in range(0, len(EVENTS), 64):
        store = dv.EventStore()
        for x, y, t, p in EVENTS[start : start + 64]:
            store.push_back(10**15 + t, x, y, p)
        for name in streams:
            writer.writeEvents(store, name)
    del writer


@pytest.mark.parametrize("compression", ["NONE", "LZ4", "ZSTD"])
def test_aedat_4_of_another_library(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    write_aedat4(path, compression)
    events = read_recording(path)
    assert listed(events) == [(x, y, 10**15 + t, p) for x, y, t, p in EVENTS]
    assert events.sensor == (128, 128)
    content = path.read_bytes()
    for end in (14, 30, len(content) // 3, len(content) // 2):
        with pytest.raises(DamagedFileError, match="cut off or damaged"):
            parse_recording(content[:end], "a.aedat4", None)


def test_damaged_blocks_of_aedat_4_end_in_events_or_in_an_error(tmp_path: Path) -> None:
    """Whatever the decoder does with them: it may end its process."""
    path = tmp_path / "a.aedat4"
    write_aedat4(path, "LZ4")
    rng = np.random.default_rng(3)
    for _ in range(4):
        damaged = bytearray(path.read_bytes())
        for place in rng.integers(1000, len(damaged), 20):
            damaged[place] = rng.integers(256)
        try:
            events = parse_recording(bytes(damaged), "a.aedat4", None)
        except (DamagedFileError, InvalidValueError):
            continue
        assert len(events) > 0


def test_aedat_4_of_several_streams_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    write_aedat4(path, "LZ4", ("events", "other"))
    with pytest.raises(DamagedFileError, match="2 streams of events, one is read"):
        read_recording(path)


def test_aedat_4_without_its_decoder_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ltc2hw.data.events.aedat4.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"a.aedat4, which is AEDAT 4, needs the extra"):
        parse_recording(b"#!AER-DAT4.0\r\n", "a.aedat4", None)


def npz(**arrays: Any) -> bytes:
    memory = io.BytesIO()
    np.savez(memory, **arrays)
    return memory.getvalue()


COLUMNS = {name: structured(EVENTS)[name] for name in "xytp"}


def test_one_recording_of_arrays() -> None:
    content = npz(**COLUMNS, sensor=[128, 128])
    assert listed(parse_recording(content, "a.npz", None)) == EVENTS
    assert listed(parse_recording(npz(**COLUMNS), "a.npz", (128, 128))) == EVENTS
    times = {name: values for name, values in COLUMNS.items() if name != "t"}
    content = npz(**times, t_us=COLUMNS["t"], other=np.zeros(3))
    assert listed(parse_recording(content, "a.npz", (128, 128))) == EVENTS


WRONG: dict[str, tuple[bytes, str, str]] = {
    "nothing": (b"", "a.bin", "it is empty"),
    "half an event": (nmnist([(1, 2, 3, True)])[:4], "a.bin", "its last event is cut off: 4 bytes"),
    "only wraps": (nmnist([(1, 240, 3, True)]), "a.bin", "it holds no event"),
    "backwards": (nmnist([(1, 2, 3, True), (1, 2, 2, True)]), "a.bin", "time of event 1 of a.bin"),
    "row": (nmnist([(1, 200, 3, True)]), "a.bin", "y of event 0 of a.bin is 200"),
    "another end": (b"abc", "a.wav", r"\.wav is no event format known here"),
    "no end": (b"abc", "abc", "a file without an end to its name"),
    "no header": (b"abc", "a.aedat", "its first line is not #!AER-DAT"),
    "version 1": (b"#!AER-DAT1.0\r\n", "a.aedat", "AEDAT 1.0 is not read, 2.0, 3.1, 4.0 are"),
    "no version": (b"#!AER-DATx\r\n", "a.aedat", "its first line is not"),
    "2: another chip": (
        aedat2(EVENTS, ("# AEChip: eu.seebetter.ini.chips.davis.DAVIS240C",)),
        "a.aedat",
        "AEDAT 2.0 of DAVIS240C",
    ),
    "2: address": (aedat2([(0, 0, 0, True)]) + b"\x80" + bytes(7), "a.aedat", "0x80000000 of"),
    "2: half": (aedat2(EVENTS)[:-1], "a.aedat", "its last event is cut off"),
    "2: none": (aedat2([]), "a.aedat", "it holds no event"),
    "2: wrapped": (aedat2([(0, 0, -1, True), (0, 0, 0, True)]), "a.aedat", "time of event 1 of"),
    "3: no end": (aedat3_header()[:-16] + packet(EVENTS), "a.aedat", "its header has no end"),
    "3: compressed": (
        aedat3_header("#Format: SERIALIZED_TS") + packet(EVENTS),
        "a.aedat",
        "its form is SERIALIZED_TS, only RAW",
    ),
    "3: no form": (aedat3_header("#Source 0: DVS128"), "a.aedat", "its form is not told"),
    "3: none": (aedat3_header(), "a.aedat", "no event of polarity"),
    "3: cut header": (aedat3_header() + packet(EVENTS)[:20], "a.aedat", "last packet is cut off"),
    "3: cut": (aedat3_header() + packet(EVENTS)[:-1], "a.aedat", "its last packet is cut off"),
    "3: capacity": (
        aedat3_header() + packet(EVENTS, spare=-1),
        "a.aedat",
        "the packet at byte .* makes no sense",
    ),
    "3: two cameras": (
        aedat3_header() + packet(EVENTS[:3]) + packet(EVENTS[3:], source=1),
        "a.aedat",
        "it is of 2 cameras",
    ),
    "3: backwards": (aedat3_header() + packet(EVENTS) * 2, "a.aedat", "time of event 200"),
    "npz: fields": (npz(x=[1], y=[1]), "a.npz", "is x, y; expected also t and p"),
    "npz: objects": (b"PK", "a.npz", "cannot read a.npz: no zip file"),
    "npz: lengths": (npz(x=[1, 2], y=[1, 1], t=[1], p=[1, 1]), "a.npz", "number of t of a.npz"),
    "npz: outside": (npz(x=[200], y=[1], t=[1], p=[1]), "a.npz", "x of event 0 of a.npz is 200"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_damaged_recordings_are_refused(name: str) -> None:
    content, file, message = WRONG[name]
    sensor = (128, 128) if file.endswith(".npz") else None
    with pytest.raises((DamagedFileError, InvalidValueError), match=message):
        parse_recording(content, file, sensor)


CLIPS: dict[str, tuple[dict[str, Any], str]] = {
    "falling": ({"offsets": [0, 5, 3, 200]}, "its offsets are no rising numbers from 0 to 200"),
    "too long": ({"offsets": [0, 201]}, "from 0 to 200"),
    "empty clip": ({"offsets": [0, 5, 5, 200]}, "every clip has an event at least"),
    "real": ({"offsets": [0.0, 200.0]}, "offsets in"),
    "labels": ({"offsets": [0, 9, 200], "labels": [1]}, r"labels in .* is \(1,\); expected \(2,\)"),
    "beyond": ({"offsets": [0, 200], "label": [3], "names": ["a"]}, "label in .* is 3"),
}


@pytest.mark.parametrize("name", list(CLIPS))
def test_clips_that_make_no_sense_are_refused(name: str, tmp_path: Path) -> None:
    arrays, message = CLIPS[name]
    path = tmp_path / "a.npz"
    path.write_bytes(npz(**COLUMNS, **arrays))
    with pytest.raises((DamagedFileError, InvalidValueError), match=message):
        read_recordings(path, (128, 128))


def test_clips_and_their_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    path.write_bytes(npz(**COLUMNS, sensor=[128, 128], offsets=[0, 50, 200], labels=["b", "a"]))
    clips = read_recordings(path)["all"]
    assert listed(clips.read(1)) == EVENTS[50:]
    assert clips.labelled is not None
    assert (clips.labelled.labels.tolist(), clips.labelled.classes) == ([1, 0], ("a", "b"))
    path.write_bytes(npz(**COLUMNS, sensor=[128, 128]))
    whole = read_recordings(path)["all"]
    assert (len(whole), whole.labelled) == (1, None)
    assert listed(whole.read(0)) == EVENTS


def test_whatever_bytes_end_in_events_or_in_an_error() -> None:
    rng = np.random.default_rng(0)
    sources = (
        ("a.bin", nmnist(random_events(2))),
        ("a.aedat", aedat2(EVENTS)),
        ("a.aedat", aedat3_header() + packet(EVENTS[:90]) + packet(EVENTS[90:])),
        ("a.npz", npz(**COLUMNS, sensor=[128, 128])),
    )
    for turn in range(400):
        name, content = sources[turn % 4]
        damaged = bytearray(content[: rng.integers(len(content) + 1)] if turn % 3 else content)
        for place in rng.integers(0, max(1, len(damaged)), 3):
            damaged[place : place + 1] = bytes([rng.integers(256)])
        try:
            events = parse_recording(bytes(damaged), name, None)
        except (DamagedFileError, InvalidValueError):
            continue
        assert len(events) > 0
