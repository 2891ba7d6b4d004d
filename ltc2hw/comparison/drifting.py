"""Measure where and when an integer run leaves the float run.

Four integer runs are held against one float run: the free one; one in which populations hear each
other as in the float run; one in which they also hear themselves so, and only keep their own state;
and single steps, each from the float run's state and messages. What the last does wrong is made in
the step; what each of the others adds is kept in the state, returned by own messages, or inherited.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ltc2hw.comparison.drift import (
    Course,
    Drift,
    Flips,
    Origins,
    PopulationDrift,
    SpikeDrift,
    StateDrift,
)
from ltc2hw.comparison.progress import Progress, silent
from ltc2hw.comparison.report import Range
from ltc2hw.comparison.samples import PART, own_samples
from ltc2hw.comparison.tally import FirstSteps, register_limits
from ltc2hw.comparison.units import Recorded, Units
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.roles import binary_states, charging
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.sequences import Mask, own_steps
from ltc2hw.graph.trace import Array, State, Trace
from ltc2hw.numbers.fields import require_size
from ltc2hw.numbers.threads import in_threads
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import check_pair
from ltc2hw.registry import find_forced
from ltc2hw.simulate import simulate

SAMPLES, FEWEST, SAMPLE_STEPS = 64, 8, 1 << 14
"""How many samples are looked at, if nothing else is said: fewer where they have many steps."""

MEMORY = 1 << 29
"""Bytes of the numbers of all runs at a time; more samples are run in several parts."""

DRIFTING = "drift"
"""What progress calls these runs."""

FORCED = ("made", "kept", "own")
"""Integer runs that are given something: single steps, own registers, own messages as well."""

RUNS = (*FORCED, "free")
"""All integer runs; the free one works everything out itself."""

SHOWN = ("free", "own", "made")
"""The runs of which every step is told."""


def measure_drift(
    network: Network,
    fixed: FixedNetwork,
    x: object,
    lengths: object = None,
    *,
    samples: int | None = None,
    progress: Progress | None = None,
) -> Drift:
    """Hold the integer run against the float run on the first ``samples`` of x (T, B, N_in).

    None takes 64 samples, or fewer that have 16,384 steps together, but no fewer than 8.

    Numbers of the float run that integers begin from are rounded to nearest and clipped at the ends
    of their words. ``lengths`` (B,): steps of samples that end before T; nothing after counts.

    Raises:
        InvalidValueError: if ``fixed`` does not belong to ``network``, or a number is not finite.
        ShapeError: for samples or lengths that do not fit.

    >>> from ltc2hw.graph.network import Input, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> from ltc2hw.quantization.quantize import quantize
    >>> wire = Projection("x", "spikes", "out", "current", Dense([[0.5]]))
    >>> out = Neurons("out", 1, "if_subtract", {"threshold": 4.0})
    >>> net = Network((Input("x", 1), out), (wire,), "out")
    >>> x = np.ones((4, 1, 1))
    >>> measure_drift(net, quantize(net, "loihi2", x), x).population("out").exact
    True
    """
    check_pair(network, fixed)
    if samples is not None:
        require_size("samples of the drift", samples)
    entry = network.input
    values, own = own_samples(x, lengths, entry.size, graded=entry.graded)
    steps, batch, _ = values.shape
    most = min(samples or usual_samples(steps), batch)
    measuring = Measuring(network, fixed, steps, most)
    starts = range(0, most, measuring.part)
    told = progress or silent
    total, done = len(starts) * (1 + len(RUNS)), 0

    def tell(_: int = 0) -> None:
        nonlocal done
        done += 1
        told(DRIFTING, done, total)

    told(DRIFTING, done, total)
    for start in starts:
        part = slice(start, min(start + measuring.part, most))
        given = None if own is None else own[part]
        real = simulate(network, values[:, part], "float64", measuring.heard, lengths=given)
        tell()
        free = simulate(fixed, values[:, part], "integer", measuring.record, lengths=given)
        tell()
        measuring.take(real, free, own_steps(given, steps, part.stop - start), tell)
    return measuring.result()


def usual_samples(steps: int) -> int:
    """How many samples of so many steps are looked at.

    >>> usual_samples(10), usual_samples(784), usual_samples(10_000)
    (64, 20, 8)
    """
    return min(SAMPLES, max(FEWEST, SAMPLE_STEPS // steps))


class Measuring:
    """Where and when the runs part on the first so many ``samples``, each of ``steps``.

    It is given float runs and integer runs as they are made, :meth:`take`, and makes the others.
    """

    def __init__(self, network: Network, fixed: FixedNetwork, steps: int, samples: int) -> None:
        self.network = network
        self.fixed = fixed
        self.steps = steps
        self.samples = samples
        self.units = Units.of(network, fixed)
        self.variables = {
            population.name: tracked(population)
            for population in fixed.populations
            if isinstance(population, FixedNeurons)
        }
        self.sums = {
            (name, variable): _Sums(steps)
            for name, variables in self.variables.items()
            for variable in variables
        }
        self.states = {
            (name, variable): _States(fixed.population(name).size)
            for name, variable in self.sums
            if variable != SPIKES
        }
        self.spikes = {
            name: _Spikes(steps, fixed.population(name).size)
            for name, variables in self.variables.items()
            if SPIKES in variables
        }
        self.entries = np.zeros(steps, dtype=np.int64)
        self.taken = 0
        self.pieces: list[tuple[Recorded, Recorded, Mask]] = []

    def take(self, real: Trace, free: Trace, own: Mask, tell: Callable[[int], None]) -> None:
        """Take in runs of the next samples, with their own steps (T, B), as far as they are wanted.

        Other runs are made of so many samples together as :attr:`part` says, whatever the runs that
        are taken in held; ``tell`` is called after each with the number of these.
        """
        start = 0
        while start < own.shape[1] and self.taken < self.samples:
            room = min(self.samples - self.taken, self.part - self.taken % self.part)
            piece = slice(start, min(start + room, own.shape[1]))
            recorded = (some(real, self.heard, piece), some(free, self.record, piece))
            self.pieces.append((*recorded, own[:, piece]))
            self.taken += piece.stop - start
            start = piece.stop
            if self.taken == self.samples or self.taken % self.part == 0:
                self.measure(tell)

    def measure(self, tell: Callable[[int], None]) -> None:
        """Make the other runs of what was taken in, and sum up what differs."""
        first, second, masks = zip(*self.pieces, strict=True)
        self.pieces.clear()
        real, free, own = joined(first), joined(second), np.concatenate(masks, axis=1)
        self.entries += own.sum(axis=1)
        heard, before = self.units.messages(real), self.units.registers(real)

        def run(name: str) -> Recorded:
            given = before if name == "made" else None
            past = name != "own"
            return find_forced()(self.fixed, heard, self.record, given, past=past).recorded()

        runs = {"free": free}
        for name, found in zip(FORCED, in_threads(run, FORCED, _nothing), strict=True):
            runs[name] = found
            tell(own.shape[1])
        self.add(real, runs, before, own)

    @property
    def record(self) -> tuple[str, ...]:
        """Names of what is compared, of whatever population."""
        return tuple({v: None for variables in self.variables.values() for v in variables})

    @property
    def heard(self) -> tuple[str, ...]:
        """Names of what is needed of the float run: what is compared, kept or sent."""
        names = dict.fromkeys(self.record)
        names |= {p.variable: None for p in self.network.projections}
        names |= {r: None for population in self.fixed.populations for r in population.registers}
        return tuple({**names, self.fixed.input.variables[0]: None})

    @property
    def memory(self) -> int:
        """Bytes of the numbers of all runs of a sample."""
        numbers = self.steps * sum(
            self.fixed.population(name).size * (len(variables) * (1 + len(RUNS)) + 1)
            for name, variables in self.variables.items()
        )
        return numbers * np.dtype(np.float64).itemsize

    @property
    def part(self) -> int:
        """Samples whose recorded numbers fit :data:`MEMORY`."""
        return max(1, min(PART, MEMORY // self.memory))

    def add(self, real: Recorded, runs: Mapping[str, Recorded], before: State, own: Mask) -> None:
        """Take in a part; only its own steps (T, B) count. ``before``: registers of each step."""

        def add_variable(key: tuple[str, str]) -> None:
            values = real[key].astype(np.float64)
            self.sums[key].add(
                values, {run: self.units.real(*key, runs[run][key]) for run in RUNS}, own
            )
            if key in self.states:
                self.states[key].add(runs["free"][key], own)
                start = before[key[0]].get(key[1])
                if start is not None:
                    fired = self.fired(key[0], real, runs["made"], own)
                    still = standing_still(
                        values, start, runs["made"][key], fired,
                        register_limits(self.neurons(key[0]), key[1]), self.units.unit(*key),
                    )  # fmt: skip
                    self.states[key].stand(still & own[:, :, None])

        in_threads(add_variable, tuple(self.sums), _nothing)
        for name, tally in self.spikes.items():
            tally.add(real[name, SPIKES], {run: runs[run][name, SPIKES] for run in RUNS}, own)

    def neurons(self, name: str) -> FixedNeurons:
        """A population of the integer network."""
        population = self.fixed.population(name)
        assert isinstance(population, FixedNeurons)
        return population

    def fired(
        self,
        name: str,
        real: Recorded,
        integer: Recorded,
        own: Mask,
    ) -> Mask:
        """Where a neuron spikes in either run, (T, B, N)."""
        if name not in self.spikes:
            return np.zeros((*own.shape, self.neurons(name).size), dtype=np.bool_)
        fired: Mask = (real[name, SPIKES] != 0) | (integer[name, SPIKES] != 0)
        return fired

    def result(self) -> Drift:
        """What was measured."""
        populations = tuple(self.population(name) for name in self.variables)
        return Drift(self.samples, populations)

    def population(self, name: str) -> PopulationDrift:
        """What was measured of a population."""
        neurons = self.neurons(name)
        entries = self.entries * neurons.size
        states = tuple(
            self.states[name, variable].result(
                variable, self.sums[name, variable], entries, register_limits(neurons, variable)
            )
            for variable in self.variables[name]
            if variable != SPIKES
        )
        spikes = None
        if name in self.spikes:
            spikes = self.spikes[name].result(self.sums[name, SPIKES].origins(entries), entries)
        return PopulationDrift(name, neurons.size, states, spikes, self.units.factors[name])


def _nothing() -> None:
    """Runs of one part end by themselves."""


def some(trace: Trace, names: tuple[str, ...], part: slice) -> Recorded:
    """Views of the variables of some names, of a part of the samples."""
    recorded = trace.recorded().items()
    return {key: values[:, part] for key, values in recorded if key[1] in names}


def joined(pieces: Sequence[Recorded]) -> Recorded:
    """Runs of samples one after the other as one.

    >>> one = {("a", "spikes"): np.zeros((2, 1, 3))}
    >>> joined([one, one])["a", "spikes"].shape
    (2, 2, 3)
    """
    if len(pieces) == 1:
        return pieces[0]
    return {key: np.concatenate([own[key] for own in pieces], axis=1) for key in pieces[0]}


def tracked(population: FixedNeurons) -> tuple[str, ...]:
    """Variables that are compared: what charges or is read first, other states, and spikes."""
    model = population.model
    first = charging(model)
    names = dict.fromkeys(() if first is None else (first,))
    names |= dict.fromkeys((model.output, *model.states))
    binary = binary_states(model) | {SPIKES}
    spikes = (SPIKES,) if SPIKES in model.results else ()
    return (*(name for name in names if name not in binary), *spikes)


class _Sums:
    """Sums at each step of squared errors of the integer runs, and products of them over all."""

    def __init__(self, steps: int) -> None:
        self.squares = np.zeros(steps)
        self.errors = {run: np.zeros(steps) for run in RUNS}
        self.parts = np.zeros(len(RUNS))

    def add(self, real: FloatArray, found: Mapping[str, FloatArray], own: Mask) -> None:
        """Take in numbers (T, B, N) of the float run and of the integer runs."""
        # Nothing is to be left out of samples of equal lengths, which is the rule.
        inside = None if own.all() else own[:, :, None]

        def counted(values: FloatArray) -> FloatArray:
            return values if inside is None else np.where(inside, values, 0.0)

        errors = {run: counted(values - real) for run, values in found.items()}
        self.squares += counted(real**2).sum(axis=(1, 2))
        for run, error in errors.items():
            self.errors[run] += (error**2).sum(axis=(1, 2))
        before: FloatArray = np.zeros(())
        for index, run in enumerate(RUNS):
            self.parts[index] += np.sum(errors["free"] * (errors[run] - before))
            before = errors[run]

    def scale(self, entries: Array) -> float:
        """Root mean square of the float run; 1 where it is 0 throughout."""
        return float(np.sqrt(self.squares.sum() / entries.sum())) or 1.0

    def course(self, run: str, entries: Array) -> Course:
        """Relative root mean square error of a run at each step."""
        mean = self.errors[run] / np.maximum(entries, 1)
        return tuple((np.sqrt(mean) / self.scale(entries)).tolist())

    def origins(self, entries: Array) -> Origins:
        """The mean squared error of the free run in its parts."""
        return Origins(*(self.parts / entries.sum()).tolist())


class _States:
    """Integers of a state that stand still, and the extremes of all."""

    def __init__(self, size: int) -> None:
        self.standing = 0
        self.stuck = np.zeros(size, dtype=bool)
        self.low: int | None = None
        self.high: int | None = None

    def add(self, integers: Array, own: Mask) -> None:
        """Take in integers (T, B, N) of the free run."""
        there = integers[own]
        low, high = int(there.min()), int(there.max())
        self.low = low if self.low is None else min(self.low, low)
        self.high = high if self.high is None else max(self.high, high)

    def stand(self, still: Mask) -> None:
        """Take in where integers stand still, (T, B, N)."""
        self.standing += int(np.count_nonzero(still))
        self.stuck |= still.any(axis=(0, 1))

    def result(
        self, variable: str, sums: _Sums, entries: Array, limits: tuple[int, int]
    ) -> StateDrift:
        """What was measured of the state."""
        assert self.low is not None
        assert self.high is not None
        values = Range(variable, self.low, self.high, *limits)
        bits = (values.maximum - values.minimum).bit_length()
        free, own, made = (sums.course(run, entries) for run in SHOWN)
        return StateDrift(
            variable=variable,
            scale=sums.scale(entries),
            free=free,
            own=own,
            made=made,
            origins=sums.origins(entries),
            standing=self.standing / int(entries.sum()),
            stuck=int(np.count_nonzero(self.stuck)),
            bits=bits,
            bits_used=bits - values.bits_unused,
        )


def standing_still(
    real: FloatArray,
    before: Array,
    after: Array,
    fired: Mask,
    limits: tuple[int, int],
    unit: float,
) -> Mask:
    """Where single steps, two or more, have not moved a state while reals moved by over a unit.

    All (T, B, N). ``before`` and ``after`` each step, which begins at the float run's state. A
    spike, or an integer at the end of its word, is a reason of its own, and starts anew; a single
    step may end where it began by chance.

    >>> decay = 8 * 0.5 ** np.arange(1.0, 5)[:, None, None]
    >>> nearest = np.rint([8.0, *decay.ravel()[:-1]])[:, None, None]
    >>> never = np.zeros((4, 1, 1), bool)
    >>> standing_still(decay, nearest, nearest, never, (-128, 127), 1.0).ravel().tolist()
    [False, True, True, True]
    """
    still = np.zeros(after.shape, dtype=np.bool_)
    start: FloatArray = before[0] * unit
    steps = np.zeros(start.shape, dtype=np.int64)
    low, high = limits
    for t, values in enumerate(after):
        moved = (values != before[t]) | fired[t] | (values <= low) | (values >= high)
        start = np.where(moved, real[t], start)
        steps = np.where(moved, 0, steps + 1)
        still[t] = (steps > 1) & (np.abs(real[t] - start) > unit)
    return still


class _Spikes:
    """Spikes of the integer runs that differ from the float run's."""

    def __init__(self, steps: int, size: int) -> None:
        self.missed = {run: np.zeros(steps, dtype=np.int64) for run in RUNS}
        self.added = {run: np.zeros(steps, dtype=np.int64) for run in RUNS}
        self.first_steps = FirstSteps(steps)
        self.spiked = {run: np.zeros(size, dtype=bool) for run in ("float", "free")}

    def add(self, real: Array, found: Mapping[str, Array], own: Mask) -> None:
        """Take in spikes (T, B, N) of the float run and of the integer runs."""
        inside = own[:, :, None]
        real = (real != 0) & inside
        for run, spikes in found.items():
            other = (spikes != 0) & inside
            self.missed[run] += (real & ~other).sum(axis=(1, 2))
            self.added[run] += (other & ~real).sum(axis=(1, 2))
        free = (found["free"] != 0) & inside
        self.spiked["float"] |= real.any(axis=(0, 1))
        self.spiked["free"] |= free.any(axis=(0, 1))
        self.first_steps.add((real != free).any(axis=2))

    def result(self, origins: Origins, entries: Array) -> SpikeDrift:
        """What was measured of the spikes."""
        there = np.maximum(entries, 1)
        free, own, made = (
            Flips(
                tuple((self.missed[run] / there).tolist()),
                tuple((self.added[run] / there).tolist()),
            )
            for run in SHOWN
        )
        real, integer = self.spiked["float"], self.spiked["free"]
        divergence = self.first_steps.result()
        return SpikeDrift(
            free=free,
            own=own,
            made=made,
            origins=origins,
            first_step=divergence.first_step,
            never=divergence.never,
            silenced=int(np.count_nonzero(real & ~integer)),
            awakened=int(np.count_nonzero(integer & ~real)),
        )
