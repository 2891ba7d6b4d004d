"""The delayed cue: which lines spike when, how often, and that nothing else does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ltc2hw.cli import main
from ltc2hw.errors import InvalidValueError
from ltc2hw.tasks import load_task

PARTS = ("train", "validation", "test")


def test_only_the_lines_of_a_class_and_those_that_ask_spike() -> None:
    task = load_task("cue-47")
    for part in PARTS:
        split = getattr(task, part)
        x, labels = split.x, split.labels
        for sample in range(split.samples):
            own = range(5) if labels[sample] == 0 else range(5, 10)
            for step, line in np.argwhere(x[:, sample]):
                assert line in own if step < 20 else (step >= 27 and line >= 10)


def test_two_samples_in_three_steps_of_five_have_a_spike() -> None:
    """Of 256 x 40 x 5 draws the share is 0.6 within five deviations of 0.0022."""
    task = load_task("cue-300")
    x, labels = task.train.x, task.train.labels
    assert x.shape == (300, 256, 15)
    assert set(np.unique(x)) == {0.0, 1.0}
    assert abs(x.sum() / (256 * 40 * 5) - 0.6) < 0.011
    assert np.bincount(labels).tolist() == [128, 128]
    for lines in (slice(0, 5), slice(5, 10)):
        assert abs(x[:20, :, lines].sum() / (128 * 20 * 5) - 0.6) < 0.022


def test_a_sample_is_the_same_in_any_company() -> None:
    split = load_task("cue-60").test
    some = np.array([7, 200, 7])
    np.testing.assert_array_equal(split.take(some).x, split.x[:, some])


def test_splits_are_fixed_and_every_epoch_is_new() -> None:
    first, second = load_task("cue-50"), load_task("cue-50")
    assert first.checksum == second.checksum != load_task("cue-51").checksum
    assert not np.array_equal(first.test.x[:, :128], first.validation.x)
    epochs = [first.epoch(np.random.default_rng((3, epoch))).x for epoch in (0, 0, 1)]
    np.testing.assert_array_equal(epochs[0], epochs[1])
    assert not np.array_equal(epochs[0], epochs[2])


def test_the_answer_is_read_from_the_last_twenty_steps() -> None:
    task = load_task("cue-100")
    outputs = np.zeros((100, 2, 2))
    outputs[:80, :, 0] = 9.0
    outputs[80:, :, 1] = 1.0
    assert task.decide(outputs).tolist() == [1, 1]


@pytest.mark.parametrize("name", ["cue-0", "cue-39", "cue-20001", "cue-999999999"])
def test_impossible_lengths_are_refused(name: str) -> None:
    with pytest.raises(InvalidValueError, match="40 to 20000"):
        load_task(name)


def test_sixteen_thousand_steps_take_little_until_they_are_read() -> None:
    task = load_task("cue-16000")
    assert task.train.shape == (16_000, 256, 15)
    assert task.train.take(np.arange(2)).x[20:-20].sum() == 0.0


def test_the_command_line_trains_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = str(tmp_path / "cue.h5")
    options = ["--method", "hypr", "--hidden", "4", "--epochs", "1", "--out", out]
    assert main(["train", "cue-40", *options]) == 0
    assert main(["train", "cue-4", *options]) == 2
    assert "40 to 20000" in capsys.readouterr().err
