"""Any arrays at all are a task, or are refused by an error of ours in one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ltc2hw.data import DataOptions, prepare
from ltc2hw.data.names import arrays_source
from ltc2hw.errors import Ltc2hwError
from ltc2hw.tasks import Task

KINDS = ("?", "u1", "i8", "i8", "f4", "f8", "f8", "U2", "c16", "M8[s]", "O")
SIZES = (0, 1, 2, 3, 12)
NAMES = ("x", "x", "y", "y", "x_train", "y_train", "y_test", "x_test", "lengths", "offsets",
         "classes", "kind", "layout", "every_step", "decision_steps", "graded")  # fmt: skip


ODD = (0.5, np.nan, np.inf, 1e308, -1e308, 5e-324)
WHOLE = (np.iinfo(np.int64).max, np.iinfo(np.int64).min, 255)


class Chance:
    """Draws of everything that comes as data."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def one(self, *choices: Any) -> Any:
        return choices[self.rng.integers(len(choices))]

    def array(self, *usual: int) -> Any:
        """Numbers or texts of the usual shape, mostly."""
        shape = usual
        if not usual or self.rng.random() < 0.3:
            shape = tuple(self.one(*SIZES) for _ in range(self.rng.integers(0, 5)))
        kind = self.one(*KINDS) if self.rng.random() < 0.5 else self.one("i8", "f8")
        if kind == "O":
            return np.full(shape, self.one(None, "a", 1.5), dtype=object)
        values = self.rng.integers(self.one(-1, 0), self.one(2, 3, 9), shape)
        if kind == "?":
            return values > 0
        if kind == "U2":
            return np.array(["a", "b\n", "", "\0\udcff"])[values % self.one(2, 4)]
        if self.rng.random() < 0.3:
            odd = ODD if kind in ("f4", "f8", "c16") else WHOLE
            with np.errstate(all="ignore"):
                return np.where(
                    self.rng.random(shape) < 0.2, self.rng.choice(odd, shape), values
                ).astype(kind)
        return values.astype(kind)

    def options(self) -> DataOptions:
        return DataOptions(
            layout=self.one(None, None, "time-first", "batch-first", "channels-first"),
            kind=self.one(None, None, "classification", "regression"),
            every_step=self.one(None, None, True, False),
            graded=self.one(None, None, True, False),
            classes=self.one(None, None, 3),
        )


def arrays(chance: Chance) -> Task:
    x = chance.array(*chance.one((12, 3, 2), (3, 12, 1), (12, 3, 2, 2), (12, 12, 1)))
    y = chance.array(*chance.one((12,), (12,), (12, 2), (12, 3), (12, 3, 1)))
    lengths = chance.one(None, None, np.arange(12) % 3 + 1, chance.array(12))
    return Task.from_arrays(x, y, chance.options(), lengths=lengths)


def names(chance: Chance) -> Task:
    chosen = {str(chance.rng.choice(NAMES)): chance.array() for _ in range(chance.rng.integers(7))}
    if chance.one(True, True, False):
        chosen |= {"x": chance.array(12, 3, 2), "y": chance.array(12)}
    return Task.from_data(prepare(arrays_source(chosen, "file"), chance.options(), "file"), "file")


def lists(chance: Chance) -> Task:
    width = chance.one(1, 3)
    samples = [chance.array(int(n), width) for n in chance.rng.integers(1, 5, 8)]
    if chance.one(True, False):
        samples = [np.full((n + 1, width), 0.5) for n in range(8)]
    labels = chance.one(
        chance.array(8), list("abababab"), [np.arange(len(s)) for s in samples if s.ndim]
    )
    if chance.one(True, False):
        return Task.from_arrays(samples, labels, chance.options())
    pairs = list(zip(samples, chance.one(range(8), "abababab"), strict=True))
    return Task.from_dataset(pairs, chance.options())


@pytest.mark.parametrize("make", [arrays, names, lists])
def test_anything_is_a_task_or_refused(make: Callable[[Chance], Task]) -> None:
    found: Counter[str] = Counter()
    for seed in range(1500):
        try:
            task = make(Chance(seed))
        except Ltc2hwError as error:
            lines = str(error).splitlines()
            assert len(lines) == 1, lines
            found[type(error).__name__] += 1
        else:
            assert min(part.samples for part in (task.train, task.validation, task.test)) > 0
            found["task"] += 1
    assert found["task"] > 10, found
    assert found["ShapeError"] > 10, found
    assert found["InvalidValueError"] > 10, found
