"""Eligibility on integers: the compiled engine, the float rule, going on, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltc2hw import FixedNetwork, FPTTRule, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.learned import Learned
from ltc2hw.learning.scope import PARTIAL
from ltc2hw.learning.words import PlasticRounding
from ltc2hw.simulations.learning_engine.plan import engine_plan
from ltc2hw.simulations.plasticity import fast
from ltc2hw.simulations.plasticity.verify import verify
from ltc2hw.tasks import load_task
from tests.learning import test_any_neuron as any_neuron
from tests.random_networks import random_fixed_network, random_network, random_samples
from tests.simulations.test_plasticity import assert_same

RULE = FPTTRule(learning_rate=2.0**-4, descent="eligibility")
HIDDEN_MODELS = tuple(name for name in MODELS if name != "readout")
INPUTS, OUTPUTS = 5, 3


def deployed(gate: Any = "event", hidden: tuple[int, ...] = (7,)) -> FixedNetwork:
    rng = np.random.default_rng(4)
    shape: dict[str, Any] = {"inputs": INPUTS, "hidden": hidden, "outputs": OUTPUTS}
    network = random_network(rng, **shape, nonlinearity="plan", gate=gate)
    return quantize(
        network, "loihi2", rng.uniform(0, 1, (6, 8, INPUTS)), QuantizeOptions(weight_reach=2.0)
    )


def stream(steps: int, samples: int, seed: int = 5) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (steps, samples, INPUTS)), rng.integers(0, OUTPUTS, samples)


def assert_all_same(first: Learned[FixedNetwork], second: Learned[FixedNetwork]) -> None:
    """Every integer, those of eligibility among them."""
    assert_same(first, second)
    ours, theirs = first.learning, second.learning
    assert ours.moves == theirs.moves
    assert ours.eligibility.keys() == theirs.eligibility.keys()
    for parameter, own in ours.eligibility.items():
        assert own.keys() == theirs.eligibility[parameter].keys()
        for state, words in own.items():
            assert np.array_equal(words, theirs.eligibility[parameter][state])


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_where_nothing_is_eligible_every_integer_is_that_of_the_rule_without(
    rounding: PlasticRounding,
) -> None:
    """Samples of one step begin with nothing; no shift and no draw of the update may change."""
    fixed, (x, labels) = deployed(hidden=(6, 4)), stream(1, 20)
    words = PlasticWords(rounding=rounding, eligibility=32)
    runs = [
        learn(fixed, x, labels, replace(RULE, descent=descent), words, engine="integer")
        for descent in ("instantaneous", "eligibility")
    ]
    kept = runs[1].learning.eligibility
    assert any(np.any(own["membrane"]) for p, own in kept.items() if p.population == "hidden0")
    assert_same(runs[0], replace(runs[1], saturations=runs[0].saturations))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", HIDDEN_MODELS)
def test_every_model_keeps_eligibility_the_same_in_both_engines_and_near_the_float_rule(
    name: str, sparse: bool
) -> None:
    fixed, (x, labels) = any_neuron.deployed(find_model(name), sparse), any_neuron.stream()
    words = PlasticWords(eligibility=24, eligibility_range=6)
    runs = [learn(fixed, x, labels, RULE, words, engine=engine) for engine in ("integer", "fast")]
    assert_all_same(*runs)
    learning = runs[0].learning
    hidden = [p for p in learning.memories if p.population == "hidden"]
    assert any(any(map(np.any, learning.eligibility[p].values())) for p in hidden)
    errors = verify(integer_rule(fixed, RULE, words), x, labels)
    assert np.mean([error.cosine for error in errors]) > 0.99


@pytest.mark.parametrize("seed", range(8))
def test_any_network_keeps_eligibility_the_same_in_both_engines(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any words, scales and delays; unequal samples, steps without goals, pieces of two steps."""
    rng = np.random.default_rng(seed)
    while True:
        fixed = random_fixed_network(rng, largest=9, gates=("event", "static"))
        if fixed.output == "readout":
            break
    x, steps, samples = random_samples(rng, fixed, 6, 4), 6, 4
    labels = rng.integers(-1, fixed.population("readout").size, (steps, samples))
    labels[0] = np.maximum(labels[0], 0)
    words = PlasticWords(
        eligibility=int(rng.integers(2, 33)), eligibility_range=int(rng.integers(0, 8)),
        rounding=("stochastic", "nearest")[seed % 2], seed=seed, factor=(20, 31)[seed // 4],
    )  # fmt: skip
    given: dict[str, Any] = {"lengths": [6, 2, 5, 1], "allow": (PARTIAL,)}
    slow = learn(fixed, x, labels, RULE, words, engine="integer", **given)
    monkeypatch.setattr(fast, "most_updates", lambda layout: 2)
    assert_all_same(slow, learn(fixed, x, labels, RULE, words, engine="fast", **given))


@pytest.mark.parametrize("engine", ["integer", "fast"])
def test_a_stream_may_be_cut_anywhere(engine: str) -> None:
    """Pieces of one stream draw as the whole one does, those without any label, too."""
    fixed, (x, _) = deployed(), stream(12, 1)
    labels = np.array([2, -1, 1, 0, -1, -1, -1, 2, 0, -1, 1, 1])[:, None]
    rule = replace(RULE, weighting="uniform")
    whole = learn(fixed, x, labels, rule, engine=engine, reset=False)
    learning = None
    for piece in (slice(0, 1), slice(1, 5), slice(5, 7), slice(7, 12)):
        part = learn(
            fixed, x[piece], labels[piece], rule, engine=engine, learning=learning, reset=False
        )
        learning = part.learning
    whole = replace(whole, outputs=part.outputs, saturations=part.saturations)
    assert_all_same(whole, part)
    assert whole.learning.moves == 12


def test_hundreds_of_updates_are_the_same_in_both_engines() -> None:
    fixed, (x, labels) = deployed(hidden=(4,)), stream(10, 30)
    runs = [learn(fixed, x, labels, RULE, engine=engine) for engine in ("integer", "fast")]
    assert runs[0].learning.step == 300
    assert_all_same(*runs)


@pytest.mark.parametrize("rounding", ["stochastic", "nearest"])
def test_every_bit_halves_the_error_of_what_is_kept(rounding: PlasticRounding) -> None:
    """A network that learns nothing runs alike, whatever the words of its eligibility."""
    fixed, (x, _) = deployed(), stream(40, 1)
    kept = {}
    for bits in (8, 12, 16, 20, 32):
        words = PlasticWords(eligibility=bits, rounding=rounding, factor=24)
        forms = integer_rule(fixed, RULE, words).formats
        labels = np.full((40, 1), -1)
        run = learn(fixed, x, labels, RULE, words, engine="fast", reset=False)
        found = run.learning.eligibility
        reals = []
        for parameter, own in found.items():
            form = forms[parameter].eligibility
            assert form is not None
            if parameter.projection is not None:
                reals += [np.ldexp(v.astype(float), -form.fraction) for v in own.values()]
        kept[bits] = np.concatenate(reals)
    errors = [np.std(kept[bits] - kept[32]) for bits in (8, 12, 16, 20)]
    slopes = np.diff(np.log2(errors)) / 4
    assert np.all(np.abs(slopes + 1) < 0.25)


def test_words_of_a_state_to_go_on_from_are_checked() -> None:
    fixed, (x, labels) = deployed(), stream(3, 2)
    learning = learn(fixed, x, labels, RULE, engine="fast").learning
    parameter = next(iter(learning.eligibility))
    own = dict(learning.eligibility[parameter])
    for wrong, what in (
        ({**own, "membrane": own["membrane"] * 0 + 2**15}, "32768"),
        ({**own, "membrane": own["membrane"] * 0.5}, "integers"),
        ({"adaptation": own["adaptation"]}, "membrane"),
    ):
        given = replace(learning, eligibility={**learning.eligibility, parameter: wrong})
        with pytest.raises(InvalidValueError, match=what):
            learn(fixed, x, labels, RULE, engine="fast", learning=given)
    with pytest.raises(InvalidValueError, match="eligibility"):
        learn(fixed, x, labels, replace(RULE, descent="instantaneous"), learning=learning)


def test_what_cannot_keep_eligibility_is_refused_by_name() -> None:
    fixed = deployed()
    with pytest.raises(InvalidValueError, match="descent is 'filtered'"):
        integer_rule(fixed, replace(RULE, descent="filtered"))
    with pytest.raises(UnsupportedError, match="eligibility in hidden0"):
        integer_rule(deployed("dense"), RULE)
    with pytest.raises(InvalidValueError, match=r"widest sum of the eligibility of input\.value"):
        integer_rule(fixed, RULE, PlasticWords(factor=32, eligibility=32))
    with pytest.raises(UnsupportedError, match="descent by eligibility"):
        engine_plan(fixed, replace(RULE, self_terms=False))


@pytest.mark.parametrize("gate", ["event", "static"])
def test_sixteen_bits_descend_as_the_float_rule_on_digits(gate: Any) -> None:
    """Real samples, weights that change as they learn, every step from the integers' own state."""
    task = load_task("digits-rows")
    rng = np.random.default_rng(1)
    network = random_network(
        rng, inputs=8, hidden=(16,), outputs=10, nonlinearity="plan", gate=gate
    )
    part = task.train.take(np.arange(24))
    fixed = quantize(network, "loihi2", task.train.x, QuantizeOptions(weight_reach=4.0))
    rule = FPTTRule(learning_rate=2.0**-6, descent="eligibility")
    errors = verify(integer_rule(fixed, rule), part.x, part.labels)
    assert len(errors) == 24 * 8
    assert np.mean([error.cosine for error in errors]) > 0.999
    assert np.median([error.descent for error in errors]) < 0.02
