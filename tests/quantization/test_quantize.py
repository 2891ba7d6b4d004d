"""Quantization: the ideal target reproduces the float network; chips refuse by named rule."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters.populations import LIF, Gate, Readout
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnknownNameError
from ltc2hw.graph.fixed import variable_fraction
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray, Word
from ltc2hw.quantization.rules import check_fixed, utilization, worst_arrivals
from ltc2hw.quantization.scaling import weight_fraction
from ltc2hw.targets import load_target
from tests.random_networks import GATE_KINDS, GateKind, random_network, real
from tests.views import view


@pytest.mark.parametrize("gate", GATE_KINDS)
@pytest.mark.parametrize("nonlinearity", ["sigmoid", "plan"])
def test_ideal_target_reproduces_the_float_network(gate: GateKind, nonlinearity: Any) -> None:
    """Spikes agree and states are within 1e-3 until a spike falls on the threshold itself."""
    rng = np.random.default_rng(7)
    network = random_network(rng, gate=gate, nonlinearity=nonlinearity)
    # Inputs that 16 bits hold exactly, so that the network alone is compared.
    x = rng.integers(-128, 128, (12, 20, 5)) / 128
    fixed = ltc2hw.quantize(network, "ideal", x)
    real = ltc2hw.simulate(network, x, record="all")
    integer = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    same = np.all(real.spikes["hidden0"] == integer.spikes["hidden0"], axis=(0, 2))
    assert same.mean() >= 0.9
    for (name, variable), values in integer.recorded().items():
        fraction = variable_fraction(fixed.population(name), variable)
        difference = np.ldexp(values.astype(float), -fraction) - real.recorded()[name, variable]
        assert np.max(np.abs(difference[:, same])) < 1e-3, (name, variable)


@given(st.integers(0, 2**32), st.integers(2, 8), st.sampled_from(GATE_KINDS), st.booleans())
@settings(max_examples=30)
def test_no_message_can_overflow_an_accumulator(
    seed: int, bits: int, gate: GateKind, graded: bool
) -> None:
    """Worst-case sums fit, and currents and membranes never saturate in a run."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, gate=gate, hidden=(15, 9), graded=graded)
    x = rng.uniform(-2, 2, (6, 4, 5)) if graded else rng.integers(0, 2, (6, 4, 5)).astype(float)
    options = ltc2hw.QuantizeOptions(weight_bits=bits)
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    assert max(worst_arrivals(fixed).values()) <= 2**23 - 1
    trace = ltc2hw.simulate(fixed, x, engine="integer")
    counted = {v for values in trace.saturations.values() for v in values}
    assert "current" not in counted


def test_weights_are_rounded_to_nearest_at_their_own_scale() -> None:
    """Mantissa over 2^fraction is within half a unit of each unclipped weight."""
    rng = np.random.default_rng(5)
    network = random_network(rng)
    fixed = ltc2hw.quantize(network, "loihi2", rng.uniform(-1, 1, (5, 8, 5)))
    for exact, integer in zip(network.projections, fixed.projections, strict=True):
        scale = 2.0**-integer.weight_fraction
        inside = np.abs(exact.weights.values) <= 127 * scale
        error = np.abs(integer.weights.values * scale - exact.weights.values)
        assert np.all(error[inside] <= scale / 2)
        assert inside.mean() > 0.9


def test_weight_scale_minimizes_the_squared_error() -> None:
    """One outlier among many small 2-bit weights is worth clipping."""
    values = np.array([1.0] + [0.3, -0.3] * 500)
    fraction = weight_fraction(values, Word(3))
    errors = {}
    for candidate in range(-2, 8):
        rounded = np.clip(np.rint(values * 2.0**candidate), -4, 3) / 2.0**candidate
        errors[candidate] = np.sum((values - rounded) ** 2)
    assert errors[fraction] == min(errors.values())
    assert fraction > 1


def test_extreme_constants_saturate_and_are_listed() -> None:
    """A threshold that no membrane reaches keeps its meaning; the file says what was done."""
    base = random_network(np.random.default_rng(2), hidden=(4,))
    hidden = base.population("hidden0")
    assert isinstance(hidden, Neurons)
    extreme = hidden.with_constants({"threshold": np.array([0.1, 1e9, -1e9, 0.1])})
    populations = tuple(extreme if p.name == "hidden0" else p for p in base.populations)
    network = replace(base, populations=populations)
    x = np.random.default_rng(3).uniform(-1, 1, (10, 6, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    assert fixed.provenance["saturated_constants"] == "hidden0.threshold: 2"
    spikes = ltc2hw.simulate(fixed, x, engine="integer").spikes["hidden0"]
    assert not spikes[:, :, 1].any()
    assert spikes[:, :, 2].all()


def test_options_choose_widths_functions_and_messages() -> None:
    """Each option reaches the integer graph."""
    rng = np.random.default_rng(1)
    network = random_network(rng, gate="dense")
    x = rng.uniform(-1, 1, (5, 8, 5))
    name = connection_name(network.projections[0])
    options = ltc2hw.QuantizeOptions(
        weight_bits=4,
        projection_bits={name: 6},
        message_bits=9,
        gate_function="table",
        table_index_bits=5,
    )
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    assert [p.bits for p in fixed.projections][:3] == [6, 4, 4]
    hidden = fixed.population("hidden0")
    assert isinstance(hidden, FixedNeurons)
    assert {m.word.bits for m in hidden.messages} == {9}
    assert {m.variable for m in hidden.messages} == {"current", "membrane", "adaptation"}
    assert (hidden.formats.gates["tau_mem"].function, hidden.tables["tau_mem"].size) == (
        "table",
        32,
    )


INPUT = "input.value->hidden0.current"


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"projection_bits": {"a->b": 4}}, UnknownNameError, "projection is 'a->b'"),
        ({"weight_bits": 0}, InvalidValueError, "weight_bits is 0"),
        ({"weight_bits": 9}, HardwareRuleError, r"\[weight-bits\].*9 bits, limit 2 to 8"),
        ({"weight_bits": 1}, HardwareRuleError, r"\[weight-bits\].*1 bits, limit 2 to 8"),
        ({"weight_bits": 4.0}, InvalidValueError, "weight_bits is 4.0; expected an integer"),
        ({"weight_bits": "4"}, InvalidValueError, "weight_bits is '4'; expected an integer"),
        ({"weight_bits": True}, InvalidValueError, "weight_bits is True"),
        ({"projection_bits": {INPUT: 1}}, HardwareRuleError, r"\[weight-bits\].*1 bits"),
        ({"projection_bits": {INPUT: 0}}, InvalidValueError, "bits of input.value->.* is 0"),
        ({"projection_bits": {INPUT: 3.5}}, InvalidValueError, "is 3.5; expected an integer"),
        ({"message_bits": 1}, InvalidValueError, "message_bits is 1; expected 2 to 24"),
        ({"table_index_bits": 0}, InvalidValueError, "table_index_bits is 0"),
        ({"gate_function": "tanh"}, UnknownNameError, "gate function"),
        ({"message_bits": 25}, InvalidValueError, "message_bits is 25"),
    ],
)
def test_impossible_options_are_refused(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    """Typed error, named value, named limit."""
    network = random_network(np.random.default_rng(1))
    with pytest.raises(error, match=message):
        ltc2hw.quantize(network, "loihi2", np.ones((3, 2, 5)), ltc2hw.QuantizeOptions(**options))


def test_loihi1_refuses_ltc_with_all_its_reasons_at_once() -> None:
    """Neuron models and graded input in one error, each with a remedy."""
    network = random_network(np.random.default_rng(1))
    with pytest.raises(HardwareRuleError) as caught:
        ltc2hw.quantize(network, "loihi1", np.ones((3, 2, 5)))
    rules = [(v.rule, v.who) for v in caught.value.violations]
    assert rules == [
        ("neuron-model", "hidden0"),
        ("neuron-model", "readout"),
        ("graded-input", "input"),
    ]
    assert all(v.remedy for v in caught.value.violations)
    assert "\n" not in str(caught.value)


def lif_network(threshold: float = 1.0, decay: float = 0.3, delay: int = 1) -> Network:
    """Ten inputs, six recurrent LIF neurons."""
    rng = np.random.default_rng(0)
    return Network(
        (
            Input("input", 10),
            LIF("out", 6, real(decay), real(0.1), real(threshold), rng.normal(0, 0.05, 6)),
        ),
        (
            Projection("input", "spikes", "out", "current", Dense(rng.normal(0, 0.5, (6, 10)))),
            Projection("out", "spikes", "out", "current", Dense(rng.normal(0, 0.3, (6, 6))), delay),
        ),
        "out",
    )


@pytest.mark.parametrize("target", ["loihi1", "loihi2", "ideal"])
def test_lif_networks_fit_every_chip(target: str) -> None:
    """Spikes mostly agree at chip widths, wholly at ideal ones."""
    x = (np.random.default_rng(4).random((30, 16, 10)) < 0.3).astype(float)
    network = lif_network()
    fixed = ltc2hw.quantize(network, target, x)
    real = ltc2hw.simulate(network, x).outputs
    trace = ltc2hw.simulate(fixed, x, engine="integer")
    agreement = np.mean(real == trace.outputs)
    assert real.mean() > 0.05
    assert agreement == 1.0 if target == "ideal" else agreement > 0.97
    assert not trace.saturations["out"]


def test_lif_limits_are_named() -> None:
    """A current that never decays, a delay too long, missing calibration."""
    x = np.ones((3, 2, 10))
    with pytest.raises(HardwareRuleError, match=r"\[current-decay\] out: 0"):
        ltc2hw.quantize(lif_network(decay=0.0), "loihi2", x)
    with pytest.raises(HardwareRuleError, match=r"\[delay\] .*63 steps, limit 62 steps"):
        ltc2hw.quantize(lif_network(delay=63), "loihi2", x)
    with pytest.raises(HardwareRuleError, match=r"\[lif-constant\] out threshold"):
        ltc2hw.quantize(lif_network(threshold=-0.5), "loihi2", x)
    with pytest.raises(InvalidValueError, match=r"calibration for out\.current is missing"):
        ltc2hw.quantize(lif_network(), "loihi2")


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_no_synapse_of_loihi_1_adds_what_its_emulator_clips(bits: int) -> None:
    """brian2-loihi clips ``mantissa << exponent << 6`` at ±(2^21 - 2^6): the exponent yields."""
    lowest = -(2 ** (bits - 1))
    weights = np.array([[lowest, 1.0, 0.0], [1.0, 0.0, 1.0 - bits]])
    lif = LIF("out", 2, real(1.0), real(1.0), real(0.5), real(0.0))
    network = Network(
        (Input("input", 3), lif),
        (Projection("input", "spikes", "out", "current", Dense(weights)),),
        "out",
    )
    x = (np.random.default_rng(4).random((30, 8, 3)) < 0.3).astype(float)
    options = ltc2hw.QuantizeOptions(weight_bits=bits)
    fractions = {}
    for target in ("loihi1", "loihi2"):
        fixed = ltc2hw.quantize(network, target, x, options)
        (projection,) = fixed.projections
        fractions[target] = projection.exponent
        assert projection.weights.values.min() == lowest
        reals = np.ldexp(projection.weights.to_array().astype(float), -projection.weight_fraction)
        assert np.array_equal(reals, weights)
        added = projection.weights.values << projection.exponent << 6
        clipped = np.clip(added, -(2**21 - 2**6), 2**21 - 2**6)
        assert np.array_equal(added, clipped) == (target == "loihi1")
    assert fractions["loihi1"] == fractions["loihi2"] - 1
    # Integers that were made elsewhere are refused by name.
    with pytest.raises(HardwareRuleError, match=r"\[synapse-width\].*<< \d+, limit ±32767"):
        check_fixed(fixed, load_target("loihi1"))


@pytest.mark.parametrize("exponent", [0, 3, 6])
def test_biases_that_round_beyond_their_mantissa_take_the_next_exponent(exponent: int) -> None:
    """4095.75 rounds to 4096, which 13 bits do not hold: not a reason to refuse the network."""

    def network(bias: float) -> Network:
        lif = LIF("out", 2, real(0.3), real(0.1), real(1.0), real([bias, 0.0]))
        weights = Dense(np.array([[0.5, 0.25], [0.5, -0.25]]))
        projection = Projection("input", "spikes", "out", "current", weights)
        return Network((Input("input", 2), lif), (projection,), "out")

    x = (np.random.default_rng(4).random((20, 4, 2)) < 0.3).astype(float)
    small = ltc2hw.quantize(network(1e-3), "loihi2", x).population("out")
    bias = float(np.ldexp(4095.75, exponent - variable_fraction(small, "membrane")))
    fixed = view(ltc2hw.quantize(network(bias), "loihi2", x).population("out"))
    assert fixed.fraction == variable_fraction(small, "membrane")
    assert (fixed.bias_mantissa[0], fixed.bias_exponent) == (2048, exponent + 1)


@pytest.mark.parametrize("scale", [1e-310, 1e-300, 1e-30, 1e30, 1e300])
def test_weights_of_any_size_have_a_scale_or_a_named_reason(scale: float) -> None:
    """No raw error from numbers at the ends of double precision."""
    lif = LIF("out", 2, real(0.3), real(0.1), real(scale), real(0.0))
    weights = Dense(np.array([[1.0, 1.0], [-1.0, 1.0]]) * scale)
    network = Network(
        (Input("input", 2), lif),
        (Projection("input", "spikes", "out", "current", weights),),
        "out",
    )
    x = (np.random.default_rng(4).random((20, 4, 2)) < 0.3).astype(float)
    if scale < sys.float_info.min:
        # No double is the fraction's power of two.
        with pytest.raises(
            InvalidValueError, match=r"out \w+ fraction is \d+; expected .* closer to 1"
        ):
            ltc2hw.quantize(network, "loihi2", x)
        return
    fixed = ltc2hw.quantize(network, "loihi2", x)
    assert np.all(np.abs(fixed.projections[0].weights.values) >= 64)
    got, asked = ltc2hw.simulate(fixed, x, "integer").outputs, ltc2hw.simulate(network, x).outputs
    assert np.mean(got == asked) > 0.9


def test_weights_that_do_not_fit_the_chip_are_counted() -> None:
    """More synaptic memory than all cores have."""
    chip = load_target("loihi2")
    tiny = replace(chip, resources=replace(chip.resources, cores=1, synaptic_memory_per_core=64))
    network = random_network(np.random.default_rng(1))
    with pytest.raises(HardwareRuleError, match=r"\[chip-size\] synaptic memory \(bytes\): \d+"):
        ltc2hw.quantize(network, tiny, np.ones((3, 2, 5)))


def test_utilization_counts_neurons_synapses_and_bytes() -> None:
    """5 inputs, 12 hidden with three recurrent and three input projections, 3 outputs."""
    network = random_network(np.random.default_rng(1))
    fixed = ltc2hw.quantize(
        network, "loihi2", np.ones((3, 2, 5)), ltc2hw.QuantizeOptions(weight_bits=4)
    )
    used = {key: value[0] for key, value in utilization(fixed, load_target("loihi2")).items()}
    synapses = 3 * (5 * 12 + 12 * 12) + 12 * 3
    assert used["neurons"] == 15
    assert used["synapses"] == synapses
    assert used["synaptic memory (bytes)"] == synapses // 2
    assert used["weight bits"] == 4
    assert used["delay (steps)"] == 1


def test_gates_far_from_zero_keep_their_saturation() -> None:
    """A gate bias of +-1000 is open or shut in integers as in float."""
    network = Network(
        (
            Input("input", 2, graded=True),
            Readout("out", 2, real(0.5), Gate(np.array([1000.0, -1000.0]))),
        ),
        (Projection("input", "value", "out", "current", Dense(np.eye(2))),),
        "out",
    )
    x = np.full((3, 1, 2), 0.25)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    trace = ltc2hw.simulate(fixed, x, engine="integer")
    scale = 2.0 ** variable_fraction(fixed.population("out"), "membrane")
    # The table's ends are the sigmoid at -8 and 8, so "shut" leaks one part in 4096 per step.
    assert trace.outputs[-1, 0, 0] == pytest.approx(0.75 * scale, rel=1e-3)
    assert 0 < trace.outputs[-1, 0, 1] < 3 * 0.75 * scale / 4096


@given(st.integers(0, 2**32), st.sampled_from(GATE_KINDS), st.integers(2, 8))
@settings(max_examples=30)
def test_extreme_constants_never_break_a_word(seed: int, gate: GateKind, bits: int) -> None:
    """Biases, thresholds and self terms from 1e-8 to 1e8: no refusal, every state in its word."""
    rng = np.random.default_rng(seed)

    def stretched(values: FloatArray) -> FloatArray:
        chosen = rng.random(values.shape) < 0.2
        return np.asarray(np.where(chosen, values * 10.0 ** rng.integers(-8, 9), values))

    base = random_network(rng, gate=gate, hidden=(9, 6))
    populations = tuple(
        p.with_constants(
            {
                # Dense gates weigh the current itself: 1e8 of it does not fit their accumulator.
                name: values if (gate, name) == ("dense", "bias_current") else stretched(values)
                for name, values in p.constants.items()
            }
        )
        if isinstance(p, Neurons) and p.model.name == "ltc"
        else p
        for p in base.populations
    )
    x = rng.uniform(-2, 2, (6, 3, 5))
    fixed = ltc2hw.quantize(
        replace(base, populations=populations),
        "loihi2",
        x,
        # Biases of 1e8 may leave a neuron no bits for its weights, which is another limit's matter.
        ltc2hw.QuantizeOptions(weight_bits=bits, allow=("lost-weights",)),
    )
    trace = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    for key, values in trace.recorded().items():
        assert np.max(np.abs(values.astype(np.int64) * 2 + 1)) < 2**24, key
