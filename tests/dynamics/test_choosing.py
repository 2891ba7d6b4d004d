"""Formats chosen for any model: integers follow reals, sums stay exact, slow leaks are kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

import ltc2hw
from ltc2hw.dynamics.choosing import (
    SPREAD,
    Widths,
    choose_formats,
    constant_fractions,
    encode_constants,
)
from ltc2hw.dynamics.expression import (
    Expression,
    constant,
    fires,
    mix,
    port,
    register,
    state,
    where,
)
from ltc2hw.dynamics.formats import Formats, GateFormat, Held
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.neurons import Neurons as GraphNeurons
from ltc2hw.numbers.words import FloatArray, IntArray, Word
from tests.dynamics.running import (
    GATE,
    SIZE,
    STEPS,
    WIDTHS,
    Neurons,
    chosen_formats,
    random_case,
    ranges_of,
    run_integer,
    run_real,
)
from tests.random_networks import random_network, random_samples


def case(name: str, seed: int) -> tuple[Neurons, dict[str, FloatArray]]:
    rng = np.random.default_rng(seed)
    constants, current = random_case(name, rng)
    chosen = find_model(name)
    gates = {gate: rng.uniform(-1, 1, current.shape) for gate in chosen.ports if gate != "current"}
    return Neurons(chosen, SIZE, constants), {"current": current, **gates}


# Integers follow reals


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("seed", range(2))
def test_integers_follow_the_reals(name: str, seed: int) -> None:
    neurons, ports = case(name, seed)
    real = run_real(neurons, ports)
    found, misfits = run_integer(neurons, chosen_formats(neurons, ports), ports)
    assert not any(misfits.values())
    # Izhikevich's runs part from each other with every spike, by any rounding.
    parting = name == "izhikevich"
    met = np.ones(ports["current"].shape, dtype=bool)
    if "spikes" in real:
        same = real["spikes"] == found["spikes"]
        assert same.mean() > (0.95 if parting else 0.998)
        assert abs(found["spikes"].sum() / real["spikes"].sum() - 1) < 0.02
        # One other spike changes all that follows.
        met = np.logical_and.accumulate(same, axis=0)
    assert met.mean() > 0.5
    for result in neurons.model.results:
        away = np.abs(found[result] - real[result])[met]
        assert np.quantile(away, 0.6 if parting else 0.99) < 2e-3 * np.abs(real[result]).max(), (
            result
        )


def test_eight_bit_factors_and_short_words_still_run() -> None:
    neurons, ports = case("alif", 3)
    widths = Widths(state=16, port=16, factor=8)
    formats = choose_formats(
        neurons.model, ranges_of(neurons, ports), widths, neurons.constants
    )  # fmt: skip
    integers, misfits = encode_constants(neurons.model, formats, widths, neurons.constants)
    assert not any(misfits.values())
    assert max(int(np.abs(integers[name]).max()) for name in ("membrane_decay", "jump")) > 64
    assert int(np.abs(integers["membrane_decay"]).max()) < 128
    real, (found, _) = run_real(neurons, ports), run_integer(neurons, formats, ports)
    assert (real["spikes"] == found["spikes"]).mean() > 0.98


# What a place asks for


def test_fractions_are_those_of_the_places() -> None:
    formats = choose_formats(
        find_model("alif"),
        {"current": 7.9, "membrane": 1.9, "adaptation": 0.9, "threshold": 3.9},
        Widths(margin=1.0),
        {
            "current_decay": np.array([0.2]), "membrane_decay": np.array([0.1, 0.05]),
            "adaptation_decay": np.array([0.01]), "jump": np.array([0.5]),
            "threshold": np.array([1.0]), "reset": np.array([0.0]),
        },
    )  # fmt: skip
    assert {name: held.fraction for name, held in formats.held.items()} == {
        "current": 20, "membrane": 22, "threshold": 21, "adaptation": 23
    }  # fmt: skip
    assert formats.ports == {"current": 20}
    assert formats.constants == {
        "current_decay": 17, "membrane_decay": 18, "adaptation_decay": 21,  # 15 bits each
        "threshold": 21, "reset": 22, "jump": 23,
    }  # fmt: skip
    assert all(held == Held.within(Word(24), held.fraction) for held in formats.held.values())


def test_a_constant_that_is_added_and_multiplies_fits_both_words() -> None:
    @model()
    def both() -> Mapping[str, Expression]:
        c = constant("c", 0.7)
        u = register(c * state("membrane") + port("current") + c, "membrane")
        s = fires(u, 3.0)
        return {"membrane": where(s, 0.0, u), "spikes": s}

    chosen = both
    ranges = {"membrane": 3.0, "current": 0.5}
    one = choose_formats(chosen, ranges, WIDTHS, {"c": np.array([0.7])})
    assert (one.held["membrane"].fraction, one.constants["c"]) == (20, 15)
    coarse = choose_formats(chosen, {**ranges, "membrane": 1e4}, WIDTHS, {"c": np.array([0.7])})
    assert (coarse.held["membrane"].fraction, coarse.constants["c"]) == (8, 8)


def test_a_constant_too_large_for_its_place_gets_fewer_bits() -> None:
    neurons, ports = case("if_subtract", 1)
    far = Neurons(neurons.model, SIZE, {**neurons.given, "threshold": np.full(SIZE, 1e4)})
    formats = choose_formats(far.model, ranges_of(neurons, ports), WIDTHS, far.constants)
    assert formats.constants["threshold"] == 9
    found, _ = run_integer(far, formats, ports)
    assert not found["spikes"].any()


def test_a_constant_far_beyond_its_place_saturates() -> None:
    neurons, ports = case("if_subtract", 1)
    far = Neurons(neurons.model, SIZE, {**neurons.given, "threshold": np.full(SIZE, 1e12)})
    formats = choose_formats(far.model, ranges_of(neurons, ports), WIDTHS, far.constants)
    assert formats.constants["threshold"] == formats.held["membrane"].fraction - SPREAD
    integers, misfits = encode_constants(far.model, formats, WIDTHS, far.constants)
    assert misfits["threshold"] == SIZE
    assert np.all(integers["threshold"] == Word(24).maximum)


def test_states_beside_words_have_no_more_bits_than_what_they_mix() -> None:
    neurons, ports = case("ltc", 1)
    ranges = {**ranges_of(neurons, ports), "current": 100.0, "membrane": 0.01}
    gates = dict.fromkeys(neurons.model.gates, GATE)
    formats = choose_formats(neurons.model, ranges, WIDTHS, neurons.constants, gates)
    assert formats.held["membrane"] == Held(formats.held["current"].fraction)
    assert formats.held["spikes"] == Held(0)
    assert formats.held["tau_mem"].fraction == 19  # ±16 in 24 bits


@pytest.mark.parametrize(("form", "coarsest"), [
    (GateFormat("plan", 24), 22), (GateFormat("table", 12, 9), 5), (GateFormat("plan", 4), 3),
])  # fmt: skip
def test_arguments_of_gates_meet_their_breaks(form: GateFormat, coarsest: int) -> None:
    assert form.coarsest_argument == coarsest
    neurons, ports = case("readout", 1)
    ranges = {**ranges_of(neurons, ports), "current": 1e30, "membrane": 1.0}
    formats = choose_formats(
        neurons.model, ranges, WIDTHS, neurons.constants, {"tau_mem": form}
    )  # fmt: skip
    assert formats.held["tau_mem"].fraction == coarsest


@pytest.mark.parametrize("kind", ["event", "dense", "static"])
def test_constants_are_those_of_quantization(kind: str) -> None:
    """Given the words that quantization chose, every constant comes out as it did."""
    rng = np.random.default_rng(4)
    network = random_network(rng, gate=kind, hidden=(9, 7))  # type: ignore[arg-type]
    fixed = ltc2hw.quantize(network, "loihi2", random_samples(rng, network, 20, 4))
    compared = 0
    for population, words in zip(network.populations, fixed.populations, strict=True):
        if isinstance(population, GraphNeurons) and isinstance(words, FixedNeurons):
            reals, integers = population, words
            constants = {n: np.broadcast_to(v, reals.size) for n, v in reals.constants.items()}
            widths = Widths(right_shifts_only=True)
            draft = replace(integers.formats, constants={})
            chosen = constant_fractions(reals.model, draft, widths, constants)
            assert chosen == integers.formats.constants
            encoded, _ = encode_constants(reals.model, integers.formats, widths, constants)
            for name, values in integers.constants.items():
                assert np.array_equal(encoded[name], np.broadcast_to(values, reals.size)), name
                compared += 1
    assert compared == 9 + 9 + 4


# Exactness


@pytest.mark.parametrize("name", MODELS)
def test_products_of_the_widest_words_stay_within_62_bits(name: str) -> None:
    """Registers and factors at the ends of their words, whatever the ranges said."""
    rng = np.random.default_rng(9)
    neurons, ports = case(name, 2)
    chosen, gates = neurons.model, dict.fromkeys(neurons.model.gates, GATE)
    seen = ranges_of(neurons, ports)
    for _ in range(40):
        widths = Widths(state=int(rng.choice([16, 24])), margin=1.0)
        ranges = {name: float(np.ldexp(rng.uniform(1, 2), rng.integers(-20, 20))) for name in seen}
        formats = choose_formats(chosen, ranges, widths, neurons.constants, gates)
        fractions = [held.fraction for n, held in formats.held.items() if n not in gates]
        moving = [fraction for fraction in fractions if fraction]
        assert not moving or max(moving) - min(moving) <= SPREAD
        program = lower(chosen.working, formats)
        constants, _ = encode_constants(chosen, formats, widths, neurons.constants)
        word = Word(widths.state)

        def ends(shape: tuple[int, ...], name: str, word: Word = word) -> IntArray:
            if name == "spikes":
                return rng.integers(0, 2, shape)
            return rng.choice([word.minimum, word.maximum, 0, 1, -1], shape)

        states = {name: ends((6, SIZE), name) for name in chosen.states}
        arriving = {name: ends((6, SIZE), name) for name in chosen.ports}
        tables = {gate: np.zeros(0, dtype=np.int64) for gate in gates}
        found, _ = evaluate_integer(program, constants, tables, arriving, states)
        exact, _ = evaluate_integer(
            program, *({n: v.astype(object) for n, v in group.items()}
                       for group in (constants, tables, arriving, states)),
        )  # fmt: skip
        for result in chosen.results:
            assert np.array_equal(found[result], exact[result]), result


# Slow leaks


def test_a_slow_leak_keeps_its_resolution_in_a_finer_state() -> None:
    """A membrane of 0.9 that loses a ten-thousandth per step, from currents of 10 bits."""
    leaks = {"current_decay": np.ones(1), "membrane_decay": np.full(1, 1e-4)}
    neurons = Neurons(find_model("lif"), 1, leaks)
    x = np.zeros((5000, 1, 1))
    x[0] = 0.875
    real = run_real(neurons, {"current": x})["membrane"]
    word, found = Word(24), {}
    for extra in (0, 11):
        held = {"current": Held.within(word, 10), "membrane": Held.within(word, 10 + extra)}
        constants = {"current_decay": 14, "membrane_decay": 23, "threshold": 10, "bias": 10}
        formats = Formats(held, {"current": 10}, constants)
        found[extra] = run_integer(neurons, formats, {"current": x})[0]["membrane"]
    assert found[0][-1] == 0.0  # a whole unit is lost in every step
    assert np.abs(found[11] - real).max() < 3e-3
    assert 0.5 < real[-1] < 0.6


def test_a_membrane_below_its_current_is_chosen_finer() -> None:
    @model(output="membrane")
    def slow() -> Mapping[str, Expression]:
        leak = constant("leak", 1e-4, low=0, high=1)
        current = register(port("current"), "current")
        membrane = register(mix(state("membrane"), current, leak), "membrane")
        return {"current": current, "membrane": membrane}

    neurons = Neurons(slow, SIZE)
    x = np.random.default_rng(1).uniform(-40, 60, (STEPS, 2, SIZE))
    formats = chosen_formats(neurons, {"current": x})
    assert formats.held["membrane"].fraction >= formats.held["current"].fraction + 6
    assert formats.constants["leak"] == 28
    found, _ = run_integer(neurons, formats, {"current": x})
    real = run_real(neurons, {"current": x})
    assert np.abs(found["membrane"] - real["membrane"]).max() < 1e-3 * real["membrane"].max()


# What is refused


def test_ranges_have_to_be_there_and_finite() -> None:
    neurons, ports = case("adlif", 1)
    ranges = ranges_of(neurons, ports)
    del ranges["drive"]
    with pytest.raises(InvalidValueError, match="range of drive is missing"):
        choose_formats(neurons.model, ranges, WIDTHS, neurons.constants)
    for value in (np.nan, np.inf, -1.0):
        with pytest.raises(InvalidValueError, match=r"range of drive is .*finite"):
            choose_formats(neurons.model, {**ranges, "drive": value}, WIDTHS, neurons.constants)


def test_ports_of_one_run_have_one_shape() -> None:
    neurons, ports = case("readout", 1)
    with pytest.raises(InvalidValueError, match=r"one shape \(T, B, N\)"):
        ranges_of(neurons, {**ports, "tau_mem": ports["tau_mem"][1:]})


def test_a_run_that_leaves_the_numbers_is_seen() -> None:
    neurons = Neurons(find_model("izhikevich"), 2, {"peak": np.full(2, 1e308)})
    ranges = ranges_of(neurons, {"current": np.full((30, 1, 2), 3.0)})
    with pytest.raises(InvalidValueError, match="where the neuron is stable"):
        choose_formats(neurons.model, ranges, WIDTHS, neurons.constants)


@pytest.mark.parametrize("options", [
    {"state": 1}, {"state": 33}, {"port": 0}, {"factor": 21}, {"margin": 0.5}, {"margin": np.inf},
    {"margin": np.nan}, {"state": 24.0},
])  # fmt: skip
def test_widths_are_checked(options: dict[str, float]) -> None:
    with pytest.raises(InvalidValueError, match=r"width of|margin of"):
        Widths(**options)  # type: ignore[arg-type]
