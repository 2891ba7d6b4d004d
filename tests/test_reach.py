"""Every model, and one that only tests know, goes all the way: engines, files, learning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS
from tests.simulations.traces import assert_same_trace
from tests.zoo import NAMES, fixed_zoo, zoo

SPIKING = tuple(name for name in NAMES if name != "readout")


@pytest.fixture(scope="module")
def animals() -> tuple[FixedNetwork, FloatArray]:
    return fixed_zoo()


@pytest.mark.parametrize("engine", ["fast", "torch"])
def test_engines_give_the_bits_of_the_interpreter(
    animals: tuple[FixedNetwork, FloatArray], engine: str
) -> None:
    if engine == "torch":
        pytest.importorskip("torch", reason="the torch extra is not installed")
    network, x = animals
    wanted = ltc2hw.simulate(network, x, engine="integer", record="all")
    assert sum(spikes.any() for spikes in wanted.spikes.values()) >= len(SPIKING) - 1
    assert_same_trace(ltc2hw.simulate(network, x, engine=engine, record="all"), wanted)


def test_files_hold_every_model(animals: tuple[FixedNetwork, FloatArray], tmp_path: Path) -> None:
    network, _ = animals
    for part in (network, zoo(np.random.default_rng(0))):
        ltc2hw.save(part, tmp_path / "zoo.h5")
        copy = ltc2hw.load(tmp_path / "zoo.h5")
        assert copy == part
        assert type(copy) is type(part)


@pytest.mark.parametrize("name", SPIKING)
def test_integers_follow_the_reals(name: str) -> None:
    """8-bit weights, 24-bit registers: most steps of most neurons agree with the float network."""
    rng = np.random.default_rng(3)
    network = zoo(rng, (name,), drive=2.0)
    x = rng.normal(0.2, 0.8, (30, 8, network.input.size))
    fixed = ltc2hw.quantize(
        network, "loihi2", x, ltc2hw.QuantizeOptions(allow=("lost-decay", "slow-leak"))
    )
    real = ltc2hw.simulate(network, x).spikes[f"n_{name}"]
    integer = ltc2hw.simulate(fixed, x, engine="integer").spikes[f"n_{name}"]
    # Single spikes of izhikevich's neurons are chaotic: a rounding moves them.
    assert np.mean(real == integer) > (0.75 if name == "izhikevich" else 0.9)


def feed_forward(network: Network) -> Network:
    """The network without its recurrent projections."""
    kept = tuple(p for p in network.projections if p.source != p.target)
    return replace(network, projections=kept)


@pytest.mark.parametrize("name", SPIKING)
def test_every_model_learns_on_the_chip(name: str) -> None:
    """Weights into it and out of it change, alike in the readable and in the compiled engine."""
    rng = np.random.default_rng(5)
    network = feed_forward(zoo(rng, (name,), drive=3.0))
    x = rng.normal(0.3, 1.0, (12, 4, network.input.size))
    options = ltc2hw.QuantizeOptions(weight_reach=8.0, allow=tuple(LIMITS))
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    labels = np.array([0, 1, 2, 1])
    rule = ltc2hw.FPTTRule(learning_rate=2.0**-2)
    words = ltc2hw.PlasticWords(seed=1)
    if name in LATE:
        with pytest.raises(UnsupportedError, match=f"in the model {name}, what arrives changes"):
            ltc2hw.learn(fixed, x, labels, rule, words=words, engine="integer")
        return
    learned = [
        ltc2hw.learn(fixed, x, labels, rule, words=words, engine=engine)
        for engine in ("integer", "fast")
    ]
    first, second = (found.learning.memories for found in learned)
    assert set(first) == set(second)
    for parameter, memory in first.items():
        for one, two in zip(memory, second[parameter], strict=True):
            assert np.array_equal(one, two), parameter
    # A memory that nothing ever changed remembers no gradient.
    changed = {p.population for p, memory in first.items() if np.any(memory.gradient)}
    assert changed == {"out", f"n_{name}"}


LATE = ("alif",)
"""Models in which what arrives changes the membrane in the next step, and the past is fixed."""


def test_derived_constants_are_refused_where_they_are_no_numbers() -> None:
    """The resonator's damping is a root of what must not be negative."""
    wrong = Neurons("n", 2, "brf", {"omega": [10.0, 200.0]})
    with pytest.raises(InvalidValueError, match="derives"):
        wrong.worked_out()
