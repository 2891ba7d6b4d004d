"""What the self-supervised experiments share: streams without labels, and how errors are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.on_chip_runs import untrained
from ltc2hw import FixedNetwork, FPTTRule, Network, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.graph.trace import State
from ltc2hw.learning.learned import Learned
from ltc2hw.learning.prediction import learn_to_predict, next_step, with_predictor
from ltc2hw.learning.rule import Descent, UpdateKind
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.simulate import simulate
from ltc2hw.tasks import Split

TASK = "digits-rows"
HIDDEN = 48
LAYER, PREDICTOR, CLASSIFIER = "hidden", "hidden_next", "readout"

SCHEDULE = (5, 5, 6, 6, 7, 7)
"""Passes over the stream, each at its rate 2^-k."""

REACH = 4.0
"""Weights can come to ±this on integers."""

READOUT_ALONE: Mapping[str, tuple[str, ...]] = {PREDICTOR: ("current",)}

AnyNetwork = Network | FixedNetwork


def start(seed: int, x: FloatArray, *, integers: bool) -> AnyNetwork:
    """A random network with a predictor and a classifier, in real numbers or for Loihi 2."""
    network = with_predictor(untrained(HIDDEN, seed), LAYER, seed)
    if not integers:
        return network
    return quantize(network, "loihi2", x, QuantizeOptions(weight_reach=REACH))


def learned(
    network: AnyNetwork,
    samples: Split,
    rates: Sequence[int],
    seed: int,
    *,
    labels: bool = False,
    layer: str = LAYER,
    ports: Mapping[str, tuple[str, ...]] | None = None,
    descent: Descent = "instantaneous",
    update: UpdateKind = "fptt",
) -> AnyNetwork:
    """The network after passes at 2^-rate over shuffled samples, with labels or by prediction."""
    words = PlasticWords(seed=seed) if isinstance(network, FixedNetwork) else None
    rng = np.random.default_rng(1000 + seed)
    done: Learned[Any] | None = None
    for exponent in rates:
        part = samples.take(rng.permutation(samples.samples))
        rule = FPTTRule(
            learning_rate=2.0**-exponent, descent=descent, update=update, ports=ports,
            weighting="ramp" if labels else "uniform",
        )  # fmt: skip
        before = None if done is None else done.learning
        if labels:
            done = learn(network, part.x, part.labels, rule, words, learning=before)
        else:
            done = learn_to_predict(network, layer, part.x, rule, words, learning=before)
    assert done is not None
    result: AnyNetwork = done.network
    return result


def said(
    network: AnyNetwork, x: FloatArray, state: State | None = None
) -> tuple[FloatArray, State | None]:
    """Predictions (T, S, N) of a network in real numbers, and its state after them."""
    predicting = network.with_output(PREDICTOR)
    trace = simulate(predicting, x, record=(), state=state)
    if isinstance(predicting, FixedNetwork):
        return real_outputs(predicting, trace), trace.state
    return trace.outputs, trace.state


def predictions(network: AnyNetwork, x: FloatArray) -> FloatArray:
    """Predictions (T, S, N) of a network in real numbers."""
    return said(network, x)[0]


def relative_error(outputs: FloatArray, x: FloatArray, mean: FloatArray) -> float:
    """Squared error of predictions of the next step by that of a constant ``mean`` (N,)."""
    targets = next_step(x)
    known = ~np.isnan(targets[..., 0])
    wanted = targets[known]
    error: float = ((outputs[known] - wanted) ** 2).sum() / ((wanted - mean) ** 2).sum()
    return float(error)


def mean_next(x: FloatArray) -> FloatArray:
    """Mean of what comes next in samples (T, S, N)."""
    mean: FloatArray = np.nanmean(next_step(x), axis=(0, 1))
    return mean


def ridge(inputs: FloatArray, targets: FloatArray, penalty: float) -> FloatArray:
    """Least squares with a constant and a penalty per sample: weights (N_in + 1, N_out)."""
    whole = np.concatenate([inputs, np.ones((len(inputs), 1))], axis=1)
    square = whole.T @ whole + penalty * len(inputs) * np.eye(whole.shape[1])
    weights: FloatArray = np.linalg.solve(square, whole.T @ targets)
    return weights


def applied(weights: FloatArray, inputs: FloatArray) -> FloatArray:
    """What :func:`ridge` found, on other inputs."""
    result: FloatArray = inputs @ weights[:-1] + weights[-1]
    return result


def share_right(scores: FloatArray, labels: IntArray) -> float:
    """Share of samples whose largest score is their label's."""
    return float(np.mean(scores.argmax(axis=1) == labels))
