"""Samples that move: whole places, each sample its own way, the same for all its steps."""

from __future__ import annotations

import numpy as np
import pytest

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks import LazySplit, Split
from ltc2hw.tasks.moving import Moved, moved, moved_images
from ltc2hw.tasks.recorded import EventSequences, Recorded

IMAGE = (2, 5, 4)


def numbered(samples: int = 6, steps: int = 3) -> Split:
    rng = np.random.default_rng(0)
    return Split(rng.random((steps, samples, 40)) + 0.5, np.arange(samples))


def test_each_sample_is_its_own_image_moved() -> None:
    split = numbered()
    moves = np.array([[0, 0], [1, 0], [-2, 3], [4, -3], [0, -1], [-4, 1]])
    found = moved_images(split.x, IMAGE, moves).reshape(3, 6, *IMAGE)
    given = split.x.reshape(3, 6, *IMAGE)
    for sample, (down, right) in enumerate(moves.tolist()):
        for y in range(5):
            for x in range(4):
                inside = 0 <= y - down < 5 and 0 <= x - right < 4
                expected = given[:, sample, :, y - down, x - right] if inside else 0.0
                assert (found[:, sample, :, y, x] == expected).all()


def test_rows_move_along_their_one_dimension() -> None:
    x: FloatArray = np.array([[[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]])
    assert moved_images(x, (2, 3), np.array([[-1]])).tolist() == [[[2, 3, 0, 5, 6, 0]]]


def test_moves_are_drawn_once_and_reach_both_ends() -> None:
    split = numbered(200)
    seen = {
        tuple(np.argwhere(image.reshape(3, *IMAGE)[0, 0] > 0)[0])
        for image in moved(split, IMAGE, 1, np.random.default_rng(3)).x.transpose(1, 0, 2)
    }
    assert seen == {(0, 0), (0, 1), (1, 0), (1, 1)}
    again = [moved(split, IMAGE, 1, np.random.default_rng(3)).x for _ in range(2)]
    np.testing.assert_array_equal(again[0], again[1])
    assert (moved(split, IMAGE, 1, np.random.default_rng(4)).x != again[0]).any()


def test_samples_that_are_made_when_asked_for_move_alike() -> None:
    one = Recorded(np.array([1, 2]), np.array([7, 0, 22]), None)
    two = Recorded(np.array([2]), np.array([39, 5]), np.array([3, 2]))
    lazy = LazySplit(EventSequences((one, two), 2, 40, False), np.array([0, 1]))
    found = moved(lazy, IMAGE, 2, np.random.default_rng(5))
    assert isinstance(found, LazySplit)
    assert isinstance(found.sequences, Moved)
    whole = Split(lazy.x, lazy.labels)
    np.testing.assert_array_equal(found.x, moved(whole, IMAGE, 2, np.random.default_rng(5)).x)
    order = np.array([1, 0])
    np.testing.assert_array_equal(found.take(order).x, found.x[:, order])
    other = moved(lazy, IMAGE, 2, np.random.default_rng(6))
    assert isinstance(other, LazySplit)
    assert found.sequences.digest() != other.sequences.digest()
    assert found.labels.tolist() == [0, 1]


@pytest.mark.parametrize(("image", "most"), [((40,), 1), (IMAGE, 4)])
def test_what_cannot_move_is_refused(image: tuple[int, ...], most: int) -> None:
    with pytest.raises(InvalidValueError, match=f"shift is {most}; expected"):
        moved(numbered(), image, most, np.random.default_rng(0))
