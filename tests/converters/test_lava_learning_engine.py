"""Lava's own learning engine: every integer of ``LearningDense`` after every update is ours."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

pytest.importorskip("lava.magma")

from lava.magma.core.learning.learning_rule import Loihi3FLearningRule

from ltc2hw import FPTTRule, QuantizeOptions, quantize
from ltc2hw.converters.lava import learning_engine
from ltc2hw.converters.lava.learning_engine import Connection
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.learning.engine_rule import (
    EngineForm,
    Product,
    SourceTrace,
    SynapseScale,
    ThirdFactor,
    synapse_rule,
)
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import Parameter
from ltc2hw.numbers.words import IntArray
from ltc2hw.simulations.learning_engine.connection import (
    Draws,
    Synapses,
    seen_by,
    update,
)
from ltc2hw.simulations.learning_engine.integer import EngineLearner, Met
from ltc2hw.simulations.learning_engine.plan import EngineOptions, engine_plan
from ltc2hw.simulations.plasticity.stream import stream
from tests.converters.lava_jobs import learning_engine as job
from tests.random_networks import random_network

UPDATES = 60


def ours(connection: Connection) -> Iterator[tuple[Synapses, IntArray]]:
    """Every update of our arithmetic, and the traces of sources by which it learned."""
    draws = Draws.of_updates(0, len(connection.third), connection.seed, connection.epoch)
    synapses = Synapses(connection.weights, connection.weights, connection.delays)
    silence: IntArray = np.zeros(connection.weights.shape[1], np.int64)
    trace = silence
    for n, met in enumerate(zip(connection.messages, connection.third, strict=True)):
        before = silence if n in connection.cleared else trace
        seen = seen_by(connection.rule, before, *met, draws, n, connection.arrival)
        trace = seen.pre
        synapses = update(connection.rule, synapses, seen, n, float(draws.rounding[n]))
        yield synapses, trace


def assert_same(connection: Connection) -> None:
    """Lava's model class and our arithmetic agree after every update."""
    updates = 0
    for found, (expected, trace) in zip(
        learning_engine.learn_in_process(connection), ours(connection), strict=True
    ):
        assert np.array_equal(found.weights, expected.weight)
        assert np.array_equal(found.tags, expected.tag)
        assert np.array_equal(found.delays, expected.delay)
        if connection.rule.kept is not None:
            assert np.array_equal(found.traces, trace)
        updates += 1
    assert updates == len(connection.third)
    assert not np.array_equal(found.weights, connection.weights)


def random_stream(*, graded: bool) -> tuple[IntArray, IntArray, IntArray]:
    """Even weights (5, 7) up to the limits, messages and third factors, some beyond ±127."""
    rng = np.random.default_rng(5)
    spikes = rng.random((UPDATES, 7)) < 0.4
    messages = spikes * (rng.integers(0, 256, spikes.shape) if graded else 1)
    return 2 * rng.integers(-128, 128, (5, 7)), messages, rng.integers(-150, 151, (UPDATES, 5))


@pytest.mark.parametrize("rate", [5, 8])
@pytest.mark.parametrize("graded", [False, True], ids=["spikes", "graded"])
@pytest.mark.parametrize("form", ["damped", "simultaneous", "weights"])
def test_every_update_is_lavas(form: EngineForm, graded: bool, rate: int) -> None:
    rule = FPTTRule(learning_rate=2.0**-rate)
    scale = SynapseScale.finest(rule, 8, reach=-2, trace=6 if graded else None)
    assert_same(
        Connection(
            synapse_rule(rule, scale, form), *random_stream(graded=graded), graded=graded, seed=11
        )
    )


@pytest.mark.parametrize("graded", [False, True], ids=["spikes", "graded"])
def test_long_epochs_and_unsigned_factors_are_lavas(graded: bool) -> None:
    rule = FPTTRule(learning_rate=2.0**-6, alpha=0.25)
    scale = SynapseScale.finest(rule, 9, reach=0, finer=2, trace=7 if graded else None)
    learned = synapse_rule(rule, scale, third_factor="split")
    given = random_stream(graded=graded)
    assert_same(Connection(learned, *given, graded=graded, seed=2, epoch=4, arrival=3))


KEPT = {"one step": (0.6, 1, 1), "long epochs": (0.5, 4, 3), "slow": (0.99, 1, 1)}


@pytest.mark.parametrize("pace", KEPT)
@pytest.mark.parametrize("graded", [False, True], ids=["spikes", "graded"])
@pytest.mark.parametrize("form", ["damped", "weights"])
def test_every_update_by_traces_of_sources_is_lavas(
    form: EngineForm, graded: bool, pace: str
) -> None:
    part, epoch, arrival = KEPT[pace]
    kept = SourceTrace.of(part, spikes=not graded, epoch=epoch, arrival=arrival)
    rule = FPTTRule(learning_rate=2.0**-5)
    scale = SynapseScale.finest(rule, 8, reach=-2, trace=kept.fraction(7))
    for third_factor in get_args(ThirdFactor):
        learned = synapse_rule(rule, scale, form, third_factor, kept)
        weights, messages, third = random_stream(graded=graded)
        begun = (0, 20, 21, 45)
        assert_same(Connection(learned, weights, messages, third, graded, 7, epoch, arrival, begun))


def test_lava_reads_the_strings_as_the_products() -> None:
    rule = FPTTRule(learning_rate=2.0**-8, alpha=0.25)
    learned = synapse_rule(rule, SynapseScale(8, 10, 5), third_factor="split")
    strings = Loihi3FLearningRule(**learned.strings)
    for name, products in (("dw", learned.weight), ("dt", learned.tag), ("dd", learned.delay)):
        read = strings.active_product_series[name].products
        assert [(p.dependency, p.s_mantissa, p.s_exp - 7) for p in read] == [
            (p.dependency, p.mantissa, p.exponent) for p in products
        ]
        assert [[(f.state_var, f.const) for f in p.factors] for p in read] == [
            [(o, -128 if o == "d" else None) for o in p.operands] for p in products
        ]
        gated = {p.decimation for p in products if p.dependency == "u"}
        assert gated == {learned.decimation} == {3}
    largest = Product("x0", ("y1",), 7, 8)
    assert Loihi3FLearningRule(dw=largest.text.removeprefix("+ ")).dw is not None


@pytest.mark.parametrize("part", [0.0, 0.8], ids=["what arrives", "traces of sources"])
def test_lavas_runtime_computes_the_same(tmp_path: Path, part: float) -> None:
    weights, messages, third = random_stream(graded=not part)
    np.savez(
        tmp_path / "given.npz",
        part=part,
        weights=weights,
        messages=messages[:20],
        third=third[:20],
    )
    run_job(f"{job.__name__}:run", tmp_path)
    connection = job.connection(tmp_path)
    synapses, traces = zip(*ours(connection), strict=True)
    with np.load(tmp_path / "learned.npz", allow_pickle=False) as found:
        for name, arrays in zip(
            ("weights", "tags", "delays"), zip(*synapses, strict=True), strict=True
        ):
            assert np.array_equal(found[name], np.stack(arrays))
        assert not part or np.array_equal(found["traces"], np.stack(traces))


def test_a_network_learns_with_lavas_integers() -> None:
    """What every connection of a learning network meets, given to Lava, yields the same."""
    rng = np.random.default_rng(3)
    network = random_network(rng, inputs=4, hidden=(5,), outputs=3, nonlinearity="plan")
    fixed = quantize(
        network, "loihi2", rng.uniform(0, 1, (4, 8, 4)), QuantizeOptions(weight_reach=1.0)
    )
    rule = FPTTRule(learning_rate=2.0**-5, self_terms=False)
    plan = engine_plan(fixed, rule, EngineOptions(third_factor="split", epoch=4, arrival=2))
    seen: list[tuple[Mapping[Parameter, Met], Learning]] = []
    learner = EngineLearner(plan, watch=lambda met, learning: seen.append((met, learning)))
    x, labels = rng.uniform(0, 1, (4, 25, 4)), rng.integers(0, 3, 25)
    learned = stream(learner, x, labels, None, reset=True)
    assert len(seen) == learned.learning.step == 100
    start = plan.start().memories
    for parameter, connection in plan.connections.items():
        messages = np.stack([met[parameter].message for met, _ in seen])
        third = np.stack([met[parameter].third for met, _ in seen])
        given = Connection(
            connection.rule,
            start[parameter].value.reshape(third.shape[1], messages.shape[1]),
            messages,
            third,
            connection.graded,
            plan.options.seed,
            plan.options.epoch,
            plan.options.arrival,
        )
        for lavas, (_, learning) in zip(learning_engine.learn_in_process(given), seen, strict=True):
            found = lavas.weights, lavas.tags, lavas.delays
            for integers, expected in zip(found, learning.memories[parameter], strict=True):
                assert np.array_equal(integers.ravel(), expected)
