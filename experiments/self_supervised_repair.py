"""The sensor of a deployed classifier changes, and nobody gives labels: repair by prediction.

The network keeps all its weights. Before it stands a front end of one 8 x 8 matrix, ``z = A x``,
which is found from the network's own predictions:

- **Turn.** ``A`` is a rotation (an orthogonal matrix). Over and over, it is the one that brings
  what the sensor shows nearest to what the network predicts when it hears ``A x``. That ends in
  different places from different starts; the one with the least prediction error is kept.
- **Gains.** One factor per wire, such that it shows on average what is predicted of it.
- **Silent wires.** One that shows nothing at all is heard as predicted.

Which of these a fault needs is told by the prediction error, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from experiments.on_chip_runs import accuracy
from experiments.on_chip_sensor import CHANGES, changed_task
from experiments.self_supervised_streams import (
    LAYER,
    READOUT_ALONE,
    TASK,
    AnyNetwork,
    learned,
    predictions,
    said,
    start,
)
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks import Split, load_task

CLASSIFIER_RATES = (5,) * 4 + (6,) * 4 + (7,) * 4
"""Passes with labels, on the sensor as it was."""

PREDICTOR_RATES = (5, 5, 6, 6, 7, 7, 8, 8)
"""Passes in which the predictor of a deployed classifier learns, on the sensor as it was."""

RATES = (4, 5, 6, 7)
"""Passes of on-chip learning on the changed sensor, with labels or without."""

SAMPLES = 300
"""Unlabelled samples of the changed sensor that a front end is found on."""

STARTS = 9
"""Random orders of the wires that the search begins with, beside the one that is there."""

ROUNDS = 20
"""Times that A is found anew from the predictions that it led to."""

LEAST_GAIN, MOST_GAIN, FLOOR = 0.25, 8.0, 1e-2


@dataclass(frozen=True)
class FrontEnd:
    """``z = matrix x``; silent wires of the sensor are heard as predicted."""

    matrix: FloatArray
    silent: tuple[int, ...] = ()


def heard(network: AnyNetwork, end: FrontEnd, x: FloatArray) -> FloatArray:
    """What the network hears (T, S, N) of a sensor behind a front end."""
    z: FloatArray = x @ end.matrix.T
    if not end.silent:
        return z
    state = None
    for t in range(len(z) - 1):
        predicted, state = said(network, z[t : t + 1], state)
        z[t + 1][:, end.silent] = predicted[0][:, end.silent]
    return z


def turn(wanted: FloatArray, shown: FloatArray) -> FloatArray:
    """The orthogonal A for which ``A shown`` is nearest to ``wanted`` (orthogonal Procrustes)."""
    size = shown.shape[-1]
    left, _, right = np.linalg.svd(wanted.reshape(-1, size).T @ shown.reshape(-1, size))
    turned: FloatArray = left @ right
    return turned


def turned(network: AnyNetwork, x: FloatArray, seed: int) -> FloatArray:
    """The rotation in which the network predicts best what it then hears, of several found."""
    size, rng = x.shape[2], np.random.default_rng(seed)
    starts = [np.arange(size), *(rng.permutation(size) for _ in range(STARTS))]
    found = [refined(network, x, np.eye(size)[start]) for start in starts]
    return min(found, key=lambda matrix: error_behind(network, FrontEnd(matrix), x))


def refined(network: AnyNetwork, x: FloatArray, matrix: FloatArray) -> FloatArray:
    """A rotation, turned again and again to where the network predicts what it hears."""
    for _ in range(ROUNDS):
        matrix = turn(predictions(network, x @ matrix.T)[:-1], x[1:])
    return matrix


def gains(network: AnyNetwork, x: FloatArray) -> FloatArray:
    """A factor per wire (N,) such that it shows on average what is predicted of it."""
    factors: FloatArray = np.ones(x.shape[2])
    for _ in range(ROUNDS):
        z = x * factors
        wanted = np.maximum(predictions(network, z)[:-1].mean(axis=(0, 1)), 0.0)
        factors *= (wanted + FLOOR) / (z[1:].mean(axis=(0, 1)) + FLOOR)
        factors = np.clip(factors, LEAST_GAIN, MOST_GAIN)
    return factors


def error_behind(network: AnyNetwork, end: FrontEnd, x: FloatArray) -> float:
    """Prediction error relative to the variance of what is heard; filled-in wires do not count."""
    z = heard(network, end, x)
    live = [wire for wire in range(z.shape[2]) if wire not in end.silent]
    wanted, told = z[1:][..., live], predictions(network, z)[:-1][..., live]
    spread = ((wanted - wanted.mean(axis=(0, 1))) ** 2).sum()
    return float(((told - wanted) ** 2).sum() / spread)


def front_ends(network: AnyNetwork, x: FloatArray, seed: int) -> dict[str, FrontEnd]:
    """Candidates, each found on unlabelled samples of the sensor as it is now."""
    size = x.shape[2]
    rotation = turned(network, x, seed)
    silent = tuple(int(wire) for wire in np.flatnonzero(np.ptp(x, axis=(0, 1)) == 0))
    found = {
        "none": FrontEnd(np.eye(size)),
        "gains": FrontEnd(np.diag(gains(network, x))),
        "turn": FrontEnd(rotation),
        "turn, then gains": FrontEnd(gains(network, x @ rotation.T)[:, None] * rotation),
    }
    if silent:
        found["silent wires"] = FrontEnd(np.eye(size), silent)
    return found


def deployed(seed: int) -> AnyNetwork:
    """A classifier that learned with labels on integers, and a predictor of its hidden layer."""
    train = load_task(TASK).train
    network = start(seed, train.x, integers=True)
    network = learned(network, train, CLASSIFIER_RATES, seed, labels=True)
    return learned(network, train, PREDICTOR_RATES, seed, ports=READOUT_ALONE)


def aligned(old: FloatArray, new: FloatArray) -> FrontEnd:
    """The control that keeps statistics of the old sensor instead of a predictor: its mean image.

    The rotation nearest to it, then gains that match each wire's mean square.
    """
    rotation = turn(old.mean(axis=1), new.mean(axis=1))
    z = new @ rotation.T
    factors = np.sqrt((old**2).mean(axis=(0, 1)) / np.maximum((z**2).mean(axis=(0, 1)), 1e-4))
    return FrontEnd(np.clip(factors, LEAST_GAIN, MOST_GAIN)[:, None] * rotation)


def repair(seed: int) -> dict[str, Any]:
    """All faults of the sensor of one deployed network: test accuracies and prediction errors."""
    task = load_task(TASK)
    network = deployed(seed)
    as_it_was = FrontEnd(np.eye(task.inputs))
    faults: dict[str, Any] = {}
    for name, change in CHANGES.items():
        faults[name] = fault(network, changed_task(task, change).train, seed, change)
    return {
        "before": accuracy(network, task.test),
        "error before": error_behind(network, as_it_was, task.test.x),
        "faults": faults,
    }


def fault(
    network: AnyNetwork, stream: Split, seed: int, change: Callable[[FloatArray], FloatArray]
) -> dict[str, Any]:
    """One fault: what each way of going on reaches on test samples of the changed sensor."""
    task = load_task(TASK)
    test = replace(task.test, x=change(task.test.x))

    def behind(end: FrontEnd) -> float:
        return accuracy(network, replace(test, x=heard(network, end, test.x)))

    few = np.random.default_rng(seed).permutation(stream.samples)[:SAMPLES]
    x = stream.x[:, few]
    ends = front_ends(network, x, seed)
    errors = {name: error_behind(network, end, x) for name, end in ends.items()}
    best = min(errors, key=lambda name: errors[name])
    after: dict[str, AnyNetwork] = {
        "hidden layer and predictor learn to predict": learned(network, stream, RATES, seed),
        "hidden layer alone learns to predict": learned(
            network, stream, RATES, seed, ports={LAYER: ("current", "tau_mem", "tau_adp")}
        ),
        "learning with labels": learned(network, stream, RATES, seed, labels=True),
    }
    return {
        "chosen": best,
        "errors on the stream": errors,
        "accuracy behind": {name: behind(end) for name, end in ends.items()},
        "front end by prediction": behind(ends[best]),
        "front end by the old mean image": behind(aligned(task.train.x, x)),
        **{name: accuracy(own, test) for name, own in after.items()},
    }
