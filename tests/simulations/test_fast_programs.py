"""The fast engine on neurons of any model: the bits of the interpreter of integer programs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.dynamics.expression import Expression, constant, fires, port, register, state, where
from ltc2hw.dynamics.formats import Formats, Held
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import model
from ltc2hw.graph.fixed import FixedInput, FixedProjection
from ltc2hw.graph.neurons import Message
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Word
from ltc2hw.simulations import fast
from ltc2hw.simulations.fast import kinds
from ltc2hw.simulations.fast.engine import plan_of
from ltc2hw.simulations.fast.kinds import NARROW, SHORT, SINGLE, WIDE
from ltc2hw.simulations.fast.rounding import EXISTS
from tests.simulations.programs import Interpreted, Programs, neurons_of, random_programs

SEEDS = st.integers(0, 2**32 - 1)
KINDS = (SINGLE, SHORT, NARROW, WIDE) if EXISTS else (SHORT, NARROW, WIDE)


def compare(network: Any, x: Any, **options: Any) -> None:
    """Compare everything that both give."""
    trace, expected = fast.simulate(network, x, "all", **options), Interpreted(network, x)
    found = trace.recorded()
    assert found.keys() == expected.recorded.keys()
    for key, array in expected.recorded.items():
        np.testing.assert_array_equal(found[key], array, err_msg=".".join(key))
    assert trace.saturations == expected.saturations
    population = network.population(network.output)
    last = expected.recorded[network.output, population.output_variable]
    np.testing.assert_array_equal(trace.outputs, last)
    for register_name, values in trace.state[network.output].items():
        if not register_name.startswith("sent:"):
            final = expected.recorded[network.output, register_name][-1]
            np.testing.assert_array_equal(values, final)


def samples(rng: np.random.Generator, network: Programs, steps: int, batch: int) -> Any:
    """Random spikes."""
    return (rng.random((steps, batch, network.input.size)) < 0.4).astype(np.float64)


@settings(max_examples=25, deadline=None)
@given(SEEDS)
def test_random_programs_give_the_interpreters_bits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_programs(rng)
    x = samples(rng, network, int(rng.integers(1, 12)), int(rng.integers(1, 20)))
    compare(network, x)
    taken = plan_of(network).types  # type: ignore[arg-type]
    for refused, kind in (("fits_single", SINGLE), ("fits_short", SHORT), ("fits_narrow", NARROW)):
        if kind is taken:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(kinds, refused, lambda facts: False)
                copy = Programs(network.populations, network.projections, network.output)
                compare(copy, x)
                assert plan_of(copy).types is not kind  # type: ignore[arg-type]


def test_random_programs_take_every_kind_of_number() -> None:
    rng = np.random.default_rng(0)
    taken = {plan_of(random_programs(rng)).types for _ in range(40)}  # type: ignore[arg-type]
    assert taken == set(KINDS)


@model(sends=("spikes", "current"), source="this test")
def twice_filtered() -> Mapping[str, Expression]:
    """A current that is a state, known early, and whose old value the membrane reads, too."""
    kept = constant("kept", 0.9, low=0.0, high=1.0)
    current = register(kept * state("current") + port("current"), "current")
    charged = register(
        state("membrane") - 0.25 * state("current") + current + port("tau_mem"), "membrane"
    )
    spikes = fires(charged, -1.5)  # padding would fire
    return {
        "current": current,
        "membrane": where(spikes, charged - 2.0, charged),
        "seen": register(charged * kept, "seen"),
        "spikes": spikes,
    }


@pytest.mark.parametrize("delay", [0, 2])
@pytest.mark.parametrize("size", [7, 16, 1100])
@pytest.mark.parametrize("threads", [1, 2])
def test_a_model_of_this_test_with_an_early_state(delay: int, size: int, threads: int) -> None:
    rng = np.random.default_rng(size)
    word = Word(20)
    held = {name: Held.within(word, 8) for name in ("current", "membrane", "seen")}
    formats = Formats(held, {"current": 8, "tau_mem": 6}, {"kept": 10})
    neurons = neurons_of(
        "hidden", twice_filtered, formats, lower(twice_filtered.program, formats),
        {"kept": rng.integers(0, 1024, size)}, {}, (Message("current", Word(10), 3),),
    )  # fmt: skip
    assert twice_filtered.early == ("current",)
    weights = Dense(rng.integers(-100, 101, (size, 5)))
    own = Dense(rng.integers(-100, 101, (size, size)))
    projections = (
        FixedProjection("input", "spikes", "hidden", "current", weights, 8, 2, 6),
        FixedProjection("hidden", "current", "hidden", "tau_mem", own, 8, 0, 6, delay),
        FixedProjection("hidden", "spikes", "hidden", "tau_mem", own, 8, 1, 6, 1),
    )
    inputs = FixedInput("input", 5, False, Word(1, signed=False), 0)
    network = Programs((inputs, neurons), projections, "hidden")
    compare(network, samples(rng, network, 12, 5), threads=threads)
    x = samples(rng, network, 9, 3)
    whole = fast.simulate(network, x, ("spikes",))  # type: ignore[arg-type]
    first = fast.simulate(network, x[:4], ("spikes",))  # type: ignore[arg-type]
    second = fast.simulate(network, x[4:], ("spikes",), first.state)  # type: ignore[arg-type]
    np.testing.assert_array_equal(
        whole.spikes["hidden"],
        np.concatenate([first.spikes["hidden"], second.spikes["hidden"]]),
    )


def test_the_same_structure_is_compiled_once() -> None:
    rng = np.random.default_rng(3)
    network = random_programs(rng)
    first = plan_of(network).stages_for(set())  # type: ignore[arg-type]
    copy = Programs(network.populations, network.projections, network.output)
    again = plan_of(copy).stages_for(set())  # type: ignore[arg-type]
    np.testing.assert_array_equal(first["address"], again["address"])
    assert (first["address"] != 0).all()
