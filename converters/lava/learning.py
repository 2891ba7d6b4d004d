"""On-chip FPTT as Lava processes: built from an integer rule, run in a process group of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from ltc2hw.converters.lava.assembly import FIXED_POINT
from ltc2hw.converters.lava.populations import gate_constants
from ltc2hw.converters.lava.processes.plastic import (
    Beat,
    LTCConstants,
    PlasticDense,
    PlasticLTC,
    PlasticReadout,
    ReadoutConstants,
    Synapses,
    Terms,
)
from ltc2hw.converters.lava.processes.plastic_arithmetic import (
    FactorConstants,
    Plastic,
    Rounding,
)
from ltc2hw.converters.lava.processes.scheduled import Run, Timing
from ltc2hw.converters.lava.processes.source import Source
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.converters.lava.scratch import scratch_folder
from ltc2hw.converters.populations import FixedLTC, FixedReadout
from ltc2hw.errors import UnsupportedError
from ltc2hw.files.atomic import write_arrays
from ltc2hw.files.bundle import load, save
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import connection_name
from ltc2hw.learning.fixed import IntegerRule, draw_indices, first_memory, integer_rule
from ltc2hw.learning.learned import Counts
from ltc2hw.learning.rule import (
    FEEDBACK_BITS,
    FPTTRule,
    Parameter,
    check_labels,
    check_targets,
    feedback_mantissas,
    parameter_name,
)
from ltc2hw.learning.scope import require_reach, scope_of
from ltc2hw.learning.values import read_parameter
from ltc2hw.learning.words import PlasticWords, time_weight
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import IntArray


@dataclass(frozen=True)
class LavaLearned:
    """What a Lava run learned.

    ``words[name]``: (3, size) Φ, Φ̄, λ of each parameter after the last update;
    ``checksums[name]``: CRC-32 of the same after every update; ``outputs``: readout membranes
    (T, S, N_out) as they were while learning; ``saturations``: clipped samples and linear targets
    by population (Lava counts no others); ``held``: what could not learn or was not to, and why.
    """

    words: Mapping[str, IntArray]
    checksums: Mapping[str, IntArray]
    outputs: IntArray
    saturations: Counts
    held: Mapping[str, str]


@dataclass(frozen=True)
class LavaLearner:
    """Connected processes; ``steps`` chip steps do all samples, any process can be run."""

    populations: Mapping[str, AbstractProcess]
    connections: tuple[AbstractProcess, ...]
    goal: AbstractProcess
    steps: int

    def run_config(self) -> Loihi2SimCfg:
        """Lava's fixed-point run configuration."""
        return Loihi2SimCfg(select_tag=FIXED_POINT)


def learn(
    network: FixedNetwork,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    words: PlasticWords | None = None,
    timeout: float = 600.0,
    *,
    allow: Collection[str] = (),
) -> LavaLearned:
    """Learn S samples x (T, S, N_in) in Lava's simulator; registers are cleared between samples.

    The same bits as ``ltc2hw.simulations.plasticity.integer.learn``.

    Raises:
        MissingExtraError: Lava is not installed.
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit.
        UnsupportedError: for networks that the learning processes do not express, or whose samples'
            weights no error reaches, as :func:`ltc2hw.learn`.
        LavaError: if the run fails or does not end in time.
    """
    chosen = words or PlasticWords()
    chip = integer_rule(network, rule, chosen)
    scope = scope_of(network, rule)
    require_reach(scope, rule, allow)
    check_learnable(chip)
    counts: dict[str, dict[str, int]] = {}
    samples, goals = encode(chip, x, targets, counts)
    with scratch_folder() as folder:
        save(network, folder / "network.h5")
        settings = {"rule": asdict(rule), "words": asdict(chosen)}
        (folder / "rule.json").write_text(json.dumps(settings), encoding="utf-8")
        write_arrays(folder / "samples.npz", {"samples": samples, "goals": goals})
        run_job(f"{__name__}:run", folder, timeout, temporary=True)
        return LavaLearned(*collect(chip, folder), counts, scope.held)


def run(folder: Path) -> None:
    """The job: build from the folder's files, run, and let every process write its own."""
    network = load(folder / "network.h5")
    assert isinstance(network, FixedNetwork)
    settings = json.loads((folder / "rule.json").read_text(encoding="utf-8"))
    chip = integer_rule(network, FPTTRule(**settings["rule"]), PlasticWords(**settings["words"]))
    with np.load(folder / "samples.npz", allow_pickle=False) as given:
        learner = build_learner(chip, given["samples"], given["goals"], folder)
    learner.goal.run(condition=RunSteps(learner.steps), run_cfg=learner.run_config())
    learner.goal.stop()


def encode(
    chip: IntegerRule,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    counts: dict[str, dict[str, int]] | None = None,
) -> tuple[IntArray, IntArray]:
    """Samples (T, S, N_in) and goals (S, 1 or N_out) as integers; clipped ones are counted."""
    entry = chip.network.input
    real = check_samples(x, entry.size, entry.graded)
    samples, clipped = entry.word.encode(real, entry.fraction)
    _count(counts, entry.name, entry.variables[0], clipped)
    output = readout_of(chip)
    count = samples.shape[1]
    if chip.rule.error == "softmax":
        return samples, check_labels(targets, count, output.size)[:, None]
    reals = check_targets(targets, (count, output.size))
    goals, beyond = output.state.encode(reals, output.fraction)
    _count(counts, output.name, "target", beyond)
    return samples, goals


def _count(
    counts: dict[str, dict[str, int]] | None, population: str, variable: str, misfits: int
) -> None:
    """Note misfits, if there are any and somebody asks."""
    if counts is not None and misfits:
        counts.setdefault(population, {})[variable] = misfits


def check_learnable(chip: IntegerRule) -> None:
    """Raise for what the learning processes do not express.

    Raises:
        UnsupportedError: LIF populations, graded messages between populations, sparse weights.
    """
    where, remedy = "Lava's learning processes", "learn with engine='integer'"
    for population in chip.network.populations:
        if not isinstance(population, (FixedInput, FixedLTC, FixedReadout)):
            raise UnsupportedError(where, f"population '{population.name}'", "LIF neurons", remedy)
    for projection in chip.network.projections:
        name = f"projection {connection_name(projection)}"
        if projection.variable not in ("spikes", "value"):
            raise UnsupportedError(where, name, "graded messages", remedy)
        if not isinstance(projection.weights, Dense):
            raise UnsupportedError(where, name, "sparse weights", remedy)


def depths(network: FixedNetwork) -> dict[str, int]:
    """Longest way of each population from the input, along projections without delay."""
    result = {population.name: 0 for population in network.populations}
    for _ in network.populations:
        for projection in network.projections:
            if projection.delay == 0:
                deeper = result[projection.source] + 1
                result[projection.target] = max(result[projection.target], deeper)
    return {
        name: max(depth, 0 if name == network.input.name else 1) for name, depth in result.items()
    }


class _Builder:
    """Makes one process per population and projection."""

    def __init__(self, chip: IntegerRule, beat: Beat, folder: Path | None) -> None:
        self.chip = chip
        self.beat = beat
        self.folder = folder
        self.depths = depths(chip.network)
        self.bottom = self.depths[chip.network.output]
        words = chip.words
        self.rounding = Rounding(words.rounding == "stochastic", words.seed)
        self.factors = FactorConstants(
            words.factor,
            words.factor_fraction,
            chip.slopes,
            words.surrogate_index,
            chip.powers,
            words.softmax_index,
        )

    def backward(self, name: str) -> int:
        """Phase at which a population's factors leave."""
        return 2 * self.bottom - self.depths[name]

    def file(self, name: str) -> str:
        return "" if self.folder is None else str(self.folder / f"{name}.npz")

    def plastic(self, parameter: Parameter, shape: tuple[int, ...]) -> Plastic | None:
        """The three words of a parameter as they are at the start; None if it does not learn."""
        form = self.chip.formats.get(parameter)
        if form is None:
            return None
        network = self.chip.network
        value, mean, gradient = first_memory(form, read_parameter(network, parameter))
        index = draw_indices(network, parameter, form.first)
        arrays = [array.reshape(shape) for array in (index, value, mean, gradient)]
        return Plastic(form, self.rounding, *arrays)

    def terms(self, name: str, size: int) -> Terms:
        """The constants of a population that learn."""
        found: dict[tuple[str, str], Plastic] = {}
        for parameter in self.chip.parameters:
            if parameter.population == name and parameter.projection is None:
                plastic = self.plastic(parameter, (size,))
                assert plastic is not None
                found[parameter.port, parameter.term] = plastic
        return found

    def neurons(self, population: FixedLTC | FixedReadout) -> AbstractProcess:
        name = population.name
        common: dict[str, Any] = {
            "bits": population.state.bits,
            "fraction": population.fraction,
            "bias_current": population.bias_current,
            "tau_mem": gate_constants(population.tau_mem),
            "factors": self.factors,
            "forward": self.depths[name],
            "backward": self.backward(name),
        }
        made: dict[str, Any] = {
            "terms": self.terms(name, population.size),
            "beat": self.beat,
            "file": self.file(name),
            "name": name,
        }
        if isinstance(population, FixedReadout):
            rule, steps = self.chip.rule, self.beat.steps
            constants = ReadoutConstants(
                **common,
                classify=rule.error == "softmax",
                weights=tuple(time_weight(rule, t, steps) for t in range(steps)),
            )
            return PlasticReadout(constants=constants, **made)
        strength = population.adaptation_strength
        ltc = LTCConstants(
            **common,
            adaptation_fraction=population.adaptation_fraction,
            threshold=population.threshold,
            strength_factor=strength.values,
            strength_shift=strength.shift,
            tau_adp=gate_constants(population.tau_adp),
        )
        return PlasticLTC(constants=ltc, **made)

    def synapses(self, index: int, projection: FixedProjection) -> AbstractProcess:
        parameter = Parameter(projection.target, projection.port, "weights", index)
        name = parameter_name(self.chip.network, parameter)
        shape = projection.weights.shape
        back, fraction = None, None
        if index in self.chip.crossed:
            fraction = projection.weight_fraction
            if self.chip.rule.feedback == "random":
                fraction = FEEDBACK_BITS
                back = feedback_mantissas(self.chip.rule.feedback_seed, index, shape)
        synapses = Synapses(
            name=name,
            weights=projection.weights.to_array(),
            plastic=self.plastic(parameter, shape),
            exponent=projection.exponent,
            delay=projection.delay,
            back=back,
            back_fraction=fraction,
            heard=self.depths[projection.source],
            answered=self.depths[projection.target] - 1,
            corrected=self.backward(projection.target),
        )
        file = self.file(f"synapses_{index}")
        return PlasticDense(synapses=synapses, beat=self.beat, file=file, name=name)


def build_learner(
    chip: IntegerRule, samples: IntArray, goals: IntArray, folder: Path | None = None
) -> LavaLearner:
    """Create and connect the processes of a learning network.

    ``samples`` (T, S, N_in) and ``goals`` (S, 1 or N_out) as :func:`encode` makes them. With a
    ``folder`` every process writes what it learned there after the last update.

    Raises:
        UnsupportedError: see :func:`check_learnable`.
    """
    check_learnable(chip)
    network = chip.network
    steps, count, _ = samples.shape
    period = 2 * depths(network)[network.output]
    builder = _Builder(chip, Beat(period, steps, count), folder)

    def source(data: IntArray, phase: int, name: str) -> Source:
        timing = Timing(period, phase, phase, steps, 0, count)
        return Source(data=data.astype(np.int32), timing=timing, run=Run(), name=name)

    goal_data = np.repeat(goals[:, None], steps, axis=1)
    goal = source(goal_data, builder.depths[network.output], "goal")
    populations: dict[str, AbstractProcess] = {}
    for population in network.populations:
        if isinstance(population, FixedInput):
            data = samples.transpose(1, 0, 2)
            populations[population.name] = source(data, 0, population.name)
        else:
            assert isinstance(population, (FixedLTC, FixedReadout))
            populations[population.name] = builder.neurons(population)
    connections = tuple(builder.synapses(*pair) for pair in enumerate(network.projections))
    goal.value_out.connect(populations[network.output].goal_in)
    for index, (projection, connection) in enumerate(
        zip(network.projections, connections, strict=True)
    ):
        sender, receiver = populations[projection.source], populations[projection.target]
        getattr(sender, f"{projection.variable}_out").connect(connection.s_in)
        connection.a_out.connect(getattr(receiver, f"{projection.port}_in"))
        if projection.target in chip.reached:
            getattr(receiver, f"{projection.port}_factor_out").connect(connection.factor_in)
        if index in chip.crossed:
            connection.credit_out.connect(sender.credit_in)
    return LavaLearner(populations, connections, goal, period * steps * count)


def collect(
    chip: IntegerRule, folder: Path
) -> tuple[dict[str, IntArray], dict[str, IntArray], IntArray]:
    """Words, checksums and outputs as the processes wrote them."""
    words: dict[str, IntArray] = {}
    checksums: dict[str, IntArray] = {}
    for parameter in chip.parameters:
        stem, key = parameter.population, f"{parameter.port}.{parameter.term}"
        name = parameter_name(chip.network, parameter)
        if parameter.projection is not None:
            stem, key = f"synapses_{parameter.projection}", name
        with np.load(folder / f"{stem}.npz", allow_pickle=False) as arrays:
            words[name] = arrays[f"words {key}"]
            checksums[name] = arrays[f"checksum {key}"]
    with np.load(folder / f"{chip.network.output}.npz", allow_pickle=False) as arrays:
        outputs: IntArray = arrays["outputs"]
    return words, checksums, outputs.transpose(1, 0, 2)


def readout_of(chip: IntegerRule) -> FixedReadout:
    """The population that is compared with the goals."""
    output = chip.network.population(chip.network.output)
    assert isinstance(output, FixedReadout)
    return output
