"""A task without its labels: in every step a layer's predictor says what comes in the next one."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any

import numpy as np

from ltc2hw.cli.console import Console
from ltc2hw.comparison.tables import score_text
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.labels import labelled_steps
from ltc2hw.graph.network import Network
from ltc2hw.learning.prediction import heard_by, next_heard, predictor_of
from ltc2hw.tasks import Split, Task


def add_predict(parser: argparse.ArgumentParser) -> None:
    """The option ``--predict``."""
    parser.add_argument(
        "--predict", metavar="LAYER",
        help="learn without labels what this layer hears next (quantize it with --predictor)",
    )  # fmt: skip


def output_of(network: FixedNetwork, arguments: argparse.Namespace) -> str:
    """Population that is compared with targets: the named readout, or a layer's predictor.

    Raises:
        InvalidValueError: if both are named, or the predictor is not there.
        UnknownNameError, UnsupportedError: for a layer that cannot predict.
    """
    if arguments.predict is None:
        return arguments.readout or network.output
    if arguments.readout is not None:
        limit, remedy = "none with --predict", "the predictor is the readout then"
        raise InvalidValueError("--readout", arguments.readout, limit, remedy)
    return predictor_of(network, arguments.predict)


def predicted(network: FixedNetwork, layer: str, task: Task, *, reset: bool) -> Task:
    """The task of saying what a layer hears next: the same samples, their labels not read.

    Training samples are pieces of one stream unless ``reset``.

    Raises:
        InvalidValueError: naming the inputs that differ, or samples of one step.
    """
    if task.inputs != network.input.size:
        limit = f"{network.input.size}, those of the network"
        raise InvalidValueError(f"inputs of task {task.name}", task.inputs, limit)

    def split(own: Split, *, reset: bool = True) -> Split:
        x = own.x
        targets = next_heard(network, layer, x, own.lengths, reset=reset)
        return Split(x, targets, own.lengths, every_step=True)

    return replace(
        task, kind="regression", every_step=True, decision_steps=1, classes=(), heads=(),
        augment=None, outputs=network.population(predictor_of(network, layer)).size,
        train=split(task.train, reset=reset), validation=split(task.validation),
        test=split(task.test),
    )  # fmt: skip


def beside(network: Network | FixedNetwork, layer: str, task: Task) -> dict[str, Any]:
    """Errors of predictors that learn nothing on the test samples of such a task, in its metric.

    ``same_as_now`` says what the layer hears now, ``mean`` the mean of what the training samples
    bring, which tells how much there is to predict.
    """
    now = np.nan_to_num(_now(network, layer, task))
    known = labelled_steps(task.train.labels)
    mean = np.broadcast_to(task.train.labels[known].mean(axis=0), now.shape)
    judged = {"same_as_now": now, "mean": mean}
    return {
        name: float(np.mean(task.decision.judge(said, task.test.labels, task.test.lengths)))
        for name, said in judged.items()
    }


def _now(network: Network | FixedNetwork, layer: str, task: Task) -> Any:
    """What a layer hears in each step of the test samples, as far as its targets tell."""
    if heard_by(network, layer).source == network.input.name:
        return task.test.x
    first = np.full_like(task.test.labels[:1], np.nan)
    return np.concatenate([first, task.test.labels[:-1]])


def tell_beside(console: Console, scores: dict[str, Any], metric: str) -> None:
    """Print what predictors that learn nothing reach."""
    texts = [score_text(metric, scores[name]) for name in ("same_as_now", "mean")]
    console.line(f"without learning: {texts[0]} for the same as now, {texts[1]} for the mean")
