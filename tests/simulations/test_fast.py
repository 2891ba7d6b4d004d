"""The fast engine against the integer engine: the same bits, whatever is varied."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from threading import Event
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.populations import FixedLIF
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation
from ltc2hw.numbers.words import Overflow, Rounding, Word
from ltc2hw.simulations import fast, integer
from ltc2hw.simulations.fast import engine
from ltc2hw.simulations.fast import plan as fast_plan
from ltc2hw.simulations.fast.kinds import SHORT, SINGLE, WIDE
from ltc2hw.simulations.fast.rounding import EXISTS
from ltc2hw.simulations.fast.steps import run_steps
from tests.random_networks import GATE_KINDS, random_fixed_network, random_network, random_samples
from tests.simulations.traces import assert_same_state, assert_same_trace

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed: int, **options: Any) -> tuple[np.random.Generator, FixedNetwork]:
    """A generator and a network, named by a seed."""
    rng = np.random.default_rng(seed)
    return rng, random_fixed_network(rng, **options)


def compare(network: FixedNetwork, x: Any, **options: Any) -> None:
    """Run both engines and compare everything."""
    assert_same_trace(
        fast.simulate(network, x, "all", **options), integer.simulate(network, x, "all")
    )


@settings(max_examples=60)
@given(SEEDS)
def test_same_bits_as_integer(seed: int) -> None:
    rng, network = drawn(seed)
    compare(
        network, random_samples(rng, network, int(rng.integers(1, 25)), int(rng.integers(1, 40)))
    )


@settings(max_examples=15)
@given(SEEDS)
def test_same_bits_within_ordinary_ranges(seed: int) -> None:
    rng, network = drawn(seed, extreme=False, largest=90)
    compare(network, random_samples(rng, network, 40, 3))


@pytest.mark.parametrize("target", ["loihi2", "ideal"])
@pytest.mark.parametrize("gate", GATE_KINDS)
@pytest.mark.parametrize("nonlinearity", ["sigmoid", "plan"])
def test_same_bits_of_quantized_networks(target: str, gate: Any, nonlinearity: Any) -> None:
    rng = np.random.default_rng(7)
    network = random_network(rng, gate=gate, nonlinearity=nonlinearity, hidden=(33, 17))
    x = random_samples(rng, network, 30, 5)
    fixed = ltc2hw.quantize(network, target, x)
    fastest = SINGLE if EXISTS else SHORT
    assert engine.plan_of(fixed).types is (fastest if target == "loihi2" else WIDE)
    compare(fixed, x)


@pytest.mark.parametrize("target", ["loihi1", "loihi2", "ideal"])
def test_same_bits_of_quantized_lif(target: str) -> None:
    rng = np.random.default_rng(8)
    network = random_network(rng, model="LIF", hidden=(40,), graded=target != "loihi1")
    if target == "loihi1":
        network = replace(
            network,
            populations=network.populations[:-1],
            projections=network.projections[:-1],
            output="hidden0",
        )
    x = random_samples(rng, network, 60, 4)
    compare(ltc2hw.quantize(network, target, x), x)


@settings(max_examples=15)
@given(SEEDS, st.integers(1, 4))
def test_batch_threads_and_order_change_nothing(seed: int, threads: int) -> None:
    rng, network = drawn(seed)
    x = random_samples(rng, network, 12, 37)
    whole = fast.simulate(network, x, "all", threads=threads)
    order = rng.permutation(37)
    shuffled = fast.simulate(network, x[:, order], "all", threads=threads)
    assert shuffled.saturations == whole.saturations
    alone = int(rng.integers(37))
    single = fast.simulate(network, x[:, [alone]], "all")
    for key, array in whole.recorded().items():
        np.testing.assert_array_equal(shuffled.recorded()[key], array[:, order])
        np.testing.assert_array_equal(single.recorded()[key], array[:, [alone]])


@settings(max_examples=15)
@given(SEEDS, st.lists(st.integers(0, 20), max_size=3))
def test_runs_continue_where_they_stopped(seed: int, cuts: list[int]) -> None:
    rng, network = drawn(seed)
    x = random_samples(rng, network, 21, 5)
    whole = integer.simulate(network, x, "all")
    borders = [0, *sorted(set(cuts) - {0}), 21]
    state = None
    for first, last in pairwise(borders):
        part = fast.simulate(network, x[first:last], "all", state=state)
        for key, array in whole.recorded().items():
            np.testing.assert_array_equal(part.recorded()[key], array[first:last])
        state = part.state
    assert state is not None
    assert_same_state(state, whole.state)


@given(SEEDS)
@settings(max_examples=10)
def test_chunks_of_time_change_nothing(seed: int) -> None:
    rng, network = drawn(seed)
    x = random_samples(rng, network, 17, 3)
    expected = integer.simulate(network, x, "all")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHUNK_WORK", 1)
        assert_same_trace(fast.simulate(network, x, "all"), expected)


@settings(max_examples=15)
@given(SEEDS, st.booleans())
def test_large_populations_go_in_pieces(seed: int, alike: bool) -> None:
    rng, network = drawn(seed, largest=420, models=("LIF",) if alike else ("LTC", "LIF"))
    if alike:
        network = replace(network, populations=tuple(map(like_the_first, network.populations)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fast_plan, "PIECE", 128)
        compare(network, random_samples(rng, network, 8, 3))


def like_the_first(population: FixedPopulation) -> FixedPopulation:
    """A population of LIF neurons that all have the constants of the first."""
    if not isinstance(population, FixedLIF):
        return population
    return replace(
        population,
        current_decay=np.full_like(population.current_decay, population.current_decay[0]),
        membrane_decay=np.full_like(population.membrane_decay, population.membrane_decay[0]),
        threshold=np.full_like(population.threshold, population.threshold[0]),
        bias_mantissa=np.full_like(population.bias_mantissa, population.bias_mantissa[0]),
    )


@settings(max_examples=15)
@given(
    SEEDS,
    st.integers(1, 20),
    st.booleans(),
    st.sampled_from(Rounding),
    st.sampled_from(Overflow),
    st.integers(-3, 12),
)
def test_inputs_of_every_word(
    seed: int, bits: int, signed: bool, rounding: Rounding, overflow: Overflow, fraction: int
) -> None:
    rng, network = drawn(seed, models=("LIF",))
    while not network.input.graded:
        network = random_fixed_network(rng, models=("LIF",))
    word = Word(bits, signed, rounding, overflow)
    population = FixedInput("input", network.input.size, True, word, fraction)
    others = tuple(p for p in network.populations if not isinstance(p, FixedInput))
    network = replace(network, populations=(population, *others))
    compare(network, random_samples(rng, network, 9, 4))


@settings(max_examples=10)
@given(SEEDS)
def test_words_that_wrap(seed: int) -> None:
    rng, network = drawn(seed, models=("LTC",))
    word = Word(24, overflow=Overflow.WRAP)
    populations = tuple(
        p if isinstance(p, FixedInput) else replace(p, state=word) for p in network.populations
    )
    compare(replace(network, populations=populations), random_samples(rng, network, 12, 3))


@pytest.mark.parametrize(
    "dtype", [np.float64, np.float32, np.float16, np.uint8, np.bool_, np.int64]
)
def test_samples_of_every_type_and_layout(dtype: Any) -> None:
    rng, network = drawn(11)
    x = (rng.random((6, 5, network.input.size)) < 0.4).astype(dtype)
    expected = integer.simulate(network, x.astype(np.float64), "all")
    assert_same_trace(fast.simulate(network, x, "all"), expected)
    transposed = np.ascontiguousarray(x.transpose(1, 0, 2)).transpose(1, 0, 2)
    assert_same_trace(fast.simulate(network, transposed, "all"), expected)
    assert_same_trace(fast.simulate(network, x.tolist(), "all"), expected)


PRODUCT = """
import numba, numpy as np
from ltc2hw.simulations.fast import vectors
multiply = vectors.multiply
assert vectors.PROCESSOR.multiply_pairs is None

@numba.njit
def run(sums, weights, pairs):
    n, zero = np.uint64(pairs.size // 5), np.uint64(0)
    multiply(sums, zero, np.uint64(64), weights, zero, pairs, zero, n, 4)
    multiply(sums, np.uint64(256), np.uint64(64), weights, zero, pairs, 4 * n, n, 1)

rng = np.random.default_rng(0)
weights = rng.integers(-128, 128, (9, 64, 2), np.int8)
messages = rng.integers(-(1 << 15), 1 << 15, (5, 9, 2), np.int16)
sums = np.zeros((5, 64), np.int32)
run(sums.ravel(), weights.ravel(), messages.view(np.int32).ravel())
assert (sums == np.einsum("pjk,bpk->bj", weights, messages, dtype=np.int64)).all()
"""


def test_products_need_no_instruction_of_the_processor() -> None:
    environment = {**os.environ, "NUMBA_CPU_NAME": "generic", "NUMBA_CPU_FEATURES": ""}
    subprocess.run([sys.executable, "-c", PRODUCT], check=True, env=environment)


def test_only_what_is_asked_is_recorded() -> None:
    rng, network = drawn(3)
    x = random_samples(rng, network, 5, 2)
    assert fast.simulate(network, x, ()).recorded() == {}
    expected = integer.simulate(network, x, ("tau_mem",))
    assert_same_trace(fast.simulate(network, x, ("tau_mem",)), expected)
    assert_same_trace(fast.simulate(network, x, "spikes"), integer.simulate(network, x, "spikes"))


@pytest.mark.parametrize("threads", [1, 2])
def test_progress_ends_at_the_total(threads: int) -> None:
    rng, network = drawn(5)
    x = random_samples(rng, network, 50, 40)
    calls: list[tuple[int, int]] = []
    fast.simulate(network, x, (), threads=threads, progress=lambda *call: calls.append(call))
    assert calls[0] == (0, 2000)
    assert calls[-1] == (2000, 2000)
    assert calls.count((2000, 2000)) == 1
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)


def test_options_reach_the_fast_engine_alone() -> None:
    rng, network = drawn(5)
    x = random_samples(rng, network, 7, 4)
    calls: list[tuple[int, int]] = []
    trace = ltc2hw.simulate(
        network, x, "fast", "all", threads=2, progress=lambda *call: calls.append(call)
    )
    assert_same_trace(trace, integer.simulate(network, x, "all"))
    assert calls[-1] == (28, 28)
    with pytest.raises(InvalidValueError, match="fast, for its threads"):
        ltc2hw.simulate(network, x, "integer", threads=2)


@pytest.mark.parametrize("threads", [1, 2])
def test_an_interrupt_ends_the_run_with_the_chunk(threads: int) -> None:
    rng, network = drawn(6)
    x = random_samples(rng, network, 100, 40)
    stopped, chunks, calls = Event(), [], []

    def interrupt(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) > 1:
            raise KeyboardInterrupt

    def run_chunk(*arguments: Any) -> None:
        run_steps(*arguments)
        chunks.append(arguments)
        if threads > 1:  # the other threads would be done before the main one looks
            assert stopped.wait(60)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHUNK_WORK", 1)
        patch.setattr(engine, "Event", lambda: stopped)
        patch.setattr(engine, "run_steps", run_chunk)
        with pytest.raises(KeyboardInterrupt):
            fast.simulate(network, x, (), threads=threads, progress=interrupt)
    assert 1 <= len(chunks) <= threads


def test_calls_at_the_same_time_share_nothing() -> None:
    rng, network = drawn(13)
    samples = [random_samples(rng, network, 20 + i % 3, 1 + i // 12) for i in range(24)]
    with ThreadPoolExecutor(4) as pool:
        traces = list(pool.map(lambda x: fast.simulate(network, x, "all"), samples))
    for x, trace in zip(samples, traces, strict=True):
        assert_same_trace(trace, integer.simulate(network, x, "all"))


def test_a_call_within_a_call_and_those_after_it_change_nothing() -> None:
    rng, network = drawn(14)
    x, others = random_samples(rng, network, 30, 2), random_samples(rng, network, 30, 2)

    def call_again(done: int, total: int) -> None:
        fast.simulate(network, others, "all")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHUNK_WORK", 1)
        trace = fast.simulate(network, x, "all", progress=call_again)
    for steps in range(1, 31):  # more shapes than are kept
        fast.simulate(network, others[:steps], "all")
    assert_same_trace(trace, integer.simulate(network, x, "all"))


def test_a_run_that_failed_leaves_nothing_behind() -> None:
    rng, network = drawn(15)
    x = random_samples(rng, network, 12, 3)
    spoiled = x.copy()
    spoiled[-1, -1, -1] = np.nan
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "CHUNK_WORK", 1)
        with pytest.raises(InvalidValueError):
            fast.simulate(network, spoiled)
    compare(network, x)


def test_a_plan_lives_as_long_as_its_network() -> None:
    _, network = drawn(4)
    plan = weakref.ref(engine.plan_of(network))
    assert engine.plan_of(network) is plan()
    del network
    gc.collect()
    assert plan() is None


def test_bad_arguments_are_refused() -> None:
    rng, network = drawn(9)
    x = random_samples(rng, network, 4, 2)
    with pytest.raises(ShapeError):
        fast.simulate(network, x[0])
    with pytest.raises(UnknownNameError):
        fast.simulate(network, x, "voltage")
    with pytest.raises(InvalidValueError, match="threads"):
        fast.simulate(network, x, threads=0)
    for bad in (np.nan, np.inf):
        spoiled = x.copy()
        spoiled[-1, -1, -1] = bad
        with pytest.raises(InvalidValueError):
            fast.simulate(network, spoiled)


def test_spiking_inputs_accept_only_0_and_1() -> None:
    rng, network = drawn(0)
    while network.input.graded:
        network = random_fixed_network(rng)
    x = np.zeros((3, 2, network.input.size))
    x[1, 1, 0] = 0.5
    with pytest.raises(InvalidValueError, match="0 or 1"):
        fast.simulate(network, x)


def test_states_that_no_run_can_leave_are_refused() -> None:
    rng, network = drawn(12)
    x = random_samples(rng, network, 4, 2)
    state = {name: dict(values) for name, values in fast.simulate(network, x).state.items()}
    name = network.populations[1].name
    with pytest.raises(ShapeError):
        fast.simulate(network, x[:, :1], state=state)
    beyond = state[name]["membrane"].copy()
    beyond[0, 0] = 1 << 24
    with pytest.raises(InvalidValueError, match=f"state {name}.membrane"):
        fast.simulate(network, x, state={**state, name: {**state[name], "membrane": beyond}})
    real = state[name]["membrane"] / 2
    with pytest.raises(InvalidValueError, match="integers"):
        fast.simulate(network, x, state={**state, name: {**state[name], "membrane": real}})
