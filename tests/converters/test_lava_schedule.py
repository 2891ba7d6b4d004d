"""Schedules against brute force over all small offsets. Needs no Lava."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.lava.schedule import make_schedule
from ltc2hw.converters.populations import LIF
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.structure import Node, connection_nodes
from ltc2hw.numbers.weights import Dense
from tests.random_networks import random_fixed_network, random_network


def feasible(network: FixedNetwork, offsets: dict[Node, int], period: int) -> bool:
    """Every message is there in time, and no current is overwritten before its update."""
    by_name = {population.name: population for population in network.populations}
    for p in network.projections:
        source, target = connection_nodes(by_name, p)
        if offsets[target] + p.delay * period < offsets[source] + 1:
            return False
    for population in network.populations:
        wait = offsets[population.name, "late"] - offsets[population.name, "early"]
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
    by_name = {population.name: population for population in network.populations}
    for p, wait in zip(network.projections, schedule.delays, strict=True):
        source, target = connection_nodes(by_name, p)
        arrival = offsets[source] + 1 + wait
        due = offsets[target] + p.delay * period
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


def ring(length: int, delay: int) -> FixedNetwork:
    """A chain of single LIF neurons whose last one feeds the first one."""
    names = [f"hidden{index}" for index in range(length)]
    neurons = tuple(
        LIF(name, 1, np.full(1, 0.5), np.full(1, 0.5), np.ones(1), np.zeros(1)) for name in names
    )
    ends = [("input", names[0], 0), (names[-1], names[0], delay)]
    ends += [(first, second, 0) for first, second in pairwise(names)]
    projections = tuple(
        Projection(source, "spikes", target, "current", Dense(np.ones((1, 1))), wait)
        for source, target, wait in ends
    )
    network = Network((Input("input", 1), *neurons), projections, names[-1])
    return ltc2hw.quantize(network, "loihi2", np.ones((3, 1, 1)))


@pytest.mark.parametrize("length", [1, 2, 3])
@pytest.mark.parametrize("delay", [1, 2, 3])
def test_feedback_shares_its_hops_among_its_delay(length: int, delay: int) -> None:
    """k hops within d algorithmic steps take ceil(k / d) chip steps per algorithmic step."""
    network = ring(length, delay)
    schedule = make_schedule(network)
    assert schedule.period == -(-length // delay)
    assert [schedule.skew(p.name) for p in network.populations] == list(range(length + 1))
    assert schedule.chip_steps(5) == 4 * schedule.period + length + 1


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_no_population_acts_later_than_it_must(seed: int) -> None:
    """Pulling any one offset forward by a chip step breaks a constraint."""
    network = random_fixed_network(np.random.default_rng(seed), largest=3)
    schedule = make_schedule(network)
    for node, offset in schedule.offsets.items():
        earlier = {**schedule.offsets, node: offset - 1}
        assert offset == 0 or not feasible(network, earlier, schedule.period)


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
