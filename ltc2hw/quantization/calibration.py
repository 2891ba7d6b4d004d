"""What a float run of calibration samples says about the range of every variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import LIF_WORDS, SPIKES, Model
from ltc2hw.dynamics.ranges import watched
from ltc2hw.dynamics.roles import MEMBRANE, integrates
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import FloatPopulation, Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.samples import real_array
from ltc2hw.graph.sequences import own_steps, sample_lengths, silent_after
from ltc2hw.graph.trace import ALL, Array
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.registry import find_engine

BATCH = 64
"""Samples per float run while calibrating; bounds the memory of the recorded states."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Ranges:
    """Extremes of each neuron's variables, by population and variable, in a float run.

    ``largest``: largest magnitudes, ``highest``: largest values, (N,) each; None and empty where
    there was no calibration. ``recovered``: how far below zero each integrated membrane has been
    between two spikes, or the start and a spike, (N,). ``steps``: length of the run, None without
    one.
    """

    largest: Mapping[Key, FloatArray] | None
    input_negative: bool
    highest: Mapping[Key, FloatArray] = field(default_factory=dict)
    recovered: Mapping[str, FloatArray] = field(default_factory=dict)
    steps: int | None = None

    def magnitude(self, population: str, variable: str) -> float:
        """Largest magnitude seen.

        Raises:
            InvalidValueError: if there was no calibration.
        """
        return float(self.each(population, variable).max())

    def each(self, population: str, variable: str) -> FloatArray:
        """Largest magnitude seen of each neuron, (N,).

        Raises:
            InvalidValueError: if there was no calibration.
        """
        if self.largest is None:
            raise InvalidValueError(
                f"calibration for {population}.{variable}",
                "missing",
                "samples of shape (T, B, N_in)",
                "pass calibration=x",
            )
        return self.largest[population, variable]

    def peak(self, population: str, variable: str) -> float:
        """Largest value seen, at least 0."""
        return max(float(self.highest[population, variable].max()), 0.0)


def measure(network: Network, calibration: npt.ArrayLike | None, lengths: object = None) -> Ranges:
    """Run calibration samples (T, B, N_in) in float and note the extremes of every variable.

    ``lengths`` (B,): the steps of samples that end before T; what comes later is not noted.

    Raises:
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    if calibration is None:
        if lengths is not None:
            raise InvalidValueError("lengths", "given without samples", "calibration=x with them")
        return Ranges(None, input_negative=False)
    x = real_array("calibration", calibration)
    own = sample_lengths(lengths, *x.shape[:2]) if x.ndim == 3 else None
    x = silent_after(x, own)
    simulate = find_engine("float64")
    shown, owners = watched_network(network)
    largest: dict[Key, FloatArray] = {}
    highest: dict[Key, FloatArray] = {}
    recovered: dict[str, FloatArray] = {}
    batches = x.shape[1] if x.ndim == 3 else 1
    for start in range(0, max(batches, 1), BATCH):
        # A malformed array goes through whole, so that the engine names what is wrong with it.
        part = x[:, start : start + BATCH] if x.ndim == 3 else x
        trace = simulate(shown, part, ALL)
        ends = None if own is None else own[start : start + BATCH]
        for (name, variable), values in trace.recorded().items():
            key = name, owners.get((name, variable), variable)
            low, high = extremes(values, ends)
            far = np.maximum(high, -low)
            highest[key] = np.maximum(highest.get(key, high), high)
            largest[key] = np.maximum(largest.get(key, far), far)
        for population in network.populations:
            name = population.name
            if isinstance(population, Neurons) and has_integrated_membrane(population.model):
                spikes = silent_after(trace.spikes[name], ends)
                depth = recovered_depth(trace.states[name][MEMBRANE], spikes)
                recovered[name] = np.maximum(recovered.get(name, depth), depth)
    steps = x.shape[0] if own is None else own.max()
    return Ranges(largest, bool(x.min() < 0), highest, recovered, int(steps))


def extremes(values: Array, lengths: IntArray | None) -> tuple[FloatArray, FloatArray]:
    """Smallest and largest value of each neuron, (N,), within the samples' own steps of (T, B, N).

    >>> low, high = extremes(np.array([[[-1.0]], [[5.0]]]), np.array([1]))
    >>> low, high
    (array([-1.]), array([-1.]))
    """
    kept: Array = values.reshape(-1, values.shape[2])
    if lengths is not None:
        kept = values[own_steps(lengths, *values.shape[:2])]
    low, high = (np.asarray(pick(axis=0), dtype=np.float64) for pick in (kept.min, kept.max))
    return low, high


def watched_network(network: Network) -> tuple[Network, Mapping[Key, str]]:
    """The network with the registers of neurons that integrate among what can be recorded.

    Beside it, the register that each such variable shows. Lava's LIF is scaled by its threshold,
    which is what its membrane overshoots.
    """
    owners: dict[Key, str] = {}
    populations: list[FloatPopulation] = []
    for population in network.populations:
        if isinstance(population, Neurons) and scaled_by_registers(population.model):
            program, own = watched(population.model.program)
            model = replace(population.model, program=program)
            owners |= {(population.name, variable): register for variable, register in own.items()}
            population = Neurons(
                population.name,
                population.size,
                model,
                population.constants,
                population.functions,
                population.shape,
            )
        populations.append(population)
    return replace(network, populations=tuple(populations)), owners


def scaled_by_registers(model: Model) -> bool:
    """Whether the scale of a model follows from what its registers hold in a run."""
    return integrates(model) and model.words != LIF_WORDS


def has_integrated_membrane(model: Model) -> bool:
    """Whether neurons spike from a membrane that nothing but its word bounds."""
    return integrates(model) and MEMBRANE in model.states and SPIKES in model.results


def recovered_depth(membrane: Array, spikes: Array) -> FloatArray:
    """Depth below zero from which each neuron came back to spike; (T, B, N) each to (N,).

    >>> membrane = np.array([-3.0, -5.0, 0.0, -9.0]).reshape(4, 1, 1)
    >>> recovered_depth(membrane, np.array([0, 0, 1, 0]).reshape(4, 1, 1))
    array([5.])
    """
    lowest = np.zeros(membrane.shape[1:])
    deepest = np.zeros(membrane.shape[1:])
    for now, fired in zip(membrane, spikes, strict=True):
        lowest = np.minimum(lowest, now)
        deepest = np.where(fired, np.maximum(deepest, -lowest), deepest)
        lowest = np.where(fired, 0.0, lowest)
    return np.asarray(deepest.max(axis=0))
