"""The functions of the package with the wrong thing in a place: one line, before any work."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.decision import Regression
from ltc2hw.tasks import Split, Task
from ltc2hw.training import Recipe, train
from tests.random_networks import random_network

X = np.random.default_rng(0).random((6, 9, 2))
Y = np.arange(9) % 3
NETWORK = random_network(np.random.default_rng(0), inputs=2, hidden=(4,), outputs=3)
FIXED = ltc2hw.quantize(NETWORK, "loihi2", X)
SPLIT = Split(X, Y)


def task(train_split: Any = SPLIT, **options: Any) -> Task:
    return Task("t", "classification", 6, 2, 3, train_split, SPLIT, SPLIT, **options)


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "an integer network to quantize": (lambda: ltc2hw.quantize(FIXED, "loihi2", X), "type Network"),  # type: ignore[arg-type]
    "a file to calibrate on": (lambda: ltc2hw.quantize(NETWORK, "loihi2", "x.npz"), "is of type"),
    "a split to calibrate on": (
        lambda: ltc2hw.quantize(NETWORK, "loihi2", SPLIT),  # type: ignore[arg-type]
        "calibration is of type Split",
    ),
    "complex samples": (lambda: ltc2hw.quantize(NETWORK, "loihi2", X + 0j), "type complex128"),
    "networks exchanged": (lambda: ltc2hw.compare(FIXED, NETWORK, X, Y), "network is"),  # type: ignore[arg-type]
    "one-hot reals": (lambda: ltc2hw.compare(NETWORK, FIXED, X, np.eye(3)[Y]), "argmax"),
    "no split": (lambda: task(None), "train samples of task t is None"),
    "arrays for a split": (lambda: task((X, Y)), "type Split"),
    "no augmentation": (lambda: task(augment=3), "augment is 3"),
    "a name to train on": (lambda: train("own.npz", Recipe()), "task is 'own.npz'"),  # type: ignore[arg-type]
    "a name for a recipe": (lambda: train(task(), "fast"), "recipe is 'fast'"),  # type: ignore[arg-type]
    "an integer network to start": (lambda: train(task(), Recipe(), start=FIXED), "start is"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", WRONG)
def test_it_is_refused_in_one_line(name: str) -> None:
    make, message = WRONG[name]
    with pytest.raises(InvalidValueError, match=message) as caught:
        make()
    assert len(str(caught.value).splitlines()) == 1


def test_one_hot_reals_are_targets_where_that_is_said() -> None:
    report = ltc2hw.compare(
        NETWORK, FIXED, X, np.eye(3)[Y], engines=("integer",), decision=Regression()
    )
    assert report.metric == "mse"
