"""How well a stream is predicted, and what the hidden layer then tells of unseen classes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from experiments.self_supervised_streams import (
    LAYER,
    READOUT_ALONE,
    SCHEDULE,
    TASK,
    AnyNetwork,
    applied,
    learned,
    mean_next,
    predictions,
    relative_error,
    ridge,
    share_right,
    start,
)
from ltc2hw import FixedNetwork
from ltc2hw.errors import TrainingError
from ltc2hw.graph.fixed import variable_fraction
from ltc2hw.learning.prediction import next_step
from ltc2hw.learning.rule import Descent, UpdateKind
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulate import simulate
from ltc2hw.tasks import Split, load_task

SHIFTS = (0, 1)
"""Every case learns at the rates of the schedule and at these times 2^-1; both are told."""

PENALTIES = (1e-5, 1e-4, 1e-3, 1e-2)
PROBED = "16 bits, FPTT"
"""The case whose layer is probed."""

HELD = 3
"""Classes that the stream does not show."""


@dataclass(frozen=True)
class Case:
    """A way to learn to predict."""

    name: str
    integers: bool
    descent: Descent = "instantaneous"
    update: UpdateKind = "fptt"
    frozen: bool = False


CASES = (
    Case("float, frozen random layer", False, frozen=True),
    Case("float, plain", False, update="plain"),
    Case("float, FPTT", False),
    Case("float, plain with eligibility", False, "eligibility", "plain"),
    Case("float, FPTT with eligibility", False, "eligibility"),
    Case("16 bits, frozen random layer", True, frozen=True),
    Case("16 bits, FPTT", True),
    Case("16 bits, FPTT with eligibility", True, "eligibility"),
)


def predicting(case: Case, samples: Split, seed: int, shift: int) -> AnyNetwork:
    """The network that a case learns on samples."""
    network = start(seed, samples.x, integers=case.integers)
    rates = [exponent + shift for exponent in SCHEDULE]
    ports = READOUT_ALONE if case.frozen else None
    return learned(
        network, samples, rates, seed, ports=ports, descent=case.descent, update=case.update
    )


def error_of(network: AnyNetwork, split: Split) -> float:
    """Error of a network's predictions relative to the constant mean of the training stream."""
    mean = mean_next(load_task(TASK).train.x)
    return relative_error(predictions(network, split.x), split.x, mean)


def test_error(case: Case, seed: int, shift: int) -> float:
    """Error on test samples; infinite if learning diverges."""
    task = load_task(TASK)
    try:
        return error_of(predicting(case, task.train, seed, shift), task.test)
    except TrainingError:
        return float("inf")


@cache
def without_network() -> dict[str, float]:
    """Errors on test samples of predictors that are no networks."""
    task = load_task(TASK)
    mean, x, test = mean_next(task.train.x), task.train.x, task.test.x
    targets = next_step(x)
    steps = np.nan_to_num(targets).mean(axis=1, keepdims=True)
    known = targets[:-1].reshape(-1, x.shape[2])
    now = ridge(x[:-1].reshape(-1, x.shape[2]), known, 1e-4)
    rows = np.array([applied(now, step) for step in test])
    past = np.zeros_like(test)
    for t in range(len(x) - 1):
        seen, wanted = (part[: t + 1].transpose(1, 0, 2) for part in (x, test))
        found = ridge(seen.reshape(len(seen), -1), targets[t], 1e-3)
        past[t] = applied(found, wanted.reshape(len(wanted), -1))
    said = {
        "same as now": test,
        "mean of each step": np.broadcast_to(steps, test.shape),
        "least squares on this row": rows,
        "least squares on all rows so far, one fit per step": past,
    }
    return {name: relative_error(outputs, test, mean) for name, outputs in said.items()}


def features(network: AnyNetwork, x: FloatArray) -> FloatArray:
    """Of each sample the hidden layer's mean spikes and last membranes (S, 2 H)."""
    trace = simulate(network, x, record=("spikes", "membrane"))
    last = trace.states[LAYER]["membrane"][-1].astype(np.float64)
    if isinstance(network, FixedNetwork):
        last = np.ldexp(last, -variable_fraction(network.population(LAYER), "membrane"))
    return np.concatenate([trace.spikes[LAYER].mean(axis=0), last], axis=1)


def chosen(split: Split, classes: list[int]) -> Split:
    """The samples of some classes."""
    return split.take(np.flatnonzero(np.isin(split.labels, classes)))


def probe(parts: list[tuple[FloatArray, Any]], classes: list[int]) -> float:
    """Test accuracy of a linear readout of frozen features; its penalty chosen on validation."""
    (x, y), (x_validation, y_validation), (x_test, y_test) = (
        (own, np.searchsorted(classes, labels)) for own, labels in parts
    )
    centre, scale = x.mean(axis=0), x.std(axis=0) + 1e-6

    def fit(penalty: float) -> FloatArray:
        return ridge((x - centre) / scale, np.eye(len(classes))[y], penalty)

    def score(weights: FloatArray, own: FloatArray, labels: Any) -> float:
        return share_right(applied(weights, (own - centre) / scale), labels)

    best = max(PENALTIES, key=lambda penalty: score(fit(penalty), x_validation, y_validation))
    return score(fit(best), x_test, y_test)


def unseen(seed: int) -> dict[str, dict[str, float]]:
    """Accuracy of linear probes on frozen layers that never met three of the classes.

    Each layer is judged among the classes never shown, and among all ten. Layers are on integers.
    """
    task = load_task(TASK)
    hidden = sorted((HELD * seed + i) % 10 for i in range(HELD))
    shown = chosen(task.train, [c for c in range(10) if c not in hidden])
    instant = next(case for case in CASES if case.name == PROBED)
    random = start(seed, shown.x, integers=True)
    networks: dict[str, AnyNetwork] = {
        "frozen random layer": random,
        "prediction": predicting(instant, shown, seed, 0),
        "labels of the other seven": learned(random, shown, SCHEDULE, seed, labels=True),
    }
    found: dict[str, dict[str, float]] = {}
    for name in ("all pixels at once, no layer", *networks):
        found[name] = {}
        for what, classes in (("never shown", hidden), ("all", list(range(10)))):
            splits = [chosen(s, classes) for s in (task.train, task.validation, task.test)]
            parts = [
                (
                    features(networks[name], s.x)
                    if name in networks
                    else s.x.transpose(1, 0, 2).reshape(s.samples, -1),
                    s.labels,
                )
                for s in splits
            ]
            found[name][what] = probe(parts, classes)
    return found
