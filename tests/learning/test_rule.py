"""The learning rule as data: checks, draws, formats, words."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw import FPTTRule, PlasticWords, quantize
from ltc2hw.converters.populations import LIF
from ltc2hw.errors import InvalidValueError, Ltc2hwError, UnknownNameError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.structure import Port
from ltc2hw.learning.fixed import (
    draw_indices,
    first_memory,
    integer_rule,
    network_value,
)
from ltc2hw.learning.rule import (
    Memory,
    feedback_mantissas,
    feedback_matrix,
    fptt_update,
    surrogate_slope,
)
from ltc2hw.learning.words import power_of_two, slope_table, time_weight
from ltc2hw.numbers.counter import draw, mix, step_key
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from tests.random_networks import random_network

rates = st.sampled_from([2.0**-k for k in range(12)])


def test_splitmix_is_the_published_one() -> None:
    # First outputs of the reference implementation for seed 1234567.
    state, found = 1234567, []
    for _ in range(3):
        state = (state + 0x9E3779B97F4A7C15) % 2**64
        found.append(mix(state))
    assert found == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(st.integers(0, 2**64 - 1), st.integers(0, 10**6))
def test_draws_are_a_function_of_seed_step_and_index(seed: int, step: int) -> None:
    key = step_key(seed, step)
    index = np.arange(257)
    order = np.random.default_rng(seed % 1000).permutation(257)
    together = draw(key, index)
    assert np.array_equal(draw(key, order), together[order])
    assert together.min() >= 0
    assert together.max() < 2**32
    assert not np.array_equal(together, draw(step_key(seed, step + 1), index))
    assert len(np.unique(together)) > 250


def test_draws_are_uniform_and_uncorrelated() -> None:
    steps, count = 64, 4096
    draws = np.stack([draw(step_key(9, step), np.arange(count)) for step in range(steps)])
    for shift, bits in ((16, 16), (8, 8), (0, 8)):
        field = ((draws >> shift) & (2**bits - 1)) / 2**bits
        tolerance = 5 / np.sqrt(12 * field.size)
        assert abs(field.mean() - 0.5 + 0.5 / 2**bits) < tolerance
        centred = field - field.mean()
        for shifted in (centred[:, 1:] * centred[:, :-1], centred[1:] * centred[:-1]):
            assert abs(shifted.mean()) < 5 / (12 * np.sqrt(field.size))


@pytest.mark.parametrize(("seed", "step"), [(-1, 0), (2**64, 0), (0, -1)])
def test_keys_outside_their_range_are_refused(seed: int, step: int) -> None:
    with pytest.raises(InvalidValueError):
        step_key(seed, step)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"learning_rate": 0.0}, InvalidValueError),
        ({"alpha": float("nan")}, InvalidValueError),
        ({"beta": 1.5}, InvalidValueError),
        ({"beta": -0.5}, InvalidValueError),
        ({"error": "hinge"}, UnknownNameError),
        ({"weighting": "late"}, UnknownNameError),
        ({"feedback": "none"}, UnknownNameError),
        ({"surrogate": "box"}, UnknownNameError),
        ({"ports": {"hidden0": (7,)}}, InvalidValueError),
    ],
)
def test_rules_that_mean_nothing_are_refused(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        FPTTRule(**options)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"value": 1}, InvalidValueError),
        ({"mean": 41}, InvalidValueError),
        ({"gradient": 0}, InvalidValueError),
        ({"factor": 12, "factor_fraction": 12}, InvalidValueError),
        ({"softmax_index": 0}, InvalidValueError),
        ({"rounding": "up"}, UnknownNameError),
    ],
)
def test_words_that_mean_nothing_are_refused(
    options: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        PlasticWords(**options)


def test_only_powers_of_two_become_shifts() -> None:
    assert [power_of_two("rate", 2.0**-k) for k in range(40)] == list(range(40))
    for rate in (0.3, 2.0, 0.75):
        with pytest.raises(InvalidValueError, match="rate of an integer rule"):
            power_of_two("rate", rate)


@given(st.integers(1, 64), st.integers(1, 9))
def test_time_weights_rise_to_one(steps: int, step: int) -> None:
    rule = FPTTRule()
    weights = [time_weight(rule, t, steps) for t in range(steps)]
    assert weights == [256 * (t + 1) // steps for t in range(steps)]
    assert weights[-1] == 256
    assert time_weight(replace(rule, weighting="uniform"), step % steps, steps) == 256


def test_surrogates_are_those_of_the_paper() -> None:
    d: FloatArray = np.linspace(-3, 3, 61, dtype=np.float64)

    def normal(mean: float, deviation: float) -> Any:
        scale = deviation * np.sqrt(2 * np.pi)
        return np.exp(-((d - mean) ** 2) / (2 * deviation**2)) / scale

    wide = 0.15 * normal(0.3, 1.8) + 0.15 * normal(-0.3, 1.8)
    expected = 0.5 * (1.15 * normal(0.0, 0.3) - wide)
    np.testing.assert_allclose(surrogate_slope("multi_gaussian", d), expected, rtol=1e-12)
    np.testing.assert_allclose(surrogate_slope("triangle", d), np.clip(1 - abs(d), 0, None))


def test_the_slope_table_follows_the_surrogate() -> None:
    table = slope_table(FPTTRule(), PlasticWords(surrogate_index=8))
    middle = (np.arange(256) + 0.5) / 64
    expected = surrogate_slope("multi_gaussian", middle) * 2**16
    assert np.max(np.abs(table - expected)) <= 0.5
    assert slope_table(FPTTRule(surrogate="triangle"), PlasticWords()).size == 0


def test_random_feedback_is_fixed_and_bounded() -> None:
    first = feedback_mantissas(5, 3, (40, 50))
    assert np.array_equal(first, feedback_mantissas(5, 3, (40, 50)))
    assert not np.array_equal(first, feedback_mantissas(6, 3, (40, 50)))
    assert not np.array_equal(first, feedback_mantissas(5, 4, (40, 50)))
    assert (first.min(), first.max()) == (-128, 127)
    assert abs(first.mean() + 0.5) < 5 * 74 / np.sqrt(2000)
    rule = FPTTRule(feedback_seed=5)
    np.testing.assert_array_equal(feedback_matrix(rule, 3, (40, 50)), first / 256)


@given(rates, rates, rates, st.lists(st.floats(-4, 4), min_size=4, max_size=4))
def test_the_float_update_is_the_papers(
    rate: float, alpha: float, beta: float, numbers: list[float]
) -> None:
    value, mean, memory, gradient = numbers
    rule = FPTTRule(learning_rate=rate, alpha=alpha, beta=beta)
    found = fptt_update(
        rule, Memory(*(np.array([n]) for n in (value, mean, memory))), np.array([gradient])
    )
    new = value - rate * (gradient - memory + alpha * (value - mean))
    remembered = memory - alpha * (new - mean)
    pulled = (1 - beta) * mean + beta * new - beta / alpha * remembered
    np.testing.assert_allclose(np.ravel(found), [new, pulled, remembered], atol=1e-9)


def small_chip(**options: Any) -> Any:
    """An integer rule on a small event network."""
    rng = np.random.default_rng(4)
    network = random_network(rng, nonlinearity="plan")
    fixed = quantize(network, "loihi2", rng.uniform(0, 1, (3, 4, 5)))
    words = {key: options.pop(key) for key in list(options) if key in PlasticWords.__annotations__}
    return integer_rule(fixed, FPTTRule(**options), PlasticWords(**words))


@given(
    st.sampled_from([8, 11, 16, 24]),
    st.sampled_from([8, 13, 16, 24]),
    st.sampled_from([8, 16, 21]),
    st.integers(0, 10),
    rates,
    rates,
    rates,
)
def test_every_shift_follows_from_the_fractions(
    value: int, mean: int, gradient: int, finer: int, rate: float, alpha: float, beta: float
) -> None:
    """The shifts say what the real equations say, whatever the words."""
    chip = small_chip(
        value=value,
        mean=mean,
        gradient=gradient,
        gradient_shift=finer,
        learning_rate=rate,
        alpha=alpha,
        beta=beta,
    )
    for form in chip.formats.values():
        word = form.word
        v, m, l = word.fraction, word.mean_fraction, word.gradient_fraction  # noqa: E741
        product = chip.words.factor_fraction + word.message_fraction

        def real(up: int, down: int, of: int, to: int) -> Fraction:
            """Factor that a shift up and a shift down put on a real number."""
            return Fraction(2) ** (up - down - to + of)

        assert real(form.product_up, form.value_down, product, v) == Fraction(rate)
        assert real(form.gradient_up, form.value_down, l, v) == Fraction(rate)
        pull = real(form.departure_up + form.value_up, form.value_down, v, v)
        assert pull == Fraction(rate) * Fraction(alpha)
        assert real(form.mean_up, 0, m, v) == real(form.value_up, 0, v, v)
        assert real(form.back_up + form.value_up, form.gradient_down, v, l) == Fraction(alpha)
        assert real(form.mean_departure_up + form.value_up, form.mean_down, v, m) == beta
        ratio = real(form.mean_gradient_up, form.mean_down, l, m)
        assert ratio == Fraction(beta) / Fraction(alpha)
        assert min(form.value_down, form.gradient_down, form.mean_down) >= 1
        assert form.largest <= 2**62


def test_draws_of_different_parameters_never_meet() -> None:
    chip = small_chip()
    indices = np.concatenate(
        [draw_indices(chip.network, p, chip.formats[p].first) for p in chip.parameters]
    )
    assert len(np.unique(indices)) == len(indices)


def test_a_network_starts_as_it_is() -> None:
    for bits in (8, 9, 16, 24):
        chip = small_chip(value=bits, mean=bits, gradient=bits)
        for parameter in chip.parameters:
            if parameter.projection is None:
                continue
            mantissas = chip.network.projections[parameter.projection].weights.values
            memory = first_memory(chip.formats[parameter], mantissas)
            assert np.array_equal(network_value(chip.formats[parameter], memory.value), mantissas)
            assert np.array_equal(memory.value, memory.mean)


def test_rules_that_integers_cannot_run_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="learning_rate"):
        small_chip(learning_rate=0.01)
    with pytest.raises(InvalidValueError, match="alpha"):
        small_chip(alpha=0.3)
    with pytest.raises(InvalidValueError, match="own_current"):
        small_chip(own_current=True)
    with pytest.raises(InvalidValueError, match="at least the 8 bits"):
        small_chip(value=6)
    with pytest.raises(InvalidValueError, match="widest product of a factor"):
        small_chip(factor=40)
    with pytest.raises(InvalidValueError, match="widest sum"):
        small_chip(value=40, mean=40, gradient=40, gradient_shift=30)


def test_a_network_without_a_plastic_path_is_refused() -> None:
    lif = Network(
        (Input("input", 3), LIF("hidden", 4, *(np.asarray(v) for v in (0.5, 0.1, 1.0, 0.0)))),
        (Projection("input", "spikes", "hidden", "current", Dense(np.ones((4, 3)))),),
        "hidden",
    )
    fixed = quantize(lif, "loihi2", np.ones((2, 1, 3)))
    with pytest.raises(InvalidValueError, match="output population hidden"):
        integer_rule(fixed, FPTTRule())
    chip = small_chip()
    cases: list[tuple[dict[str, tuple[Port, ...]], type[Exception]]] = [
        ({"nowhere": ("current",)}, UnknownNameError),
        ({"input": ("current",)}, InvalidValueError),
        ({"readout": ("tau_adp",)}, UnknownNameError),
        ({"hidden0": ("membrane",)}, UnknownNameError),
        ({}, InvalidValueError),
        ({"hidden0": ()}, InvalidValueError),
    ]
    for ports, error in cases:
        with pytest.raises(error):
            integer_rule(chip.network, FPTTRule(ports=ports))


def test_populations_behind_a_delay_do_not_learn() -> None:
    """An error of this step cannot reach a message of an earlier one."""
    rng = np.random.default_rng(1)
    network = random_network(rng)
    late = tuple(replace(p, delay=1) if p.target == "readout" else p for p in network.projections)
    fixed = quantize(replace(network, projections=late), "loihi2", rng.uniform(0, 1, (3, 4, 5)))
    chip = integer_rule(fixed, FPTTRule())
    assert chip.reached == ("readout",)
    assert {parameter.population for parameter in chip.parameters} == {"readout"}
    with pytest.raises(Ltc2hwError, match="plastic path to hidden0"):
        integer_rule(fixed, FPTTRule(ports={"hidden0": ("current",)}))
