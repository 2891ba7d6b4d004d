"""The Neuromorphic Intermediate Representation, in and out: files and graphs in memory.

Files need no ``nir`` package; graphs in memory do. NIR is in continuous time, so the step ``dt``
(in the unit of the graph's time constants) is always said: by the caller, or by a file of ours.
How nodes are stepped is in :mod:`ltc2hw.converters.nir_import`, our extension nodes in
``docs/formats.md``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from ltc2hw.converters.conversion import Change, Conversion
from ltc2hw.converters.kernels import with_kernels
from ltc2hw.converters.nir_conventions import Conventions, Discretization, Reset, checked_step
from ltc2hw.converters.nir_export import graph_entries
from ltc2hw.converters.nir_graph import flatten
from ltc2hw.converters.nir_import import GraphImport
from ltc2hw.converters.nir_record import read_record
from ltc2hw.converters.nir_versions import NIR_VERSIONS, NirVersion, in_version
from ltc2hw.errors import DamagedFileError, InvalidValueError, MissingExtraError
from ltc2hw.files.foreign_hdf5 import read_foreign
from ltc2hw.files.hdf5 import writing
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.numbers.capacity import MAXIMUM_NUMBERS
from ltc2hw.quantization.dequantize import dequantize

StrPath = str | os.PathLike[str]

LARGE = 1 << 10
"""Arrays of more numbers than this are compressed, as long as all of them are not too many."""

DEFAULT_DT = 1e-4
"""Seconds per step in files that we write, as in snnTorch's."""


def read(
    path: StrPath,
    *,
    dt: float | None = None,
    discretization: Discretization = "euler",
    reset: Reset | None = None,
    graded_input: bool = False,
    allow: Collection[str] = (),
) -> Network:
    """Read a NIR file into a float network.

    ``dt`` is the step in the unit of the file's time constants; None takes it from a file of ours.
    Per step, ``discretization="euler"`` decays by dt / τ and ``"exact"`` by 1 - exp(-dt / τ).
    ``reset`` is needed where neurons have no ``v_reset``: a spike sets the membrane to 0
    (``"zero"``), or takes the threshold from it, before (``"subtract"``) or after the leak
    (``"subtract-delayed"``) of the next step. ``graded_input`` lets samples be any real number.
    ``allow`` names changes that may be made; those that were are in ``provenance["changes"]``.
    ``read(path) == network`` after ``write(network, path)``.

    Raises:
        UnsupportedError: naming the node, what of it cannot be kept, and what to do.
        DamagedFileError: if the file is truncated, hostile, no NIR file, or of a newer version.
        InvalidValueError: if ``dt`` or ``reset`` is needed and missing, or contradicts the file.
        ShapeError: if nodes do not fit each other.
        OSError: if there is no such file.
    """
    tree = read_foreign(path)
    said = _Said(dt, discretization, reset, graded_input, allow)
    return _network(tree.get("node"), path, said)


def from_graph(
    graph: Any,
    *,
    dt: float | None = None,
    discretization: Discretization = "euler",
    reset: Reset | None = None,
    graded_input: bool = False,
    allow: Collection[str] = (),
) -> Network:
    """Turn a ``nir.NIRGraph`` into a float network; arguments and errors as in :func:`read`.

    What ``nir`` itself fills in cannot be told from what the file said: from release 1.0.6 on it
    gives neurons of older files a ``v_reset`` of 0. :func:`read` asks.
    """
    if not (hasattr(graph, "to_dict") and isinstance(getattr(graph, "nodes", None), Mapping)):
        raise InvalidValueError("graph", type(graph).__name__, "a nir.NIRGraph")
    said = _Said(dt, discretization, reset, graded_input, allow)
    _check_nodes(graph, "", Conversion("nir-in", allow))
    try:
        entries = graph.to_dict()
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        problem = f"one that its to_dict() fails on ({error})"
        raise InvalidValueError("graph", problem, "nodes and edges of nir") from error
    return _network(entries, "NIR graph", said)


def write(
    network: Network | FixedNetwork,
    path: StrPath,
    *,
    dt: float = DEFAULT_DT,
    nir_version: NirVersion = NIR_VERSIONS[0],
    allow: Collection[str] = (),
) -> tuple[Change, ...]:
    """Write a network as a NIR file, whole or not at all; returns the changes that were made.

    ``dt`` (seconds) sets the unit of the time constants and changes nothing else. Integer
    networks become the reals that they stand for with ``allow={"dequantize"}``, and
    ``nir_version="1.0.4"`` writes what ``nir`` below 1.0.6 reads.

    Raises:
        UnsupportedError: naming the population that NIR cannot hold.
        TooLargeError: for sparse weights, no convolution, that are too large when written densely.
        OSError: if the folder does not exist or cannot be written.
    """
    conversion = Conversion("nir-out", allow)
    graph = graph_entries(_real(network, conversion), checked_step(dt), conversion, nir_version)
    entries = in_version(graph, nir_version, conversion)
    with writing(path) as file:
        file.create_dataset("version", data=nir_version, dtype=h5py.string_dtype())
        # What unfolds to more than readers take for granted is stored as long as it is.
        _write_group(file.create_group("node"), entries, packed=_large(entries) <= MAXIMUM_NUMBERS)
    return tuple(conversion.changes)


def to_graph(
    network: Network | FixedNetwork, *, dt: float = DEFAULT_DT, allow: Collection[str] = ()
) -> tuple[Any, tuple[Change, ...]]:
    """Turn a network into a ``nir.NIRGraph`` of the installed release; else as :func:`write`.

    Raises:
        MissingExtraError: if ``nir`` is not installed.
    """
    try:
        from ltc2hw.converters.nir_nodes import INSTALLED, graph_of
    except ModuleNotFoundError as error:
        raise MissingExtraError("nir", "NIR graphs in memory") from error
    conversion = Conversion("nir-out", allow)
    graph = graph_entries(_real(network, conversion), checked_step(dt), conversion, INSTALLED)
    return graph_of(in_version(graph, INSTALLED, conversion)), tuple(conversion.changes)


@dataclass(frozen=True)
class _Said:
    """What the caller of an import said."""

    dt: float | None
    discretization: Discretization
    reset: Reset | None
    graded_input: bool
    allow: Collection[str]


def _network(tree: Any, path: object, said: _Said) -> Network:
    conversion = Conversion("nir-in", said.allow)
    graph = flatten(tree, path, conversion)
    record = read_record(graph.metadata, path)
    dt, graded = said.dt, said.graded_input
    if record is not None:
        if dt is not None and dt != record.dt:
            raise InvalidValueError("dt", dt, f"{record.dt}, the step of {path}", "leave it out")
        dt, graded = record.dt, record.graded_input
    if dt is None:
        raise InvalidValueError(
            "dt", "missing", "the step in the unit of the graph's time constants",
            "pass dt=..., for instance 1e-4 for graphs of snnTorch",
        )  # fmt: skip
    conventions = Conventions(
        checked_step(dt), said.discretization, said.reset, str(path), ours=record is not None
    )
    try:
        builder = GraphImport(
            graph, conversion, conventions=conventions, graded=graded, record=record
        )
        return builder.network(f"NIR graph {os.path.basename(str(path))}")
    except RecursionError as error:
        raise DamagedFileError(path, "its nodes form too long a chain") from error


def _check_nodes(graph: Any, prefix: str, conversion: Conversion) -> None:
    """Refuse nodes that are none: what tools put where they do not know a module."""
    for name, node in graph.nodes.items():
        if not hasattr(node, "to_dict"):
            label = f"node {prefix + str(name)!r} ({type(node).__name__})"
            conversion.meet("no-node", label)
        if isinstance(getattr(node, "nodes", None), Mapping):
            _check_nodes(node, f"{prefix}{name}.", conversion)


def _real(network: Network | FixedNetwork, conversion: Conversion) -> Network:
    if isinstance(network, Network):
        return with_kernels(network)
    conversion.meet("integers", f"network for {network.target}")
    return with_kernels(dequantize(network))


def _large(entries: Mapping[str, Any]) -> int:
    """Numbers in all arrays that are large."""
    total = 0
    for value in entries.values():
        if isinstance(value, Mapping):
            total += _large(value)
        elif not isinstance(value, (str, list)) and np.size(value) > LARGE:
            total += np.size(value)
    return total


def _write_group(group: h5py.Group, entries: Mapping[str, Any], *, packed: bool) -> None:
    """Write a dictionary the way ``nir.write`` does; ``packed`` compresses large arrays."""
    for name, value in entries.items():
        if isinstance(value, Mapping):
            if value or name != "metadata":
                _write_group(group.create_group(name), value, packed=packed)
        elif isinstance(value, (str, list)):
            group.create_dataset(name, data=value, dtype=h5py.string_dtype())
        else:
            # Constants that all neurons share, and sparse weights written densely, are long.
            compression = "gzip" if packed and np.size(value) > LARGE else None
            group.create_dataset(name, data=value, compression=compression)
