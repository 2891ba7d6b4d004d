"""What a cause cannot reach is not run again, and changes no bit of what is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

import ltc2hw
from ltc2hw.comparison import mixtures
from ltc2hw.comparison.ladder import ladder_mixtures
from ltc2hw.comparison.mixtures import FLOAT, Mixture, Mixtures
from ltc2hw.comparison.replay import changed, reached, replay
from ltc2hw.comparison.samples import Samples
from ltc2hw.graph.decision import Classification
from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import Kind, partly_fixed, rounded_samples
from tests.convolution.test_networks import events, gated_network
from tests.random_networks import random_network


def graded_chain() -> Network:
    """Two recurrent layers, the second also hearing the membranes of the first, late."""
    rng = np.random.default_rng(5)
    network = random_network(rng, hidden=(9, 7), graded=False)
    wire = Projection(
        "hidden0", "membrane", "hidden1", "current", Dense(rng.normal(size=(7, 9))), 2
    )
    heard = [p for p in network.projections if (p.source, p.target) != ("hidden0", "hidden1")]
    return replace(network, projections=(*heard, wire))


@pytest.mark.parametrize("make", [gated_network, graded_chain])
def test_mixtures_are_those_of_whole_runs(
    make: Callable[[], Network], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = make()
    x = events()[:, :, : network.input.size]
    fixed = ltc2hw.quantize(network, "loihi2", calibration=x)
    samples = Samples(x, np.array([0, 1, 2]), None, Classification(1))
    monkeypatch.setattr(mixtures, "CACHED", 2 * max(p.size for p in network.populations))
    made = Mixtures(network, fixed)
    rng = np.random.default_rng(3)
    drawn = {
        frozenset(part for part in made.parts if rng.random() < share)
        for share in rng.uniform(0, 1, 25)
    }
    wanted = {*ladder_mixtures(made.parts).values(), *(frozenset({p}) for p in made.parts), *drawn}
    told: list[int] = []
    found = made.run(wanted, samples, told.append)
    # Two parts of the samples, each through all of them.
    assert sum(told) == 3 * len(wanted)

    def whole(mixture: Mixture) -> FloatArray:
        mixed = partly_fixed(network, fixed, mixture)
        given = rounded_samples(fixed, x) if any(p.kind is Kind.INPUT for p in mixture) else x
        parts = [given[:, :2], given[:, 2:]]
        runs = [ltc2hw.simulate(mixed, part, "float64", ()).outputs for part in parts]
        return np.concatenate(runs, axis=1)

    real = whole(FLOAT)
    assert found.square == pytest.approx(np.mean(real**2), rel=1e-12)
    assert set(found.of) == wanted
    for mixture, outcome in found.of.items():
        outputs = whole(mixture)
        right = outputs[-1].argmax(axis=1) == samples.labels
        np.testing.assert_array_equal(outcome.verdicts, right)
        moved = np.mean((outputs - real) ** 2, axis=(0, 2))
        np.testing.assert_allclose(outcome.moved, moved, rtol=1e-14, atol=0)
    assert any(outcome.moved.any() for outcome in found.of.values())


@pytest.mark.parametrize("make", [gated_network, graded_chain])
def test_what_a_part_touches_is_what_it_changes(make: Callable[[], Network]) -> None:
    network = make()
    fixed = ltc2hw.quantize(network, "loihi2", calibration=events()[:, :, : network.input.size])
    made = Mixtures(network, fixed)
    for part in made.parts:
        if part.kind is not Kind.INPUT:
            alone = partly_fixed(network, fixed, (part,))
            assert made.touched((part,)) == changed(network, alone), part


def test_layers_before_a_change_are_left_out() -> None:
    network = gated_network()
    assert [p.name for p in replay(network, {"out"}).network.populations] == ["two", "out"]
    behind = replay(network, {"two"})
    assert behind.source == ("one", "spikes")
    assert [(p.name, p.shape) for p in behind.network.populations] == [
        ("one", (4, 9, 8)), ("two", (3, 4, 4)), ("out", (5,)),
    ]  # fmt: skip
    assert replay(network, {"one"}).source is None
    assert replay(network, {"input", "two"}).network is network
    assert reached(network, {"two"}) == {"two", "out"}
    assert reached(network, {"two"}, backwards=True) == {"input", "one", "two"}


def test_messages_replay_to_the_bit() -> None:
    for make in (gated_network, graded_chain):
        network = make()
        x = events()[:, :, : network.input.size]
        last = network.populations[2].name
        behind = replay(network, {last})
        assert behind.source is not None
        run = ltc2hw.simulate(network, x, "float64", (behind.source[1],))
        again = ltc2hw.simulate(behind.network, behind.samples(x, run), "float64", ())
        np.testing.assert_array_equal(again.outputs, run.outputs)


def test_what_is_heard_by_two_ways_is_run_again() -> None:
    network = gated_network()
    pooled = Conv(np.ones((3, 2, 3, 2)), (2, 9, 8), 2)
    around = Projection("input", "spikes", "two", "current", pooled, 1)
    twice = replace(network, projections=(*network.projections, around))
    assert replay(twice, {"two"}).source is None
    assert replay(twice, {"out"}).source == ("two", "spikes")


def test_only_what_differs_counts_as_changed() -> None:
    network = gated_network()
    assert changed(network, gated_network()) == frozenset()
    one = network.population("one")
    assert isinstance(one, Neurons)
    other = one.with_constants({"threshold": 0.3})
    populations = tuple(other if p.name == "one" else p for p in network.populations)
    assert changed(network, replace(network, populations=populations)) == {"one"}
