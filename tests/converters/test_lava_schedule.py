"""Schedules against brute force over all small offsets. Needs no Lava."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.lava.schedule import make_schedule
from ltc2hw.errors import UnsupportedError
from ltc2hw.fixed import FixedNetwork
from ltc2hw.graph import Node, source_node, target_node
from tests.random_networks import random_fixed_network, random_network


def feasible(network: FixedNetwork, offsets: dict[Node, int], period: int) -> bool:
    """Every message is there in time, and no current is overwritten before its update."""
    for p in network.projections:
        if offsets[target_node(p)] + p.delay * period < offsets[source_node(p)] + 1:
            return False
    for population in network.populations:
        wait = offsets[population.name, "update"] - offsets[population.name, "current"]
        if not 0 <= wait < period:
            return False
    return True


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_schedules_are_feasible_and_messages_arrive_in_their_window(seed: int) -> None:
    """Random graphs with skips, loops through several layers, dense gates, delays."""
    network = random_fixed_network(np.random.default_rng(seed), largest=3)
    schedule = make_schedule(network)
    offsets, period = dict(schedule.offsets), schedule.period
    assert feasible(network, offsets, period)
    for p, wait in zip(network.projections, schedule.delays, strict=True):
        arrival = offsets[source_node(p)] + 1 + wait
        due = offsets[target_node(p)] + p.delay * period
        assert due - period < arrival <= due


@pytest.mark.parametrize(
    ("gate", "layers", "period"), [("event", 1, 1), ("static", 2, 1), ("dense", 1, 2)]
)
def test_no_smaller_period_exists(gate: str, layers: int, period: int) -> None:
    """All offsets up to 5 tried for every smaller period."""
    rng = np.random.default_rng(0)
    network = random_network(rng, gate=gate, hidden=(2,) * layers)  # type: ignore[arg-type]
    fixed = ltc2hw.quantize(network, "loihi2", rng.uniform(-1, 1, (3, 2, 5)))
    assert make_schedule(fixed).period == period
    nodes = list(make_schedule(fixed).offsets)
    for smaller in range(1, period):
        for values in product(range(5), repeat=len(nodes)):
            assert not feasible(fixed, dict(zip(nodes, values, strict=True)), smaller)


def test_waiting_too_long_is_refused_by_name() -> None:
    """A delay that fits the chip's word, but not with two chip steps per algorithmic step."""
    rng = np.random.default_rng(0)
    network = random_network(rng, gate="dense", hidden=(3,))
    late = tuple(
        replace(p, delay=40) if (p.variable, p.port) == ("spikes", "current") and p.delay else p
        for p in network.projections
    )
    fixed = ltc2hw.quantize(
        replace(network, projections=late), "loihi2", rng.uniform(-1, 1, (3, 2, 5))
    )
    with pytest.raises(UnsupportedError, match=r"hidden0\.spikes->hidden0\.current.*delay of 40"):
        make_schedule(fixed)
