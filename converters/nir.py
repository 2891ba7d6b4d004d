"""The Neuromorphic Intermediate Representation, in and out: files and graphs in memory.

Files need no ``nir`` package; graphs in memory do. NIR is in continuous time, so the step ``dt``
(in the unit of the graph's time constants) is always said: by the caller, or by a file of ours.
How nodes are stepped is in :mod:`ltc2hw.converters.nir_import`, our extension nodes in
``docs/formats.md``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

import h5py
import numpy as np

from ltc2hw.converters.conversion import Change, Conversion
from ltc2hw.converters.foreign_hdf5 import read_foreign
from ltc2hw.converters.nir_export import graph_entries
from ltc2hw.converters.nir_graph import flatten
from ltc2hw.converters.nir_import import GraphImport
from ltc2hw.converters.nir_record import read_record
from ltc2hw.dequantize import dequantize
from ltc2hw.errors import DamagedFileError, InvalidValueError, MissingExtraError
from ltc2hw.files import replacing
from ltc2hw.fixed import FixedNetwork
from ltc2hw.network import Network

StrPath = str | os.PathLike[str]

NIR_VERSION = "1.0.8"
"""Release of ``nir`` whose file layout is written."""

LARGE = 1 << 16
"""Arrays of more numbers than this are compressed."""

DEFAULT_DT = 1e-4
"""Seconds per step in files that we write, as in snnTorch's."""


def read(
    path: StrPath,
    *,
    dt: float | None = None,
    graded_input: bool = False,
    allow: Collection[str] = (),
) -> Network:
    """Read a NIR file into a float network.

    ``dt`` is the step in the unit of the file's time constants; None takes it from a file of ours.
    ``graded_input`` lets samples be any real number. ``allow`` names changes that may be made;
    those that were are in ``provenance["changes"]``. ``read(path) == network`` after
    ``write(network, path)``.

    Raises:
        UnsupportedError: naming the node, what of it cannot be kept, and what to do.
        DamagedFileError: if the file is truncated, hostile, no NIR file, or of a newer version.
        InvalidValueError: if ``dt`` is needed and missing, or contradicts the file.
        ShapeError: if nodes do not fit each other.
        OSError: if there is no such file.
    """
    tree = read_foreign(path)
    return _network(tree.get("node"), path, dt, graded_input, allow)


def from_graph(
    graph: Any, *, dt: float | None = None, graded_input: bool = False, allow: Collection[str] = ()
) -> Network:
    """Turn a ``nir.NIRGraph`` into a float network; arguments and errors as in :func:`read`."""
    if not hasattr(graph, "to_dict"):
        raise InvalidValueError("graph", type(graph).__name__, "a nir.NIRGraph")
    try:
        entries = graph.to_dict()
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        problem = f"one that its to_dict() fails on ({error})"
        raise InvalidValueError("graph", problem, "nodes and edges of nir") from error
    return _network(entries, "NIR graph", dt, graded_input, allow)


def write(
    network: Network | FixedNetwork,
    path: StrPath,
    *,
    dt: float = DEFAULT_DT,
    allow: Collection[str] = (),
) -> tuple[Change, ...]:
    """Write a network as a NIR file, whole or not at all; returns the changes that were made.

    ``dt`` (seconds) sets the unit of the time constants and changes nothing else. Integer
    networks become the reals that they stand for with ``allow={"dequantize"}``.

    Raises:
        UnsupportedError: naming the population that NIR cannot hold.
        OSError: if the folder does not exist or cannot be written.
    """
    conversion = Conversion("nir-out", allow)
    entries = graph_entries(_real(network, conversion), _checked(dt), conversion)
    with replacing(path) as temporary, h5py.File(temporary, "w") as file:
        file.create_dataset("version", data=NIR_VERSION, dtype=h5py.string_dtype())
        _write_group(file.create_group("node"), entries)
    return tuple(conversion.changes)


def to_graph(
    network: Network | FixedNetwork, *, dt: float = DEFAULT_DT, allow: Collection[str] = ()
) -> tuple[Any, tuple[Change, ...]]:
    """Turn a network into a ``nir.NIRGraph``; arguments and errors as in :func:`write`.

    Raises:
        MissingExtraError: if ``nir`` is not installed.
    """
    try:
        from ltc2hw.converters.nir_nodes import graph_of
    except ModuleNotFoundError as error:
        raise MissingExtraError("nir", "NIR graphs in memory") from error
    conversion = Conversion("nir-out", allow)
    entries = graph_entries(_real(network, conversion), _checked(dt), conversion)
    return graph_of(entries), tuple(conversion.changes)


def _network(
    tree: Any, path: object, dt: float | None, graded_input: bool, allow: Collection[str]
) -> Network:
    conversion = Conversion("nir-in", allow)
    graph = flatten(tree, path, conversion)
    record = read_record(graph.metadata, path)
    if record is not None:
        if dt is not None and dt != record.dt:
            raise InvalidValueError("dt", dt, f"{record.dt}, the step of {path}", "leave it out")
        dt, graded_input = record.dt, record.graded_input
    if dt is None:
        raise InvalidValueError(
            "dt", None, "the step in the unit of the graph's time constants",
            "pass dt=..., for instance 1e-4 for graphs of snnTorch",
        )  # fmt: skip
    try:
        builder = GraphImport(
            graph, conversion, dt=_checked(dt), graded=graded_input, record=record
        )
        return builder.network(f"NIR graph {os.path.basename(str(path))}")
    except RecursionError as error:
        raise DamagedFileError(path, "its nodes form too long a chain") from error


def _real(network: Network | FixedNetwork, conversion: Conversion) -> Network:
    if isinstance(network, Network):
        return network
    conversion.meet("integers", f"network for {network.target}")
    return dequantize(network)


def _checked(dt: float) -> float:
    if not (np.isfinite(dt) and dt > 0.0):
        raise InvalidValueError("dt", dt, "a number above 0")
    return float(dt)


def _write_group(group: h5py.Group, entries: Mapping[str, Any]) -> None:
    """Write a dictionary the way ``nir.write`` does."""
    for name, value in entries.items():
        if isinstance(value, Mapping):
            if value or name != "metadata":
                _write_group(group.create_group(name), value)
        elif isinstance(value, (str, list)):
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        else:
            # Convolutions are sparse here and dense there: nearly all zeros.
            large = np.size(value) > LARGE
            group.create_dataset(name, data=value, compression="gzip" if large else None)
