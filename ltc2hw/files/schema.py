"""What the parts of networks and traces look like as trees: literal tables, version, migrations.

Nothing but the classes named here is ever built from a file, and only through their constructors,
which check every value again. ``docs/file-format.md`` describes the result.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.text import formats_text, model_text, read_formats, read_model
from ltc2hw.errors import Ltc2hwError
from ltc2hw.files.channels import constants_by_channel, require_spreadable
from ltc2hw.files.hdf5 import Leaf, Tree
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Message, Neurons
from ltc2hw.graph.notes import Notes
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import Overflow, Rounding, Word

SCHEMA_VERSION = 4
"""Version of the trees; raised whenever a class of :data:`FIELDS` changes.

2: neurons are programs. 3: traces have notes. 4: convolutions, and populations with a shape.
"""


READABLE = range(2, SCHEMA_VERSION + 1)
"""Versions that the tables below describe; :func:`ltc2hw.registry.find_schema` has the others."""


class SchemaError(Ltc2hwError):
    """A tree that is not what the tables say; becomes a DamagedFileError with the file's name."""


class Kind(Enum):
    """How a field is kept."""

    TEXT = "text"
    INTEGER = "integer"
    FLAG = "flag"
    REALS = "float64 array"
    INTEGERS = "int64 array"
    NUMBERS = "float64 or int64 array"
    ARRAY = "array"
    TEXTS = "texts by name, as JSON"
    MODEL = "a neuron model, as JSON"
    FORMATS = "formats of neurons, as JSON"
    PROGRAM = "a program of neurons, as JSON"
    IMAGE = "int64 array of two or three sizes"


Maker = Callable[..., Any]
"""A class, or the function that makes what an older version of the class was."""


@dataclass(frozen=True)
class Part:
    """A field that holds one of these classes."""

    types: tuple[Maker, ...]


@dataclass(frozen=True)
class Parts:
    """A field that holds a tuple of these classes."""

    types: tuple[Maker, ...]


@dataclass(frozen=True)
class Choice:
    """A field that holds a member of an enumeration."""

    members: type[Rounding] | type[Overflow]


@dataclass(frozen=True)
class Named:
    """A field that maps names to values of one kind."""

    kind: FieldKind


@dataclass(frozen=True)
class Maybe:
    """A field that a file may lack; the class has a default then."""

    kind: FieldKind


FieldKind = Kind | Part | Parts | Choice | Named | Maybe

WEIGHTS = Part((Dense, Sparse, Conv))

IMAGE = Maybe(Kind.IMAGE)
"""The shape of a population; those that are no images have none."""

Fields = Mapping[Maker, Mapping[str, FieldKind]]

FIELDS: Fields = {
    Dense: {"matrix": Kind.NUMBERS},
    Sparse: {
        "indptr": Kind.INTEGERS,
        "indices": Kind.INTEGERS,
        "data": Kind.NUMBERS,
        "sources": Kind.INTEGER,
    },
    Conv: {
        "kernel": Kind.NUMBERS,
        "sources": Kind.INTEGERS,
        "stride": Kind.INTEGERS,
        "padding": Kind.INTEGERS,
        "dilation": Kind.INTEGERS,
        "groups": Kind.INTEGER,
    },
    Input: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "graded": Kind.FLAG,
        "shape": IMAGE,
    },
    Neurons: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "model": Kind.MODEL,
        "constants": Named(Kind.REALS),
        "functions": Kind.TEXTS,
        "shape": IMAGE,
    },
    Projection: {
        "source": Kind.TEXT,
        "variable": Kind.TEXT,
        "target": Kind.TEXT,
        "port": Kind.TEXT,
        "weights": WEIGHTS,
        "delay": Kind.INTEGER,
    },
    Network: {
        "populations": Parts((Input, Neurons)),
        "projections": Parts((Projection,)),
        "output": Kind.TEXT,
        "provenance": Kind.TEXTS,
    },
    Word: {
        "bits": Kind.INTEGER,
        "signed": Kind.FLAG,
        "rounding": Choice(Rounding),
        "overflow": Choice(Overflow),
    },
    Message: {"variable": Kind.TEXT, "word": Part((Word,)), "shift": Kind.INTEGER},
    FixedInput: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "graded": Kind.FLAG,
        "word": Part((Word,)),
        "fraction": Kind.INTEGER,
        "shape": IMAGE,
    },
    FixedNeurons: {
        "name": Kind.TEXT,
        "size": Kind.INTEGER,
        "model": Kind.MODEL,
        "formats": Kind.FORMATS,
        "constants": Named(Kind.INTEGERS),
        "tables": Named(Kind.INTEGERS),
        "messages": Parts((Message,)),
        "program": Kind.PROGRAM,
        "shape": IMAGE,
    },
    FixedProjection: {
        "source": Kind.TEXT,
        "variable": Kind.TEXT,
        "target": Kind.TEXT,
        "port": Kind.TEXT,
        "weights": WEIGHTS,
        "bits": Kind.INTEGER,
        "exponent": Kind.INTEGER,
        "weight_fraction": Kind.INTEGER,
        "delay": Kind.INTEGER,
    },
    FixedNetwork: {
        "populations": Parts((FixedInput, FixedNeurons)),
        "projections": Parts((FixedProjection,)),
        "output": Kind.TEXT,
        "target": Kind.TEXT,
        "provenance": Kind.TEXTS,
    },
    Notes: {
        "engine": Kind.TEXT,
        "output": Kind.TEXT,
        "fractions": Named(Named(Kind.INTEGER)),
        "task": Kind.TEXT,
        "labels": Maybe(Kind.NUMBERS),
        "lengths": Maybe(Kind.INTEGERS),
        "axes": Kind.TEXT,
    },
    Trace: {
        "spikes": Named(Kind.ARRAY),
        "states": Named(Named(Kind.ARRAY)),
        "outputs": Kind.ARRAY,
        "saturations": Named(Named(Kind.INTEGER)),
        "state": Named(Named(Kind.ARRAY)),
        "notes": Maybe(Part((Notes,))),
    },
}
"""Every class that a file can hold, with all of its fields."""

TYPE = "type"
"""Entry of a tree that names its class."""


def encode(value: Any) -> Tree:
    """Turn an object of a known class into a tree.

    >>> encode(Word(8))["bits"]
    8
    """
    tree: dict[str, Leaf | Tree] = {TYPE: type(value).__name__}
    for name, kind in FIELDS[type(value)].items():
        own = getattr(value, name)
        if not isinstance(kind, Maybe):
            tree[name] = _encode_field(own, kind)
        elif own is not None and not (kind is IMAGE and len(own) == 1):
            tree[name] = _encode_field(own, kind.kind)
    if isinstance(value, (Network, FixedNetwork)):
        tree["populations"] = constants_by_channel(tree["populations"])
    return tree


def decode(tree: Leaf | Tree, types: tuple[Maker, ...], table: Fields = FIELDS) -> Any:
    """Build an object of one of the classes from a tree, through its constructor.

    Raises:
        SchemaError: if the tree is not exactly what the class needs.
        Ltc2hwError: from the constructor, for values that make no sense.
    """
    if isinstance(tree, Mapping):
        require_spreadable(tree.get("populations"))
    by_name = {known.__name__: known for known in types}
    name = tree.get(TYPE) if isinstance(tree, Mapping) else None
    if not isinstance(tree, Mapping) or not isinstance(name, str) or name not in by_name:
        found = repr(name) if isinstance(name, str) else "something else"
        other = "; ltc2hw.files.bundle.load_trace reads traces" if found == "'Trace'" else ""
        raise SchemaError(f"it holds {found} where {' or '.join(by_name)} should be{other}")
    fields = table[by_name[name]]
    left_out = {field for field in fields if field not in tree}
    odd = {field for field in left_out if not isinstance(fields[field], Maybe)}
    odd |= set(tree) - {TYPE, *fields}
    if odd:
        raise SchemaError(f"entries of {name} are missing or unknown: {', '.join(sorted(odd))}")
    values = {
        field: _decode_field(f"{name}.{field}", tree[field], fields[field], table)
        for field in fields
        if field not in left_out
    }
    return by_name[name](**values)


def _encode_field(value: Any, kind: FieldKind) -> Leaf | Tree:
    assert not isinstance(kind, Maybe)  # of a class, not within a mapping
    if isinstance(kind, Part):
        return encode(value)
    if isinstance(kind, Parts):
        return {str(index): encode(part) for index, part in enumerate(value)}
    if isinstance(kind, Named):
        return {name: _encode_field(part, kind.kind) for name, part in value.items()}
    if isinstance(kind, Choice):
        return str(value.value)
    if kind in WRITERS:
        return WRITERS[kind](value)
    if kind in (Kind.INTEGER, Kind.FLAG):
        return int(value) if kind is Kind.INTEGER else bool(value)
    return str(value) if kind is Kind.TEXT else np.asarray(value)


def _decode_field(where: str, value: Leaf | Tree, kind: FieldKind, table: Fields) -> Any:
    if isinstance(kind, Maybe):
        return _decode_field(where, value, kind.kind, table)
    if isinstance(kind, Part):
        return decode(value, kind.types, table)
    if isinstance(kind, (Parts, Named)):
        if not isinstance(value, Mapping):
            raise SchemaError(f"{where} is no group")
        if isinstance(kind, Named):
            return {
                name: _decode_field(where, part, kind.kind, table) for name, part in value.items()
            }
        if set(value) != {str(index) for index in range(len(value))}:
            raise SchemaError(f"parts of {where} are not numbered from 0")
        return tuple(decode(value[str(index)], kind.types, table) for index in range(len(value)))
    if isinstance(kind, Choice):
        known = {member.value: member for member in kind.members}
        if not isinstance(value, str) or value not in known:
            raise SchemaError(f"{where} is none of {', '.join(known)}")
        return known[value]
    return _decode_leaf(where, value, kind)


def _texts(value: Mapping[str, str]) -> str:
    for name, text in value.items():
        require_type(f"{name} to save", text, str)
    return json.dumps(dict(value))


def version_of(value: Network | FixedNetwork | Trace) -> int:
    """The oldest version of a file that says it: ltc2hw of that age reads it."""
    if isinstance(value, Trace):
        return 3
    images = any(len(population.shape) > 1 for population in value.populations)
    return 4 if images else 2


WRITERS: Mapping[Kind, Callable[[Any], str]] = {
    Kind.TEXTS: _texts,
    Kind.MODEL: model_text,
    Kind.FORMATS: formats_text,
    Kind.PROGRAM: Program.to_text,
}
"""Kinds that are kept as a text."""

SCALAR_TYPES: Mapping[Kind, type] = {
    Kind.TEXT: str,
    Kind.TEXTS: str,
    Kind.MODEL: str,
    Kind.FORMATS: str,
    Kind.PROGRAM: str,
    Kind.INTEGER: int,
    Kind.FLAG: bool,
}

ARRAY_TYPES: Mapping[Kind, tuple[str, ...]] = {
    Kind.REALS: ("float64",),
    Kind.INTEGERS: ("int64",),
    Kind.IMAGE: ("int64",),
    Kind.NUMBERS: ("float64", "int64"),
    Kind.ARRAY: ("float64", "int64", "int32", "uint8"),
}


def _decode_leaf(where: str, value: Leaf | Tree, kind: Kind) -> Any:
    if kind in ARRAY_TYPES:
        right = isinstance(value, np.ndarray) and value.dtype.name in ARRAY_TYPES[kind]
    else:
        right = type(value) is SCALAR_TYPES[kind]
    if not right:
        raise SchemaError(f"{where} is not kept as {kind.value}")
    if kind is Kind.TEXTS:
        return _decode_texts(where, str(value))
    return READERS[kind](str(value)) if kind in READERS else value


READERS: Mapping[Kind, Callable[[str], Any]] = {
    Kind.MODEL: read_model,
    Kind.FORMATS: read_formats,
    Kind.PROGRAM: Program.from_text,
}
"""Kinds that are read from a text, by what suspects everything in it."""


def _decode_texts(where: str, text: str) -> dict[str, str]:
    try:
        texts = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SchemaError(f"{where} is no JSON") from error
    if not isinstance(texts, dict) or not all(isinstance(entry, str) for entry in texts.values()):
        raise SchemaError(f"{where} is not texts by name")
    return texts
