"""What netx has no place for, kept in a netx file beside its layers: names, scales, formats.

lava-dl reads only the group ``layer``; the group ``ltc2hw`` holds one JSON text. Files of lava-dl
have no such group, and get :func:`default_record`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, TypeVar, cast, get_type_hints

import h5py
import numpy as np

from ltc2hw.converters.netx_layers import BIAS_EXPONENT, AnyLayer, ConvLayer
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.foreign_hdf5 import ForeignTree
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.words import IntArray, Word

Places = tuple[IntArray, IntArray]
"""``indptr`` and ``indices`` of sparse weights."""

GROUP = "ltc2hw"
SCHEMA_VERSION = 1

WEIGHT_BITS = 8
"""Width of the mantissas of netx weights, which are half of the even weights."""

WEIGHT_EXPONENT = 1

ALIGNMENT = 6
"""Lava shifts arriving sums and thresholds left by this much."""


@dataclass(frozen=True)
class InputRecord:
    """The input: its name and word."""

    name: str
    graded: bool
    bits: int
    signed: bool
    fraction: int


@dataclass(frozen=True)
class LayerRecord:
    """A layer's name, fractional bits of its state, and how its bias is split."""

    name: str
    fraction: int
    bias_exponent: int


@dataclass(frozen=True)
class LinkRecord:
    """A projection: where its weights are in the layers, and how they are split.

    ``delay`` is the projection's, ``layer_delay`` the delay of the same synapses in the file.
    """

    source: str
    target: str
    delay: int
    layer_delay: int
    bits: int
    exponent: int
    weight_fraction: int
    sparse: bool


@dataclass(frozen=True)
class NetxRecord:
    """Everything about a network that its layers do not say; ``order`` is of its populations.

    ``places`` are ``indptr`` and ``indices`` of sparse links, by the number of the link; files that
    do not have them store the weights that are not zero. ``shapes`` are those of images and rows,
    by the name of the population.
    """

    target: str
    provenance: Mapping[str, str]
    order: tuple[str, ...]
    input: InputRecord
    layers: tuple[LayerRecord, ...]
    links: tuple[LinkRecord, ...]
    places: Mapping[int, Places] = field(default_factory=dict)
    shapes: Mapping[str, Shape] = field(default_factory=dict)


def default_record(
    layers: Sequence[AnyLayer], hops: Sequence[int], word: Word | None, fraction: int, target: str
) -> NetxRecord:
    """The record of a file that has none.

    ``hops`` are the steps into each layer beyond its delays, ``word`` that of graded inputs,
    ``2^fraction`` slayer's weight scale.
    """
    given = word or Word(1, signed=False)
    source = InputRecord("input", word is not None, given.bits, given.signed, 0)
    notes, links, previous = [], [], source.name
    shapes: dict[str, Shape] = {}
    for index, (layer, hop) in enumerate(zip(layers, hops, strict=True)):
        name = f"layer{index}"
        notes.append(LayerRecord(name, fraction + ALIGNMENT, BIAS_EXPONENT))
        form = (WEIGHT_BITS, WEIGHT_EXPONENT, fraction - WEIGHT_EXPONENT)
        if isinstance(layer, ConvLayer):
            shapes |= {previous: layer.conv.sources, name: layer.conv.targets}
            links.append(LinkRecord(previous, name, hop, 0, *form, sparse=False))
            previous = name
            continue
        delays = [int(delay) for delay in np.unique(layer.delay[layer.weights != 0])] or [0]
        several = len(delays) > 1
        links += [LinkRecord(previous, name, d + hop, d, *form, sparse=several) for d in delays]
        if layer.recurrent is not None:
            links.append(LinkRecord(name, name, 1, 0, *form, sparse=False))
        previous = name
    order = (source.name, *(note.name for note in notes))
    return NetxRecord(target, {}, order, source, tuple(notes), tuple(links), shapes=shapes)


def write_record(file: h5py.Group, record: NetxRecord) -> None:
    """Write a record beside the layers."""
    group = file.create_group(GROUP)
    group.create_dataset("schema_version", data=SCHEMA_VERSION)
    parts = asdict(replace(record, places={}))
    del parts["places"]
    if not record.shapes:
        del parts["shapes"]
    group.create_dataset("record", data=json.dumps(parts))
    for number, (indptr, indices) in record.places.items():
        link = group.create_group(f"places/{number}")
        link.create_dataset("indptr", data=indptr)
        link.create_dataset("indices", data=indices)


def read_record(tree: ForeignTree, path: object) -> NetxRecord | None:
    """The record of a file, or None where another tool wrote the file.

    Raises:
        DamagedFileError: if it is of a newer version, or not what was written.
    """
    group = tree.get(GROUP)
    if group is None:
        return None
    try:
        if not isinstance(group, Mapping):
            raise TypeError("it is no group")
        return _parse(group)
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        problem = f"its group {GROUP} is not what this version writes: {error}"
        raise DamagedFileError(path, problem, "delete that group to read the layers") from error


def _parse(group: ForeignTree) -> NetxRecord:
    version = np.asarray(group["schema_version"])
    if version.shape != () or version.dtype.kind not in "iu":
        raise TypeError("its schema version is no integer")
    if version != SCHEMA_VERSION:
        raise ValueError(f"schema version {version}, known is {SCHEMA_VERSION}")
    parts = json.loads(cast(str, group["record"]))
    provenance = parts["provenance"]
    if not all(isinstance(text, str) for text in (*provenance.values(), *parts["order"])):
        raise TypeError("provenance and order are not texts")
    return NetxRecord(
        str(parts["target"]),
        provenance,
        tuple(parts["order"]),
        _build(InputRecord, parts["input"]),
        tuple(_build(LayerRecord, part) for part in parts["layers"]),
        tuple(_build(LinkRecord, part) for part in parts["links"]),
        {
            int(number): (_integers(link["indptr"]), _integers(link["indices"]))
            for number, link in cast(Any, group.get("places", {})).items()
        },
        {name: _shape(sizes) for name, sizes in parts.get("shapes", {}).items()},
    )


def _shape(sizes: Any) -> Shape:
    if not isinstance(sizes, list) or not all(type(size) is int for size in sizes):
        raise TypeError("shapes are not rows of integers")
    return tuple(sizes)


def _integers(values: Any) -> IntArray:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.ndim != 1:
        raise TypeError("places are not rows of integers")
    return array.astype(np.int64)


EVERY = (-(1 << 31), (1 << 31) - 1)
RANGES: Mapping[str, tuple[int, int]] = {"exponent": (0, 60), "bias_exponent": (0, 30)}
"""Numbers of a record that arrays are shifted by."""

T = TypeVar("T", InputRecord, LayerRecord, LinkRecord)


def _build(kind: type[T], part: Mapping[str, Any]) -> T:
    hints = get_type_hints(kind)
    if set(part) != {entry.name for entry in fields(kind)}:
        raise KeyError(f"entries {sorted(part)} of {kind.__name__}")
    for name, value in part.items():
        if type(value) is not hints[name]:
            raise TypeError(f"{name} is {value!r}")
        low, high = RANGES.get(name, EVERY)
        if hints[name] is int and not low <= value <= high:
            raise ValueError(f"{name} is {value}, not {low} to {high}")
    return kind(**part)
