"""What bounds say of both halves of a learning step holds for the integers of real streams."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ltc2hw import FPTTRule, PlasticWords
from ltc2hw.dynamics.facts import facts
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.intervals import Interval, transfer
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder
from ltc2hw.errors import InvalidValueError
from ltc2hw.learning.fixed import integer_rule
from tests.random_networks import random_fixed_network


def test_magnitudes_and_curves_are_bounded_by_what_they_reach() -> None:
    """All integers of a small word; both orders of the arguments."""
    for low, high, top in ((-8, 7, 7), (0, 7, 7), (2, 5, 9), (-3, 7, 7)):
        for turned in (False, True):
            builder = Builder("integer")
            x = builder.add(Operation.STATE, name="x")
            minus = builder.add(Operation.SUBTRACT, builder.number(0), x)
            rest = builder.add(Operation.SUBTRACT, builder.number(top), x)
            order: Any = (lambda a, b: (b, a)) if turned else (lambda a, b: (a, b))
            magnitude = builder.add(Operation.MAXIMUM, *order(x, minus))
            curve = builder.add(Operation.MULTIPLY, *order(x, rest))
            program = builder.program({"x": x, "magnitude": magnitude, "curve": curve})
            known: list[Interval] = []
            for index, value in enumerate(program.values):
                if value.operation is Operation.STATE:
                    known.append(Interval(low, high))
                    continue
                plain = transfer(value, [known[a] for a in value.arguments], {})
                known.append(facts(program.values).narrowed(index, plain, known))
            found, _ = evaluate_integer(program, {}, {}, {}, {"x": np.arange(low, high + 1)})
            for name in ("magnitude", "curve"):
                interval = known[program.results[name]]
                assert interval.low <= found[name].min()
                assert found[name].max() <= interval.high
            assert known[program.results["magnitude"]] == (max(low, 0), max(-low, high))
            if low >= 0 and high <= top:
                assert known[program.results["curve"]].high == top * top // 4


@pytest.mark.parametrize("seed", range(20))
def test_factor_words_are_refused_from_some_width_on(seed: int) -> None:
    """Narrow ones never, those near 64 bits always, and none that is wider than a refused one."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=6)
    while network.output != "readout":
        network = random_fixed_network(rng, largest=6)
    taken = []
    for factor in range(16, 41, 2):
        words = PlasticWords(factor=factor, factor_fraction=14, neuron=24)
        try:
            integer_rule(network, FPTTRule(), words)
        except InvalidValueError:
            taken.append(False)
        else:
            taken.append(True)
    assert taken[0]
    assert not taken[-1]
    assert taken == sorted(taken, reverse=True)
