"""Samples that are made batch by batch train and score as those that are made at once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ltc2hw.tasks import LazySplit, Split, Task
from ltc2hw.tasks.images import Coding, ImageSequences, Rate, Scan, fresh_spikes
from ltc2hw.tasks.recorded import EventSequences, Recorded
from ltc2hw.tasks.split import Sequences
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, evaluate, train
from ltc2hw.training.choosing import facts_of
from ltc2hw.training.data import batches

RECIPE = Recipe(
    ModelOptions(hidden=(6,)), TrainingOptions(updates=2, epochs=2, batch_size=8, augment=False)
)


def images(coding: Coding, samples: int = 24) -> LazySplit:
    rng = np.random.default_rng(2)
    labels = np.arange(samples) % 3
    grey = rng.integers(0, 256, (samples, 784)) * (labels[:, None] + 1) // 3
    sequences = ImageSequences(grey.astype(np.uint8), np.arange(samples), coding)
    return LazySplit(sequences, labels)


def recordings() -> LazySplit:
    rng = np.random.default_rng(3)
    lengths = rng.integers(2, 6, 20)
    made = tuple(
        Recorded(np.full(length, 2), rng.integers(0, 5, (length, 2)).argsort(1).ravel(), None)
        for length in lengths
    )
    return LazySplit(EventSequences(made, 5, 5, spikes=True), np.arange(20) % 3, lengths)


def task_of(split: Split) -> Task:
    steps, _, inputs = split.shape
    return Task("small", "classification", steps, inputs, 3, split, split, split)


SPLITS = {
    "rows": images(Scan(28)),
    "spikes": images(Rate(4, seed=1)),
    "recordings": recordings(),
}


@pytest.mark.parametrize("name", list(SPLITS))
def test_lazy_samples_train_as_those_that_are_made_at_once(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lazy = SPLITS[name]
    plain = Split(lazy.x, lazy.labels, lazy.lengths)
    assert facts_of(task_of(lazy)) == facts_of(task_of(plain))
    for ours, theirs in zip(
        batches(lazy, 7, np.random.default_rng(1)),
        batches(plain, 7, np.random.default_rng(1)),
        strict=True,
    ):
        assert torch.equal(ours.x, theirs.x)
        assert torch.equal(ours.labels, theirs.labels)
        assert (ours.lengths is None) == (theirs.lengths is None)
        if ours.lengths is not None and theirs.lengths is not None:
            np.testing.assert_array_equal(ours.lengths, theirs.lengths)
    first, second = train(task_of(lazy), RECIPE), train(task_of(plain), RECIPE)
    assert first.history == second.history
    assert first.metrics == second.metrics
    steps, _, inputs = lazy.shape
    monkeypatch.setattr("ltc2hw.tasks.split.PIECE_NUMBERS", 5 * steps * inputs)
    assert [piece.samples for piece in lazy.pieces()][:2] == [5, 5]
    loss, score = evaluate(first.module, task_of(lazy), lazy)
    wanted, same = evaluate(first.module, task_of(plain), plain)
    assert score == same
    np.testing.assert_allclose(loss, wanted, rtol=1e-6)


def test_training_draws_spikes_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    lazy = SPLITS["spikes"]
    task = replace(task_of(lazy), augment=fresh_spikes)
    augmented = train(task, RECIPE.with_training(augment=True))
    assert augmented.history != train(task, RECIPE).history
    assert augmented.history == train(task, RECIPE.with_training(augment=True)).history


def test_sequences_are_what_the_protocol_says() -> None:
    for split in SPLITS.values():
        sequences: Sequences = split.sequences
        assert sequences.shape == sequences.array().shape
        assert sequences.digest() != sequences.take(np.arange(3)).digest()
