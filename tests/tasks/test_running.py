"""The running Add task: a target at every step, and a network that learns it."""

from __future__ import annotations

import numpy as np

from ltc2hw.tasks import load_task
from ltc2hw.training import train
from ltc2hw.training.recipes import recipe_for


def test_targets_are_the_sums_so_far() -> None:
    task, plain = load_task("add-running-12"), load_task("add-12")
    assert task.every_step
    assert not plain.every_step
    for part in ("train", "validation", "test"):
        split, other = getattr(task, part), getattr(plain, part)
        np.testing.assert_array_equal(split.x, other.x)
        for sample in range(0, split.samples, 97):
            total = 0.0
            for t in range(12):
                if split.x[t, sample, 1] == 1.0:
                    total += split.x[t, sample, 0]
                assert split.labels[t, sample, 0] == total
        np.testing.assert_allclose(split.labels[-1], other.labels, rtol=0, atol=1e-15)
    fresh = task.epoch(np.random.default_rng(0))
    assert fresh.labels.shape == (12, 1280, 1)
    assert not np.array_equal(fresh.x, task.train.x)


def test_fptt_learns_it() -> None:
    """The best answer that sees no input is each step's mean target."""
    task = load_task("add-running-10")
    recipe = recipe_for(task).with_model(hidden=(16,)).with_training(epochs=8)
    assert recipe.training.loss_weighting == "uniform"
    targets = task.test.labels
    blind = float(np.mean((targets - targets.mean(axis=1, keepdims=True)) ** 2))
    assert train(task, recipe).metrics["test"] < 0.5 * blind
