"""Lava gives the integers of the bit specification: every state of every neuron at every step."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.converters.populations import FixedLIF
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Overflow, Word
from tests.random_networks import (
    GATE_KINDS,
    GateKind,
    random_fixed_network,
    random_network,
    random_samples,
)
from tests.views import kind, rebuilt, view

pytest.importorskip("lava.magma", reason="the lava extra is not installed")

from lava.proc.lif.process import LIF as LavaLIF

from ltc2hw.converters.lava import assembly, inprocess

ROOT = Path(__file__).parents[2]


def assert_same(first: Trace, second: Trace) -> int:
    """Equal in every recorded integer, output and final register; returns how many."""
    compared = 0
    for key, values in first.recorded().items():
        assert np.array_equal(values, second.recorded()[key]), key
        compared += values.size
    assert np.array_equal(first.outputs, second.outputs)
    for name, registers in first.state.items():
        for register, values in registers.items():
            assert np.array_equal(values, second.state[name][register]), (name, register)
    return compared


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
@given(st.integers(0, 2**32))
@settings(max_examples=30)
def test_lavas_models_equal_the_specification(seed: int) -> None:
    """Random networks of any model, gate, delay, width; the real models without the runtime."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=16)
    x = random_samples(rng, network, steps=6, batch=2)
    expected = ltc2hw.simulate(network, x, engine="integer", record="all")
    found = inprocess.simulate(network, x, "all")
    assert assert_same(expected, found) > 0
    processes = ltc2hw.converters.lava.build(network).populations
    for name, counts in expected.saturations.items():
        # Lava's own model of its LIF counts none.
        own = isinstance(processes.get(name), LavaLIF)
        assert found.saturations[name] == ({} if own else counts), name


@pytest.mark.parametrize("seed", range(3))
def test_words_that_wrap_run_in_lava_too(seed: int) -> None:
    """States and messages of LTC neurons and readouts in two's complement."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=8, models=("LTC",))
    populations = tuple(map(wrapping, network.populations))
    network = replace(network, populations=populations)
    x = random_samples(rng, network, steps=6, batch=2)
    expected = ltc2hw.simulate(network, x, engine="integer", record="all")
    found = inprocess.simulate(network, x, "all")
    assert_same(expected, found)
    assert found.saturations == expected.saturations
    assert any(counts for name, counts in found.saturations.items() if name != "input")


def wrapping(population: FixedPopulation) -> FixedPopulation:
    if kind(population) not in ("ltc", "readout"):
        return population
    messages = tuple(
        replace(message, word=replace(message.word, overflow=Overflow.WRAP))
        for message in population.messages
    )
    narrow = Word(14, overflow=Overflow.WRAP)
    return rebuilt(population, state=narrow, messages=messages)


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
@given(st.integers(0, 2**32), st.integers(1, 5))
@settings(max_examples=10)
def test_a_run_continues_from_a_state(seed: int, cut: int) -> None:
    """State in, state out, also between engines."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=10)
    x = random_samples(rng, network, steps=6, batch=2)
    first = ltc2hw.simulate(network, x[:cut], engine="integer")
    expected = ltc2hw.simulate(network, x[cut:], engine="integer", record="all", state=first.state)
    assert_same(expected, inprocess.simulate(network, x[cut:], "all", first.state))


@pytest.mark.parametrize("gate", GATE_KINDS)
def test_quantized_networks_run_in_lavas_runtime(gate: GateKind) -> None:
    """Two recurrent layers and a readout, several samples, under Loihi2SimCfg."""
    rng = np.random.default_rng(3)
    network = random_network(rng, gate=gate, hidden=(20, 13))
    x = rng.uniform(-1, 1, (7, 4, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    expected = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    assert expected.spikes["hidden1"].any()
    compared = assert_same(expected, ltc2hw.simulate(fixed, x, engine="lava", record="all"))
    assert compared > 4 * 7 * (20 + 13) * 7
    schedule = ltc2hw.converters.lava.build(fixed).schedule
    assert schedule.period == (2 if gate == "dense" else 1)


@pytest.mark.parametrize("seed", [1, 2])
def test_random_networks_run_in_lavas_runtime(seed: int) -> None:
    """Mixed models, delays and sparse weights, state included."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=25)
    x = random_samples(rng, network, steps=6, batch=3)
    expected = ltc2hw.simulate(network, x, engine="integer", record="all")
    assert_same(expected, ltc2hw.simulate(network, x, engine="lava", record="all"))


def lif_network(rng: np.random.Generator, bias: bool) -> FixedNetwork:
    """12 inputs, 9 recurrent LIF neurons; every connection takes one step, as in Lava."""
    neurons = FixedLIF(
        name="out",
        size=9,
        state=Word(24),
        fraction=12,
        decay_fraction=12,
        alignment=6,
        current_decay=rng.integers(300, 2000, 9),
        membrane_decay=rng.integers(50, 900, 9),
        threshold=rng.integers(100, 4000, 9),
        bias_mantissa=rng.integers(-300, 300, 9) * bias,
        bias_exponent=3,
    )
    projections = tuple(
        FixedProjection(
            source, "spikes", "out", "current", Dense(rng.integers(-128, 128, (9, size))),
            bits=8, exponent=exponent, weight_fraction=6, delay=1,
        )
        for source, size, exponent in (("input", 12, 4), ("out", 9, 2))
    )  # fmt: skip
    entrance = FixedInput("input", 12, graded=False, word=Word(1, signed=False), fraction=0)
    return FixedNetwork((entrance, neurons), projections, "out", "loihi2")


@pytest.mark.parametrize("bias", [False, True])
def test_lif_equals_a_network_of_lavas_own_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bias: bool
) -> None:
    """Written independently from Lava's LIF, Dense, RingBuffer and Monitor alone."""
    rng = np.random.default_rng(5)
    network = lif_network(rng, bias)
    neurons = network.population("out")
    assert kind(neurons) == "lif"
    neurons = view(neurons)
    forward, backward = network.projections
    x = (rng.random((40, 1, 12)) < 0.4).astype(float)
    np.savez(
        tmp_path / "input.npz",
        spikes=x[:, 0].T.astype(np.int32),
        forward=forward.weights.to_array() * 2,
        backward=backward.weights.to_array() * 2,
        forward_exp=forward.exponent - 1,
        backward_exp=backward.exponent - 1,
        du=neurons.current_decay - 1,
        dv=neurons.membrane_decay,
        vth=neurons.threshold,
        bias_mant=neurons.bias_mantissa,
        bias_exp=neurons.bias_exponent,
    )
    monkeypatch.setenv("PYTHONPATH", os.fspath(ROOT))
    run_job("tests.converters.lava_jobs.lif_network:run", tmp_path)
    with np.load(tmp_path / "result.npz", allow_pickle=False) as stored:
        lava = dict(stored)
    for engine in ("integer", "fast", "lava"):
        trace = ltc2hw.simulate(network, x, engine=engine, record="all")
        assert np.array_equal(trace.states["out"]["current"][:, 0], lava["u"])
        assert np.array_equal(trace.states["out"]["membrane"][:, 0], lava["v"])
        assert np.array_equal(trace.spikes["out"][:, 0], lava["s_out"])
    assert lava["s_out"].any()


def test_lavas_own_lif_is_used_where_it_is_exact() -> None:
    """Bias and waiting steps, or several chip steps, need ours."""
    build = ltc2hw.converters.lava.build
    rng = np.random.default_rng(5)
    for network in (lif_network(rng, bias=False), lif_network(rng, bias=True)):
        assert isinstance(build(network).populations["out"], LavaLIF)
    biased = lif_network(rng, bias=True)
    waiting = replace(
        biased, projections=(replace(biased.projections[0], delay=0), biased.projections[1])
    )
    assert not isinstance(build(waiting).populations["out"], LavaLIF)


def test_what_lava_cannot_hold_is_refused_by_name() -> None:
    """Registers and weights of the ideal target."""
    rng = np.random.default_rng(0)
    fixed = ltc2hw.quantize(random_network(rng), "ideal", rng.uniform(-1, 1, (4, 2, 5)))
    with pytest.raises(UnsupportedError, match="registers of 38 bits"):
        ltc2hw.converters.lava.build(fixed)


def summed(inputs: list[int], current_decay: int, membrane_decay: int) -> tuple[list[int], ...]:
    """Lava's LIF with Python's integers: 32-bit registers in two's complement, one wrap at 2^23."""

    def register(value: int) -> int:
        return (value + 2**31) % 2**32 - 2**31

    def decayed(value: int, decay: int) -> int:
        return abs(value) * (4096 - decay) // 4096 * (1 if value >= 0 else -1)

    u = v = 0
    currents, membranes = [], []
    for arriving in inputs:
        u = register(decayed(u, current_decay) + register(register(arriving) * 64))
        u = u - 2**24 if u > 2**23 else u + 2**24 if u <= -(2**23) else u
        v = min(max(decayed(v, membrane_decay) + u, 1 - 2**23), 2**23 - 1)
        currents.append(u)
        membranes.append(v)
    return currents, membranes


@pytest.mark.parametrize("engine", ["integer", "fast", "torch", "lava", "scheduled"])
@pytest.mark.parametrize("decay", [1, 3, 4096])
def test_currents_beyond_32_bits_are_those_of_lavas_lif(engine: str, decay: int) -> None:
    """Every step brings almost as much as an accumulator of 24 bits holds; no spike resets."""
    rng = np.random.default_rng(5)
    neurons = FixedLIF(
        "out", 3, Word(24), 12, 12, 6, np.array(decay), np.array([5, 100, 4096]),
        np.array((1 << 30) - 1), np.array(0), 0,
    )  # fmt: skip
    weights = Dense(np.array([[127], [-128], [127]]))
    network = FixedNetwork(
        (FixedInput("input", 1, True, Word(8, signed=False), 0), neurons),
        (FixedProjection("input", "value", "out", "current", weights, 8, 8, 6),),
        "out",
        "loihi2",
    )
    x = np.where(rng.random((80, 1, 1)) < 0.8, 255.0, rng.integers(0, 256, (80, 1, 1)))
    if engine == "scheduled":
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(assembly, "suits_lava_lif", lambda *_: False)
            trace = inprocess.simulate(network, x, "all")
    elif engine == "lava":
        trace = inprocess.simulate(network, x, "all")
    else:
        trace = ltc2hw.simulate(network, x, engine, "all")
    assert trace.states["out"]["current"].dtype == np.int32
    beyond = 0
    for neuron, (weight, kept) in enumerate(zip((127, -128, 127), (5, 100, 4096), strict=True)):
        arriving = [weight * int(value) << 8 for value in x[:, 0, 0]]
        currents, membranes = summed(arriving, decay, kept)
        assert trace.states["out"]["current"][:, 0, neuron].tolist() == currents
        assert trace.states["out"]["membrane"][:, 0, neuron].tolist() == membranes
        beyond += sum(abs(u) > 2**24 for u in currents)
    assert beyond > 100
