"""Events in NumPy's ``.npz``: one recording, or many clips one after the other.

Arrays x, y, t (or t_us) and p; ``sensor`` (width, height) where the file tells it. Clip i of
several is ``offsets[i]`` to ``offsets[i + 1]``, its label ``labels[i]`` (or ``label``): an index
into ``classes`` (or ``names``) where there are such names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ltc2hw.data.events.aedat import said_sensor
from ltc2hw.data.events.labelled import Labelled, labelled
from ltc2hw.data.events.recording import NAMES, Events, Sensor, sensor_size
from ltc2hw.errors import DamagedFileError, InvalidValueError, ShapeError
from ltc2hw.files.archive import MAXIMUM_FILE_BYTES
from ltc2hw.files.npz import Array, read_npz
from ltc2hw.numbers.fields import integer_array

LABELS, CLASSES = ("labels", "label"), ("classes", "names")
Arrays = Mapping[str, Array | str]


@dataclass(frozen=True, eq=False)
class Clips:
    """The recordings of a file, and their classes if it tells them."""

    clips: tuple[Events, ...]
    labelled: Labelled | None


def read_arrays(content: bytes, name: str, sensor: Sensor | None) -> Events:
    """The one recording of an ``.npz`` file.

    Raises:
        DamagedFileError: if it is no such file.
        InvalidValueError: without a field or a sensor, for several clips, and as
            :class:`~ltc2hw.data.events.recording.Events`.
    """
    arrays = _contained(content, name)
    if "offsets" in arrays:
        remedy = "read it by itself, not as one of the files of a folder"
        raise InvalidValueError(f"number of clips in {name}", "several", "one", remedy)
    return Events.from_array(_fields(arrays), _sensor(arrays, name, sensor), name)


def read_clips(content: bytes, name: str, sensor: Sensor | None) -> Clips:
    """All clips of an ``.npz`` file with ``offsets``; one without them.

    Raises:
        DamagedFileError, InvalidValueError: as :func:`read_arrays`, and for offsets that are none.
        ShapeError: for labels that are not one per clip.
    """
    arrays = _contained(content, name)
    size = _sensor(arrays, name, sensor)
    fields = _fields(arrays)
    edges = _edges(arrays, fields, name)
    clips = []
    for index, (start, end) in enumerate(pairwise(edges)):
        part = {field: values[start:end] for field, values in fields.items()}
        source = name if len(edges) == 2 else f"clip {index} of {name}"
        clips.append(Events.from_array(part, size, source))
    return Clips(tuple(clips), _labelled(arrays, len(clips), name))


def _contained(content: bytes, name: str) -> Arrays:
    return read_npz(name, MAXIMUM_FILE_BYTES, content=content, texts=True)


def _fields(arrays: Arrays) -> dict[str, Array]:
    """The arrays that are fields of events."""
    wanted = {name for names in NAMES.values() for name in names}
    return {
        name: values
        for name, values in arrays.items()
        if name in wanted and isinstance(values, np.ndarray)
    }


def _sensor(arrays: Arrays, name: str, sensor: Sensor | None) -> Sensor:
    told = arrays.get("sensor")
    if told is None:
        return said_sensor(name, None, sensor)
    sizes = integer_array(f"sensor in {name}", told).reshape(-1).tolist()
    return said_sensor(name, sensor_size(sizes), sensor)


def _edges(arrays: Arrays, fields: Mapping[str, Array], name: str) -> list[int]:
    """Where each clip begins, and the end of the last."""
    counts = {len(values) for values in fields.values() if values.ndim == 1}
    if len(counts) != 1 or "offsets" not in arrays:
        # What is wrong with the fields is said where events are made of them.
        return [0, max(counts, default=0)]
    offsets = integer_array(f"offsets in {name}", arrays["offsets"])
    edges: list[int] = offsets.reshape(-1).tolist()
    count = counts.pop()
    if len(edges) < 2 or edges[0] != 0 or edges[-1] != count or min(np.diff(edges)) < 1:
        problem = f"its offsets are no rising numbers from 0 to {count}, the number of events"
        raise DamagedFileError(name, problem, "every clip has an event at least")
    return edges


def _first(arrays: Arrays, names: tuple[str, ...]) -> Array | None:
    found = [arrays[name] for name in names if name in arrays]
    return np.atleast_1d(np.asarray(found[0])) if found else None


def _labelled(arrays: Arrays, clips: int, name: str) -> Labelled | None:
    """Classes of the clips: indices into names, or labels of any kind."""
    labels, classes = _first(arrays, LABELS), _first(arrays, CLASSES)
    if labels is None:
        return None
    if labels.shape != (clips,):
        raise ShapeError(f"labels in {name}", labels.shape, f"({clips},), one per clip")
    if classes is None:
        return labelled([str(label) for label in labels])
    indices = integer_array(f"labels in {name}", labels)
    wrong = indices[(indices < 0) | (indices >= classes.size)]
    if wrong.size:
        limit = f"0 to {classes.size - 1}, as many as there are names of classes"
        raise InvalidValueError(f"label in {name}", wrong[0], limit, "count them from 0")
    return Labelled(indices, tuple(map(str, classes.reshape(-1))))
