"""Samples of unequal lengths and labels at every step, against each sample learned by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from ltc2hw.neurons import LIFCell, LTCCell, NetworkState, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import Split, Task
from ltc2hw.training import FPTT, TrainingOptions
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.data import Batch, batches
from ltc2hw.training.graphed import GraphedLearner
from ltc2hw.training.learner import CompiledNetworkLearner, Learner
from ltc2hw.training.optimizers import OPTIMIZERS
from ltc2hw.training.options import LossWeighting, Method, windows
from tests.neurons.randomised import randomised

STEPS, INPUTS, OUTPUTS, SAMPLES, RATE = 9, 3, 4, 12, 1e-2

Array = npt.NDArray[Any]
Kind = Literal["classification", "regression"]
KINDS: tuple[Kind, ...] = ("classification", "regression")
LEARNERS: dict[str, Callable[[SpikingNetwork, Task, TrainingOptions], Learner]] = {
    "compiled": CompiledNetworkLearner,
    "autograd": AutogradLearner,
    "graphed": GraphedLearner,
}


def task_of(
    kind: Kind, every_step: bool, lengths: Sequence[int] | None = None, seed: int = 0
) -> Task:
    """Random samples; with labels at every step, a third of the steps are without."""
    rng = np.random.default_rng(seed)
    x = 2.0 * rng.random((STEPS, SAMPLES, INPUTS))
    shape = (STEPS, SAMPLES) if every_step else (SAMPLES,)
    gaps = rng.random(shape) < 0.3
    gaps[0] = False
    labels: Array = rng.integers(0, OUTPUTS, shape)
    if kind == "regression":
        labels = rng.random((*shape, OUTPUTS))
    if every_step:
        labels[gaps] = -1 if kind == "classification" else np.nan
    own = rng.integers(1, STEPS, SAMPLES) if lengths is None else np.array(lengths)
    split = Split(x, labels, own, every_step)
    return Task("random", kind, STEPS, INPUTS, OUTPUTS, split, split, split, every_step=every_step)


def network(seed: int = 3, recurrent: bool = True) -> SpikingNetwork:
    layers = [LTCCell(INPUTS, 6, recurrent=recurrent), LIFCell(6, 5, recurrent=recurrent)]
    module = SpikingNetwork(layers, ReadoutCell(5, OUTPUTS)).double()
    randomised(module, seed)
    return module


def double_batches(task: Task, size: int = 5, cut: bool = True) -> list[Batch]:
    """Batches in float64, which a learner's own rounding does not hide."""
    rng = np.random.default_rng(1)
    found = []
    for batch in batches(task.train, size, rng, cut):
        labels = batch.labels.double() if task.kind == "regression" else batch.labels
        found.append(batch._replace(x=batch.x.double(), labels=labels))
    return found


WEIGHTS: dict[LossWeighting, Callable[[int, int], float]] = {
    "ramp": lambda t, length: (t + 1) / length,
    "last": lambda t, length: float(t == length - 1),
    "second-half": lambda t, length: float(2 * (t + 1) > length),
    "uniform": lambda t, length: 1.0,
}


def sample_loss(task: Task, output: Tensor, label: Tensor) -> Tensor | None:
    """The loss of one sample at one step; None without a label."""
    if task.kind == "regression":
        return None if bool(label.isnan().any()) else ((output - label) ** 2).sum() / OUTPUTS
    return None if int(label) < 0 else output.exp().sum().log() - output[int(label)]


class Alone:
    """Each sample of a batch for itself, over its own steps; only updates are made together."""

    def __init__(self, module: SpikingNetwork, task: Task, options: TrainingOptions) -> None:
        self.module, self.task, self.options = module, task, options
        self.parameters = list(module.parameters())
        self.optimizer = OPTIMIZERS[options.optimizer](self.parameters, lr=RATE)
        self.fptt = FPTT(self.parameters, alpha=options.alpha, beta=options.beta)
        self.updates = options.updates if options.method == "fptt" else 1

    def learn(self, batch: Batch) -> list[float]:
        assert batch.lengths is not None
        longest, count = int(batch.lengths.max()), len(batch.lengths)
        states: list[NetworkState | None] = [None] * count
        losses = []
        for window in windows(longest, min(self.updates, longest)):
            self.optimizer.zero_grad()
            total, counted = torch.zeros((), dtype=torch.float64), False
            for b in range(count):
                state = states[b]
                for t in range(window.start, min(window.stop, int(batch.lengths[b]))):
                    output, state = self.module.step(batch.x[t, b : b + 1], state)
                    label = batch.labels[t, b] if self.task.every_step else batch.labels[b]
                    loss = sample_loss(self.task, output[0], label)
                    weight = WEIGHTS[self.options.loss_weighting](t, int(batch.lengths[b]))
                    if loss is not None and weight:
                        total, counted = total + weight * loss, True
                states[b] = None if state is None else state.detach()
            if counted:
                total = total / (window.stop - window.start) / count
                torch.autograd.backward(total)
                losses.append(float(total.detach()))
                self.update()
        return losses

    def update(self) -> None:
        if self.options.method == "fptt":
            self.fptt.step(self.optimizer, self.options.clip)
        else:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
            self.optimizer.step()


def parameters(module: nn.Module) -> Array:
    return np.concatenate([value.detach().numpy().ravel() for value in module.parameters()])


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "updates", "weighting"),
    [
        ("fptt", 9, "uniform"),
        ("fptt", 3, "ramp"),
        ("fptt", 4, "last"),
        ("bptt", 1, "second-half"),
    ],
)
def test_updates_equal_those_of_samples_alone(
    learner: str,
    every_step: bool,
    kind: Kind,
    method: Method,
    updates: int,
    weighting: LossWeighting,
) -> None:
    """Several batches of random lengths, more updates than some have steps; nothing is padded."""
    task = task_of(kind, every_step, seed=updates)
    options = TrainingOptions(
        method=method, updates=updates, loss_weighting=weighting, optimizer="sgd", threads=2
    )
    found, wanted = network(updates), network(updates)
    start = parameters(found)
    own, alone = LEARNERS[learner](found, task, options), Alone(wanted, task, options)
    for batch in double_batches(task):
        losses = own.learn(batch.x, batch.labels, RATE, batch.lengths)
        np.testing.assert_allclose(losses, alone.learn(batch), rtol=0, atol=1e-10)
    kept = own.values()
    own.load(kept)
    if isinstance(own, CompiledNetworkLearner | GraphedLearner):
        own.load(kept)
    np.testing.assert_allclose(parameters(found), parameters(wanted), rtol=0, atol=1e-10)
    assert np.abs(parameters(wanted) - start).max() > 1e-4


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_bit(learner: str, kind: Kind) -> None:
    """Samples of 6 steps in arrays of 9, cut or given as arrays of 6."""
    padded = task_of(kind, False, lengths=[6] * SAMPLES)
    cut = Split(padded.train.x[:6], padded.train.labels)
    plain = dataclasses.replace(padded, steps=6, train=cut, validation=cut, test=cut)
    values = []
    for task in (padded, plain):
        own = LEARNERS[learner](network(), task, TrainingOptions(updates=3))
        losses = [own.learn(b.x, b.labels, RATE, b.lengths) for b in double_batches(task)]
        values.append((np.concatenate(losses), own.values()))
    np.testing.assert_array_equal(values[0][0], values[1][0])
    np.testing.assert_array_equal(values[0][1], values[1][1])


@pytest.mark.parametrize("learner", LEARNERS)
def test_full_lengths_and_full_labels_change_no_bit(learner: str) -> None:
    """Every step labelled with its sequence's label is a label of the sequence."""
    task = task_of("classification", False, lengths=[STEPS] * SAMPLES)
    repeated = np.repeat(task.train.labels[None], STEPS, axis=0)
    split = Split(task.train.x, repeated, None, every_step=True)
    same = dataclasses.replace(task, train=split, validation=split, test=split, every_step=True)
    options = TrainingOptions(updates=3, optimizer="sgd")
    own, other = (LEARNERS[learner](network(), each, options) for each in (task, same))
    for one, two in zip(double_batches(task), double_batches(same), strict=True):
        losses = own.learn(one.x, one.labels, RATE, one.lengths)
        np.testing.assert_allclose(other.learn(two.x, two.labels, RATE), losses, rtol=1e-14)
    np.testing.assert_allclose(other.values(), own.values(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("learner", LEARNERS)
def test_what_lies_behind_an_end_is_not_seen(learner: str) -> None:
    """Labels there count for nothing, and an uncut batch is as good as a cut one."""
    task = task_of("classification", True, lengths=[4, 2, 3] * 4)
    own, other = (
        LEARNERS[learner](network(), task, TrainingOptions(method="bptt", optimizer="sgd"))
        for _ in range(2)
    )
    for short, long in zip(double_batches(task), double_batches(task, cut=False), strict=True):
        assert len(short.x) == 4 < len(long.x)
        labels = torch.where(long.labels < 0, 2, long.labels)
        labels[:4] = short.labels
        loss = own.learn(short.x, short.labels, RATE, short.lengths)
        # The mean is over the steps of the batch, as long as it is.
        padded = other.learn(long.x, labels, RATE, long.lengths)
        np.testing.assert_allclose(padded, np.array(loss) * 4 / STEPS, rtol=1e-12)
