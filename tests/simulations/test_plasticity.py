"""On-chip FPTT on integers: the specification, the compiled engine, the float rule."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import floor
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw import FixedNetwork, FPTTRule, PlasticWords, QuantizeOptions, learn, quantize, simulate
from ltc2hw.converters.populations import LTC, Gate, Readout
from ltc2hw.errors import InvalidValueError, ShapeError, TrainingError, UnknownNameError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.learning.fixed import IntegerRule, integer_rule
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import Memory, feedback_matrix
from ltc2hw.learning.scope import PARTIAL
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from ltc2hw.simulations.plasticity.integer import IntegerLearner
from ltc2hw.simulations.plasticity.integer_factors import softmax
from ltc2hw.simulations.plasticity.integer_update import update
from ltc2hw.simulations.plasticity.verify import StepError, verify
from tests.random_networks import random_fixed_network, random_network, random_samples

STEPS, SAMPLES, INPUTS, OUTPUTS = 4, 5, 5, 3


ROOM = QuantizeOptions(weight_reach=2.0)


def deployed(
    seed: int = 0, target: str = "loihi2", quantization: QuantizeOptions = ROOM, **options: Any
) -> FixedNetwork:
    """A small event network on integers, with room for its weights."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, **{"nonlinearity": "plan", **options})
    return quantize(network, target, rng.uniform(0, 1, (4, 8, INPUTS)), quantization)


def stream(seed: int, samples: int = SAMPLES) -> tuple[FloatArray, IntArray]:
    """Random samples and labels."""
    rng = np.random.default_rng(seed)
    return rng.uniform(0, 1, (STEPS, samples, INPUTS)), rng.integers(0, OUTPUTS, samples)


def assert_same(first: Learned[FixedNetwork], second: Learned[FixedNetwork]) -> None:
    """Every integer of two runs agrees."""
    assert first.network == second.network
    assert np.array_equal(first.outputs, second.outputs)
    assert first.learning.step == second.learning.step
    assert first.learning.memories.keys() == second.learning.memories.keys()
    for parameter, memory in first.learning.memories.items():
        for ours, theirs in zip(memory, second.learning.memories[parameter], strict=True):
            assert np.array_equal(ours, theirs)
    for name, registers in first.learning.registers.items():
        for register, values in registers.items():
            assert np.array_equal(values, second.learning.registers[name][register])
    assert nonzero(first.saturations) == nonzero(second.saturations)


def nonzero(counts: Any) -> dict[str, dict[str, int]]:
    """Counts without entries that say nothing."""
    return {name: dict(own) for name, own in counts.items() if own}


# --- one update ---------------------------------------------------------------------------------


def exact_update(chip: IntegerRule, word: Any, numbers: tuple[int, ...], bits: int) -> list[int]:
    """FPTT in rational numbers, rounded as the specification says; no shift in sight."""
    value, mean, gradient, product = numbers
    rate, alpha, beta = (
        Fraction(r) for r in (chip.rule.learning_rate, chip.rule.alpha, chip.rule.beta)
    )
    unit = [Fraction(1, 2**f) for f in (word.fraction, word.mean_fraction, word.gradient_fraction)]
    phi, average, memory = value * unit[0], mean * unit[1], gradient * unit[2]
    descent = product * Fraction(1, 2 ** (chip.words.factor_fraction + word.message_fraction))
    draw = [Fraction(b % 2**32, 2**32) for b in (bits, bits << 24, bits << 16)]
    if chip.words.rounding == "nearest":
        draw = [Fraction(1, 2)] * 3

    def step(old: int, change: Fraction, index: int, kind: Any) -> int:
        new = old + floor(change / unit[index] + draw[index])
        return min(max(new, int(kind.minimum)), int(kind.maximum))

    new = step(value, rate * (descent + memory - alpha * (phi - average)), 0, word.value)
    departure = new * unit[0] - average
    remembered = step(gradient, -alpha * departure, 2, word.gradient)
    pull = beta * departure - beta / alpha * remembered * unit[2]
    return [new, step(mean, pull, 1, word.mean), remembered]


@settings(max_examples=150)
@given(
    st.sampled_from([8, 16, 24]),
    st.sampled_from([8, 16]),
    st.sampled_from([8, 16]),
    st.integers(0, 8),
    st.tuples(*(st.integers(0, 6) for _ in range(3))),
    st.sampled_from(["stochastic", "nearest"]),
    st.integers(0, 2**32 - 1),
    st.integers(0, 2**30),
)
def test_an_update_is_the_rule_in_rational_numbers(
    value: int,
    mean: int,
    gradient: int,
    finer: int,
    exponents: tuple[int, int, int],
    rounding: Any,
    bits: int,
    seed: int,
) -> None:
    rates = [2.0**-k for k in exponents]
    words = PlasticWords(
        value=value, mean=mean, gradient=gradient, gradient_shift=finer, rounding=rounding
    )
    rule = FPTTRule(learning_rate=rates[0], alpha=rates[1], beta=rates[2])
    chip = integer_rule(FIXED, rule, words)
    rng = np.random.default_rng(seed)
    for form in chip.formats.values():
        word = form.word
        numbers = [
            int(rng.integers(w.minimum, w.maximum + 1))
            for w in (word.value, word.mean, word.gradient)
        ]
        product = int(rng.integers(-(2**18), 2**18))
        memory = Memory(*(np.array([n]) for n in numbers))
        draw = np.array([bits]) if rounding == "stochastic" else None
        found, misfits = update(form, memory, np.array([product]), draw)
        wanted = exact_update(chip, word, (*numbers, product), bits)
        assert [int(n[0]) for n in found] == wanted
        assert sum(misfits.values()) <= 3


def test_the_order_of_synapses_does_not_matter() -> None:
    learner = IntegerLearner(integer_rule(FIXED, FPTTRule(), PlasticWords(seed=8)))
    rng = np.random.default_rng(0)
    for parameter, memory in learner.start().memories.items():
        form = learner.chip.formats[parameter]
        descent = rng.integers(-(2**15), 2**15, memory.value.shape)
        bits = learner.rounding(parameter, 3)
        assert bits is not None
        order = rng.permutation(memory.value.size)
        straight, _ = update(form, memory, descent, bits)
        shuffled = Memory(*(numbers[order] for numbers in memory))
        found, _ = update(form, shuffled, descent[order], bits[order])
        for ours, theirs in zip(found, straight, strict=True):
            assert np.array_equal(ours, theirs[order])


def test_stochastic_rounding_is_right_on_average() -> None:
    chip = integer_rule(FIXED, FPTTRule(learning_rate=2.0**-5), PlasticWords())
    form = chip.formats[chip.parameters[0]]
    count = 20000
    rng = np.random.default_rng(2)
    start = Memory(np.full(count, 100), np.full(count, 90), np.full(count, -7))
    descent = np.full(count, 12345)
    found, _ = update(form, start, descent, rng.integers(0, 2**32, count))
    unit = 2.0**-form.word.fraction
    product = 12345 * 2.0 ** -(chip.words.factor_fraction + form.word.message_fraction)
    memory = -7 * 2.0**-form.word.gradient_fraction
    wanted = 100 + 2.0**-5 * (product + memory - 0.5 * 10 * unit) / unit
    assert abs(found.value.mean() - wanted) < 4 * 0.5 / np.sqrt(count)
    assert set(np.unique(found.value)) == {floor(wanted), floor(wanted) + 1}


# --- whole streams ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (FPTTRule(), PlasticWords()),
        (FPTTRule(feedback="random", surrogate="triangle"), PlasticWords(rounding="nearest")),
        (FPTTRule(error="linear", weighting="uniform"), PlasticWords(value=8, mean=8, gradient=8)),
        (FPTTRule(learning_rate=1.0, alpha=1.0, beta=0.25), PlasticWords(seed=2**64 - 1)),
        (FPTTRule(biases=False, self_terms=False), PlasticWords(value=9, mean=12, gradient=10)),
        (FPTTRule(), PlasticWords(value=24, mean=20, gradient=30, gradient_shift=2)),
    ],
)
def test_compiled_is_the_specification(rule: FPTTRule, words: PlasticWords) -> None:
    x, labels = stream(1)
    targets: Any = np.eye(OUTPUTS)[labels] if rule.error == "linear" else labels
    first = learn(FIXED, x, targets, rule, words, engine="integer")
    second = learn(FIXED, x, targets, rule, words, engine="fast")
    assert_same(first, second)
    assert first.learning.step == STEPS * SAMPLES


@settings(max_examples=25)
@given(st.integers(0, 2**32 - 1))
def test_compiled_is_the_specification_on_any_network(seed: int) -> None:
    """Any neurons, gates, delays, words and scales, sparse weights, sums that do not fit."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=12)
    assume(network.output == "readout")
    rule = FPTTRule(
        learning_rate=2.0 ** -int(rng.integers(0, 8)),
        error=("softmax", "linear")[int(rng.integers(2))],
        feedback=("symmetric", "random")[int(rng.integers(2))],
        surrogate=("multi_gaussian", "triangle")[int(rng.integers(2))],
    )
    words = PlasticWords(
        rounding=("stochastic", "nearest")[int(rng.integers(2))], seed=int(rng.integers(2**62))
    )
    x = random_samples(rng, network, 3, 2)
    outputs = network.population(network.output).size
    targets: Any = rng.integers(0, outputs, 2)
    if rule.error == "linear":
        targets = rng.normal(0, 10, (2, outputs))
    reset = bool(rng.integers(2))
    runs = [
        learn(network, x, targets, rule, words, engine, reset=reset, allow=(PARTIAL,))
        for engine in ("integer", "fast")
    ]
    assert_same(*runs)


@pytest.mark.parametrize("engine", ["integer", "fast"])
def test_a_stream_can_be_cut(engine: str) -> None:
    x, labels = stream(3, samples=6)
    rule, words = FPTTRule(), PlasticWords(seed=5)
    whole = learn(FIXED, x, labels, rule, words, engine=engine, reset=False)
    state: Learning | None = None
    outputs = []
    for part in (slice(0, 1), slice(1, 4), slice(4, 6)):
        piece = learn(FIXED, x[:, part], labels[part], rule, words, engine, state, reset=False)
        state = piece.learning
        outputs.append(piece.outputs)
    assert np.array_equal(np.concatenate(outputs, axis=1), whole.outputs)
    assert_same(
        replace(whole, saturations={}), replace(piece, outputs=whole.outputs, saturations={})
    )


def test_every_update_of_the_engines_agrees() -> None:
    """Step by step, so that no later update can hide an earlier difference."""
    x, labels = stream(4, samples=10)
    rule, words = FPTTRule(learning_rate=2.0**-4), PlasticWords(seed=1)
    states: dict[str, Learning | None] = {"integer": None, "fast": None}
    for s in range(10):
        for t in range(STEPS):
            found = {}
            for engine, state in states.items():
                part = x[t : t + 1, s : s + 1]
                label = labels[s : s + 1]
                found[engine] = learn(FIXED, part, label, rule, words, engine, state, reset=t == 0)
                states[engine] = found[engine].learning
            assert_same(found["integer"], found["fast"])


def test_learning_does_not_change_how_the_network_runs() -> None:
    """Each learning step computes what the integer engine computes with the same weights."""
    x, labels = stream(5)
    learner = IntegerLearner(integer_rule(FIXED, FPTTRule(learning_rate=2.0**-3), None))
    learning = learner.start()
    samples = learner.encode(x)
    for s in range(SAMPLES):
        for t in range(STEPS):
            network = learner.adapted(learning.memories)
            trace = simulate(network, x[t : t + 1, s : s + 1], "integer", state=learning.registers)
            step, learning = learner.step(learning, samples[t, s], labels[s], t, STEPS)
            assert np.array_equal(trace.outputs[0, 0], step.output)
            for name, registers in trace.state.items():
                for register, values in registers.items():
                    assert np.array_equal(values, learning.registers[name][register])


def test_the_network_computes_with_the_top_bits() -> None:
    x, labels = stream(6)
    learned = learn(FIXED, x, labels, FPTTRule(learning_rate=2.0**-2))
    chip = integer_rule(FIXED, FPTTRule(), None)
    changed = 0
    for index, projection in enumerate(learned.network.projections):
        parameter = next(p for p in chip.parameters if p.projection == index)
        value = learned.learning.memories[parameter].value
        assert np.array_equal(projection.weights.values, value >> 8)
        changed += int(np.sum(projection.weights.values != FIXED.projections[index].weights.values))
    assert changed > 0


def test_only_the_chosen_ports_learn() -> None:
    x, labels = stream(7)
    rule = FPTTRule(learning_rate=1.0, ports={"hidden0": ("tau_mem",)}, biases=False)
    for engine in ("integer", "fast"):
        learned = learn(FIXED, x, labels, rule, engine=engine)
        changed = {
            (after.target, after.port)
            for before, after in zip(FIXED.projections, learned.network.projections, strict=True)
            if not np.array_equal(before.weights.values, after.weights.values)
        }
        assert changed == {("hidden0", "tau_mem")}
        assert learned.network.population("readout") == FIXED.population("readout")


def test_seeds_matter_and_nothing_else_does() -> None:
    x, labels = stream(8)
    runs = [learn(FIXED, x, labels, None, PlasticWords(seed=seed)) for seed in (1, 1, 2)]
    assert_same(runs[0], runs[1])
    assert runs[0].network != runs[2].network


# --- beside the float rule ----------------------------------------------------------------------


def verified(network: FixedNetwork, rule: FPTTRule, words: PlasticWords) -> list[StepError]:
    """Errors of every step of a short stream."""
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(0, 1, (8, 3, INPUTS)), rng.integers(0, OUTPUTS, 3)
    targets: Any = np.eye(OUTPUTS)[labels] if rule.error == "linear" else labels
    return verify(integer_rule(network, rule, words), x, targets)


@pytest.mark.parametrize("feedback", ["symmetric", "random"])
@pytest.mark.parametrize("gate", ["event", "static", "dense"])
def test_at_chip_widths_the_direction_is_the_float_rules(gate: Any, feedback: Any) -> None:
    errors = verified(deployed(gate=gate), FPTTRule(feedback=feedback), PlasticWords())
    assert min(error.cosine for error in errors) > 0.999
    assert np.mean([error.cosine for error in errors]) > 0.9998


@pytest.mark.parametrize("error", ["softmax", "linear"])
def test_the_error_halves_with_every_bit(error: Any) -> None:
    """Wide states, so that only the words of learning decide; eight more bits, 256 times less."""
    coarse = QuantizeOptions(weight_reach=2.0, weight_bits=8, message_bits=8)
    network = deployed(target="ideal", quantization=coarse)
    rule = FPTTRule(error=error, surrogate="triangle")
    descents, values = [], []
    for bits in (12, 16, 20):
        words = PlasticWords(
            value=bits + 8,
            mean=bits + 8,
            gradient=bits + 8,
            neuron=min(bits + 14, 36),
            gradient_shift=0,
            factor=bits + 2,
            factor_fraction=bits - 2,
            softmax_index=min(bits - 2, 16),
            rounding="nearest",
        )
        errors = verified(network, rule, words)
        descents.append(float(np.mean([found.descent for found in errors])))
        values.append(float(np.mean([found.value for found in errors])))
    for errors_of_bits in (descents, values):
        per_bit = np.diff(np.log2(errors_of_bits)) / 4
        assert np.all(np.abs(per_bit + 1.0) < 0.25), per_bit


def test_softmax_is_right_to_the_table() -> None:
    chip = integer_rule(FIXED, FPTTRule(), PlasticWords(softmax_index=8))
    rng = np.random.default_rng(0)
    for spread in (0.01, 1.0, 30.0):
        membranes = rng.normal(0, spread, 10)
        integers = np.rint(np.ldexp(membranes, 14)).astype(np.int64)
        found = softmax(chip, integers, 14) / 2.0**chip.words.factor_fraction
        wanted = np.exp(membranes - membranes.max())
        np.testing.assert_allclose(found, wanted / wanted.sum(), atol=2.0**-8)
        assert found.sum() <= 1.0


def test_dense_gates_learn_locally_except_through_their_own_currents() -> None:
    """Without ``own_current`` the gates' weights get the exact gradient, the currents' do not."""
    rng = np.random.default_rng(3)
    network = random_network(rng, gate="dense")
    x = rng.uniform(0, 1, (6, INPUTS))
    exact = FloatLearner(network, FPTTRule(own_current=True))
    local = FloatLearner(network, FPTTRule())
    learning = exact.start()
    different = 0.0
    for t in range(6):
        found, after = exact.step(learning, x[t], np.eye(OUTPUTS)[0], t, 6)
        other, _ = local.step(learning, x[t], np.eye(OUTPUTS)[0], t, 6)
        for parameter, descent in found.descent.items():
            if parameter.port == "current" and parameter.population == "hidden0":
                different += float(np.abs(descent - other.descent[parameter]).max())
            else:
                assert np.array_equal(descent, other.descent[parameter])
        learning = after
    assert different > 0


def test_random_feedback_takes_the_place_of_the_weights() -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng)
    index = next(i for i, p in enumerate(network.projections) if p.target == "readout")
    rule = FPTTRule(feedback="random", feedback_seed=7)
    matrix = feedback_matrix(rule, index, network.projections[index].weights.shape)
    swapped = replace(network.projections[index], weights=Dense(matrix))
    projections = (*network.projections[:index], swapped, *network.projections[index + 1 :])
    x = rng.uniform(0, 1, INPUTS)
    goal = np.eye(OUTPUTS)[1]
    random, symmetric = (
        FloatLearner(network, rule),
        FloatLearner(replace(network, projections=projections), FPTTRule()),
    )
    # At rest the readout's own factors do not depend on its weights' values, only on their sum.
    found, _ = random.step(random.start(), x, goal, 0, 1)
    other, _ = symmetric.step(symmetric.start(), x, goal, 0, 1)
    if np.array_equal(found.output, other.output):
        for parameter, descent in found.descent.items():
            assert np.array_equal(descent, other.descent[parameter])


# --- what goes wrong ----------------------------------------------------------------------------


def test_misfits_are_counted_and_words_keep_their_range() -> None:
    x, labels = stream(9, samples=40)
    words = PlasticWords(
        value=8, mean=8, gradient=8, gradient_shift=10, factor=8, factor_fraction=7
    )
    full = deployed(quantization=QuantizeOptions())
    learned = learn(full, 4 * x, labels, FPTTRule(learning_rate=1.0), words)
    counted = nonzero(learned.saturations)
    assert any("gradient" in own for own in counted.values())
    assert any("value" in own for own in counted.values())
    chip = integer_rule(full, FPTTRule(learning_rate=1.0), words)
    for parameter, memory in learned.learning.memories.items():
        word = chip.formats[parameter].word
        for numbers, kind in zip(memory, (word.value, word.mean, word.gradient), strict=True):
            assert numbers.min() >= kind.minimum
            assert numbers.max() <= kind.maximum


def test_targets_out_of_range_saturate_and_are_counted() -> None:
    x, _ = stream(9)
    rule = FPTTRule(error="linear")
    targets = np.full((SAMPLES, OUTPUTS), 1e9)
    runs = [learn(FIXED, x, targets, rule, engine=engine) for engine in ("integer", "fast")]
    assert_same(*runs)
    assert nonzero(runs[0].saturations)["readout"]["error"] > 0


@pytest.mark.parametrize("engine", ["integer", "fast"])
def test_bad_streams_are_refused(engine: str) -> None:
    x, labels = stream(10)
    for bad, error in ((labels + OUTPUTS, InvalidValueError), (labels[:-1], ShapeError)):
        with pytest.raises(error):
            learn(FIXED, x, bad, engine=engine)
    with pytest.raises(ShapeError):
        learn(FIXED, x[..., :-1], labels, engine=engine)
    with pytest.raises(InvalidValueError):
        learn(FIXED, np.full_like(x, np.nan), labels, engine=engine)


def test_engines_take_their_own_kind_of_network() -> None:
    x, labels = stream(11)
    network = random_network(np.random.default_rng(0))
    with pytest.raises(InvalidValueError, match="runs a Network"):
        learn(network, x, labels, engine="integer")
    with pytest.raises(InvalidValueError, match="runs a FixedNetwork"):
        learn(FIXED, x, labels, engine="float64")
    with pytest.raises(InvalidValueError, match="words"):
        learn(network, x, labels, words=PlasticWords())
    with pytest.raises(UnknownNameError):
        learn(FIXED, x, labels, engine="lava2")


def test_a_diverging_float_run_says_so() -> None:
    x, labels = stream(12)
    network = random_network(np.random.default_rng(0))
    targets = 1e9 * np.eye(OUTPUTS)[labels]
    rule = FPTTRule(learning_rate=1e150, error="linear")
    with np.errstate(all="ignore"), pytest.raises((TrainingError, InvalidValueError)):
        learn(network, x, targets, rule)


def spiking_layers(sparse: bool) -> FixedNetwork:
    """Two layers of LIF neurons, with sparse weights or dense ones."""
    rng = np.random.default_rng(4)
    network = random_network(rng, model="LIF", hidden=(7, 6))
    if sparse:
        projections = []
        for projection in network.projections:
            matrix = projection.weights.to_array()
            kept = matrix * (rng.random(matrix.shape) < 0.6)
            projections.append(replace(projection, weights=Sparse.from_array(kept)))
        network = replace(network, projections=tuple(projections))
    return quantize(network, "loihi2", rng.uniform(0, 1, (4, 8, INPUTS)), ROOM)


@pytest.mark.parametrize("feedback", ["symmetric", "random"])
@pytest.mark.parametrize("sparse", [False, True])
def test_layers_of_lif_neurons_learn(sparse: bool, feedback: Any) -> None:
    """Their factors follow from their step; only the weights that there are learn."""
    network = spiking_layers(sparse)
    x, labels = stream(13)
    rule = FPTTRule(learning_rate=2.0**-2, feedback=feedback)
    runs = [learn(network, 3 * x, labels, rule, engine=engine) for engine in ("integer", "fast")]
    assert_same(*runs)
    for projection in runs[0].network.projections:
        assert isinstance(projection.weights, Sparse if sparse else Dense)
    for parameter, memory in runs[0].learning.memories.items():
        assert parameter.projection is None or np.any(memory.gradient)
    errors = verified(network, replace(rule, feedback="symmetric"), PlasticWords())
    assert np.mean([error.cosine for error in errors]) > 0.99


# --- learning -----------------------------------------------------------------------------------


def test_integers_learn_two_patterns() -> None:
    """A task that the network cannot do before, and does after a few dozen samples."""
    rng = np.random.default_rng(0)
    gate = Gate(-0.5, nonlinearity="plan")
    network = Network(
        (
            Input("input", 4, graded=True),
            LTC("hidden", 16, np.asarray(0.1), np.asarray(1.0), np.asarray(0.0), gate, gate),
            Readout("readout", 2, np.zeros(2), Gate(0.0, nonlinearity="plan")),
        ),
        (
            Projection("input", "value", "hidden", "current", Dense(rng.normal(0, 1, (16, 4)))),
            Projection(
                "hidden", "spikes", "readout", "current", Dense(rng.normal(0, 0.1, (2, 16)))
            ),
        ),
        "readout",
    )
    labels = rng.integers(0, 2, 60)
    patterns = np.array([[1.0, 0.8, 0.0, 0.1], [0.0, 0.2, 1.0, 0.9]])
    x = np.clip(patterns[labels] + rng.normal(0, 0.1, (6, 60, 4)), 0, 1)
    fixed = ltc2hw.quantize(network, "loihi2", x, QuantizeOptions(weight_reach=2.0))
    learned = learn(fixed, x, labels, FPTTRule(learning_rate=2.0**-3))
    after = simulate(learned.network, x, "integer", record=()).outputs[-1].argmax(axis=1)
    assert np.mean(after == labels) == 1.0


FIXED = deployed()
