"""Eligibility as a pre-synaptic trace in Lava's learning engine: what it costs.

``python -m experiments.on_chip_presynaptic`` learns digits-rows from scratch with static-gated
neurons, by the integer rule and in the engine, with and without eligibility (runs are kept in
``build/on-chip``); compares gradients with those of full eligibility; compares a stream with
Lava's ``LearningDense`` after every update; prints tables and writes
``docs/results/on-chip-presynaptic.json``. ``--kept`` shows what has been run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, get_args

import numpy as np

from experiments.on_chip_learning_engine import ALONE, OWN, WIDE, beside_lava
from experiments.on_chip_runs import (
    accuracy,
    kept,
    median_and_range,
    only_kept,
    untrained,
    write_results,
)
from ltc2hw import FixedNetwork, FPTTRule, Network, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.engine_rule import EngineForm
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.goals import Course
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import Descent
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.learning_engine import fast
from ltc2hw.simulations.learning_engine.integer import EngineLearner
from ltc2hw.simulations.learning_engine.plan import EngineOptions, engine_plan
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.tasks import Split, load_task

TASK, HIDDEN, SEEDS = "digits-rows", 48, (0, 1, 2)
SCHEDULE: tuple[tuple[int, int], ...] = ((5, 8), (6, 8))
"""Passes over the training samples at the learning rate 2^-k: pairs (k, passes)."""

GATE = -1.0
"""Argument of the gate of every membrane: PLAN opens it by a quarter, three quarters are kept."""

REACH, EXACT_REACH = 1.0, 0.25
"""Weights can come to ±this, or to the power of two above their first values."""

PORTS = {"hidden": ("current",), "readout": ("current",)}
PRESYNAPTIC: dict[str, Any] = {"eligibility": "presynaptic", "epoch": 4, "arrival": 3}
"""Epochs of four chip steps: a time constant of 14 keeps 0.751 of a trace in an update."""
TRACED: dict[str, Any] = {**ALONE, **PRESYNAPTIC}
COMPARED = 8
"""Samples whose gradients are compared."""

EXACT_HIDDEN = 16
FORMS: tuple[EngineForm, ...] = get_args(EngineForm)


@dataclass(frozen=True)
class Case:
    """A way to learn: options of the engine, or None for the integer rule in 16-bit words."""

    name: str
    descent: Descent
    engine: Mapping[str, Any] | None = field(default_factory=dict)


CASES: tuple[Case, ...] = (
    Case("16-bit words, instantaneous", "instantaneous", None),
    Case("16-bit words, eligibility", "eligibility", None),
    Case("engine, Φ alone, instantaneous", "instantaneous", ALONE),
    Case("engine, Φ alone, trace", "eligibility", TRACED),
    Case("engine, FPTT, instantaneous", "instantaneous"),
    Case("engine, FPTT, trace", "eligibility", PRESYNAPTIC),
    Case(
        "engine, Φ alone, trace, wide factors, own draws",
        "eligibility",
        {**TRACED, **WIDE, **OWN},
    ),
)


def static(hidden: int, seed: int) -> Network:
    """The untrained network with gates that nothing steers, one time constant for all membranes."""
    network = untrained(hidden, seed)
    populations = [
        p.with_constants({"tau_mem.bias": np.full(p.size, GATE)}) if isinstance(p, Neurons) else p
        for p in network.populations
    ]
    projections = [p for p in network.projections if p.port == "current"]
    return replace(network, populations=tuple(populations), projections=tuple(projections))


def deployed(hidden: int, seed: int, reach: float) -> FixedNetwork:
    """The same on integers."""
    room = QuantizeOptions(weight_reach=reach)
    return quantize(static(hidden, seed), "loihi2", load_task(TASK).train.x, room)


def rule_of(descent: Descent, exponent: int) -> FPTTRule:
    """The rule at a learning rate of 2^-exponent: what lands on currents learns."""
    return FPTTRule(2.0**-exponent, descent=descent, ports=PORTS, self_terms=False)


def passes(train: Split, descent: Descent, seed: int) -> Iterator[tuple[FPTTRule, Split]]:
    """The rule and the shuffled samples of every pass."""
    rng = np.random.default_rng(1000 + seed)
    for exponent, count in SCHEDULE:
        for _ in range(count):
            yield rule_of(descent, exponent), train.take(rng.permutation(train.samples))


def run(case: Case, seed: int) -> dict[str, Any]:
    """Learn from scratch; test accuracy after every pass."""
    task = load_task(TASK)
    network = deployed(HIDDEN, seed, REACH)
    words = PlasticWords(seed=seed)
    options = None if case.engine is None else EngineOptions(**case.engine, seed=seed)
    curve: list[float] = []
    learning: Learning | None = None
    for rule, samples in passes(task.train, case.descent, seed):
        given = samples.x, samples.labels, rule
        done: Learned[FixedNetwork] = (
            learn(network, *given, words, "fast", learning)
            if options is None
            else fast.learn(network, *given, options, learning)
        )
        learning = done.learning
        curve.append(accuracy(done.network, task.test))
    return {"test": curve, "bits": bits_of(case, network)}


def bits_of(case: Case, network: FixedNetwork) -> dict[str, int]:
    """Bits of state of all synapses that learn, and of all traces of sources."""
    rule = rule_of(case.descent, SCHEDULE[0][0])
    if case.engine is None:
        chip = integer_rule(network, rule, PlasticWords())
        sizes = {p: start.value.size for p, start in IntegerLearner(chip).start().memories.items()}
        return {"synapses": round(sum(8 * chip.bytes_of(p) * n for p, n in sizes.items()))}
    plan = engine_plan(network, rule, EngineOptions(**case.engine))
    start = plan.start()
    values = sum(memory.value.size for memory in start.memories.values())
    traced = sum(trace.size for own in start.eligibility.values() for trace in own.values())
    per_value = 9 if plan.options.form == "weights" else 9 + 9 + 8
    return {"synapses": per_value * values, "sources": 7 * traced}


def cosines(seed: int, *, trained: bool) -> dict[str, list[float]]:
    """Cosine of a sample's gradient with that of full eligibility, hidden synapses, by rule."""
    task = load_task(TASK)
    start = network = deployed(HIDDEN, seed, REACH)
    learning: Learning | None = None
    if trained:
        options = EngineOptions(**TRACED, seed=seed)
        for rule, samples in passes(task.train, "eligibility", seed):
            learned = fast.learn(start, samples.x, samples.labels, rule, options, learning)
            learning, network = learned.learning, learned.network
    part = task.test.take(np.arange(COMPARED))
    found = {
        "full": gradients(IntegerGradients(network, "eligibility"), part),
        "instantaneous": gradients(IntegerGradients(network, "instantaneous"), part),
        "trace, wide factors": gradients(EngineGradients(start, WIDE, learning), part),
        "trace, factors of 7 bits": gradients(EngineGradients(start, {}, learning), part),
    }
    full = found.pop("full")
    return {
        name: [cosine(a, b) for a, b in zip(own, full, strict=True)] for name, own in found.items()
    }


class IntegerGradients:
    """The integer rule of a descent in 16-bit words, and the fractions of its descents."""

    def __init__(self, network: FixedNetwork, descent: Descent) -> None:
        chip = integer_rule(network, rule_of(descent, SCHEDULE[0][0]), PlasticWords())
        self.learner = IntegerLearner(chip)
        self.start = self.learner.start()
        self.fractions = {parameter: form.product for parameter, form in chip.formats.items()}


class EngineGradients:
    """The engine with traces, where learning has come to, and the fractions of its descents."""

    def __init__(
        self, network: FixedNetwork, options: Mapping[str, Any], learning: Learning | None
    ) -> None:
        rule = rule_of("eligibility", SCHEDULE[0][0])
        plan = engine_plan(network, rule, EngineOptions(**TRACED, **options))
        self.learner = EngineLearner(plan)
        self.start = plan.start() if learning is None else learning
        self.fractions = {
            parameter: plan.options.extra_bits + own.scale.factor + (own.scale.trace or 0)
            for parameter, own in plan.connections.items()
        }


def gradients(rule: IntegerGradients | EngineGradients, samples: Split) -> FloatArray:
    """Descents of the hidden weights, summed over each sample's steps, (S, weights), as reals."""
    learner, fractions = rule.learner, rule.fractions
    hidden = [p for p in fractions if p.population == "hidden" and p.projection is not None]
    course = Course(len(samples.x), samples.samples)
    inputs, goals = learner.encode(samples.x), learner.goals(samples.labels, course)
    state, rows = rule.start, []
    for s in range(course.samples):
        state = state.rested(learner.rest())
        total = np.zeros(1)
        for t in range(course.steps):
            now = inputs[t, s], goals.at(t, s), t, course.steps
            update, after = learner.step(state, *now)
            # The network stays; its past goes on.
            state = replace(after, memories=state.memories)
            parts = [np.ldexp(update.descent[p].astype(float), -fractions[p]) for p in hidden]
            total = total + np.concatenate(parts)
        rows.append(total)
    return np.stack(rows)


def cosine(one: FloatArray, other: FloatArray) -> float:
    """Cosine of two gradients; 0 if one is none.

    >>> cosine(np.array([1.0, 0.0]), np.array([3.0, 4.0]))
    0.6
    """
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(one @ other) / size if size else 0.0


def exact(form: EngineForm) -> dict[str, int]:
    """Learn in a small network by traces, beside Lava."""
    options = EngineOptions(form=form, third_factor="split", **PRESYNAPTIC)
    network = deployed(EXACT_HIDDEN, 0, EXACT_REACH)
    return beside_lava(engine_plan(network, rule_of("eligibility", SCHEDULE[0][0]), options))


def found_or_run(name: str, settings: Mapping[str, Any], work: Any, *, only_disk: bool) -> Any:
    """The result of a run, or None where only those on disk are asked for."""
    told = {**settings, "reach": REACH, "gate": GATE, "schedule": SCHEDULE, "engine": PRESYNAPTIC}
    return kept(name, told, None if only_disk else work)


def all_runs(*, only_disk: bool) -> dict[str, Any]:
    """Everything, run or read from disk."""
    accuracies: dict[str, list[Any]] = {}
    near: dict[str, list[Any]] = {}
    lava: dict[str, Any] = {}
    for form in FORMS:
        found = found_or_run("presynaptic-exact", {"form": form}, partial(exact, form),
                             only_disk=only_disk)  # fmt: skip
        if found is not None:
            lava[form] = found
            print(f"{form:<14}{found}", flush=True)
    for seed in SEEDS:
        for case in CASES:
            settings = {"case": vars(case), "seed": seed, "hidden": HIDDEN}
            found = found_or_run("presynaptic", settings, partial(run, case, seed),
                                 only_disk=only_disk)  # fmt: skip
            if found is not None:
                accuracies.setdefault(case.name, []).append(found)
                print(f"seed {seed}  {case.name:<50} {100 * found['test'][-1]:.1f} %", flush=True)
    for seed in SEEDS:
        for trained in (False, True):
            settings = {"seed": seed, "hidden": HIDDEN, "trained": trained}
            found = found_or_run("presynaptic-cosine", settings,
                                 partial(cosines, seed, trained=trained),
                                 only_disk=only_disk)  # fmt: skip
            if found is not None:
                near.setdefault("trained" if trained else "untrained", []).append(found)
    return {"runs": accuracies, "cosines": near, "compared with Lava": lava}


def main() -> None:
    """Run, compare, print, write."""
    found = all_runs(only_disk=only_kept(__doc__))
    print(f"\n{'case':<52}{'seeds':>5}  test accuracy in %: median (range)")
    for name, runs in found["runs"].items():
        text = median_and_range([own["test"][-1] for own in runs])
        print(f"{name:<52}{len(runs):>5}  {text}")
    print("\ncosine of a sample's gradient with full eligibility's: median (lowest 5 %)")
    for when, seeds in found["cosines"].items():
        for name in seeds[0]:
            values = np.concatenate([own[name] for own in seeds])
            low, middle = np.quantile(values, [0.05, 0.5])
            print(f"{when:<12}{name:<28}{middle:.3f} ({low:.3f})")
    settings = {
        "task": TASK,
        "hidden": HIDDEN,
        "seeds": SEEDS,
        "schedule": SCHEDULE,
        "gate": GATE,
        "cases": {case.name: vars(case) for case in CASES},
    }
    print(write_results("on-chip-presynaptic", {**settings, **found}))


if __name__ == "__main__":
    main()
