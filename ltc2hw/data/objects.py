"""Data that are objects of Python already: arrays, data sets of torch or tonic, loaders of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ltc2hw.data.event_source import events_source
from ltc2hw.data.events.datasets import dataset_recordings
from ltc2hw.data.events.recordings import Recordings
from ltc2hw.data.names import arrays_source
from ltc2hw.data.options import DETECTED, DataOptions
from ltc2hw.data.parts import PartName
from ltc2hw.data.source import Array, Part, Source
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.samples import plain_array

ACCEPTED = "arrays (x, y), a mapping of arrays, or a data set of pairs (sample, label)"

BY_NAME = "give the arrays by name: {'x_train': ..., 'y_train': ..., 'x_test': ..., 'y_test': ...}"

MOST_ITEMS = 1 << 20
"""Most items of a data set that does not say how many it has, and so may have no end."""


def object_source(thing: Any, options: DataOptions = DETECTED) -> Source:
    """Parts from ``(x, y)`` or ``(x, y, lengths)``, arrays by name, a data set or its loader.

    Raises:
        InvalidValueError: for anything else, naming its type.
        ShapeError: for samples of unequal widths.

    >>> object_source((np.zeros((3, 5, 1)), [0, 1, 0])).parts["all"].y
    [0, 1, 0]
    """
    if isinstance(thing, tuple) and len(thing) in (2, 3) and not _is_pair(thing[0]):
        return Source({"all": plain_part(*thing)})
    if isinstance(thing, tuple) and thing and all(_is_array(part) for part in thing):
        raise InvalidValueError("data", f"a tuple of {len(thing)} arrays", ACCEPTED, BY_NAME)
    if isinstance(thing, Mapping):
        named = {str(name): _array(value, str(name)) for name, value in thing.items()}
        return arrays_source(named, "the mapping")
    return dataset_source({"all": thing}, options)


def plain_part(x: Any, y: Any = None, lengths: Any = None) -> Part:
    """A part from arrays, tensors or lists; ``x`` may be a list of samples (T_i, N).

    >>> plain_part([np.ones((2, 1)), np.ones((3, 1))], [0, 1]).x[1].shape
    (3, 1)
    """
    if isinstance(x, np.ndarray) and x.dtype.kind == "O" and x.ndim == 1:
        x = list(x)
    if not isinstance(x, (list, tuple)):
        return Part(plain_array("samples", x), y, lengths)
    if lengths is None and x and _is_matrix(x[0]):
        return Part(list(x), y)
    if lengths is None and len({_steps(sample) for sample in x}) > 1:
        arrays = [plain_array(f"sample {index}", sample) for index, sample in enumerate(x)]
        return Part(arrays, y)
    return Part(plain_array("samples", x), y, lengths)


def _array(value: Any, name: str) -> Array | str:
    if isinstance(value, str):
        return value
    try:
        array = plain_array(name, value) if _is_tensor(value) else np.asanyarray(value)
    except ValueError as error:
        what, limit = "a list of unequal parts", "an array of numbers or texts"
        remedy = f"return samples of unequal length as (x, y); of parts, {BY_NAME}"
        raise InvalidValueError(name, what, limit, remedy) from error
    if array.dtype.kind == "O":
        what, limit = "an array of Python objects", "an array of numbers or texts"
        raise InvalidValueError(name, what, limit, BY_NAME if isinstance(value, Mapping) else "")
    return array


def _is_tensor(value: Any) -> bool:
    return hasattr(value, "detach")


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray) or _is_tensor(value)


def _is_matrix(sample: Any) -> bool:
    """Whether a sample is an array or tensor of two axes or more, not a list."""
    return not isinstance(sample, (list, tuple)) and getattr(sample, "ndim", 0) >= 2


def _steps(sample: Any) -> int:
    return len(sample) if isinstance(sample, Sequence) else -1


def _is_pair(item: Any) -> bool:
    return isinstance(item, tuple) and len(item) == 2


def dataset_source(sets: Mapping[PartName, Any], options: DataOptions = DETECTED) -> Source:
    """Parts from data sets, each of pairs (sample, label), or from loaders of such.

    A sample is (T, N), or with more axes a step. A structured array of events is binned as the
    options say. A loader is read through its data set, in that order; its batches, and what its
    ``collate_fn`` would do, do not matter.

    Raises:
        InvalidValueError: for what is no data set, items that are no pairs, a loader whose sampler
            chooses in its own way.
    """
    if any(_holds_events(each) for each in sets.values()):
        recordings = {name: _recordings(each, options) for name, each in sets.items()}
        return events_source(recordings, options)
    parts: dict[PartName, Part] = {}
    for name, each in sets.items():
        samples, labels = [], []
        for index, (sample, label) in enumerate(_pairs(each)):
            array = plain_array(f"sample {index} of {type(each).__name__}", sample)
            labels.append(_label(label))
            if options.every_step is None:
                _require_one(array, labels[-1], f"item {index} of {type(each).__name__}")
            samples.append(array)
        parts[name] = Part(samples, labels)  # type: ignore[arg-type]
    kinds = ", ".join(dict.fromkeys(type(each).__name__ for each in sets.values()))
    return Source(parts, notes={"source": kinds})


def _require_one(sample: Array, label: Any, name: str) -> None:
    """Raise for what is probably a batch of samples with their labels.

    Raises:
        InvalidValueError: says how to give the samples, and what to say if it is one sample.
    """
    if sample.ndim < 3 or not isinstance(label, np.ndarray) or label.shape[:1] != sample.shape[:1]:
        return
    raise InvalidValueError(
        name, f"samples {sample.shape} with {len(label)} labels", "one sample and its label",
        f"give the data set itself, not batches; of two parts, {BY_NAME}; "
        "or say every_step=True if it is one sample with a label at every step",
    )  # fmt: skip


def _label(label: Any) -> Any:
    """A label as a text, a number or an array."""
    if isinstance(label, (str, bytes)):
        return label
    return plain_array("label", label)


def _recordings(each: Any, options: DataOptions) -> Recordings:
    own, indices = _chosen(each)
    found = dataset_recordings(own, options.sensor)
    return found if indices is None else found.take(indices)


def _holds_events(each: Any) -> bool:
    """Whether the first sample of a data set is a structured array."""
    own, _ = _chosen(each)
    if not _is_indexed(own) or not len(own):
        return False
    first = _item(own, 0)
    sample = first[0] if isinstance(first, (tuple, list)) and len(first) == 2 else first
    return getattr(getattr(sample, "dtype", None), "names", None) is not None


def _pairs(each: Any) -> Iterable[tuple[Any, Any]]:
    own, indices = _chosen(each)
    name = type(own).__name__
    items: Iterable[Any]
    if _is_indexed(own):
        numbers: Iterable[int] = range(len(own)) if indices is None else indices
        items = (_item(own, index) for index in numbers)
    elif hasattr(own, "__iter__") and not isinstance(own, (str, bytes, Mapping)):
        items = _ending(iter(own), name)
    else:
        raise InvalidValueError("data", f"a {name}", ACCEPTED)
    for index, item in enumerate(items):
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            what = f"{type(item).__name__} of {len(item)}" if hasattr(item, "__len__") else item
            raise InvalidValueError(f"item {index} of {name}", what, "a pair (sample, label)")
        yield item[0], item[1]


def _is_indexed(own: Any) -> bool:
    """Whether a data set has items by number."""
    indexed = hasattr(own, "__getitem__") and hasattr(own, "__len__")
    return indexed and not isinstance(own, (str, bytes, Mapping))


def _item(own: Any, index: int) -> Any:
    """An item by number.

    Raises:
        InvalidValueError: if there is none, as in tables, or where a data set tells a wrong length.
    """
    try:
        return own[index]
    except (KeyError, IndexError) as error:
        name = type(own).__name__
        what = f"not there: {type(error).__name__}: {' '.join(str(error).split())}"
        raise InvalidValueError(f"item {index} of {name}", what, ACCEPTED) from error


def _ending(items: Iterator[Any], name: str) -> Iterator[Any]:
    """The same items.

    Raises:
        InvalidValueError: for more than a data set has.
    """
    for index, item in enumerate(items):
        if index == MOST_ITEMS:
            what, limit = f"more than {MOST_ITEMS} items", "a data set with an end"
            remedy = "take some: itertools.islice(data, 1000)"
            raise InvalidValueError(name, what, limit, remedy)
        yield item


def _chosen(each: Any) -> tuple[Any, list[int] | None]:
    """The data set behind a loader, and which of its items the loader's sampler takes.

    Raises:
        InvalidValueError: for a sampler that chooses otherwise than all or a fixed subset.
    """
    if not (hasattr(each, "dataset") and hasattr(each, "sampler")):
        return each, None
    sampler, batches = each.sampler, getattr(each, "batch_sampler", None)
    name = type(sampler).__name__
    usual = batches is None or type(batches).__name__ == "BatchSampler"
    if usual and name in ("SequentialSampler", "RandomSampler", "_InfiniteConstantSampler"):
        return each.dataset, None
    if usual and name == "SubsetRandomSampler":
        return each.dataset, sorted(int(index) for index in sampler.indices)
    given = name if usual else type(batches).__name__
    raise InvalidValueError(
        "sampler of the loader", given, "one that takes all samples, or a fixed subset",
        "give the data set itself",
    )  # fmt: skip
