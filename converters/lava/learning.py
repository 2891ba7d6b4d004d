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
from ltc2hw.converters.populations import FixedReadout
from ltc2hw.files.atomic import write_arrays
from ltc2hw.files.bundle import load, save
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.samples import check_samples
from ltc2hw.learning.fixed import IntegerRule, integer_rule
from ltc2hw.learning.learned import Counts
from ltc2hw.learning.rule import FPTTRule, check_labels, check_targets, parameter_name
from ltc2hw.learning.scope import require_reach, scope_of
from ltc2hw.learning.words import PlasticWords
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
