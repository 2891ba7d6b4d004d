"""What the self-supervised experiment is made of: front ends, errors, two layers."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.self_supervised_depth import two_layers
from experiments.self_supervised_repair import FrontEnd, aligned, error_behind, heard, turn
from experiments.self_supervised_streams import (
    applied,
    mean_next,
    predictions,
    relative_error,
    ridge,
    start,
)
from ltc2hw.learning.prediction import heard_by


def test_a_turn_finds_the_rotation_that_was() -> None:
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]
    shown = rng.standard_normal((5, 20, 4))
    assert np.allclose(turn(shown @ rotation.T, shown), rotation)


def test_the_mean_image_finds_permuted_wires_and_their_gains() -> None:
    rng = np.random.default_rng(1)
    old = rng.uniform(0, 1, (6, 1, 4)) + 0.1 * rng.standard_normal((6, 50, 4))
    order = rng.permutation(4)
    assert np.allclose(old[..., order] @ aligned(old, old[..., order]).matrix.T, old)


@pytest.mark.parametrize("integers", [False, True])
def test_silent_wires_are_heard_as_predicted_step_by_step(integers: bool) -> None:
    x = np.random.default_rng(2).uniform(0, 1, (6, 5, 8))
    x[..., [2, 6]] = 0
    network = start(0, x, integers=integers)
    end = FrontEnd(np.eye(8), (2, 6))
    z = heard(network, end, x)
    said = predictions(network, z)
    assert np.array_equal(z[1:][..., [2, 6]], said[:-1][..., [2, 6]])
    rest = [0, 1, 3, 4, 5, 7]
    assert np.array_equal(z[..., rest], x[..., rest])
    assert not x[..., [2, 6]].any()
    wrong = ((said[:-1] - z[1:])[..., rest] ** 2).sum()
    spread = ((z[1:] - z[1:].mean(axis=(0, 1)))[..., rest] ** 2).sum()
    assert error_behind(network, end, x) == pytest.approx(wrong / spread)


def test_the_mean_of_what_comes_next_has_the_error_one() -> None:
    x = np.random.default_rng(3).uniform(0, 1, (5, 7, 3))
    mean = mean_next(x)
    assert np.allclose(mean, x[1:].mean(axis=(0, 1)))
    assert relative_error(np.broadcast_to(mean, x.shape), x, mean) == pytest.approx(1)
    right = np.concatenate([x[1:], np.full((1, 7, 3), 9.0)])
    assert relative_error(right, x, mean) == 0


def test_least_squares_finds_what_made_the_targets() -> None:
    rng = np.random.default_rng(4)
    inputs, weights = rng.standard_normal((50, 3)), rng.standard_normal((3, 2))
    found = ridge(inputs, inputs @ weights + 0.5, 0.0)
    assert np.allclose(applied(found, inputs), inputs @ weights + 0.5)


def test_the_second_layer_hears_the_first_one_alone() -> None:
    network = two_layers(0)
    assert heard_by(network, "deeper") == ("hidden", "spikes")
    assert heard_by(network, "hidden") == ("input", "value")
    assert network.population("deeper_next").size == network.population("hidden").size
