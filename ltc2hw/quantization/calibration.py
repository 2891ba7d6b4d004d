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
from ltc2hw.graph.trace import ALL, Array, State
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.registry import find_engine

BATCH = 64
"""Most samples of a float run while calibrating."""

TRAINING_SAMPLES = 256
"""First samples that training through all rounding calibrates on, after every epoch, unless asked
otherwise; all, as quantization takes them, would cost as much as the epoch."""

CACHED = 1 << 18
"""Numbers of one variable of a population, over the samples of a run: two megabytes."""

MEMORY = 1 << 25
"""Bytes of the states that a run records; longer ones run in pieces of their steps."""

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
    shown, owners = watched_network(network)
    noted = _Noted(network, owners)
    if x.ndim != 3 or 0 in x.shape:
        # A malformed array goes through whole, so that the engine names what is wrong with it.
        noted.run(shown, x, None)
    samples, steps = run_sizes(shown)
    for start in range(0, x.shape[1], samples):
        part = slice(start, start + samples)
        noted.begin()
        for step in range(0, len(x), steps):
            ends = None if own is None else own[part] - step
            noted.run(shown, x[step : step + steps, part], ends)
    count = x.shape[0] if own is None else own.max()
    return Ranges(noted.largest, bool(x.min() < 0), noted.highest, noted.recovered, int(count))


def run_sizes(network: Network) -> tuple[int, int]:
    """Samples and steps of one run, so that its recorded states fit :data:`MEMORY`."""
    numbers = sum(p.size * len(p.recordable) for p in network.populations)
    runs = max(1, MEMORY // (numbers * np.dtype(np.float64).itemsize))
    widest = max(p.size for p in network.populations)
    samples = max(1, min(BATCH, CACHED // widest, runs))
    return samples, max(1, runs // samples)


class _Noted:
    """Extremes of everything recorded so far, and the state to go on from."""

    def __init__(self, network: Network, owners: Mapping[Key, str]) -> None:
        self.simulate = find_engine("float64")
        self.owners = owners
        self.integrated = tuple(
            population.name
            for population in network.populations
            if isinstance(population, Neurons) and has_integrated_membrane(population.model)
        )
        self.largest: dict[Key, FloatArray] = {}
        self.highest: dict[Key, FloatArray] = {}
        self.recovered: dict[str, FloatArray] = {}
        self.begin()

    def begin(self) -> None:
        """Start with other samples."""
        self.state: State | None = None
        self.lowest: dict[str, FloatArray] = {}

    def run(self, network: Network, x: FloatArray, ends: IntArray | None) -> None:
        """Run samples (T, B, N_in) on from where they are, of which ``ends`` steps (B,) count."""
        trace = self.simulate(network, x, ALL, self.state)
        self.state = trace.state
        if ends is not None:
            if ends.max() < 1:
                return
            ends = np.clip(ends, 0, len(x))
        for (name, variable), values in trace.recorded().items():
            key = name, self.owners.get((name, variable), variable)
            low, high = extremes(values, ends)
            far = np.maximum(high, -low)
            self.highest[key] = np.maximum(self.highest.get(key, high), high)
            self.largest[key] = np.maximum(self.largest.get(key, far), far)
        for name in self.integrated:
            spikes = silent_after(trace.spikes[name], ends)
            membrane = trace.states[name][MEMBRANE]
            lowest = self.lowest.setdefault(name, np.zeros(membrane.shape[1:]))
            depth = recovered_depth(membrane, spikes, lowest)
            self.recovered[name] = np.maximum(self.recovered.get(name, depth), depth)


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


def recovered_depth(membrane: Array, spikes: Array, lowest: FloatArray | None = None) -> FloatArray:
    """Depth below zero from which each neuron came back to spike; (T, B, N) each to (N,).

    ``lowest`` (B, N): how far below zero each has been since it last spiked, when these steps
    begin (0 if left out); it becomes that at their end.

    >>> membrane = np.array([-3.0, -5.0, 0.0, -9.0]).reshape(4, 1, 1)
    >>> recovered_depth(membrane, np.array([0, 0, 1, 0]).reshape(4, 1, 1))
    array([5.])
    """
    kept = np.zeros(membrane.shape[1:]) if lowest is None else lowest
    deepest = np.zeros(membrane.shape[2:])
    for now, fired in zip(membrane, spikes, strict=True):
        np.minimum(kept, now, out=kept)
        fires = fired > 0
        depths = np.where(fires, -kept, 0.0)
        np.maximum(deepest, depths.max(axis=0), out=deepest)
        kept[fires] = 0.0
    return deepest
