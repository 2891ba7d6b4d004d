"""Networks that learn several labels of each sample at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ltc2hw.errors import ShapeError, UnsupportedError
from ltc2hw.neurons import LIFCell, LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import Split, Task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, evaluate, train
from ltc2hw.training.learner import new_learner
from ltc2hw.training.loss import sample_losses
from ltc2hw.training.options import Backend, LossWeighting, Method
from ltc2hw.training.trainer import Trainer
from tests.neurons.randomised import randomised
from tests.training.test_uneven import (
    INPUTS,
    LEARNERS,
    RATE,
    SAMPLES,
    STEPS,
    Alone,
    double_batches,
    parameters,
)

HEADS = (2, 4, 3)
SIZE = sum(HEADS)


def task_of(padded: bool, heads: tuple[int, ...] = HEADS) -> Task:
    rng = np.random.default_rng(1)
    x = 2.0 * rng.random((STEPS, SAMPLES, INPUTS))
    labels = np.stack([rng.integers(0, size, SAMPLES) for size in heads], axis=1)
    split = Split(x, labels, rng.integers(1, STEPS, SAMPLES) if padded else np.full(SAMPLES, STEPS))
    return Task(
        "random", "classification", STEPS, INPUTS, sum(heads), split, split, split, heads=heads
    )


def network(seed: int = 3, outputs: int = SIZE) -> SpikingNetwork:
    module = SpikingNetwork([LTCCell(INPUTS, 6), LIFCell(6, 5)], ReadoutCell(5, outputs)).double()
    randomised(module, seed)
    return module


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize(
    ("method", "updates", "weighting"), [("fptt", 3, "ramp"), ("bptt", 1, "uniform")]
)
def test_updates_equal_those_of_samples_alone(
    learner: str, padded: bool, method: Method, updates: int, weighting: LossWeighting
) -> None:
    task = task_of(padded)
    options = TrainingOptions(
        method=method, updates=updates, loss_weighting=weighting, optimizer="sgd", threads=2
    )
    found, wanted = network(), network()
    start = parameters(found)
    own, alone = LEARNERS[learner](found, task, options), Alone(wanted, task, options)
    for batch in double_batches(task):
        losses = own.learn(batch.x, batch.labels, RATE, batch.lengths)
        whole = batch if padded else batch._replace(lengths=np.full(len(batch.labels), STEPS))
        np.testing.assert_allclose(losses, alone.learn(whole), rtol=0, atol=1e-10)
    own.load(own.values())
    np.testing.assert_allclose(parameters(found), parameters(wanted), rtol=0, atol=1e-10)
    assert np.abs(parameters(wanted) - start).max() > 1e-4


def test_a_group_has_the_loss_and_gradient_that_it_has_alone() -> None:
    task = task_of(padded=False)
    labels = torch.from_numpy(task.train.labels)
    outputs = torch.randn(STEPS, SAMPLES, SIZE, dtype=torch.float64, requires_grad=True)
    together = sample_losses(task, outputs, labels)
    (gradient,) = torch.autograd.grad(together.sum(), outputs)
    total = torch.zeros_like(together)
    for head, size in enumerate(HEADS):
        first = sum(HEADS[:head])
        group = outputs[:, :, first : first + size].detach().requires_grad_()
        split = Split(task.train.x, task.train.labels[:, head])
        alone = replace(task, outputs=size, heads=(), train=split, validation=split, test=split)
        losses = sample_losses(alone, group, labels[:, head])
        (own,) = torch.autograd.grad(losses.sum(), group)
        assert torch.equal(gradient[:, :, first : first + size], own)
        total = total + losses.detach()
    torch.testing.assert_close(together.detach(), total, rtol=0, atol=1e-14)


@pytest.mark.parametrize("learner", LEARNERS)
def test_labels_of_another_shape(learner: str) -> None:
    task = task_of(padded=False)
    own = LEARNERS[learner](network(), task, TrainingOptions(updates=2))
    x = torch.from_numpy(task.train.x)
    with pytest.raises(ShapeError, match="a label for each of the heads"):
        own.learn(x, torch.zeros(SAMPLES, dtype=torch.int64), RATE)


def questions(count: int = 160) -> Task:
    """Which of three channels is loud, and whether it is so early or late."""
    rng = np.random.default_rng(4)
    labels = np.stack([rng.integers(0, 3, count), rng.integers(0, 2, count)], axis=1)
    x = 0.1 * rng.random((10, count, 3))
    for sample, (channel, late) in enumerate(labels):
        x[5 * late : 5 * late + 5, sample, channel] += 1.0
    train, validation, test = (
        Split(x[:, first:after], labels[first:after])
        for first, after in ((0, 100), (100, 130), (130, 160))
    )
    return Task("questions", "classification", 10, 3, 5, train, validation, test, heads=(3, 2))


@pytest.mark.parametrize("backend", ["compiled", "autograd"])
def test_both_questions_are_learned_and_a_run_goes_on(backend: Backend, tmp_path: Path) -> None:
    task = questions()
    options = TrainingOptions(
        updates=2, epochs=20, batch_size=10, backend=backend, learning_rate=1e-2
    )
    recipe = Recipe(ModelOptions(hidden=(24,)), options)
    result = train(task, recipe)
    assert result.metrics["test"] > 0.9
    assert evaluate(result.module, task, task.test)[1] == result.metrics["test"]
    trainer = Trainer(task, recipe)
    for _ in range(3):
        trainer.run_epoch()
    again = Trainer(task, recipe)
    again.restore(trainer.checkpoint())
    assert again.run_epoch() == trainer.run_epoch() == result.history[3]


def test_the_auxiliary_loss_compares_one_answer() -> None:
    options = TrainingOptions(updates=2, auxiliary=0.5)
    with pytest.raises(UnsupportedError, match=r"several labels.*the auxiliary loss"):
        new_learner(network(), task_of(padded=False), options)
