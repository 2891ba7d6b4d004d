"""``integer`` is what ``docs/on-chip-learning.md`` says, in a second writing of that page."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw import FixedNetwork, FPTTRule, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.dynamics.formats import Held
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.rule import Parameter
from ltc2hw.learning.scope import PARTIAL
from tests.random_networks import random_fixed_network, random_network, random_samples
from tests.simulations.eligibility_page import EligibleChip
from tests.simulations.learning_page import Chip, described

STEPS, SAMPLES = 5, 3
PAGE = Path(__file__).parents[2] / "docs" / "on-chip-learning.md"


def network(**options: Any) -> FixedNetwork:
    shape: dict[str, Any] = {"inputs": 4, "hidden": (5,), "outputs": 3, "nonlinearity": "plan"}
    rng = np.random.default_rng(7)
    made = random_network(rng, **{**shape, **options})
    samples = rng.uniform(0, 1, (4, 8, 4))
    if not made.input.graded:
        samples = np.rint(samples)
    return quantize(made, "loihi2", samples, QuantizeOptions(weight_reach=2.0))


def name_of(p: Parameter) -> tuple[str, str, str, int | None]:
    return p.population, p.port, p.term, p.projection


def assert_as_written(
    fixed: FixedNetwork, rule: FPTTRule, words: PlasticWords, seed: int, *, unequal: bool = False
) -> int:
    """Outputs, all words and the adapted network of a stream; how many words changed.

    ``unequal``: samples of unequal lengths, goals of their own at three steps of four.
    """
    rng = np.random.default_rng(seed)
    x = random_samples(rng, fixed, STEPS, SAMPLES)
    output = described(fixed.population(fixed.output))
    labels: Any = rng.integers(0, output.size, SAMPLES)
    if rule.error == "linear":
        labels = rng.normal(0, 2, (SAMPLES, output.size))
    lengths, wanted = [STEPS] * SAMPLES, np.ones((STEPS, SAMPLES), bool)
    if unequal:
        lengths = [STEPS - 1, STEPS, 2][:SAMPLES]
        wanted = np.arange(STEPS * SAMPLES).reshape(STEPS, SAMPLES) % 4 != 1
        labels = rng.permuted(np.repeat(labels[None], STEPS, axis=0), axis=1)
        labels[~wanted] = -1 if labels.ndim == 2 else np.nan
    found = learn(
        fixed, x, labels, rule, words, engine="integer", allow=(PARTIAL,), lengths=lengths
    )
    chip = (Chip if rule.descent == "instantaneous" else EligibleChip)(fixed, rule, words)
    word, fraction = fixed.input.word, fixed.input.fraction
    for s in range(SAMPLES):
        chip.clear()
        for t in range(lengths[s]):
            goal = labels[t, s] if unequal else labels[s]
            if not wanted[t, s]:
                goal = None
            elif rule.error == "linear":
                low, high = output.state.minimum, output.state.maximum
                goal = [max(low, min(high, round(float(v) * 2.0**output.fraction))) for v in goal]
            encoded = [
                max(word.minimum, min(word.maximum, round(float(v) * 2.0**fraction)))
                for v in x[t, s]
            ]
            assert chip.step(encoded, goal, t, lengths[s]) == found.outputs[t, s].tolist()
    changed = 0
    assert found.learning.step == chip.updates
    assert [p.name for p in chip.learned] == [name_of(p) for p in found.learning.memories]
    for ours, theirs in zip(chip.learned, found.learning.memories.values(), strict=True):
        assert (ours.value, ours.mean, ours.gradient) == tuple(a.tolist() for a in theirs)
        changed += int(np.count_nonzero(theirs.gradient))
    if isinstance(chip, EligibleChip):
        kept = {name_of(p): own for p, own in found.learning.eligibility.items()}
        kept_here = {
            n: {state: list(words) for state, words in own.items()} for n, own in chip.kept.items()
        }
        assert kept_here == {
            n: {state: words.tolist() for state, words in own.items()} for n, own in kept.items()
        }
        assert any(any(w) for own in kept_here.values() for w in own.values())
    chip.load()
    for weights, projection in zip(chip.weights, found.network.projections, strict=True):
        assert weights == projection.weights.to_array().tolist()
    return changed


ELIGIBLE = FPTTRule(descent="eligibility", learning_rate=2.0**-4)

CASES: dict[str, tuple[dict[str, Any], FPTTRule, PlasticWords]] = {
    "defaults": ({}, FPTTRule(), PlasticWords(seed=3)),
    "fast, narrow": (
        {"hidden": (4, 3)},
        FPTTRule(learning_rate=2.0**-2, alpha=0.25, beta=0.125, feedback="random", feedback_seed=9),
        PlasticWords(value=9, mean=12, gradient=10, gradient_shift=2, seed=2**64 - 1),
    ),
    "linear, to nearest, triangle": (
        {"gate": "static"},
        FPTTRule(error="linear", weighting="uniform", surrogate="triangle", learning_rate=0.5),
        PlasticWords(rounding="nearest", factor=16, factor_fraction=12),
    ),
    "tables, spiking input": (
        {"nonlinearity": "sigmoid", "graded": False},
        FPTTRule(learning_rate=2.0**-3, beta=1.0),
        PlasticWords(value=24, mean=20, gradient=30, neuron=30, softmax_index=5, surrogate_index=9),
    ),
    "dense gates": ({"gate": "dense"}, FPTTRule(learning_rate=0.25), PlasticWords()),
    "the widest softmax": (
        {"nonlinearity": "sigmoid"},
        FPTTRule(learning_rate=0.25, surrogate="triangle"),
        PlasticWords(factor=37, factor_fraction=31, softmax_index=20, rounding="nearest"),
    ),
    "the widest table": (
        {},
        FPTTRule(learning_rate=0.25, error="linear", feedback="random"),
        PlasticWords(factor=32, factor_fraction=31, surrogate_index=20),
    ),
    "eligibility": ({}, ELIGIBLE, PlasticWords(seed=3)),
    "narrow eligibility, two layers, fast": (
        {"hidden": (4, 3)},
        replace(ELIGIBLE, learning_rate=2.0**-2, alpha=0.25, feedback="random", feedback_seed=9),
        PlasticWords(value=9, gradient=10, eligibility=8, eligibility_range=0, seed=2**64 - 1),
    ),
    "wide eligibility to nearest, static": (
        {"gate": "static"},
        replace(ELIGIBLE, error="linear", surrogate="triangle", weighting="uniform"),
        PlasticWords(rounding="nearest", factor=16, factor_fraction=12, eligibility=32),
    ),
    "eligibility, tables, spiking input": (
        {"nonlinearity": "sigmoid", "graded": False},
        replace(ELIGIBLE, learning_rate=2.0**-3, beta=1.0),
        PlasticWords(value=24, neuron=30, factor=24, factor_fraction=20, eligibility=20),
    ),
    "eligibility that always saturates": (
        {},
        replace(ELIGIBLE, learning_rate=0.25, self_terms=False),
        PlasticWords(eligibility=2, eligibility_range=0, factor=6, factor_fraction=3),
    ),
    "some ports": (
        {},
        FPTTRule(learning_rate=0.25, self_terms=False, ports={"hidden0": ("tau_adp", "current")}),
        PlasticWords(seed=1),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_learning_is_what_the_page_says(case: str) -> None:
    options, rule, words = CASES[case]
    assert assert_as_written(network(**options), rule, words, seed=2) > 0


@pytest.mark.parametrize(
    "case",
    [
        "fast, narrow",
        "linear, to nearest, triangle",
        "eligibility",
        "wide eligibility to nearest, static",
    ],
)
def test_unequal_samples_and_steps_without_goals_are_what_the_page_says(case: str) -> None:
    options, rule, words = CASES[case]
    assert assert_as_written(network(**options), rule, words, seed=4, unequal=True) > 0


@pytest.mark.parametrize("seed", range(12))
def test_any_network_learns_as_the_page_says(seed: int) -> None:
    """Any gates, delays, words and scales, sparse weights, sums that saturate."""
    fixed, rule = any_network(seed, ("event", "static", "dense"))
    assert_as_written(fixed, rule, PlasticWords(seed=seed), seed)


@pytest.mark.parametrize("seed", range(12))
def test_any_network_keeps_eligibility_as_the_page_says(seed: int) -> None:
    fixed, rule = any_network(seed, ("event", "static"))
    bits, rounding = 8 + 2 * seed, ("stochastic", "nearest")[seed % 2]
    words = PlasticWords(seed=seed, eligibility=bits, rounding=rounding)  # type: ignore[arg-type]
    assert_as_written(fixed, replace(rule, descent="eligibility"), words, seed, unequal=True)


def any_network(seed: int, gates: Any) -> tuple[FixedNetwork, FPTTRule]:
    """A random network that ends in a readout, and a rule for it."""
    rng = np.random.default_rng(seed)
    fixed = random_fixed_network(rng, largest=6, models=("LTC",), gates=gates)
    while fixed.output != "readout":
        fixed = random_fixed_network(rng, largest=6, models=("LTC",), gates=gates)
    error: Any = ("softmax", "linear")[seed % 2]
    feedback: Any = ("symmetric", "random")[seed // 2 % 2]
    rule = FPTTRule(2.0 ** -int(rng.integers(0, 8)), error=error, feedback=feedback)
    return fixed, rule


@pytest.mark.parametrize(
    ("error", "surrogate", "words", "what"),
    [
        (
            "softmax",
            "triangle",
            {"factor": 33, "factor_fraction": 32},
            "probability of the softmax",
        ),
        ("linear", "multi_gaussian", {"factor": 34, "factor_fraction": 33}, "surrogate and credit"),
        ("linear", "triangle", {"factor": 38, "factor_fraction": 20}, "product of a factor"),
    ],
)
def test_words_whose_products_would_wrap_are_refused(
    error: Any, surrogate: Any, words: dict[str, Any], what: str
) -> None:
    """64-bit engines all wrap alike, so only the second writing would see it."""
    with pytest.raises(InvalidValueError, match=what):
        integer_rule(network(), FPTTRule(error=error, surrogate=surrogate), PlasticWords(**words))


def test_shifts_beyond_63_bits_are_refused() -> None:
    """Of the way back alone: the step itself shifts by 62 bits, which there are."""
    fixed = network()
    hidden = fixed.population("hidden0")
    assert isinstance(hidden, FixedNeurons)
    formats = hidden.formats
    wide = {**formats.held, "adaptation": Held(formats.held["threshold"].fraction - 2)}
    far = {**formats.constants, "adaptation_strength": 64}
    strange = FixedNeurons(
        hidden.name,
        hidden.size,
        hidden.model,
        replace(formats, held=wide, constants=far),
        hidden.constants,
        hidden.tables,
    )
    populations = tuple(strange if p is hidden else p for p in fixed.populations)
    with pytest.raises(InvalidValueError, match="factors of hidden0"):
        integer_rule(replace(fixed, populations=populations), FPTTRule())


def test_the_page_has_every_number_of_the_second_writing() -> None:
    """Large constants of the code that was written from the page stand on the page."""
    code = Path(__file__).with_name("learning_page.py").read_text("utf-8")
    numbers = set(re.findall(r"0x[0-9A-F]{8,16}|\b\d{7}\b", code))
    assert len(numbers) == 7
    page = PAGE.read_text("utf-8")
    assert [number for number in sorted(numbers) if number not in page] == []
