"""Several readouts: one network, quantized once, run, compared and taught at each of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import UnknownNameError
from ltc2hw.graph.network import Network, Projection
from ltc2hw.learning.rule import parameter_name
from ltc2hw.learning.scope import readouts
from ltc2hw.numbers.weights import Dense
from tests.random_networks import random_network

INPUTS, OUTPUTS, SAMPLES, STEPS = 4, 3, 6, 5
OPTIONS = ltc2hw.QuantizeOptions(weight_reach=2.0)
RULE = ltc2hw.FPTTRule(learning_rate=2.0**-3)


def two_readouts() -> Network:
    """``readout`` behind four layers, ``speaker`` behind the first, which hears the last."""
    rng = np.random.default_rng(5)
    network = random_network(rng, inputs=INPUTS, hidden=(5, 4, 4, 4), outputs=OUTPUTS)
    first, last = network.population("hidden0"), network.population("hidden3")

    def weights(targets: int, sources: int) -> Dense:
        return Dense(rng.normal(0, 0.7, (targets, sources)))

    return Network(
        (*network.populations, replace(network.population("readout"), name="speaker")),
        (
            *network.projections,
            Projection("hidden0", "spikes", "speaker", "current", weights(OUTPUTS, first.size)),
            Projection("hidden3", "spikes", "hidden0", "current", weights(first.size, last.size),
                       delay=1),
        ),
        network.output,
    )  # fmt: skip


NETWORK = two_readouts()
X = np.random.default_rng(6).uniform(0, 1, (STEPS, SAMPLES, INPUTS))
LABELS = np.random.default_rng(7).integers(0, OUTPUTS, SAMPLES)
FIXED = ltc2hw.quantize(NETWORK, "loihi2", X, OPTIONS)


def lava() -> Any:
    pytest.importorskip("lava.magma", reason="the lava extra is not installed")
    return pytest.importorskip("ltc2hw.converters.lava.learning")


def test_another_population_is_the_output_and_nothing_else_changes(tmp_path: Path) -> None:
    for network in (NETWORK, FIXED):
        other = network.with_output("speaker")
        assert other.output == "speaker"
        assert other.populations == network.populations
        assert other.projections == network.projections
        assert other.with_output("readout") == network
        for name in ("nowhere", "input"):
            with pytest.raises(UnknownNameError, match="output population"):
                network.with_output(name)
        assert readouts(network) == ("readout", "speaker")
        ltc2hw.save(other, tmp_path / "network.h5")
        assert ltc2hw.load(tmp_path / "network.h5") == other
    assert ltc2hw.quantize(NETWORK.with_output("speaker"), "loihi2", X, OPTIONS) == (
        FIXED.with_output("speaker")
    )


@pytest.mark.parametrize("engine", ["float64", "integer", "fast", "lava"])
def test_engines_read_each_readout(engine: str) -> None:
    if engine == "lava":
        lava()
    network: Any = NETWORK if engine == "float64" else FIXED
    whole = ltc2hw.simulate(network, X, engine)
    for name in ("readout", "speaker"):
        found = ltc2hw.simulate(network.with_output(name), X, engine, ())
        assert np.array_equal(found.outputs, whole.states[name]["membrane"])
    spikes = ltc2hw.simulate(network.with_output("hidden3"), X, engine, ())
    assert np.array_equal(spikes.outputs, whole.spikes["hidden3"])


def test_each_readout_is_compared_for_itself() -> None:
    whole = ltc2hw.simulate(FIXED, X)
    for name in ("readout", "speaker"):
        report = ltc2hw.compare(
            NETWORK.with_output(name), FIXED.with_output(name), X, LABELS,
            engines=("integer", "fast"),
        )  # fmt: skip
        last = whole.states[name]["membrane"][-1]
        expected = float(np.mean(last.argmax(axis=1) == LABELS))
        assert report.scores["fast"] == report.scores["integer"] == expected
        assert report.mismatches == 0


@pytest.mark.parametrize("name", ["readout", "speaker"])
def test_each_readout_teaches_and_the_other_is_held(name: str) -> None:
    network, other = FIXED.with_output(name), {"readout", "speaker"} - {name}
    runs = [ltc2hw.learn(network, X, LABELS, RULE, engine=e) for e in ("integer", "fast")]
    assert runs[0].network == runs[1].network
    told = {
        held: why for held, why in runs[0].held.items() if why.startswith("it is read out beside")
    }
    assert set(told.values()) == {f"it is read out beside {name}, whose errors these are"}
    assert any(f"->{other.pop()}.current" in held for held in told)
    assert runs[0].network != network
    words = lava().learn(network, X, LABELS, RULE).words
    for parameter, memory in runs[0].learning.memories.items():
        assert np.array_equal(words[parameter_name(network, parameter)], np.stack(memory))


def test_one_readout_after_the_other() -> None:
    """What the second changes of the first's is what both share, and nothing behind it."""
    first = ltc2hw.learn(FIXED, X, LABELS, RULE)
    both = ltc2hw.learn(first.network.with_output("speaker"), X, LABELS, RULE)
    learned = both.network.provenance["learns"].split(", ")
    assert {"hidden0.spikes->speaker.current", "hidden3.spikes->readout.current"} <= set(learned)
    for before, after in zip(first.network.projections, both.network.projections, strict=True):
        assert before.target in ("hidden0", "speaker") or before == after
