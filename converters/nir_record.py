"""What NIR has no place for, kept in the metadata of graphs and nodes: dt, order, exact numbers.

NIR's own entries always say everything that is computed; the metadata only add digits that time
constants lose, and the order of things. Where an entry was changed by another tool, the entry wins.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from ltc2hw.converters.populations import Gate, Readout, gate_of
from ltc2hw.errors import DamagedFileError, Ltc2hwError
from ltc2hw.graph.network import FloatPopulation, Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import ConnectionKey, connection_key
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.scaling import named_function

KEY = "ltc2hw"
"""Name of our entry in metadata."""

RESET_KEY = "ltc2hw_reset"
"""Name of our entry that says how neurons without ``v_reset`` are reset."""

SCHEMA_VERSION = 1

CLOSE = 1e-9
"""Relative difference up to which two numbers are the same but for rounding."""


@dataclass(frozen=True)
class NirRecord:
    """Everything about a network that its graph does not say.

    ``order`` is the order of evaluation, which tells edges that take a step from those that do not;
    ``projections`` are (source, variable, target, port, delay), ``shapes`` those of populations
    that are images.
    """

    schema_version: int
    dt: float
    graded_input: bool
    populations: tuple[str, ...]
    order: tuple[str, ...]
    projections: tuple[ConnectionKey, ...]
    provenance: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def text(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self))

    def shapes_of(self, populations: Mapping[str, FloatPopulation]) -> dict[str, tuple[int, ...]]:
        """Shapes of the populations that have as many neurons."""
        return {
            name: shape
            for name, shape in self.shapes.items()
            if name in populations and populations[name].size == math.prod(shape)
        }

    def sorted(self, network: Network) -> Network:
        """The network with everything in the recorded order, where nothing came or went."""
        by_name = {p.name: p for p in network.populations}
        by_key = {connection_key(p): p for p in network.projections}
        if set(by_name) != set(self.populations) or set(by_key) != set(self.projections):
            return network
        return replace(
            network,
            populations=tuple(by_name[name] for name in self.populations),
            projections=tuple(by_key[key] for key in self.projections),
            provenance=self.provenance,
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
            {
                name: tuple(_typed(number, int) for number in shape)
                for name, shape in parts.get("shapes", {}).items()
            },
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


def lif_metadata(population: Neurons) -> dict[str, Any]:
    """Exact constants of a LIF population."""
    return {name: population.constants[name] for name in LIF_FIELDS}


def exact_lif(read: Neurons, gain: FloatArray, metadata: Mapping[str, Any]) -> Neurons | None:
    """The recorded population, where the one that was read differs from it by rounding alone."""
    noted = metadata.get(KEY)
    if not isinstance(noted, Mapping) or set(noted) != set(LIF_FIELDS) or not _close(gain, 1.0):
        return None
    if not all(_close(read.constants[name], noted[name]) for name in LIF_FIELDS):
        return None
    try:
        return read.with_constants({name: np.asarray(noted[name]) for name in LIF_FIELDS})
    except Ltc2hwError:
        return None


def readout_metadata(population: Neurons) -> dict[str, Any]:
    """Exact constants of a readout whose gate is static."""
    gate = gate_of(population, "tau_mem")
    return {
        "bias_current": population.constants["bias_current"],
        "gate": gate.bias,
        "nonlinearity": named_function(population, "tau_mem"),
    }


def exact_readout(read: Neurons, gain: FloatArray, metadata: Mapping[str, Any]) -> Neurons | None:
    """The recorded readout, where the one that was read differs from it by rounding alone."""
    noted = metadata.get(KEY)
    if not isinstance(noted, Mapping) or not _close(gain, 1.0):
        return None
    try:
        gate = Gate(np.asarray(noted["gate"], dtype=np.float64), nonlinearity=noted["nonlinearity"])
        exact = Readout(read.name, read.size, np.asarray(noted["bias_current"]), gate)
    except (KeyError, TypeError, ValueError, Ltc2hwError):
        return None
    same = _close(_rest(exact), _rest(read))
    currents = (exact.constants["bias_current"], read.constants["bias_current"])
    return exact if same and _close(*currents) else None


def _rest(population: Neurons) -> FloatArray:
    """The value of a readout's gate where nothing moves it."""
    gate = gate_of(population, "tau_mem")
    return evaluate(gate.nonlinearity, np.asarray(gate.bias))


def _close(first: Any, second: Any) -> bool:
    try:
        return bool(np.allclose(first, second, rtol=CLOSE, atol=1e-300))
    except (TypeError, ValueError):
        return False
