"""Weights rounded by what arrives: nothing but mantissas changes, and what arrives fits better."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray, Width
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.remedies.arriving import moments
from ltc2hw.quantization.remedies.rounding import RIDGE, Rows, least_error, rounded_by_arrivals
from tests.random_networks import random_network


def options(**changes: object) -> ltc2hw.QuantizeOptions:
    return ltc2hw.QuantizeOptions(allow=tuple(LIMITS), **changes)  # type: ignore[arg-type]


def arriving(network: Network, weights: Network, x: FloatArray, target: str) -> FloatArray:
    """What arrives at a population of the float run, through the weights of another network."""
    names = tuple({p.variable for p in network.projections})
    sent = ltc2hw.simulate(network, x, engine="float64", record=names).recorded()
    total: FloatArray = np.zeros((1, 1))
    for p in weights.projections:
        if (p.target, p.port) == (target, "current"):
            late = np.zeros_like(sent[p.source, p.variable], dtype=np.float64)
            late[p.delay :] = sent[p.source, p.variable][: len(x) - p.delay]
            total = total + p.weights.apply(late.reshape(-1, late.shape[2]).astype(float))
    return total


def test_small_problems_reach_the_least_error_or_nearly() -> None:
    """All mantissas of four sources, one by one, against an exhaustive search."""
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(40):
        sources = rng.normal(0, 1, (3, 4))
        power = sources.T @ sources
        real = rng.normal(0, 1, (1, 4))
        low, high = np.full((1, 4), -2), np.full((1, 4), 1)
        start = np.clip(np.rint(real), low, high).astype(np.int64)
        found = least_error(Rows(real, start, np.ones(4), low, high), power)
        assert low.min() <= found.min() <= found.max() <= high.max()
        damped = power + RIDGE * np.mean(np.diag(power)) * np.eye(4)
        every = np.array(list(itertools.product(range(-2, 2), repeat=4)))
        errors = [
            float((real[0] - q) @ damped @ (real[0] - q)) for q in (*every, found[0], start[0])
        ]
        assert errors[-2] <= errors[-1] + 1e-12
        ratios.append(errors[-2] / min(errors[:-2]))
    assert np.median(ratios) < 1.001
    assert np.mean(ratios) < 1.5


@pytest.mark.parametrize("bits", [2, 3, 4, "ternary"])
def test_what_arrives_fits_better_and_only_mantissas_change(bits: Width) -> None:
    rng = np.random.default_rng(4)
    network = random_network(rng, hidden=(30,), inputs=12, gate="event")
    # Inputs that go together: what one weight loses another can give back.
    x = rng.uniform(-1, 1, (8, 24, 3)) @ rng.normal(0, 0.5, (3, 12))
    nearest = ltc2hw.quantize(network, "loihi2", x, options(weight_bits=bits))
    better = ltc2hw.quantize(network, "loihi2", x, options(weight_bits=bits, rounding="arriving"))
    for first, second in zip(nearest.projections, better.projections, strict=True):
        assert second.weights.values.min() >= (-1 if bits == "ternary" else -(1 << (bits - 1)))
        assert replace(first, weights=second.weights) == second
    assert nearest.populations == better.populations
    for target in ("hidden0", "readout"):
        asked = arriving(network, network, x, target)
        off = [
            np.mean((arriving(network, dequantize(fixed), x, target) - asked) ** 2)
            for fixed in (nearest, better)
        ]
        assert off[1] < 0.9 * off[0]


def test_moments_are_those_of_what_arrives() -> None:
    """Delays, lengths and several sources, against the definition."""
    rng = np.random.default_rng(4)
    network = random_network(rng, hidden=(6,), inputs=3, gate="static", graded=False)
    x = (rng.random((7, 70, 3)) < 0.5).astype(float)
    lengths = rng.integers(1, 8, 70)
    spikes = ltc2hw.simulate(network, x, engine="float64").spikes["hidden0"].astype(float)
    late = np.concatenate([np.zeros((1, 70, 6)), spikes[:-1]])
    heard = np.concatenate([x, late], axis=2)
    own = np.arange(7)[:, None] < lengths
    expected = heard[own].T @ heard[own] / own.sum()
    assert np.allclose(moments(network, x, lengths)[0][0], expected)


def test_sparse_synapses_that_are_absent_stay_absent() -> None:
    rng = np.random.default_rng(4)
    base = random_network(rng, hidden=(20,), inputs=8, gate="static")
    projections = tuple(
        replace(
            p, weights=Sparse.from_array(p.weights.to_array() * (rng.random(p.weights.shape) < 0.4))
        )
        for p in base.projections
    )
    network = replace(base, projections=projections)
    x = rng.uniform(-1, 1, (8, 24, 2)) @ rng.normal(0, 0.5, (2, 8))
    nearest = ltc2hw.quantize(network, "loihi2", x, options(weight_bits=3))
    better = rounded_by_arrivals(network, nearest, x)
    assert better != nearest
    for first, second in zip(nearest.projections, better.projections, strict=True):
        assert isinstance(first.weights, Sparse)
        assert isinstance(second.weights, Sparse)
        assert np.array_equal(first.weights.indices, second.weights.indices)


def convolutional(rng: np.random.Generator, groups: int) -> Network:
    kernel = rng.normal(0, 0.4, (4, 2 // groups, 3, 3))
    conv = Conv(kernel, (2, 6, 6), 2, 1, groups=groups)
    cells = Neurons("cells", 36, "cuba", {"threshold": 0.7, "current_decay": 1.0}, shape=(4, 3, 3))
    dense = Dense(rng.normal(0, 0.3, (3, 36)))
    return Network(
        (Input("input", 72, True, (2, 6, 6)), cells, Neurons("out", 3, "readout")),
        (
            Projection("input", "value", "cells", "current", conv),
            Projection("cells", "spikes", "out", "current", dense),
        ),
        "out",
    )


@pytest.mark.parametrize("groups", [1, 2])
def test_kernels_are_rounded_by_what_all_places_see(groups: int) -> None:
    rng = np.random.default_rng(2)
    network = convolutional(rng, groups)
    x = np.repeat(rng.uniform(0, 1, (5, 20, 18)), 4, axis=2)
    nearest = ltc2hw.quantize(network, "loihi2", x, options(weight_bits=3))
    better = ltc2hw.quantize(network, "loihi2", x, options(weight_bits=3, rounding="arriving"))
    conv = network.projections[0].weights
    assert isinstance(conv, Conv)
    own = [conv.patches(messages) for messages in x.reshape(-1, 72)]
    expected = sum(seen @ seen.transpose(0, 2, 1) for seen in own) / len(own)
    assert np.allclose(moments(network, x)[1], expected)
    asked = arriving(network, network, x, "cells")
    off = [
        np.mean((arriving(network, dequantize(fixed), x, "cells") - asked) ** 2)
        for fixed in (nearest, better)
    ]
    assert off[1] < 0.9 * off[0]


def test_samples_are_asked_for_and_pairs_are_checked() -> None:
    rng = np.random.default_rng(4)
    network = random_network(rng, graded=False)
    with pytest.raises(InvalidValueError, match="calibration for rounding by what arrives is miss"):
        ltc2hw.quantize(network, options=options(rounding="arriving"))
    with pytest.raises(UnknownNameError, match="rounding is 'up'; expected one of nearest, arriv"):
        ltc2hw.quantize(network, options=options(rounding="up"))
    other = random_network(rng, graded=False, hidden=(3,))
    fixed = ltc2hw.quantize(other)
    assert isinstance(fixed, FixedNetwork)
    with pytest.raises(InvalidValueError, match="quantize this float network"):
        rounded_by_arrivals(network, fixed, np.zeros((3, 2, 5)))
    with pytest.raises(ltc2hw.errors.ShapeError):
        rounded_by_arrivals(other, fixed, np.zeros((3, 2, 7)))


def test_the_verdict_is_that_of_quantize() -> None:
    rng = np.random.default_rng(4)
    network = random_network(rng)
    x = rng.uniform(-1, 1, (6, 8, 5))
    asked = ltc2hw.QuantizeOptions(weight_bits=3, rounding="arriving")
    verdicts = ltc2hw.check(network, "loihi2", x, asked)
    fixed = ltc2hw.quantize(network, "loihi2", x, asked)
    assert verdicts.convertible
    assert fixed == ltc2hw.quantize(network, "loihi2", x, asked)
    assert not ltc2hw.check(network, "loihi2", None, asked).convertible
