"""Networks and traces in HDF5 files: exact round trip, checksum, nothing half-written.

``docs/file-format.md`` describes the file; :mod:`ltc2hw.files.schema` is the table behind it and
:mod:`ltc2hw.files.hdf5` the reader that refuses whatever is damaged, altered or foreign.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from ltc2hw.errors import (
    DamagedFileError,
    InvalidValueError,
    Ltc2hwError,
    TooLargeError,
    UnknownNameError,
)
from ltc2hw.files.hdf5 import MAXIMUM_ENTRIES, Tree, read_tree, write_tree
from ltc2hw.files.schema import (
    READABLE,
    SCHEMA_VERSION,
    SchemaError,
    decode,
    encode,
    version_of,
)
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.fields import same_value
from ltc2hw.registry import find_schema

StrPath = str | os.PathLike[str]

FORMAT = "ltc2hw"
"""Value of the root's attribute ``format``."""


def save(network: Network | FixedNetwork, path: StrPath) -> None:
    """Write a network to an HDF5 file, whole or not at all; ``load(path) == network``.

    Raises:
        InvalidValueError: for anything but a Network or FixedNetwork.
        TooLargeError: for one of more parts than a file may have.
        OSError: if the folder does not exist or cannot be written.

    >>> import tempfile, numpy as np
    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "spikes", "out", "current", Dense([[0.5, 1.0]]))
    >>> net = Network((Input("input", 2), Neurons("out", 1, "lif")), (link,), "out")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save(net, Path(folder) / "net.h5")
    ...     load(Path(folder) / "net.h5") == net
    True
    """
    if not isinstance(network, (Network, FixedNetwork)):
        raise InvalidValueError("network to save", type(network).__name__, "a (Fixed)Network")
    _write(network, path)


def load(path: StrPath) -> Network | FixedNetwork:
    """Read a network from a file that :func:`save` wrote, checking everything again.

    Raises:
        DamagedFileError: if the file is truncated, altered, foreign, or of an unknown version.
        OSError: if there is no such file, or it cannot be opened.
    """
    return cast("Network | FixedNetwork", _read(path, (Network, FixedNetwork)))


def save_trace(trace: Trace, path: StrPath) -> None:
    """Write a trace to an HDF5 file, whole or not at all.

    Raises:
        OSError: if the folder does not exist or cannot be written.
    """
    _write(trace, path)


def load_trace(path: StrPath) -> Trace:
    """Read a trace from a file that :func:`save_trace` wrote.

    Raises:
        DamagedFileError: if the file is truncated, altered, foreign, or of an unknown version.
        OSError: if there is no such file, or it cannot be opened.
    """
    return cast(Trace, _read(path, (Trace,)))


def load_any(path: StrPath) -> Network | FixedNetwork | Trace:
    """Read whatever :func:`save` or :func:`save_trace` wrote.

    Raises:
        DamagedFileError: if the file is truncated, altered, foreign, or of an unknown version.
        OSError: if there is no such file, or it cannot be opened.
    """
    return cast("Network | FixedNetwork | Trace", _read(path, (Network, FixedNetwork, Trace)))


def _write(value: Network | FixedNetwork | Trace, path: StrPath) -> None:
    content: Tree = {
        "format": FORMAT,
        "schema_version": version_of(value),
        "content": encode(value),
    }
    parts = _entries(content) + 1  # and the checksum
    if parts > MAXIMUM_ENTRIES:
        # The reader, which trusts no file, stops there.
        name = f"{type(value).__name__} to save"
        raise TooLargeError(name, f"{parts} entries", f"at most {MAXIMUM_ENTRIES} in a file")
    write_tree(Path(path), content)


def _entries(tree: Tree) -> int:
    """How many groups, datasets and attributes a tree becomes."""
    return sum(1 + (_entries(part) if isinstance(part, Mapping) else 0) for part in tree.values())


def _read(path: StrPath, types: tuple[type, ...]) -> object:
    tree = read_tree(Path(path))
    version = tree.get("schema_version")
    ours = same_value(tree.get("format"), FORMAT) and isinstance(version, int)
    if not ours or set(tree) != _ROOT:
        raise DamagedFileError(path, "it was not written by ltc2hw")
    try:
        return _reader(cast(int, version))(tree["content"], types)
    except Ltc2hwError as error:
        raise DamagedFileError(path, str(error)) from error


def _reader(version: int) -> Callable[[Any, tuple[type, ...]], object]:
    """What reads trees of a schema version.

    Raises:
        SchemaError: for a version newer than ours, or one that never was.
    """
    if version in READABLE:
        return decode
    if version > SCHEMA_VERSION:
        raise SchemaError(
            f"it has schema version {version}, this ltc2hw reads up to {SCHEMA_VERSION}"
        )
    try:
        return find_schema(version)
    except UnknownNameError as error:
        raise SchemaError(f"it has schema version {version}, which is not read") from error


_ROOT = {"format", "schema_version", "content"}
