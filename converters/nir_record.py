"""What NIR has no place for, kept in the metadata of graphs and nodes: dt, order, exact numbers.

NIR's own entries always say everything that is computed; the metadata only add digits that time
constants lose, and the order of things. Where an entry was changed by another tool, the entry wins.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ltc2hw.converters.populations import LIF, Gate, Readout
from ltc2hw.errors import DamagedFileError, Ltc2hwError
from ltc2hw.graph.network import Network, Projection
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.words import FloatArray

KEY = "ltc2hw"
"""Name of our entry in metadata."""

SCHEMA_VERSION = 1

CLOSE = 1e-9
"""Relative difference up to which two numbers are the same but for rounding."""


@dataclass(frozen=True)
class NirRecord:
    """Everything about a network that its graph does not say.

    ``order`` is the order of evaluation, which tells edges that take a step from those that do not;
    ``projections`` are (source, variable, target, port, delay).
    """

    schema_version: int
    dt: float
    graded_input: bool
    populations: tuple[str, ...]
    order: tuple[str, ...]
    projections: tuple[tuple[str, str, str, str, int], ...]
    provenance: Mapping[str, str]

    def text(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self))

    def sorted(self, network: Network) -> Network:
        """The network with everything in the recorded order, where nothing came or went."""
        by_name = {p.name: p for p in network.populations}
        by_key = {key_of(p): p for p in network.projections}
        if set(by_name) != set(self.populations) or set(by_key) != set(self.projections):
            return network
        return replace(
            network,
            populations=tuple(by_name[name] for name in self.populations),
            projections=tuple(by_key[key] for key in self.projections),
            provenance=self.provenance,
        )


def key_of(projection: Projection) -> tuple[str, str, str, str, int]:
    """What tells a projection from all others."""
    return (
        projection.source,
        projection.variable,
        projection.target,
        projection.port,
        projection.delay,
    )


def read_record(metadata: Mapping[str, Any], path: object) -> NirRecord | None:
    """The record of a graph, or None where another tool made the graph.

    Raises:
        DamagedFileError: if it is of a newer version, or not what was written.
    """
    text = metadata.get(KEY)
    if text is None:
        return None
    try:
        parts = json.loads(text)
        if parts["schema_version"] != SCHEMA_VERSION:
            raise ValueError(f"schema version {parts['schema_version']}, known is {SCHEMA_VERSION}")
        texts = (*parts["populations"], *parts["order"], *parts["provenance"].values())
        if not all(isinstance(text, str) for text in texts):
            raise TypeError("names and provenance are not texts")
        return NirRecord(
            SCHEMA_VERSION,
            float(_typed(parts["dt"], int, float)),
            _typed(parts["graded_input"], bool),
            tuple(parts["populations"]),
            tuple(parts["order"]),
            tuple(
                (*(_typed(name, str) for name in ends), _typed(delay, int))
                for *ends, delay in parts["projections"]
            ),
            dict(parts["provenance"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        problem = f"its metadata {KEY} are not what this version writes: {error}"
        raise DamagedFileError(path, problem, "delete them to read the graph alone") from error


def _typed(value: Any, *kinds: type) -> Any:
    """A value of JSON, if it is of exactly one of these types.

    Raises:
        TypeError: if it is not.
    """
    if type(value) not in kinds:
        raise TypeError(f"{value!r} is no {' or '.join(kind.__name__ for kind in kinds)}")
    return value


LIF_FIELDS = ("current_decay", "membrane_decay", "threshold", "bias")


def lif_metadata(population: LIF) -> dict[str, Any]:
    """Exact constants of a LIF population."""
    return {name: getattr(population, name) for name in LIF_FIELDS}


def exact_lif(read: LIF, gain: FloatArray, metadata: Mapping[str, Any]) -> LIF | None:
    """The recorded population, where the one that was read differs from it by rounding alone."""
    noted = metadata.get(KEY)
    if not isinstance(noted, Mapping) or set(noted) != set(LIF_FIELDS) or not _close(gain, 1.0):
        return None
    if not all(_close(getattr(read, name), noted[name]) for name in LIF_FIELDS):
        return None
    try:
        constants = (np.asarray(noted[name]) for name in LIF_FIELDS)
        return LIF(read.name, read.size, *constants)
    except Ltc2hwError:
        return None


def readout_metadata(population: Readout) -> dict[str, Any]:
    """Exact constants of a readout whose gate is static."""
    gate = population.tau_mem
    return {
        "bias_current": population.bias_current,
        "gate": gate.bias,
        "nonlinearity": gate.nonlinearity,
    }


def exact_readout(read: Readout, gain: FloatArray, metadata: Mapping[str, Any]) -> Readout | None:
    """The recorded readout, where the one that was read differs from it by rounding alone."""
    noted = metadata.get(KEY)
    if not isinstance(noted, Mapping) or not _close(gain, 1.0):
        return None
    try:
        gate = Gate(np.asarray(noted["gate"], dtype=np.float64), nonlinearity=noted["nonlinearity"])
        exact = replace(read, bias_current=np.asarray(noted["bias_current"]), tau_mem=gate)
    except (KeyError, TypeError, ValueError, Ltc2hwError):
        return None
    leak = evaluate(read.tau_mem.nonlinearity, np.asarray(read.tau_mem.bias))
    same = _close(evaluate(gate.nonlinearity, np.asarray(exact.tau_mem.bias)), leak)
    return exact if same and _close(exact.bias_current, read.bias_current) else None


def _close(first: Any, second: Any) -> bool:
    try:
        return bool(np.allclose(first, second, rtol=CLOSE, atol=1e-300))
    except (TypeError, ValueError):
        return False
