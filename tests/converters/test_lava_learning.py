"""On-chip FPTT in Lava's simulator: the same bits as the specification, after every update."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("lava.magma")

from ltc2hw import FixedNetwork, FPTTRule, PlasticWords, QuantizeOptions, quantize
from ltc2hw.converters.lava import learning as lava_learning
from ltc2hw.errors import UnsupportedError
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.goals import Course
from ltc2hw.learning.rule import Memory, parameter_name
from ltc2hw.learning.scope import scope_of
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.simulations.plasticity import integer
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.simulations.plasticity.stream import enter
from tests.learning import test_any_neuron as any_neuron
from tests.learning.test_front_end import random_learner
from tests.random_networks import random_network

STEPS, SAMPLES, INPUTS, OUTPUTS = 4, 6, 4, 3


def deployed(**options: Any) -> FixedNetwork:
    """A small network with room for its weights."""
    rng = np.random.default_rng(3)
    sparse = options.pop("sparse", False)
    shape = {"inputs": INPUTS, "hidden": (5,), "outputs": OUTPUTS, "nonlinearity": "plan"}
    network = random_network(rng, **{**shape, **options})
    if sparse:
        projections = []
        for projection in network.projections:
            matrix = projection.weights.to_array()
            kept = Sparse.from_array(matrix * (rng.random(matrix.shape) < 0.7))
            projections.append(replace(projection, weights=kept))
        network = replace(network, projections=tuple(projections))
    return quantize(network, "loihi2", rng.uniform(0, 1, (4, 8, INPUTS)), ROOM)


def stream(inputs: int = INPUTS) -> tuple[FloatArray, IntArray]:
    """Random samples and labels."""
    rng = np.random.default_rng(5)
    return rng.uniform(0, 1, (STEPS, SAMPLES, inputs)), rng.integers(0, OUTPUTS, SAMPLES)


def checksum(memory: Memory) -> int:
    """CRC-32 of Φ, Φ̄, λ as little-endian 64-bit integers."""
    return zlib.crc32(np.stack(memory).astype("<i8").tobytes())


ROOM = QuantizeOptions(weight_reach=2.0)
CASES: dict[str, tuple[FPTTRule, PlasticWords, dict[str, Any]]] = {
    "defaults": (FPTTRule(learning_rate=2.0**-3), PlasticWords(seed=4), {}),
    "nearest, random feedback, linear": (
        FPTTRule(error="linear", feedback="random", surrogate="triangle", weighting="uniform"),
        PlasticWords(value=8, mean=12, gradient=10, rounding="nearest"),
        {"hidden": (4, 3)},
    ),
    "eligibility": (FPTTRule(2.0**-3, descent="eligibility"), PlasticWords(seed=4), {}),
    "eligibility of LIF neurons, to nearest": (
        FPTTRule(2.0**-3, descent="eligibility", feedback="random"),
        PlasticWords(rounding="nearest", eligibility=12),
        {"model": "LIF", "sparse": True},
    ),
    "LIF neurons": (FPTTRule(learning_rate=2.0**-2), PlasticWords(seed=2), {"model": "LIF"}),
    "LIF neurons, sparse": (
        FPTTRule(learning_rate=2.0**-2),
        PlasticWords(rounding="nearest"),
        {"model": "LIF", "sparse": True},
    ),
}


def test_neurons_of_a_model_of_ones_own_learn_in_lava_too() -> None:
    assert_every_update(any_neuron.deployed(any_neuron.tired), FPTTRule(), PlasticWords(), 5)


@pytest.mark.parametrize("case", CASES)
def test_every_update_of_lava_is_the_specifications(case: str) -> None:
    rule, words, shape = CASES[case]
    assert_every_update(deployed(**shape), rule, words, INPUTS)


@pytest.mark.parametrize("seed", [1, 4])
def test_what_lies_behind_kernels_learns_in_lava_as_in_the_specification(seed: int) -> None:
    _, network, x, labels = random_learner(seed, graded_messages=False)
    assert any(isinstance(p.weights, Conv) for p in network.projections)
    rule, words = FPTTRule(learning_rate=2.0**-3), PlasticWords(seed=4)
    found = lava_learning.learn(network, x, labels, rule, words)
    whole = integer.learn(network, x, labels, rule, words)
    assert np.array_equal(found.outputs, whole.outputs)
    assert found.held == scope_of(network, rule).held
    for parameter, memory in whole.learning.memories.items():
        assert np.array_equal(found.words[parameter_name(network, parameter)], np.stack(memory))
    assert whole.network != network


def at_steps(wanted: Any, part: float) -> Any:
    """Labels or targets of samples as those of their steps, of which a part has any."""
    missing = np.random.default_rng(1).random((STEPS, SAMPLES)) > part
    missing[0] = False
    if wanted.ndim == 1:
        return np.where(missing, -1, wanted)
    return np.where(missing[:, :, None], np.nan, wanted)


UNEQUAL = (4, 1, 3, 4, 2, 3)


@pytest.mark.parametrize("case", ["defaults", "nearest, random feedback, linear", "eligibility"])
def test_unequal_samples_and_steps_without_goals_are_the_specifications(case: str) -> None:
    rule, words, shape = CASES[case]
    assert_every_update(deployed(**shape), rule, words, INPUTS, UNEQUAL)


def assert_every_update(
    network: FixedNetwork,
    rule: FPTTRule,
    words: PlasticWords,
    inputs: int,
    lengths: Sequence[int] | None = None,
) -> None:
    """Outputs and all words, update after update, and what is told of the rest."""
    x, labels = stream(inputs)
    targets: Any = np.eye(OUTPUTS)[labels] if rule.error == "linear" else labels
    if lengths is not None:
        targets = at_steps(targets, 0.6)
    found = lava_learning.learn(network, x, targets, rule, words, lengths=lengths)

    learner = IntegerLearner(integer_rule(network, rule, words))
    entered = enter(learner, x, targets, None, reset=True, lengths=lengths)
    learning, number = entered.start, 0
    for s, steps in enumerate(entered.course.lengths):
        learning = learning.rested(learner.rest())
        for t in range(steps):
            sample, goal = entered.samples[t, s], entered.goals.at(t, s)
            update, learning = learner.step(learning, sample, goal, t, steps)
            assert np.array_equal(found.outputs[t, s], update.output)
            for parameter, memory in learning.memories.items():
                name = parameter_name(network, parameter)
                assert found.checksums[name][number] == checksum(memory), (s, t)
            number += 1
        assert not found.outputs[steps:, s].any()
    assert all(sums.size == number for sums in found.checksums.values())
    for parameter, memory in learning.memories.items():
        assert np.array_equal(found.words[parameter_name(network, parameter)], np.stack(memory))
    for parameter, own in learning.eligibility.items():
        kept = found.eligibility[parameter_name(network, parameter)]
        assert kept.keys() == own.keys()
        assert all(np.array_equal(kept[state], words_) for state, words_ in own.items())
    whole = integer.learn(network, x, targets, rule, words, lengths=lengths)
    assert found.held == scope_of(network, rule).held
    assert found.saturations.get("input", {}) == whole.saturations.get("input", {})


def test_clipped_samples_and_targets_are_counted_as_by_the_other_engines() -> None:
    rule = FPTTRule(error="linear")
    network = deployed()
    x, _ = stream()
    targets = np.full((SAMPLES, OUTPUTS), 1e9)
    counts: dict[str, dict[str, int]] = {}
    lava_learning.encode(integer_rule(network, rule, PlasticWords()), 4 * x, targets, counts)
    learner = IntegerLearner(integer_rule(network, rule, PlasticWords()))
    expected: dict[str, dict[str, int]] = {}
    learner.encode(4 * x, expected)
    learner.goals(targets, Course(STEPS, SAMPLES), expected)
    assert counts == expected
    assert counts["input"]["value"] > 0
    assert counts["readout"] == {"target": SAMPLES * OUTPUTS}


def late(network: FixedNetwork) -> FixedNetwork:
    """The network with a delay before its readout, which no error crosses."""
    projections = tuple(
        replace(p, delay=1) if p.target == "readout" else p for p in network.projections
    )
    return replace(network, projections=projections)


def test_samples_out_of_reach_are_refused_in_lava_too() -> None:
    x, labels = stream()
    with pytest.raises(UnsupportedError, match="no error reaches these weights"):
        lava_learning.learn(late(deployed()), x, labels, FPTTRule())


def test_what_the_processes_do_not_express_is_named() -> None:
    x, labels = stream()
    with pytest.raises(UnsupportedError, match="graded messages"):
        lava_learning.learn(deployed(gate="dense"), x, labels, FPTTRule())
