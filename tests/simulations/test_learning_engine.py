"""Networks that learn in Lava's learning engine, and the rule that they learn by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ltc2hw import FixedNetwork, FPTTRule, QuantizeOptions, quantize
from ltc2hw.errors import InvalidValueError, UnknownNameError, UnsupportedError
from ltc2hw.learning.engine_rule import OFFSET, EngineForm, Product, SynapseScale, synapse_rule
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.simulations.learning_engine import fast, integer
from ltc2hw.simulations.learning_engine.connection import Synapses, Traces, update
from ltc2hw.simulations.learning_engine.plan import EngineOptions, engine_plan
from tests.random_networks import random_network

STEPS, SAMPLES, INPUTS, OUTPUTS = 4, 6, 4, 3
RULE = FPTTRule(learning_rate=2.0**-4, self_terms=False)
SLOW = replace(RULE, learning_rate=2.0**-8)


def deployed(**options: Any) -> FixedNetwork:
    """A small network with room for its weights."""
    rng = np.random.default_rng(3)
    shape = {"inputs": INPUTS, "hidden": (6,), "outputs": OUTPUTS, "nonlinearity": "plan"}
    network = random_network(rng, **{**shape, **options})
    return quantize(network, "loihi2", rng.uniform(0, 1, (4, 8, INPUTS)), ROOM)


def stream() -> tuple[FloatArray, IntArray]:
    """Random samples and labels."""
    rng = np.random.default_rng(5)
    return rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS)), rng.integers(0, OUTPUTS, SAMPLES)


ROOM = QuantizeOptions(weight_reach=2.0)
CASES = {
    "as Lava": (RULE, EngineOptions()),
    "slow, unsigned factors, long epochs": (
        SLOW,
        EngineOptions(third_factor="split", epoch=5, arrival=3, seed=2),
    ),
    "own draws, wide": (
        replace(RULE, biases=False),
        EngineOptions(form="simultaneous", draws="own", extra_bits=6),
    ),
    "weights alone": (
        RULE,
        EngineOptions(form="weights", least=0, graded="held", factor_rounding="nearest"),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_compiled_learning_is_the_readable_one(case: str) -> None:
    rule, options = CASES[case]
    network = deployed(hidden=(6, 5))
    x, labels = stream()
    compiled = fast.learn(network, x[:, :4], labels[:4], rule, options)
    readable = integer.learn(network, x[:, :4], labels[:4], rule, options)
    # Going on from either is going on from both.
    compiled = fast.learn(network, x[:, 4:], labels[4:], rule, options, compiled.learning)
    readable = integer.learn(network, x[:, 4:], labels[4:], rule, options, readable.learning)
    assert compiled.network == readable.network
    assert np.array_equal(compiled.outputs, readable.outputs)
    assert compiled.learning.step == readable.learning.step == STEPS * SAMPLES
    start = engine_plan(network, rule, options).start().memories
    assert compiled.learning.memories.keys() == readable.learning.memories.keys() == start.keys()
    for parameter, memory in readable.learning.memories.items():
        for found, expected in zip(compiled.learning.memories[parameter], memory, strict=True):
            assert np.array_equal(found, expected)
    assert any(
        not np.array_equal(memory.value, start[parameter].value)
        for parameter, memory in readable.learning.memories.items()
    )


def coefficients(products: tuple[Product, ...]) -> dict[str, float]:
    """Sum of the coefficients of each variable, as written in a rule's products."""
    found = dict.fromkeys("wtd", 0.0)
    for product in products:
        found[product.operands[-1]] += product.mantissa * 2.0**product.exponent
    assert found["w"] == -found["t"]
    return found


@pytest.mark.parametrize("alpha", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("beta", [0.25, 0.5])
def test_only_the_damped_form_forgets(alpha: float, beta: float) -> None:
    """With weights that stand still, (w - t, λ) turns by a matrix: its eigenvalues' magnitude."""
    scale = SynapseScale(weight=8, gradient=8, factor=8)

    def magnitude(form: EngineForm) -> float:
        rule = synapse_rule(FPTTRule(learning_rate=2.0**-5, alpha=alpha, beta=beta), scale, form)
        tag, delay = coefficients(rule.tag), coefficients(rule.delay)
        turn = [[1 - tag["w"], -tag["d"]], [delay["w"], 1]]
        return float(np.abs(np.linalg.eigvals(np.array(turn))).max())

    assert magnitude("simultaneous") == pytest.approx(1.0)
    assert magnitude("damped") == pytest.approx(np.sqrt(1 - beta))


@pytest.mark.parametrize("form", ["damped", "simultaneous"])
@pytest.mark.parametrize("finer", [0, 1])
def test_what_rests_stays_although_sums_saturate(form: EngineForm, finer: int) -> None:
    """With Φ̄ = Φ, λ = 0 and no spikes, nothing moves; the plain order of the products fails."""
    learned = synapse_rule(RULE, SynapseScale(weight=8, gradient=8 + finer, factor=8), form)
    weight = np.arange(-256, 256)[:, None]
    rest = Synapses(weight, weight, np.full_like(weight, OFFSET))
    silent = Traces(np.zeros(1, np.int64), np.zeros(1, np.int64), weight[:, 0], weight[:, 0])
    for after, before in zip(update(learned, rest, silent, 0, 0.5), rest, strict=True):
        assert np.array_equal(after, before)
    back = Product("u", ("w",), 1, 0), Product("u", ("t",), -1, 0)
    spoiled = update(replace(learned, tag=back), rest, silent, 0, 0.5).tag
    assert np.array_equal(spoiled[weight >= 128], 256 - weight[weight >= 128])


def test_what_the_grammar_cannot_say_is_refused() -> None:
    scale = SynapseScale(weight=8, gradient=9, factor=12)
    with pytest.raises(UnsupportedError, match="exponent -9"):
        synapse_rule(FPTTRule(learning_rate=2.0**-5), scale)
    with pytest.raises(UnsupportedError, match="mantissa 9"):
        Product("x0", ("y1",), 9, 0)
    with pytest.raises(UnsupportedError, match="decimation 10"):
        synapse_rule(FPTTRule(learning_rate=2.0**-16), replace(scale, factor=-1))
    with pytest.raises(InvalidValueError, match="power of two"):
        synapse_rule(FPTTRule(learning_rate=0.3), scale)
    with pytest.raises(InvalidValueError, match="delay's rule is 1"):
        synapse_rule(RULE, replace(scale, gradient=10, factor=8))
    with pytest.raises(InvalidValueError, match="tag's rule is 1"):
        synapse_rule(replace(RULE, beta=1.0), replace(scale, factor=8))


def test_what_connections_cannot_carry_is_refused() -> None:
    x, labels = stream()
    with pytest.raises(UnsupportedError, match="self terms"):
        fast.learn(deployed(), x, labels, replace(RULE, self_terms=True))
    with pytest.raises(UnsupportedError, match="with a sign"):
        fast.learn(deployed(gate="dense"), x, labels, RULE)
    with pytest.raises(InvalidValueError, match="bias_reach"):
        fast.learn(deployed(), x, labels, RULE, EngineOptions(bias_reach=-5))
    with pytest.raises(UnknownNameError, match="form"):
        EngineOptions(form="stale")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="arrival"):
        EngineOptions(epoch=2, arrival=3)
    with pytest.raises(InvalidValueError, match="extra bits"):
        fast.learn(deployed(), x, labels, RULE, EngineOptions(least=8, extra_bits=12))


@pytest.mark.parametrize("value", [float("nan"), None, "text", 1.5, 10**30, True, [1]], ids=str)
def test_options_of_another_type_are_refused(value: Any) -> None:
    for name in ("output_reach", "hidden_reach", "bias_reach", "finer", "least", "epoch", "arrival",
                 "extra_bits", "seed", "form", "third_factor", "graded", "draws"):  # fmt: skip
        with pytest.raises(InvalidValueError, match=f"learning engine's {name}"):
            EngineOptions(**{name: value})


def test_what_is_held_is_told_and_samples_out_of_reach_are_refused() -> None:
    network, (x, labels) = deployed(), stream()
    options = EngineOptions(form="weights", least=0, graded="held")
    learned = fast.learn(network, x, labels, RULE, options)
    assert learned.held["input.value->hidden0.current"] == "the options hold graded messages"
    assert "input.value->hidden0.current" in learned.network.provenance["held"]
    assert learned.held["hidden0.tau_mem.from_state"] == "the rule holds self terms"
    late = tuple(replace(p, delay=1) if p.target == "readout" else p for p in network.projections)
    behind = replace(network, projections=late)
    for module in (fast, integer):
        with pytest.raises(UnsupportedError, match="has a delay"):
            module.learn(behind, x, labels, RULE)
        allowed = module.learn(behind, x, labels, RULE, allow=("partial-learning",))
        assert "hidden0.current.bias" in allowed.held
