"""Data sets of recordings that other packages give, one item at a time: tonic's above all."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from ltc2hw.data.events.labelled import Labelled, in_order
from ltc2hw.data.events.recording import Events, sensor_size
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.errors import InvalidValueError


class EventDataset(Protocol):
    """Items (events, label); tonic's data sets also have ``sensor_size`` and ``classes``."""

    def __len__(self) -> int:
        """How many recordings there are."""

    def __getitem__(self, index: int, /) -> Any:
        """A structured array of events, and a label."""


def dataset_recordings(dataset: EventDataset, sensor: tuple[int, ...] | None = None) -> Recordings:
    """The recordings of a data set of pairs (structured array, label).

    Every item is read once for its label, and again when its events are asked for. ``sensor`` is
    the data set's own ``sensor_size`` unless it is given. Labels are indices into the data set's
    ``classes`` where it has such, else classes are the labels that there are, in order.

    Raises:
        InvalidValueError: without a sensor, for items that are no pairs (such as frames that a
            transform made), and as :meth:`~ltc2hw.data.events.recording.Events.from_array`.
    """
    name = type(dataset).__name__
    told = getattr(dataset, "sensor_size", None) if sensor is None else sensor
    if told is None:
        raise InvalidValueError(
            f"sensor of {name}", "not told", "its size", "give its width and height, sensor=..."
        )
    size = sensor_size(told)

    def read(index: int) -> Events:
        return Events.from_array(_pair(dataset, index)[0], size, f"recording {index} of {name}")

    labels = [_pair(dataset, index)[1] for index in range(len(dataset))]
    names = tuple(str(index) for index in range(len(labels)))
    return Recordings(name, names, read, _labels(labels, getattr(dataset, "classes", None), name))


def _pair(dataset: EventDataset, index: int) -> tuple[Any, Any]:
    item = dataset[index]
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        what = f"item {index} of {type(dataset).__name__}"
        raise InvalidValueError(what, type(item).__name__, "a pair of events and label")
    return item[0], item[1]


def _labels(labels: list[Any], classes: Any, name: str) -> Labelled:
    """Indices into the data set's classes, or into the labels that there are."""
    texts = [str(label.item() if hasattr(label, "item") else label) for label in labels]
    whole = all(text.isascii() and text.isdecimal() for text in texts)
    if classes is None or not whole:
        known = in_order(texts) if classes is None else tuple(map(str, classes))
        missing = [text for text in texts if text not in known]
        if missing:
            raise InvalidValueError(f"label in {name}", missing[0], f"one of {', '.join(known)}")
        return Labelled(np.array([known.index(text) for text in texts], np.int64), known)
    indices = np.array([int(text) for text in texts], np.int64)
    if indices.size and indices.max() >= len(classes):
        limit = f"0 to {len(classes) - 1}, as many as there are classes"
        raise InvalidValueError(f"label in {name}", indices.max(), limit)
    return Labelled(indices, tuple(map(str, classes)))
