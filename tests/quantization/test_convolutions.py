"""Convolutions in integers: the scales, bounds, reports and resources of what they are written out.

The expansion is the definition, so every number that does not count stored weights is its.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import HardwareRuleError
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.target import Target
from ltc2hw.numbers.convolution import Conv
from ltc2hw.quantization.account import drives
from ltc2hw.quantization.check import check
from ltc2hw.quantization.dequantize import dequantize
from ltc2hw.quantization.mixing import Kind, Part, float_tensors, partly_fixed, real_tensors
from ltc2hw.quantization.report import read_report
from ltc2hw.quantization.rounded import RoundedConv
from ltc2hw.quantization.rules import SHARED, utilization, worst_arrivals
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from tests.convolution.test_networks import events, gated_network


@pytest.fixture(scope="module")
def fixed() -> FixedNetwork:
    return ltc2hw.quantize(gated_network(), "loihi2", calibration=events())


@pytest.mark.parametrize("target", ["loihi2", "ideal"])
@pytest.mark.parametrize("seed", range(3))
def test_the_scales_are_those_of_the_written_out_network(target: str, seed: int) -> None:
    network, x = gated_network(seed), events(seed)
    shared = ltc2hw.quantize(network, target, calibration=x)
    written = ltc2hw.quantize(without_kernels(network), target, calibration=x)
    for mine, other in zip(shared.populations, written.populations, strict=True):
        if isinstance(mine, FixedNeurons):
            assert isinstance(other, FixedNeurons)
            assert mine.formats == other.formats
            assert mine == other
    for ours, theirs in zip(shared.projections, written.projections, strict=True):
        assert (ours.weight_fraction, ours.exponent) == (theirs.weight_fraction, theirs.exponent)
    assert without_kernels(shared).projections == written.projections


def test_bounds_are_those_of_the_written_out_network(fixed: FixedNetwork) -> None:
    network = gated_network()
    assert worst_arrivals(fixed) == worst_arrivals(without_kernels(fixed))
    ours = {(drive.population, drive.port): drive for drive in drives(network, fixed)}
    written = without_kernels(network), without_kernels(fixed)
    for drive in drives(*written):
        mine = ours.pop((drive.population, drive.port))
        assert mine.bits == drive.bits
        for field in ("whole", "changed", "kept"):
            found, wanted = getattr(mine, field), getattr(drive, field)
            np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-12)
    assert not ours


def test_border_neurons_hear_a_part_of_what_those_inside_hear(fixed: FixedNetwork) -> None:
    first = fixed.projections[0]
    rows = first.weights.row_magnitudes(np.ones(first.weights.shape[1], dtype=np.int64))
    image = rows.reshape(4, 9, 8)
    inside = np.abs(first.weights.values).reshape(4, -1).sum(axis=1)
    assert (image[:, 1:-1, 1:-1] == inside[:, None, None]).all()
    assert (image <= inside[:, None, None]).all()
    assert (image[:, 0, 0] < inside).any()


def test_a_shared_kernel_counts_once_per_core_that_a_channel_fills(fixed: FixedNetwork) -> None:
    chip = load_target("loihi2")
    kernels = 2 * 4 * 2 * 9 + 4 * 4 * 9 + 2 * 3 * 4 * 6
    dense = 5 * 48
    used = utilization(fixed, chip)
    written = utilization(without_kernels(fixed), chip)
    connections = sum(p.weights.values.size for p in without_kernels(fixed).projections)
    assert used["synapses"] == written["synapses"] == (connections, 0)
    assert used[SHARED] == (kernels + dense, 0)
    assert used["synaptic memory (bytes)"][0] == kernels + dense
    assert SHARED not in written
    assert written["synaptic memory (bytes)"][0] == written["synapses"][0]
    # A channel of 72 neurons fills three cores of 30, one of 16 neurons one.
    small = replace(chip, resources=replace(chip.resources, neurons_per_core=30))
    assert utilization(fixed, small)[SHARED][0] == 3 * (2 * 72 + 144) + 2 * 72 + dense
    alone = replace(chip, resources=replace(chip.resources, shares_kernels=False))
    assert utilization(fixed, alone) == written


def test_a_chip_that_is_too_small_names_the_projection(fixed: FixedNetwork) -> None:
    chip = load_target("loihi2")
    tiny = replace(chip.resources, cores=1, neurons_per_core=600, synaptic_memory_per_core=500)
    with pytest.raises(HardwareRuleError) as caught:
        ltc2hw.quantize(gated_network(), replace(chip, resources=tiny), calibration=events())
    text = str(caught.value)
    assert "most is that of two.spikes->out.current (dense 5x48)" in text
    shared = replace(tiny, synaptic_memory_per_core=10**6, neurons_per_core=300)
    with pytest.raises(HardwareRuleError, match=r"most are those of one \(4x9x8\)"):
        ltc2hw.quantize(gated_network(), replace(chip, resources=shared), calibration=events())


@pytest.mark.parametrize("name", ["loihi1", "loihi2", "ideal"])
def test_every_chip_says_whether_it_shares(name: str) -> None:
    chip: Target = load_target(name)
    assert chip.resources.shares_kernels is True


def test_the_report_counts_stored_values_and_names_a_neuron_in_the_middle() -> None:
    network = gated_network()
    kernel = network.projections[0].weights.values.reshape(4, 2, 3, 3).copy()
    # Channel 3 is so small that all of it is rounded away.
    kernel[3] *= 1e-5
    weights = network.projections[0].weights.with_values(kernel.ravel())
    first = replace(network.projections[0], weights=weights)
    network = replace(network, projections=(first, *network.projections[1:]))
    fixed = ltc2hw.quantize(network, calibration=events())
    made = read_report(fixed.provenance)
    assert made is not None
    row = next(row for row in made.tensors if row.name == "input.spikes->one.current weights")
    lost = np.count_nonzero(fixed.projections[0].weights.values == 0)
    assert (row.size, row.zeroed, row.worst_error) == (72, lost, 1.0)
    assert lost >= 18
    assert row.worst == 3 * 72 + 4 * 8 + 4
    part = next(p for p in check(network, calibration=events()).parts if p.name == row.name[:-8])
    assert "weights of neuron 252 (channel 3, row 4, column 4) 100 % off" in part.detail


def test_dequantized_kernels_stay_kernels(fixed: FixedNetwork) -> None:
    real = dequantize(fixed)
    for projection, integer in zip(real.projections, fixed.projections, strict=True):
        assert type(projection.weights) is type(integer.weights)
        scaled = integer.weights.values / 2.0**integer.weight_fraction
        np.testing.assert_array_equal(projection.weights.values, scaled)
    assert [p.shape for p in real.populations] == [p.shape for p in fixed.populations]
    asked, got = float_tensors(gated_network()), real_tensors(fixed)
    assert {t: v.shape for t, v in asked.items()} == {t: v.shape for t, v in got.items()}


def test_graded_messages_through_a_kernel_are_rounded_without_a_matrix() -> None:
    image = (2, 40, 40)
    rng = np.random.default_rng(0)
    kernel = Conv(rng.normal(size=(2, 2, 3, 3)) / 4, image, 1, 1)
    hidden = Neurons("hidden", 3200, "ltc", {"threshold": 9.0}, shape=image)
    wires = (
        Projection("input", "value", "hidden", "current", kernel),
        Projection("hidden", "membrane", "hidden", "tau_mem", kernel, 1),
    )
    network = Network((Input("input", 3200, graded=True, shape=image), hidden), wires, "hidden")
    x = rng.uniform(-1, 1, (4, 2, 3200))
    fixed = ltc2hw.quantize(network, calibration=x, options=QuantizeOptions(message_bits=6))
    mixed = partly_fixed(network, fixed, (Part(Kind.MESSAGE, "hidden", "membrane"),))
    rounded = mixed.projections[1].weights
    assert isinstance(rounded, RoundedConv)
    step = 2.0**-rounded.fraction
    sent = rng.uniform(-20, 20, (3, 3200))
    steps = np.clip(np.trunc(sent / step), -32, 31)
    np.testing.assert_allclose(rounded.apply(sent), kernel.apply(steps * step), rtol=0, atol=1e-12)
