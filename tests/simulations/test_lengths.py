"""Samples of unequal lengths in one run are what each of them is alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.trace import Trace
from tests.random_networks import random_fixed_network, random_network, random_samples
from tests.simulations.traces import assert_same_trace


def alone(network: Any, engine: str, x: Any, lengths: Any, state: Any, *, record: Any) -> Trace:
    """Every sample by itself, for its own steps; put together here."""
    steps, batch, _ = x.shape
    traces = [
        ltc2hw.simulate(
            network, x[: lengths[b], b : b + 1], engine, record,
            {n: {r: v[..., b : b + 1, :] for r, v in own.items()} for n, own in state.items()},
        )
        for b in range(batch)
    ]  # fmt: skip

    def padded(arrays: list[Any]) -> Any:
        after = [np.pad(a, ((0, steps - len(a)), (0, 0), (0, 0))) for a in arrays]
        return np.concatenate(after, axis=1)

    first = traces[0]
    counts: dict[str, dict[str, int]] = {name: {} for name in first.saturations}
    for trace in traces:
        for name, own in trace.saturations.items():
            for variable, number in own.items():
                counts[name][variable] = counts[name].get(variable, 0) + number
    return Trace(
        {n: padded([t.spikes[n] for t in traces]) for n in first.spikes},
        {
            n: {v: padded([t.states[n][v] for t in traces]) for v in own}
            for n, own in first.states.items()
        },
        padded([t.outputs for t in traces]),
        counts,
        {
            n: {r: np.concatenate([t.state[n][r] for t in traces], axis=-2) for r in own}
            for n, own in first.state.items()
        },
    )


@given(st.integers(0, 2**32), st.sampled_from(["integer", "fast"]), st.booleans())
@settings(max_examples=25, deadline=None)
def test_every_sample_is_what_it_is_alone(seed: int, engine: str, garbage: bool) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=12)
    steps, batch = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    before = random_samples(rng, network, 2, batch)
    state = ltc2hw.simulate(network, before, engine, ()).state
    x = random_samples(rng, network, steps, batch)
    lengths = rng.integers(1, steps + 1, batch)
    wanted = alone(network, engine, x, lengths, state, record="all")
    if garbage:
        x[np.arange(steps)[:, None] >= lengths] = np.nan
    else:
        x[np.arange(steps)[:, None] >= lengths] = 0
    found = ltc2hw.simulate(network, x, engine, "all", state, lengths=lengths)
    assert_same_trace(found, wanted)


@pytest.mark.parametrize("engine", ["torch", "lava"])
def test_other_engines_give_the_same_bits(engine: str) -> None:
    pytest.importorskip("torch" if engine == "torch" else "lava.magma.core")
    rng = np.random.default_rng(4)
    network = random_network(rng, hidden=(7,))
    x = random_samples(rng, network, 6, 4)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    lengths = [6, 2, 6, 2]
    start = ltc2hw.simulate(fixed, x[:2], "integer").state
    wanted = ltc2hw.simulate(fixed, x * 9, "integer", "all", start, lengths=lengths)
    assert sum(wanted.saturations["input"].values()) > 0
    found = ltc2hw.simulate(fixed, x * 9, engine, "all", start, lengths=lengths)
    assert_same_trace(found, wanted)


def test_in_float_too() -> None:
    rng = np.random.default_rng(5)
    network = random_network(rng, hidden=(9, 5), gate="dense")
    x = random_samples(rng, network, 7, 5)
    lengths = np.array([3, 7, 1, 3, 5])
    start = ltc2hw.simulate(network, x[:3], record=()).state
    found = ltc2hw.simulate(network, x, record="all", state=start, lengths=lengths)
    wanted = alone(network, "float64", x, lengths, start, record="all")
    np.testing.assert_allclose(found.outputs, wanted.outputs, rtol=1e-9, atol=1e-12)
    for key, array in wanted.recorded().items():
        np.testing.assert_allclose(found.recorded()[key], array, rtol=1e-9, atol=1e-12)
    for name, registers in wanted.state.items():
        for register, values in registers.items():
            np.testing.assert_allclose(found.state[name][register], values, rtol=1e-9, atol=1e-12)


def test_equal_lengths_are_no_lengths() -> None:
    rng = np.random.default_rng(6)
    network = random_fixed_network(rng)
    x = random_samples(rng, network, 4, 3)
    assert ltc2hw.simulate(network, x, lengths=[4, 4, 4]) == ltc2hw.simulate(network, x)
    shorter = ltc2hw.simulate(network, x, lengths=[2, 2, 2])
    assert shorter.state.keys() == ltc2hw.simulate(network, x[:2]).state.keys()
    assert not shorter.outputs[2:].any()
    np.testing.assert_array_equal(shorter.outputs[:2], ltc2hw.simulate(network, x[:2]).outputs)


def test_progress_counts_own_steps_once() -> None:
    rng = np.random.default_rng(7)
    network = random_fixed_network(rng)
    x = random_samples(rng, network, 6, 3)
    told: list[tuple[int, int]] = []
    ltc2hw.simulate(network, x, "fast", progress=lambda *step: told.append(step), lengths=[1, 4, 6])
    assert told[0] == (0, 11)
    assert told[-1] == (11, 11)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


@pytest.mark.parametrize("engine", ["float64", "integer", "fast"])
@pytest.mark.parametrize(
    "lengths", [[0, 1], [1, 7], [1.5, 2], [1], [[1, 2]], "ab", 3, [np.nan, 1], [-1, 2], {1: 2}]
)
def test_lengths_that_are_none(engine: str, lengths: Any) -> None:
    rng = np.random.default_rng(8)
    network: Any = random_network(rng) if engine == "float64" else random_fixed_network(rng)
    x = np.zeros((6, 2, network.input.size))
    with pytest.raises((InvalidValueError, ShapeError), match="lengths"):
        ltc2hw.simulate(network, x, engine, lengths=lengths)


def test_samples_and_states_are_checked_with_lengths_too() -> None:
    rng = np.random.default_rng(9)
    network = random_fixed_network(rng)
    x = np.zeros((6, 2, network.input.size))
    with pytest.raises(ShapeError, match="shape of samples"):
        ltc2hw.simulate(network, x[:, :, :, None], lengths=[1, 2])
    state = ltc2hw.simulate(network, x[:, :1]).state
    with pytest.raises(ShapeError, match="state"):
        ltc2hw.simulate(network, x, state=state, lengths=[1, 2])
    names: Any = (name for name in ["spikes"])
    assert ltc2hw.simulate(network, x, record=names, lengths=[1, 2]).spikes.keys() == (
        ltc2hw.simulate(network, x, record=["spikes"]).spikes.keys()
    )
    with pytest.raises(InvalidValueError, match="engine"):
        ltc2hw.simulate(network, x, "integer", threads=2, lengths=[1, 2])
