"""The digits tasks: real data, fixed splits, two readings of the same image."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ltc2hw.data.splitting import stratified
from ltc2hw.errors import MissingExtraError
from ltc2hw.tasks import Split, load_task
from ltc2hw.tasks.digits import PERMUTATION_SEED, shift_images

datasets = pytest.importorskip("sklearn.datasets")

PARTS = ("train", "validation", "test")


def test_every_image_is_in_exactly_one_split() -> None:
    task = load_task("digits-rows")
    found = np.concatenate(
        [getattr(task, part).x.transpose(1, 0, 2).reshape(-1, 64) for part in PARTS]
    )
    labels = np.concatenate([getattr(task, part).labels for part in PARTS])
    data = datasets.load_digits()
    wanted = np.column_stack((data.data / 16.0, data.target))
    both = np.column_stack((found, labels))
    np.testing.assert_array_equal(both[np.lexsort(both.T)], wanted[np.lexsort(wanted.T)])


def test_splits_are_stratified() -> None:
    task = load_task("digits-rows")
    sizes = [getattr(task, part).samples for part in PARTS]
    assert sizes == [1258, 180, 359]
    for part in PARTS:
        counts = np.bincount(getattr(task, part).labels, minlength=10)
        assert counts.max() - counts.min() <= 0.08 * counts.sum() / 10 + 1


def test_rows_and_pixels_are_the_same_images() -> None:
    rows, pixels = load_task("digits-rows"), load_task("digits-pixels")
    assert (rows.steps, rows.inputs, pixels.steps, pixels.inputs) == (8, 8, 64, 1)
    for part in PARTS:
        by_row = getattr(rows, part).x.transpose(1, 0, 2).reshape(-1, 64)
        by_pixel = getattr(pixels, part).x[:, :, 0].T
        np.testing.assert_array_equal(by_row, by_pixel)


def test_pixels_are_sixteenths_between_zero_and_one() -> None:
    x = load_task("digits-pixels").train.x
    np.testing.assert_array_equal(x * 16, np.rint(x * 16))
    assert (x.min(), x.max()) == (0.0, 1.0)


def test_splits_are_the_same_every_time() -> None:
    first, second = load_task("digits-rows"), load_task("digits-rows")
    np.testing.assert_array_equal(first.test.x, second.test.x)


def test_shifted_images_hold_the_original_moved_by_one_pixel() -> None:
    task = load_task("digits-rows")
    shifted = shift_images(task.train, np.random.default_rng(0))
    np.testing.assert_array_equal(shifted.labels, task.train.labels)
    padded = np.pad(task.train.x.transpose(1, 0, 2), ((0, 0), (1, 1), (1, 1)))
    images = shifted.x.transpose(1, 0, 2)
    moves = {
        (row, column): (images == padded[:, row : row + 8, column : column + 8]).all(axis=(1, 2))
        for row in range(3)
        for column in range(3)
    }
    assert np.any(list(moves.values()), axis=0).all()
    assert all(found.any() for found in moves.values())
    assert moves[1, 1].mean() < 0.9


def test_augmentation_reads_pixels_like_rows() -> None:
    rows, pixels = load_task("digits-rows"), load_task("digits-pixels")
    by_row = rows.epoch(np.random.default_rng(1)).x.transpose(1, 0, 2).reshape(-1, 64)
    by_pixel = pixels.epoch(np.random.default_rng(1)).x[:, :, 0].T
    np.testing.assert_array_equal(by_row, by_pixel)


def test_permuted_pixels_are_the_pixels_in_one_other_order() -> None:
    pixels, permuted = load_task("digits-pixels"), load_task("digits-permuted")
    order = list(np.random.default_rng(PERMUTATION_SEED).permutation(64))
    assert sorted(order) == list(range(64))
    assert order != list(range(64))
    for part in PARTS:
        plain, other = getattr(pixels, part), getattr(permuted, part)
        np.testing.assert_array_equal(plain.x[order], other.x)
        np.testing.assert_array_equal(plain.labels, other.labels)
    moved = pixels.epoch(np.random.default_rng(1)).x[order]
    np.testing.assert_array_equal(permuted.epoch(np.random.default_rng(1)).x, moved)


def test_stratified_takes_each_class_in_proportion() -> None:
    labels = np.repeat(np.arange(3), (10, 20, 30))
    parts = stratified(labels, (0.2, 0.3), np.random.default_rng(0))
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    assert [np.bincount(labels[part]).tolist() for part in parts] == [
        [2, 4, 6],
        [3, 6, 9],
        [5, 10, 15],
    ]


def test_missing_data_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtraError, match="the extra 'torch': pip install"):
        load_task("digits-rows")


def test_a_split_can_be_cut() -> None:
    split = load_task("digits-rows").test
    part = split.take(np.array([5, 2]))
    assert isinstance(part, Split)
    np.testing.assert_array_equal(part.x[:, 1], split.x[:, 2])
    assert part.labels.tolist() == [split.labels[5], split.labels[2]]
