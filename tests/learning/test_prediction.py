"""Next-step prediction: targets, the layer that learns, integers by a second writing, refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from ltc2hw import (
    FixedNetwork,
    FPTTRule,
    Input,
    Network,
    Neurons,
    PlasticWords,
    Projection,
    QuantizeOptions,
    quantize,
    simulate,
)
from ltc2hw.errors import InvalidValueError, Ltc2hwError, ShapeError, UnsupportedError
from ltc2hw.learning.prediction import (
    heard_by,
    learn_to_predict,
    next_heard,
    next_step,
    prediction_rule,
    predictor_of,
    with_predictor,
)
from ltc2hw.numbers.weights import Dense
from tests.random_networks import random_network, random_samples
from tests.simulations.eligibility_page import EligibleChip
from tests.simulations.learning_page import Chip, described

STEPS, SAMPLES = 5, 4
LAYERS = ("hidden0", "hidden1")


def two_layers(**options: Any) -> Network:
    rng = np.random.default_rng(11)
    shape: dict[str, Any] = {"inputs": 3, "hidden": (5, 4), "outputs": 2, "nonlinearity": "plan"}
    network = random_network(rng, **{**shape, **options})
    return with_predictor(with_predictor(network, "hidden0", 1), "hidden1", 2)


def integers() -> FixedNetwork:
    x = np.random.default_rng(0).uniform(0, 1, (4, 8, 3))
    return quantize(two_layers(), "loihi2", x, QuantizeOptions(weight_reach=2.0))


def test_the_target_of_a_step_is_the_next_one() -> None:
    x = np.arange(12.0).reshape(3, 2, 2)
    targets = next_step(x)
    assert targets[:2].tolist() == [[[4, 5], [6, 7]], [[8, 9], [10, 11]]]
    assert np.isnan(targets[2]).all()


def test_samples_that_end_have_none_at_their_end_and_nothing_after_it_is_read() -> None:
    x = np.array([[[1.0], [2.0]], [[3.0], [4.0]], [[5.0], [np.nan]]])
    targets = next_step(x, [3, 2])
    nan = float("nan")
    assert np.array_equal(targets[..., 0], [[3.0, 4.0], [5.0, nan], [nan, nan]], equal_nan=True)


def test_pieces_of_a_stream_go_on_with_the_next_piece() -> None:
    x = np.array([[[1.0], [3.0], [6.0]], [[2.0], [4.0], [7.0]], [[0.0], [5.0], [0.0]]])
    targets = next_step(x, [2, 3, 2], reset=False)
    joined = [targets[t, s, 0] for s, steps in enumerate((2, 3, 2)) for t in range(steps)]
    assert np.array_equal(joined, [2, 3, 4, 5, 6, 7, np.nan], equal_nan=True)
    assert np.isnan(targets[2, [0, 2]]).all()
    single = next_step([[[1.0], [2.0]]], reset=False)
    assert np.array_equal(single[0, :, 0], [2.0, np.nan], equal_nan=True)


@pytest.mark.parametrize("engine", ["integer", "fast"])
@pytest.mark.parametrize("descent", ["instantaneous", "eligibility"])
@pytest.mark.parametrize("layer", LAYERS)
def test_integers_learn_what_the_page_says(layer: str, descent: Any, engine: str) -> None:
    fixed, words = integers(), PlasticWords(seed=5)
    x = random_samples(np.random.default_rng(3), fixed, STEPS, SAMPLES)
    rule = FPTTRule(learning_rate=2.0**-4, weighting="uniform", descent=descent)
    found = learn_to_predict(fixed, layer, x, rule, words, engine)
    own = prediction_rule(fixed, layer, rule)
    name = layer + "_next"
    chip = (Chip if descent == "instantaneous" else EligibleChip)(
        fixed.with_output(name), own, words
    )
    readout, word = described(fixed.population(name)), fixed.input.word
    for s in range(SAMPLES):
        encoded = [
            [max(word.minimum, min(word.maximum, round(float(v) * 2.0**fixed.input.fraction)))
             for v in row]
            for row in x[:, s]
        ]  # fmt: skip
        below = x[:, s].tolist() if layer == "hidden0" else spikes_of(fixed, encoded)
        chip.clear()
        for t in range(STEPS):
            goal = None
            if t + 1 < STEPS:
                low, high = readout.state.minimum, readout.state.maximum
                scaled = [round(float(v) * 2.0**readout.fraction) for v in below[t + 1]]
                goal = [max(low, min(high, v)) for v in scaled]
            assert chip.step(encoded[t], goal, t, STEPS) == found.outputs[t, s].tolist()
    assert found.learning.step == chip.updates == SAMPLES * (STEPS - 1)
    for ours, theirs in zip(chip.learned, found.learning.memories.values(), strict=True):
        assert (ours.value, ours.mean, ours.gradient) == tuple(a.tolist() for a in theirs)
    assert any(np.any(memory.gradient) for memory in found.learning.memories.values())


def spikes_of(fixed: FixedNetwork, encoded: list[list[int]]) -> list[list[int]]:
    """What the first layer sends, by the second writing."""
    chip = Chip(fixed, FPTTRule(), PlasticWords())
    rows = []
    for t, row in enumerate(encoded):
        chip.step(row, None, t, len(encoded))
        rows.append(chip.past[0]["hidden0", "spikes"])
    assert any(any(row) for row in rows)
    return rows


@pytest.mark.parametrize("make", [two_layers, integers])
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_and_its_predictor_learn_and_nothing_else(
    layer: str, make: Callable[[], Any]
) -> None:
    network = make()
    x = random_samples(np.random.default_rng(3), network, STEPS, SAMPLES)
    rule = FPTTRule(learning_rate=2.0**-3, weighting="uniform")
    adapted = learn_to_predict(network, layer, x, rule).network
    assert adapted.output == network.output
    changed = {
        new.target
        for old, new in zip(network.projections, adapted.projections, strict=True)
        if old.weights != new.weights
    }
    assert changed == {layer, layer + "_next"}
    for old, new in zip(network.populations, adapted.populations, strict=True):
        assert (old == new) == (old.name not in {layer, layer + "_next"})


@pytest.mark.parametrize("make", [two_layers, integers])
def test_a_deeper_layer_of_a_stream_hears_it_in_one_go(make: Callable[[], Any]) -> None:
    network = make()
    x = random_samples(np.random.default_rng(4), network, STEPS, SAMPLES)
    joined = x.transpose(1, 0, 2).reshape(-1, 1, x.shape[2])
    own = simulate(network, joined, record=("spikes",)).spikes["hidden0"][:, 0]
    expected = np.concatenate([own[1:], np.full((1, 5), np.nan)])
    found = next_heard(network, "hidden1", x, reset=False)
    flow = found.transpose(1, 0, 2).reshape(-1, 5)
    assert np.array_equal(flow, expected, equal_nan=True)
    first = learn_to_predict(network, "hidden1", x[:, :2], reset=False)
    rest = next_heard(network, "hidden1", x[:, 2:], reset=False, learning=first.learning)
    assert np.array_equal(rest.transpose(1, 0, 2).reshape(-1, 5), expected[-10:], equal_nan=True)


def test_it_goes_on_from_where_it_was() -> None:
    fixed = integers()
    x = random_samples(np.random.default_rng(5), fixed, STEPS, SAMPLES)
    whole = learn_to_predict(fixed, "hidden1", x)
    part = learn_to_predict(fixed, "hidden1", x[:, :1])
    rest = learn_to_predict(fixed, "hidden1", x[:, 1:], learning=part.learning)
    assert rest.network.projections == whole.network.projections


@pytest.mark.parametrize("descent", ["instantaneous", "eligibility"])
def test_a_stream_that_turns_in_a_circle_is_learned(descent: Any) -> None:
    rng = np.random.default_rng(0)
    turning = np.eye(4)[(np.arange(12)[:, None] + rng.integers(0, 4, 100)) % 4]
    network = with_predictor(
        random_network(rng, inputs=4, hidden=(16,), outputs=2, nonlinearity="plan"), "hidden0"
    )
    fixed = quantize(network, "loihi2", turning[:, :8], QuantizeOptions(weight_reach=4.0))
    rule = FPTTRule(learning_rate=2.0**-5, weighting="uniform", descent=descent)
    learned = learn_to_predict(fixed, "hidden0", turning, rule)
    fraction = learned.network.population("hidden0_next").fractions["membrane"]  # type: ignore[union-attr]
    said = learned.outputs[:, -20:] * 2.0**-fraction
    error = np.mean((said[1:-1] - turning[2:, -20:]) ** 2)
    now = np.mean((turning[1:-1] - turning[2:]) ** 2)
    assert (now, error) == (0.5, pytest.approx(0.0, abs=0.1))


def test_what_a_rule_names_stays_what_learns() -> None:
    network = two_layers()
    rule = FPTTRule(ports={"hidden0_next": ("current",)})
    x = random_samples(np.random.default_rng(3), network, STEPS, SAMPLES)
    learned = learn_to_predict(network, "hidden0", x, rule)
    assert {p.population for p in learned.learning.memories} == {"hidden0_next"}


def looped(delay: int, back: int | None = None) -> Network:
    """Two layers; the second hears the first ``delay`` late, the first the second ``back`` late."""
    layers = Input("x", 1, graded=True), Neurons("a", 2, "ltc"), Neurons("b", 2, "ltc")
    wires = [
        Projection("x", "value", "a", "current", Dense(np.ones((2, 1)))),
        Projection("a", "spikes", "b", "current", Dense(np.ones((2, 2))), delay=delay),
    ]
    if back is not None:
        wires.append(Projection("b", "spikes", "a", "current", Dense(np.ones((2, 2))), delay=back))
    return Network(layers, tuple(wires), "b")


@pytest.mark.parametrize(
    ("network", "layer", "message"),
    [
        (looped(0), "x", "it hears nothing"),
        (looped(1), "b", "it hears a 1 late"),
        (looped(0, 1), "a", "it hears x.value, b.spikes"),
        (looped(0, 1), "b", "what it sends changes a"),
        (looped(0), "nobody", "one of x, a, b"),
    ],
)
def test_a_layer_that_cannot_predict_is_refused(network: Network, layer: str, message: str) -> None:
    with pytest.raises(Ltc2hwError, match=message):
        heard_by(network, layer)


def test_predictors_are_refused_by_name() -> None:
    network = two_layers()
    with pytest.raises(InvalidValueError, match="predictor of hidden0 is there already"):
        with_predictor(network, "hidden0")
    with pytest.raises(UnsupportedError, match="it sends no spikes"):
        with_predictor(network, "readout")
    with pytest.raises(InvalidValueError, match="seed"):
        with_predictor(looped(0), "a", -1)
    with pytest.raises(InvalidValueError, match="predictor of a is absent; expected a readout"):
        predictor_of(looped(0), "a")
    wrong = Neurons("a_next", 3, "readout")
    wide = Network((*looped(0).populations, wrong), looped(0).projections, "b")
    with pytest.raises(InvalidValueError, match="size of a_next is 3; expected 1, what a hears"):
        learn_to_predict(wide, "a", np.zeros((3, 1, 1)))


def test_streams_without_a_next_step_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="steps of a sample is 1; expected at least 2"):
        next_step(np.zeros((1, 2, 3)))
    with pytest.raises(InvalidValueError, match="steps of a sample is 1"):
        next_step(np.zeros((4, 2, 3)), [4, 1])
    with pytest.raises(ShapeError, match="shape of samples"):
        next_step(np.zeros((4, 3)))
    with pytest.raises(ShapeError, match="shape of samples"):
        next_step(1.0)
    with pytest.raises(InvalidValueError, match="samples"):
        next_step([[[np.nan]], [[0.0]]])
