"""The compiled float rule against the readable one: any network, any rule, any stream.

Sums are taken in another order, so numbers agree to rounding. Streams are short, because a rule
whose updates do not settle enlarges what rounding left from step to step, as an error of the same
size in a sample would grow in either engine, and in the end a spike flips.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw import FPTTRule, Network, learn
from ltc2hw.dynamics.expression import constant, port, register
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import InvalidValueError, Ltc2hwError, TrainingError, UnsupportedError
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import Memory
from ltc2hw.learning.scope import PARTIAL
from ltc2hw.numbers.nonlinearity import GateCurve
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity import fast_float
from tests.learning.test_eligibility import (
    CURRENTS,
    HIDDEN_MODELS,
    INPUTS,
    LAYERS,
    STATIC,
    network_of,
    one_leak,
    with_gates,
)
from tests.learning.test_front_end import random_learner
from tests.random_networks import random_network

STEPS, SAMPLES, OUTPUTS = 6, 3, 3
WIDE = 19
"""Two registers of neurons on the widest processor, and some more."""
NEAR = 1e-10
"""Of the largest number of an array: rounding of some steps. A wrong term is not so small."""

Engine = str


def numbers(learned: Learned[Network]) -> Iterator[tuple[Any, FloatArray]]:
    """Every array of a result, by what it is."""
    learning: Learning = learned.learning
    yield "outputs", learned.outputs
    for parameter, memory in learning.memories.items():
        yield from (((parameter, n), own) for n, own in zip(Memory._fields, memory, strict=True))
    for what in (learning.eligibility, learning.registers):
        for key, arrays in what.items():
            yield from (((key, name), own) for name, own in arrays.items())
    yield from learning.feedback.items()
    for index, connection in enumerate(learned.network.projections):
        yield ("weights", index), connection.weights.values
    for population in learned.network.populations:
        if isinstance(population, Neurons):
            yield from (((population.name, n), own) for n, own in population.constants.items())


def assert_near(ours: Learned[Network], theirs: Learned[Network]) -> None:
    """The same arrays in the same order, equal to rounding."""
    pairs = list(zip(numbers(ours), numbers(theirs), strict=True))
    for (name, own), (other_name, other) in pairs:
        assert name == other_name
        assert own.shape == other.shape
        largest = max(1.0, float(np.abs(other).max(initial=0.0)))
        assert np.allclose(own, other, rtol=0, atol=NEAR * largest), name
    assert ours.learning.step == theirs.learning.step
    assert ours.saturations == theirs.saturations
    assert ours.held == theirs.held
    assert ours.network.provenance == theirs.network.provenance


def said_by(run: Callable[[], Learned[Network]]) -> Learned[Network] | tuple[type, str]:
    """What a run returns, or the error that it raises."""
    try:
        return run()
    except Ltc2hwError as error:
        return type(error), str(error)


def compare(network: Network, x: FloatArray, targets: Any, rule: FPTTRule, **options: Any) -> Any:
    """Both engines return the same, or refuse the same."""
    found = [
        said_by(lambda e=engine: learn(network, x, targets, rule, engine=e, **options))  # type: ignore[misc]
        for engine in ("fast", "float64")
    ]
    if isinstance(found[0], tuple) or isinstance(found[1], tuple):
        assert found[0] == found[1]
    else:
        assert_near(found[0], found[1])
    return found[0]


DENSE = (
    ("input", "value", "hidden", "current", 0),
    ("hidden", "current", "hidden", "tau_mem", 0),
    ("hidden", "membrane", "hidden", "tau_adp", 1),
    ("hidden", "spikes", "hidden", "current", 3),
    ("hidden", "spikes", "readout", "current", 0),
    ("hidden", "current", "readout", "tau_mem", 0),
)
"""Gates that the population's own currents steer."""


def drawn_network(rng: np.random.Generator) -> Network:
    """Any model with recurrence; two layers of LTC neurons; static, event and dense gates."""
    seed, kind = int(rng.integers(2**32)), int(rng.integers(6))
    if kind == 0:
        network = network_of(find_model("ltc"), seed, LAYERS)
    elif kind == 1:
        network = one_leak(network_of(find_model("ltc"), seed, STATIC))
    elif kind == 2:
        network = network_of(find_model("ltc"), seed, DENSE)
    elif kind == 3:
        gate = ("event", "dense", "static")[int(rng.integers(3))]
        network = random_network(rng, gate=gate, inputs=INPUTS, hidden=(6, 17), outputs=OUTPUTS)  # type: ignore[arg-type]
    else:
        name = list(HIDDEN_MODELS)[int(rng.integers(len(HIDDEN_MODELS)))]
        network = network_of(HIDDEN_MODELS[name], seed)
    return with_gates(network, "plan") if rng.integers(2) else network


def drawn_rule(rng: np.random.Generator) -> FPTTRule:
    """Any rule; where it filters, often the readout's gate is held."""

    def one_of(*choices: Any) -> Any:
        return choices[int(rng.integers(len(choices)))]

    return FPTTRule(
        learning_rate=2.0 ** -int(rng.integers(3, 9)),
        alpha=one_of(0.5, 0.25, 1.0),
        beta=one_of(0.5, 0.125),
        error=one_of("softmax", "linear"),
        weighting=one_of("ramp", "uniform"),
        feedback=one_of("symmetric", "random", "adaptive"),
        feedback_seed=int(rng.integers(100)),
        surrogate=one_of("multi_gaussian", "triangle"),
        ports=one_of(None, None, {"readout": ("current",), "hidden": ("current",)}, CURRENTS),
        biases=one_of(True, True, False),
        self_terms=one_of(True, True, False),
        own_current=one_of(False, True),
        descent=one_of("instantaneous", "eligibility", "filtered"),
        update=one_of("fptt", "plain"),
        feedback_decay=one_of(2.0**-14, 2.0**-4),
    )


def drawn_targets(rng: np.random.Generator, rule: FPTTRule, outputs: int) -> Any:
    """One label or target per sample, or one per step and some steps without."""
    running = bool(rng.integers(2))
    if rule.error == "linear":
        targets = rng.normal(0, 1, (STEPS, SAMPLES, outputs) if running else (SAMPLES, outputs))
        if running:
            targets[rng.random((STEPS, SAMPLES)) < 0.4] = np.nan
            targets[0] = 0.5
        return targets
    labels = rng.integers(0, outputs, (STEPS, SAMPLES) if running else SAMPLES)
    if running:
        labels[rng.random(labels.shape) < 0.4] = -1
        labels[0] = 0
    return labels


@settings(max_examples=40)
@given(st.integers(0, 2**32 - 1))
def test_it_learns_and_refuses_what_the_readable_engine_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network, rule = drawn_network(rng), drawn_rule(rng)
    targets = drawn_targets(rng, rule, network.population("readout").size)
    x = rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS))
    lengths = rng.integers(1, STEPS + 1, SAMPLES) if rng.integers(2) else None
    reset = bool(rng.integers(2))
    compare(network, x, targets, rule, lengths=lengths, reset=reset, allow=(PARTIAL,))


@pytest.mark.parametrize("name", HIDDEN_MODELS)
@pytest.mark.parametrize("descent", ["instantaneous", "eligibility", "filtered"])
def test_every_model_learns_as_in_the_readable_engine(name: str, descent: Any) -> None:
    rng = np.random.default_rng(4)
    rule = FPTTRule(learning_rate=2.0**-5, descent=descent)
    if descent == "filtered":
        ports = HIDDEN_MODELS[name].ports
        rule = replace(rule, ports={"hidden": ports, "readout": ("current",)})
    network = one_leak(network_of(HIDDEN_MODELS[name], 7, outputs=WIDE, hidden=WIDE))
    ends = [c for c in network.projections if (c.target, c.port) != ("readout", "tau_mem")]
    network = replace(network, projections=tuple(ends))
    x = rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS))
    found = compare(network, x, rng.integers(0, WIDE, SAMPLES), rule, allow=(PARTIAL,))
    assert isinstance(found, Learned)
    assert bool(found.learning.eligibility) == (descent != "instantaneous")


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_kernels_before_what_learns_are_run(seed: int) -> None:
    network, _, x, labels = random_learner(seed)
    rule = FPTTRule(learning_rate=2.0**-5, descent="eligibility")
    assert isinstance(compare(network, x, labels, rule), Learned)


@pytest.mark.parametrize("feedback", ["symmetric", "adaptive"])
def test_a_stream_may_be_cut_anywhere(feedback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    network = one_leak(network_of(find_model("ltc"), 3, STATIC))
    rule = FPTTRule(descent="filtered", feedback=feedback, ports=CURRENTS, weighting="uniform")
    x, labels = rng.uniform(0, 1, (20, 1, INPUTS)), rng.integers(-1, OUTPUTS, (20, 1))
    labels[0] = 1
    whole = learn(network, x, labels, rule, engine="fast", reset=False)
    monkeypatch.setattr(fast_float, "most_updates", lambda layout: 3)
    pieces = learn(network, x, labels, rule, engine="fast", reset=False)
    first = learn(network, x[:7], labels[:7], rule, engine="fast", reset=False)
    last = learn(
        network, x[7:], labels[7:], rule, engine="fast", learning=first.learning, reset=False
    )
    for own in (pieces, replace(last, outputs=np.concatenate([first.outputs, last.outputs]))):
        for (_, array), (_, other) in zip(numbers(own), numbers(whole), strict=True):
            assert np.array_equal(array, other)
    compare(network, x[7:], labels[7:], rule, learning=first.learning, reset=False)


def test_it_is_what_learns_where_no_engine_is_named() -> None:
    rng = np.random.default_rng(5)
    network = network_of(find_model("ltc"), 2)
    x, labels = rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS)), rng.integers(0, OUTPUTS, SAMPLES)
    named, unnamed = (learn(network, x, labels, **options) for options in ({"engine": "fast"}, {}))  # type: ignore[arg-type]
    for (_, array), (_, other) in zip(numbers(named), numbers(unnamed), strict=True):
        assert np.array_equal(array, other)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("descent", ["instantaneous", "eligibility"])
@pytest.mark.parametrize("reset", [True, False])
def test_what_diverges_is_named_as_by_the_readable_engine(descent: Any, reset: bool) -> None:
    rng = np.random.default_rng(6)
    network = network_of(find_model("ltc"), 2)
    x, labels = rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS)), rng.integers(0, OUTPUTS, SAMPLES)
    rule = FPTTRule(learning_rate=1e200, descent=descent)
    error, message = compare(network, x, labels, rule, reset=reset)
    assert error is TrainingError
    assert "diverged before update" in message


class Bent(GateCurve):
    """A curve without a name."""

    def evaluate(self, argument: FloatArray) -> FloatArray:
        return np.clip(argument, 0.0, 1.0)


def test_a_gate_without_a_name_is_refused() -> None:
    network = network_of(find_model("ltc"), 2)
    bent = with_gates(network, Bent())  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match=r"gate tau_mem of hidden.*use the engine float64"):
        learn(bent, np.zeros((2, 1, INPUTS)), [0])


@model(output="charge", sends=("charge",), source="this test")
def bounded() -> Any:
    """A readout whose bias has a range."""
    bias = constant("bias", low=-1.0, high=1.0)
    return {"charge": register(port("current") + bias, "charge")}


def test_a_constant_that_leaves_its_range_is_named() -> None:
    network = Network(
        (Input("input", 1, graded=True), Neurons("out", 1, bounded)),
        (Projection("input", "value", "out", "current", Dense(np.ones((1, 1)))),),
        "out",
    )
    rule = FPTTRule(learning_rate=0.125, error="linear")
    x, targets = np.ones((8, 1, 1)), np.full((1, 1), 6.0)
    error, message = compare(network, x, targets, rule)
    assert error is InvalidValueError
    assert "out bias is 1" in message


def test_samples_and_labels_that_do_not_fit_are_refused() -> None:
    network = network_of(find_model("ltc"), 2)
    for x, labels in (
        (np.zeros((2, 1, INPUTS + 1)), [0]),
        (np.full((2, 1, INPUTS), np.nan), [0]),
        (np.zeros((2, 1, INPUTS)), [OUTPUTS]),
    ):
        error, _ = compare(network, x, labels, FPTTRule())
        assert issubclass(error, Ltc2hwError)
    with pytest.raises(InvalidValueError, match="runs a Network"):
        learn(network, np.zeros((2, 1, INPUTS)), [0], engine="integer")
