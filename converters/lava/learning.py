"""On-chip FPTT as Lava processes: built from an integer rule, run in a process group of its own."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from lava.magma.core.run_conditions import RunSteps

from ltc2hw.converters.lava.learning_build import build_learner, check_learnable
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.converters.lava.scratch import scratch_folder
from ltc2hw.files.atomic import write_arrays
from ltc2hw.files.bundle import load, save
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.learning.fixed import IntegerRule, integer_rule
from ltc2hw.learning.goals import Goals, class_goals, samples_of, target_goals
from ltc2hw.learning.learned import Counts
from ltc2hw.learning.neurons import word_of
from ltc2hw.learning.rule import FPTTRule, parameter_name
from ltc2hw.learning.scope import require_reach, scope_of
from ltc2hw.learning.words import PlasticWords
from ltc2hw.numbers.words import IntArray


@dataclass(frozen=True)
class LavaLearned:
    """What a Lava run learned.

    ``words[name]``: (3, size) Φ, Φ̄, λ of each parameter after the last update;
    ``eligibility[name]``: what each value keeps at the end, by state; ``outputs``: readout
    membranes (T, S, N_out) as they were while learning, 0 after a sample's end; ``saturations``:
    clipped samples and linear targets by population (Lava counts no others); ``held``: what could
    not learn or was not to, and why.

    CRC-32 after every step, those of each sample after those of the one before: ``checksums[name]``
    of Φ, Φ̄, λ, ``kept_checksums[name]`` of what values keep, ``state_checksums[population]`` of the
    registers of what an error reaches, the spikes that its own synapses hear among them.
    """

    words: Mapping[str, IntArray]
    eligibility: Mapping[str, Mapping[str, IntArray]]
    outputs: IntArray
    saturations: Counts
    held: Mapping[str, str]
    checksums: Mapping[str, IntArray]
    kept_checksums: Mapping[str, IntArray]
    state_checksums: Mapping[str, IntArray]


def learn(
    network: FixedNetwork,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    words: PlasticWords | None = None,
    timeout: float = 600.0,
    *,
    allow: Collection[str] = (),
    lengths: npt.ArrayLike | None = None,
) -> LavaLearned:
    """Learn S samples x (T, S, N_in) in Lava's simulator; registers are cleared between samples.

    The same bits as ``ltc2hw.simulations.plasticity.integer.learn``, whose ``targets`` and
    ``lengths`` it takes.

    Raises:
        MissingExtraError: Lava is not installed.
        ShapeError, InvalidValueError: for samples, lengths, labels or targets that do not fit.
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
    samples, goals, steps = encode(chip, x, targets, counts, lengths)
    with scratch_folder() as folder:
        save(network, folder / "network.h5")
        settings = {"rule": asdict(rule), "words": asdict(chosen)}
        (folder / "rule.json").write_text(json.dumps(settings), encoding="utf-8")
        stream = {"samples": samples, "lengths": steps, **vars(goals)}
        write_arrays(folder / "samples.npz", stream)
        run_job(f"{__name__}:run", folder, timeout, temporary=True)
        return collect(chip, folder, counts, scope.held)


def run(folder: Path) -> None:
    """The job: build from the folder's files, run, and let every process write its own."""
    network = load(folder / "network.h5")
    assert isinstance(network, FixedNetwork)
    settings = json.loads((folder / "rule.json").read_text(encoding="utf-8"))
    chip = integer_rule(network, FPTTRule(**settings["rule"]), PlasticWords(**settings["words"]))
    with np.load(folder / "samples.npz", allow_pickle=False) as given:
        goals = Goals(given["values"], given["wanted"])
        learner = build_learner(chip, given["samples"], goals, given["lengths"], folder)
    learner.goal.run(condition=RunSteps(learner.steps), run_cfg=learner.run_config())
    learner.goal.stop()


def encode(
    chip: IntegerRule,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    counts: dict[str, dict[str, int]] | None = None,
    lengths: npt.ArrayLike | None = None,
) -> tuple[IntArray, Goals, IntArray]:
    """Samples (T, S, N_in), goals of 1 or N_out numbers, and the steps of each sample (S,).

    All are integers; what is clipped to become one is counted.
    """
    entry = chip.network.input
    real, course = samples_of(x, entry.size, entry.graded, lengths)
    samples, clipped = entry.word.encode(real, entry.fraction)
    _count(counts, entry.name, entry.variables[0], clipped)
    output = chip.output
    read = output.output_variable
    if chip.rule.error == "softmax":
        goals = class_goals(targets, course, output.size).changed(lambda labels: labels[..., None])
        return samples, goals, course.lengths
    goals = target_goals(targets, course, output.size)
    values, beyond = word_of(output, read).encode(goals.values, output.fractions[read])
    _count(counts, output.name, "target", beyond)
    return samples, goals.changed(lambda _: values), course.lengths


def _count(
    counts: dict[str, dict[str, int]] | None, population: str, variable: str, misfits: int
) -> None:
    """Note misfits, if there are any and somebody asks."""
    if counts is not None and misfits:
        counts.setdefault(population, {})[variable] = misfits


def collect(
    chip: IntegerRule, folder: Path, counts: Counts, held: Mapping[str, str]
) -> LavaLearned:
    """What the processes wrote, beside what was told before they ran."""
    words: dict[str, IntArray] = {}
    eligibility: dict[str, dict[str, IntArray]] = {}
    checksums: dict[str, IntArray] = {}
    kept: dict[str, IntArray] = {}
    states: dict[str, IntArray] = {}
    for parameter, form in chip.formats.items():
        stem, key = parameter.population, f"{parameter.port}.{parameter.term}"
        name = parameter_name(chip.network, parameter)
        if parameter.projection is not None:
            stem, key = f"synapses_{parameter.projection}", name
        arrays = written(folder, stem)
        words[name], checksums[name] = arrays[f"words {key}"], arrays[f"checksum {key}"]
        eligibility[name] = {}
        if form.eligibility is not None:
            own = form.eligibility.states
            eligibility[name] = {state: arrays[f"kept {state} of {key}"] for state in own}
            kept[name] = arrays[f"checksum kept of {key}"]
        states[parameter.population] = written(folder, parameter.population)["checksum states"]
    outputs = written(folder, chip.network.output)["outputs"].transpose(1, 0, 2)
    return LavaLearned(words, eligibility, outputs, counts, held, checksums, kept, states)


def written(folder: Path, stem: str) -> dict[str, IntArray]:
    """Arrays of one process."""
    with np.load(folder / f"{stem}.npz", allow_pickle=False) as arrays:
        return dict(arrays)
