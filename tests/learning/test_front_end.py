"""On-chip FPTT behind convolutions: kernels are held, what lies behind them learns as before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw import FixedNetwork, FPTTRule, Network, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.errors import InvalidValueError, Ltc2hwError, UnsupportedError
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.scope import PARTIAL, scope_of
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.weights import Dense
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.simulations.learning_engine import fast as engine_fast
from ltc2hw.simulations.learning_engine import integer as engine_integer
from tests.convolution.random_conv_networks import conv_samples, random_conv_network
from tests.simulations.test_plasticity import assert_same

PORTS = {"hidden": ("current", "tau_mem", "tau_adp"), "readout": ("current", "tau_mem")}
ROOM = QuantizeOptions(weight_reach=2.0, allow=tuple(LIMITS))
HIDDEN, CLASSES = 6, 3


def behind(rng: np.random.Generator, front: Network) -> Network:
    """A recurrent LTC layer with event gates and a readout, on what a front end says."""
    last, entry = front.populations[-1], front.input

    def dense(targets: int, sources: int) -> Dense:
        return Dense(rng.normal(size=(targets, sources)) / np.sqrt(sources))

    hidden = Neurons("hidden", HIDDEN, "ltc", {"threshold": 0.2, "adaptation_strength": 1.8})
    ends = [(last.name, "spikes", "hidden", port, 0) for port in PORTS["hidden"]]
    ends += [("hidden", "spikes", "hidden", port, 1) for port in PORTS["hidden"][:2]]
    ends += [(entry.name, entry.variables[0], "hidden", "current", 2)]
    ends += [("hidden", "spikes", "readout", "current", 0)]
    sizes = {p.name: p.size for p in front.populations} | {"hidden": HIDDEN, "readout": CLASSES}
    projections = tuple(
        Projection(source, variable, target, port, dense(sizes[target], sizes[source]), delay)
        for source, variable, target, port, delay in ends
    )
    return Network(
        (*front.populations, hidden, Neurons("readout", CLASSES, "readout")),
        (*front.projections, *projections),
        "readout",
    )


def without_readout(network: Network) -> Network:
    """The convolutions of a random network."""
    kept = tuple(p for p in network.populations if p.name != "readout")
    projections = tuple(p for p in network.projections if p.target != "readout")
    return Network(kept, projections, kept[-1].name)


def random_learner(
    seed: int, *, graded_messages: bool = True
) -> tuple[Network, FixedNetwork, Any, Any]:
    """A random front end with something that learns, its integers, samples and labels."""
    rng = np.random.default_rng(seed)
    front = random_conv_network(rng, side=5, graded_messages=graded_messages)
    network = behind(rng, without_readout(front))
    x = conv_samples(rng, network, 5, 4)
    return network, quantize(network, "loihi2", x, ROOM), x, rng.integers(0, CLASSES, 4)


@settings(max_examples=12)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(["symmetric", "random"]),
    st.sampled_from(["stochastic", "nearest"]),
)
def test_engines_learn_the_same_behind_kernels_as_written_out(
    seed: int, feedback: Any, rounding: Any
) -> None:
    _, network, x, labels = random_learner(seed)
    rule, words = FPTTRule(2.0**-4, feedback=feedback), PlasticWords(rounding=rounding)
    found = learn(network, x, labels, rule, words, engine="integer")
    assert_same(learn(network, x, labels, rule, words, engine="fast"), found)
    named = replace(rule, ports=PORTS)
    assert learn(network, x, labels, named, words, engine="fast").learning.memories.keys() == (
        found.learning.memories.keys()
    )
    expected = learn(without_kernels(network), x, labels, named, words, engine="integer")
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    changed = 0
    for parameter, memory in expected.learning.memories.items():
        for ours, theirs in zip(found.learning.memories[parameter], memory, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        changed += int(np.any(memory.gradient))
    assert changed
    for old, new in zip(network.projections, found.network.projections, strict=True):
        assert not isinstance(old.weights, Conv) or old == new


@settings(max_examples=8)
@given(st.integers(0, 2**32 - 1))
def test_reals_learn_the_same_behind_kernels_as_written_out(seed: int) -> None:
    network, _, x, labels = random_learner(seed)
    found = learn(network, x, labels)
    expected = learn(without_kernels(network), x, labels, FPTTRule(ports=PORTS))
    np.testing.assert_allclose(found.outputs, expected.outputs, rtol=0, atol=1e-9)
    for parameter, memory in expected.learning.memories.items():
        np.testing.assert_allclose(
            found.learning.memories[parameter].value, memory.value, rtol=0, atol=1e-9
        )


def test_lavas_learning_engine_learns_behind_kernels_too() -> None:
    _, network, x, labels = random_learner(5, graded_messages=False)
    rule = FPTTRule(2.0**-4, self_terms=False)
    compiled = engine_fast.learn(network, x, labels, rule)
    readable = engine_integer.learn(network, x, labels, rule)
    named = replace(rule, ports=PORTS)
    written_out = engine_integer.learn(without_kernels(network), x, labels, named)
    np.testing.assert_array_equal(readable.outputs, written_out.outputs)
    assert compiled.network == readable.network
    for parameter, memory in written_out.learning.memories.items():
        np.testing.assert_array_equal(readable.learning.memories[parameter].value, memory.value)


def test_learning_goes_on_where_it_stopped() -> None:
    _, network, x, labels = random_learner(3)
    whole = learn(network, x, labels, engine="fast", reset=False)
    first = learn(network, x[:, :2], labels[:2], engine="fast", reset=False)
    rest = learn(network, x[:, 2:], labels[2:], engine="fast", reset=False, learning=first.learning)
    assert rest.network.projections == whole.network.projections
    np.testing.assert_array_equal(rest.outputs, whole.outputs[:, 2:])


def test_room_to_learn_is_not_taken_from_kernels() -> None:
    network = small(*CHAIN)
    roomy = quantize(network, "loihi2", EVENTS, QuantizeOptions(weight_reach=16.0))
    plain = quantize(network, "loihi2", EVENTS)
    assert roomy.projections[:2] == plain.projections[:2]
    assert roomy.projections[2].weight_fraction < plain.projections[2].weight_fraction


# --- what is said and refused ---------------------------------------------------------------------

IMAGE: Shape = (2, 5, 5)


def small(*ends: tuple[str, str, Any], shaped: tuple[str, ...] = ("a", "b")) -> Network:
    """LIF populations ``a`` and ``b`` of 2x5x5 and a readout, joined by kernels (K) or dense."""
    rng = np.random.default_rng(0)
    sizes = {"input": 50, "a": 50, "b": 50, "readout": 3}
    constants = {"threshold": 0.3}
    projections = []
    for source, target, kind in ends:
        weights: Any = Dense(rng.normal(size=(sizes[target], sizes[source])) / 5)
        if kind == "K":
            weights = Conv(rng.normal(size=(2, 2, 3, 3)) / 3, IMAGE, 1, 1)
        delay = int(source == target)
        projections.append(Projection(source, "spikes", target, "current", weights, delay))
    neurons = [Neurons(name, 50, "lif", constants, shape=IMAGE) for name in shaped]
    return Network(
        (Input("input", 50, shape=IMAGE), *neurons, Neurons("readout", 3, "readout")),
        tuple(projections),
        "readout",
    )


CHAIN = (("input", "a", "K"), ("a", "b", "K"), ("b", "readout", "D"))
EVENTS = (np.random.default_rng(1).random((4, 3, 50)) < 0.3).astype(float)
LABELS = np.array([0, 1, 2])


def fixed(network: Network) -> FixedNetwork:
    return quantize(network, "loihi2", EVENTS, ROOM)


def test_what_is_held_says_that_a_kernel_is_shared() -> None:
    network = small(*CHAIN)
    for given_network in (network, fixed(network)):
        scope = scope_of(given_network, FPTTRule())
        assert scope.learns[0] == "b.spikes->readout.current"
        for name in ("input.spikes->a.current", "a.spikes->b.current"):
            assert scope.held[name].startswith("a kernel's change is a sum over all its places")
        assert scope.held["b.threshold"] == "kernels alone lead to b"
        assert not scope.unreached
        learned = learn(given_network, EVENTS, LABELS)
        assert "a kernel's change" in learned.network.provenance["held"]


def test_a_population_that_kernels_and_others_lead_to_learns_the_others() -> None:
    network = small(*CHAIN, ("b", "b", "D"))
    scope = scope_of(network, FPTTRule())
    assert {"b.spikes->b.current", "b.spikes->readout.current"} <= set(scope.learns)
    learned = learn(fixed(network), EVENTS, LABELS, engine="integer")
    assert_same(learn(fixed(network), EVENTS, LABELS, engine="fast"), learned)


REFUSED: dict[str, tuple[Any, FPTTRule, type[Ltc2hwError], str]] = {
    "a kernel's port": (
        CHAIN,
        FPTTRule(ports={"b": ("current",)}),
        InvalidValueError,
        r"of b is current, to which kernels alone lead.*sum over all its places.*behind",
    ),
    "the whole front end": (
        CHAIN,
        FPTTRule(ports={"a": ("current",), "readout": ("current",)}),
        InvalidValueError,
        "plastic port of a is current, to which kernels alone lead",
    ),
    "dense before a kernel": (
        (("input", "a", "D"), ("a", "b", "K"), ("b", "readout", "D")),
        FPTTRule(),
        UnsupportedError,
        r"no error reaches these weights of the samples",
    ),
    "a part of an error": (
        (("input", "a", "D"), ("a", "b", "K"), ("a", "readout", "D"), ("b", "readout", "D")),
        FPTTRule(),
        UnsupportedError,
        r"learning in a: some of its error would have to cross the kernel of a.spikes->b.current",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_need_a_kernel_to_learn_or_to_be_crossed_is_refused(case: str) -> None:
    ends, rule, kind, message = REFUSED[case]
    network = small(*ends)
    for given_network in (network, fixed(network)):
        with pytest.raises(kind, match=message):
            learn(given_network, EVENTS, LABELS, rule)


def test_dense_weights_before_a_kernel_may_be_held() -> None:
    network = fixed(small(*REFUSED["dense before a kernel"][0]))
    learned = learn(network, EVENTS, LABELS, allow=(PARTIAL,))
    assert learned.held["input.spikes->a.current"] == "no error comes back to a through b"
    assert learned.network.projections[0] == network.projections[0]


def test_an_output_that_only_kernels_lead_to_learns_nothing() -> None:
    shape = (3, 1, 1)
    readout = Neurons("readout", 3, "readout", shape=shape)
    conv = Conv(np.ones((3, 2, 5, 5)) / 50, IMAGE)
    projection = Projection("input", "spikes", "readout", "current", conv)
    network = Network((Input("input", 50, shape=IMAGE), readout), (projection,), "readout")
    with pytest.raises(InvalidValueError, match=r"plastic path.*read them out by dense weights"):
        learn(network, EVENTS, LABELS)
