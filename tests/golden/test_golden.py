"""The first part of every case of the golden checksums; ``python -m tests.golden`` runs the rest.

Engines, learning and training of today give what those of the first version gave.
"""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

import ltc2hw
from tests.golden import fixed, learning, real
from tests.golden.drawing import bits, samples
from tests.golden.files import opened
from tests.golden.sums import differing

ENGINES = ("integer", "fast")
FIXED = {case.name: case for case in fixed.cases()}
LEARNING = {case.name: case for case in learning.cases()}
REAL = {case.name: case for case in real.cases()}


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", FIXED)
def test_integer_networks(name: str, engine: str) -> None:
    case = FIXED[name]
    record = case.run(engine, "prefix")
    assert differing(record.sums(), case.sums["prefix"]) == []
    assert record.integers == case.integers["prefix"]


@pytest.mark.parametrize(
    ("name", "engine"), [(name, engine) for name, c in LEARNING.items() for engine in c.engines]
)
def test_learning(name: str, engine: str) -> None:
    case = LEARNING[name]
    record = case.run(engine, "prefix")
    assert differing(record.sums(), case.sums["prefix"]) == []
    assert record.integers == case.integers["prefix"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [name for name, case in LEARNING.items() if case.resume])
def test_states_of_learning_go_on(name: str, engine: str) -> None:
    case = LEARNING[name]
    assert differing(case.run(engine, "state").sums(), case.sums["state"]) == []


@pytest.mark.parametrize("name", REAL)
def test_float_networks(name: str) -> None:
    case = REAL[name]
    assert real.distant(case.run(), case.numbers, real.RELATIVE) == []
    assert real.distant(case.learn(), case.learned, real.LEARNED) == []


@pytest.mark.skipif(find_spec("torch") is None, reason="torch trains")
def test_training() -> None:
    from tests.golden import training

    for case in training.cases():
        wrong = real.distant(case.run(), case.expected(), training.TRAINED)
        assert wrong == [], case.name


def test_the_whole_is_what_it_says() -> None:
    assert len(FIXED) >= 60
    assert sum(case.integers["whole"] for case in FIXED.values()) >= 10**8
    assert sum(case.learned for case in LEARNING.values()) >= 10**6
    assert len(REAL) >= 12


def test_a_changed_integer_is_seen() -> None:
    """One misfit more, one sample, another network: other checksums, and the variable's name."""
    case = FIXED["ltc-event-interpolated"]
    x = samples(case.drawn, case.steps, case.samples)[:12, :2]
    record = fixed.recorded(opened("fixed", case.name), x, "integer")
    assert differing(record.sums(), case.sums["prefix"]) == []
    record.misfits["hidden.current"] += 1
    assert differing(record.sums(), case.sums["prefix"]) == ["saturations"]
    x[11, 1] = 0.25
    record = fixed.recorded(opened("fixed", case.name), x, "integer")
    assert "input.value" in differing(record.sums(), case.sums["prefix"])
    other = ltc2hw.simulate(opened("fixed", "ltc-event-plan"), x[..., :6], "integer", "all")
    record.hashes.clear()
    fixed.add_trace(record, other)
    assert "hidden.membrane" in differing(record.sums(), case.sums["prefix"])


def test_samples_are_those_of_splitmix64() -> None:
    """The first outputs of the published generator seeded with 0."""
    first = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert [int(value) for value in bits(0, (3,))] == first
    drawn = samples({"seed": 1, "inputs": 2, "low": -5, "high": 5, "fraction": 2}, 50, 4)
    assert np.array_equal(np.unique(drawn), np.arange(-5, 6) / 4)
