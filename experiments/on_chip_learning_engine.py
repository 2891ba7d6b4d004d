"""Learning digits-rows from scratch in Lava's own learning engine: what each of its limits costs.

``python -m experiments.on_chip_learning_engine`` runs what is missing (kept in ``build/on-chip``),
compares a trained stream with Lava's ``LearningDense`` after every update, prints a table and
writes ``docs/results/on-chip-learning-engine.json``. ``--kept`` shows what has been run.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, get_args

import numpy as np

from experiments import on_chip_scratch
from experiments.on_chip_runs import (
    accuracy,
    kept,
    median_and_range,
    only_kept,
    untrained,
    write_results,
)
from ltc2hw import FixedNetwork, FPTTRule, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.converters.lava.learning_engine import Connection, learn_in_process
from ltc2hw.learning.engine_rule import OFFSET, EngineForm
from ltc2hw.learning.learned import Learned, Learning, Memories
from ltc2hw.learning.rule import Parameter
from ltc2hw.learning.values import write_parameters
from ltc2hw.simulations.learning_engine import fast
from ltc2hw.simulations.learning_engine.integer import EngineLearner, Met
from ltc2hw.simulations.learning_engine.plan import (
    TRACE,
    EngineOptions,
    EnginePlan,
    engine_plan,
)
from ltc2hw.simulations.plasticity.stream import stream
from ltc2hw.tasks import Split, load_task

TASK, HIDDEN, SEEDS = on_chip_scratch.TASK, on_chip_scratch.HIDDEN, on_chip_scratch.SEEDS
REACH = 0.25
"""Weights can come to ±this, or to the power of two above their first values."""

WORDS: dict[str, Any] = {"value": 9, "mean": 9, "gradient": 8, "neuron": 9}
WIDE, OWN, ALONE = {"extra_bits": 12}, {"draws": "own"}, {"form": "weights"}
STALE = {"form": "simultaneous"}
FORMS: tuple[EngineForm, ...] = get_args(EngineForm)
EXACT_HIDDEN, EXACT_SAMPLES = 16, 60


@dataclass(frozen=True)
class Case:
    """A rung: options of the engine, or None for the integer rule in the engine's words."""

    name: str
    engine: Mapping[str, Any] | None = field(default_factory=dict)
    reach: float = REACH
    biases: bool = True


CASES: tuple[Case, ...] = (
    Case("integer rule in words of 9, 9, 8 bits", None),
    Case("FPTT in the engine's sums, wide factors, own draws", {**WIDE, **OWN}),
    Case("FPTT, factors of 7 bits, own draws", OWN),
    Case("FPTT, one draw for all: Lava's engine", {}),
    Case("old λ in Φ̄, wide factors, own draws", {**STALE, **WIDE, **OWN}),
    Case("old λ in Φ̄: Lava's engine", STALE),
    Case("Φ alone, wide factors, own draws", {**ALONE, **WIDE, **OWN}),
    Case("Φ alone, factors of 7 bits, own draws", {**ALONE, **OWN}),
    Case("Φ alone: Lava's engine", ALONE),
    Case("Φ alone: Lava's engine, neurons round", {**ALONE, "least": 0}),
    Case("Φ alone: Lava's engine, reach 1", ALONE, reach=1.0),
    Case("Φ alone: Lava's engine, input held", {**ALONE, "graded": "held"}),
    Case("Φ alone: Lava's engine, biases held", ALONE, biases=False),
)


def deployed(hidden: int, seed: int, reach: float) -> FixedNetwork:
    """The untrained network on integers."""
    inputs = load_task(TASK).train.x
    options = QuantizeOptions(weight_reach=reach)
    return quantize(untrained(hidden, seed), "loihi2", inputs, options)


def passes(train: Split, case: Case, seed: int) -> Iterator[tuple[FPTTRule, Split]]:
    """The passes of learning from scratch; self terms are held, biases may be."""
    for rule, samples in on_chip_scratch.passes(train, on_chip_scratch.Case(case.name), seed):
        yield replace(rule, self_terms=False, biases=case.biases), samples


def run(case: Case, seed: int) -> dict[str, Any]:
    """Learn from scratch; test accuracy after every pass, and what is left in the synapses."""
    task = load_task(TASK)
    network = deployed(HIDDEN, seed, case.reach)
    curve: list[float] = []
    if case.engine is None:
        learning: Learning | None = None
        for rule, samples in passes(task.train, case, seed):
            wide = engine_plan(network, rule).network
            words = PlasticWords(**WORDS, seed=seed)
            done = learn(wide, samples.x, samples.labels, rule, words, "fast", learning)
            learning = done.learning
            curve.append(accuracy(done.network, task.test))
        return {"test": curve}
    options = EngineOptions(**case.engine, seed=seed)
    clipped = 0
    learned: Learned[FixedNetwork] | None = None
    for rule, samples in passes(task.train, case, seed):
        before = None if learned is None else learned.learning
        learned = fast.learn(network, samples.x, samples.labels, rule, options, before)
        curve.append(accuracy(learned.network, task.test))
        clipped += sum(sum(own.values()) for own in learned.saturations.values())
    assert learned is not None
    return {
        "test": curve,
        "test without the lowest bit": accuracy(truncated(learned), task.test),
        "clipped third factors": clipped,
        **left_in_memory(learned.learning.memories),
    }


def truncated(learned: Learned[FixedNetwork]) -> FixedNetwork:
    """The network with 8-bit weights: hardware holds mixed signs without the lowest bit."""
    even = {
        parameter: (memory.value >> 1) << 1
        for parameter, memory in learned.learning.memories.items()
        if parameter.projection is not None
    }
    return write_parameters(learned.network, even)


def left_in_memory(memories: Memories) -> dict[str, float]:
    """Mean magnitudes of ``w - t`` and ``d - 128`` over all synapses, and weights at a limit."""
    weight, tag, delay = (np.concatenate(parts) for parts in zip(*memories.values(), strict=True))
    return {
        "mean |w - t|": float(np.abs(weight - tag).mean()),
        "mean |d - 128|": float(np.abs(delay - OFFSET).mean()),
        "weights at a limit": float(np.mean((weight == -256) | (weight == 255))),
    }


def exact(form: EngineForm) -> dict[str, int]:
    """Train a small network, give Lava what each connection met, compare after every update."""
    rule = FPTTRule(learning_rate=2.0**-5, self_terms=False)
    options = EngineOptions(form=form, third_factor="split", epoch=4, arrival=2)
    return beside_lava(engine_plan(deployed(EXACT_HIDDEN, 0, REACH), rule, options))


def beside_lava(plan: EnginePlan) -> dict[str, int]:
    """Learn some samples by a plan, and every connection of it in Lava: integers that differ."""
    task = load_task(TASK)
    seen: list[tuple[Mapping[Parameter, Met], Learning]] = []
    learner = EngineLearner(plan, watch=lambda met, learning: seen.append((met, learning)))
    count = slice(EXACT_SAMPLES)
    stream(learner, task.train.x[:, count], task.train.labels[count], None, reset=True)
    compared = different = 0
    for parameter in plan.connections:
        met = [met[parameter] for met, _ in seen]
        connection = as_lava(plan, parameter, met, range(0, len(seen), len(task.train.x)))
        for lavas, (_, learning) in zip(learn_in_process(connection), seen, strict=True):
            found = [lavas.weights, lavas.tags, lavas.delays]
            ours = [*learning.memories[parameter]]
            if parameter in learning.eligibility:
                found.append(lavas.traces)
                ours.append(learning.eligibility[parameter][TRACE])
            for integers, expected in zip(found, ours, strict=True):
                compared += expected.size
                different += int(np.count_nonzero(integers.ravel() != expected))
    return {"updates": len(seen), "integers": compared, "different": different}


def as_lava(
    plan: EnginePlan, parameter: Parameter, met: Sequence[Met], begun: Collection[int]
) -> Connection:
    """A connection of a plan as it starts, and all that it met, for Lava.

    ``begun``: updates with which a sample begins.
    """
    messages, third = (np.stack(parts) for parts in zip(*met, strict=True))
    connection, options = plan.connections[parameter], plan.options
    return Connection(
        connection.rule,
        plan.start().memories[parameter].value.reshape(third.shape[1], messages.shape[1]),
        messages,
        third,
        connection.graded,
        options.seed,
        options.epoch,
        options.arrival,
        begun,
    )


def all_runs(*, only_disk: bool = False) -> dict[str, Any]:
    """Results of every case and seed, run or read from disk."""
    results: dict[str, Any] = {}
    for seed in SEEDS:
        for case in CASES:
            settings = {"case": vars(case), "seed": seed, "hidden": HIDDEN}
            work = None if only_disk else partial(run, case, seed)
            found = kept("learning-engine", settings, work)
            if found is None:
                continue
            results.setdefault(case.name, []).append(found)
            print(f"seed {seed}  {case.name:<52} test {100 * found['test'][-1]:.1f} %", flush=True)
    return results


def main() -> None:
    """Run, compare, print, write."""
    only_disk = only_kept(__doc__)
    results = all_runs(only_disk=only_disk)
    comparisons = {}
    for form in FORMS:
        settings: dict[str, Any] = {"form": form, "hidden": EXACT_HIDDEN, "samples": EXACT_SAMPLES}
        found = kept("learning-engine-exact", settings, None if only_disk else partial(exact, form))
        if found is not None:
            comparisons[form] = found
            print(f"{form:<14}{found}")
    print(f"\n{'case':<54}{'seeds':>5}  test accuracy in %: median (range)")
    for name, runs in results.items():
        text = median_and_range([found["test"][-1] for found in runs])
        print(f"{name:<54}{len(runs):>5}  {text}")
    settings = {
        "task": TASK,
        "hidden": HIDDEN,
        "seeds": SEEDS,
        "schedule": on_chip_scratch.SCHEDULE,
        "cases": {case.name: vars(case) for case in CASES},
    }
    content = {**settings, "runs": results, "compared with Lava": comparisons}
    print(write_results("on-chip-learning-engine", content))


if __name__ == "__main__":
    main()
