"""The matrix unit of the fast engine: its products, and the same bits with it and without."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.trace import Trace
from ltc2hw.simulations import fast, integer
from ltc2hw.simulations.fast import engine
from ltc2hw.simulations.fast.engine import MATRIX_BATCH, plan_of
from ltc2hw.simulations.fast.kinds import WIDE
from ltc2hw.simulations.fast.matrices import (
    MOST_SAMPLES,
    available,
    configure_for,
    in_blocks,
    multiply_bytes,
    release,
)
from ltc2hw.simulations.fast.tables import Shape, Table, padded, zeros
from tests.random_networks import random_fixed_network, random_samples
from tests.simulations.traces import assert_same_trace

SEEDS = st.integers(0, 2**32 - 1)
ZERO = np.uint64(0)
needs_unit = pytest.mark.skipif(not available(), reason="this machine lends no matrix unit")


@numba.njit
def multiply(
    sums: Any, width: int, blocks: Any, messages: Any, reach: int, samples: int, signed: int
) -> None:
    configure_for(np.uint64(samples))
    multiply_bytes(
        sums, ZERO, np.uint64(width), blocks, ZERO, messages, ZERO, np.uint64(reach),
        np.uint64(samples), signed,
    )  # fmt: skip
    release()


@needs_unit
@settings(max_examples=100)
@given(SEEDS, st.integers(1, MOST_SAMPLES), st.integers(1, 300), st.integers(1, 5), st.booleans())
def test_products_of_bytes(seed: int, samples: int, sources: int, wide: int, signed: bool) -> None:
    rng = np.random.default_rng(seed)
    width, reach = 64 * wide, padded(sources, 64)
    weights = rng.choice([-128, -1, 0, 127, *rng.integers(-128, 128, 4)], (sources, width))
    low, high = (-128, 127) if signed else (0, 255)
    given_ = rng.choice([low, 0, high, *rng.integers(low, high + 1, 4)], (samples, sources))
    messages, sums = zeros((samples * reach, np.uint8), (samples * width, np.int32))
    messages.reshape(samples, reach)[:, :sources] = given_.astype(np.uint8)
    blocks = np.ascontiguousarray(in_blocks(weights)).ravel()
    multiply(sums, width, blocks, messages, reach, samples, int(signed))
    np.testing.assert_array_equal(sums.reshape(samples, width), given_ @ weights)


def without_unit(network: FixedNetwork, x: Table) -> Trace:
    """What the engine gives where there is no matrix unit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "available", lambda: False)
        return fast.simulate(network, x, "all")


@settings(max_examples=30)
@given(SEEDS, st.booleans())
def test_the_same_bits_with_the_unit_and_without(seed: int, extreme: bool) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, extreme=extreme, largest=150)
    batch = int(rng.integers(MATRIX_BATCH, 3 * MOST_SAMPLES))
    x = random_samples(rng, network, int(rng.integers(1, 12)), batch)
    expected = integer.simulate(network, x, "all")
    assert_same_trace(fast.simulate(network, x, "all"), expected)
    assert_same_trace(without_unit(network, x), expected)


@settings(max_examples=10)
@given(SEEDS)
def test_runs_go_on_from_one_kind_of_product_to_the_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, extreme=False, largest=90)
    x = random_samples(rng, network, 14, MATRIX_BATCH)
    expected = integer.simulate(network, x, "all")
    first = fast.simulate(network, x[:7], "all")
    rest = fast.simulate(network, x[7:], "all", state=first.state)
    for b in (0, MATRIX_BATCH - 1):
        part = {
            name: {key: values[..., [b], :] for key, values in registers.items()}
            for name, registers in first.state.items()
        }
        alone = fast.simulate(network, x[7:, [b]], "all", state=part)
        np.testing.assert_array_equal(alone.outputs, expected.outputs[7:, [b]])
    np.testing.assert_array_equal(rest.outputs, expected.outputs[7:])


@needs_unit
def test_plans_use_the_unit_where_numbers_are_narrow() -> None:
    rng = np.random.default_rng(0)
    used = 0
    for _ in range(40):
        network = random_fixed_network(rng, largest=150)
        plan = plan_of(network, matrices=True)
        assert plan_of(network).parameters.blocks.size == 0
        fans = plan.tables.fans
        used += int((fans["shape"] == Shape.DENSE_BYTES).any() and bool(fans["reach"].any()))
        assert plan.types is not WIDE or plan.parameters.blocks.size == 0
    assert used
