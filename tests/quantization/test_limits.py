"""Integers that stop meaning the float network are refused by name, or told where allowed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters.populations import LIF, LTC, Gate, Readout
from ltc2hw.errors import HardwareRuleError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.report import QuantizationReport, read_report
from tests.random_networks import dense, random_network, real


def report_of(fixed: FixedNetwork) -> QuantizationReport:
    report = read_report(fixed.provenance)
    assert report is not None
    return report


def broken(network: Network, x: Any, target: str = "loihi2", **options: Any) -> list[str]:
    """Names of the rules and limits that quantization breaks."""
    try:
        ltc2hw.quantize(network, target, x, ltc2hw.QuantizeOptions(**options))
    except HardwareRuleError as error:
        return [violation.rule for violation in error.violations if violation.remedy]
    return []


def logit(leak: float) -> float:
    return float(np.log(leak / (1 - leak)))


def leaky_readout(leak: float, weight: float = 1.0) -> Network:
    """One spiking input onto one readout with a static leak."""
    return Network(
        (Input("input", 1), Readout("out", 1, real(0.0), Gate(real(logit(leak))))),
        (Projection("input", "spikes", "out", "current", dense([[weight]])),),
        "out",
    )


def pulse(on: int, steps: int) -> FloatArray:
    """Spikes at every step up to ``on``, then silence."""
    x = np.zeros((steps, 1, 1))
    x[:on] = 1.0
    return x


def test_a_slow_leak_that_gets_stuck_is_refused() -> None:
    """Leak 1e-3: 4 of 4096; the state stops at 1023 units of 2^-14, where 3.5e-5 was asked for."""
    x = pulse(100, 8000)
    network = leaky_readout(1e-3)
    assert broken(network, x) == ["slow-leak"]
    # Nor is it overlooked with a short calibration run, or none at all.
    assert broken(network, x[:100]) == ["slow-leak"]
    assert broken(network, None) == ["slow-leak"]
    allowed = ltc2hw.QuantizeOptions(allow=("slow-leak",))
    fixed = ltc2hw.quantize(network, "loihi2", x, allowed)
    outputs = ltc2hw.simulate(fixed, x, "integer").outputs[:, 0, 0]
    (state,) = report_of(fixed).states
    unit = 2.0 ** -variable_fraction(fixed.population("out"), "membrane")
    assert outputs[-1] * unit == state.band == 1023 / 2**14
    assert state.in_use == pytest.approx(1 - (1 - 1e-3) ** 100)
    (told,) = report_of(fixed).allowed
    assert told.startswith("[slow-leak] out.membrane of neuron 0: leak 0.001")


@pytest.mark.parametrize("leak", [4e-3, 1e-2, 0.3])
def test_leaks_that_the_state_can_hold_are_met(leak: float) -> None:
    """Final value within the stated part of the range, and no refusal."""
    x = pulse(100, 1500)
    network = leaky_readout(leak)
    assert broken(network, x) == []
    fixed = ltc2hw.quantize(network, "loihi2", x)
    outputs = ltc2hw.simulate(fixed, x, "integer").outputs[:, 0, 0] * 2.0**-14
    asked = (1 - (1 - leak) ** 100) * (1 - leak) ** np.arange(1, 1401)
    assert np.max(np.abs(outputs[100:] - asked)) < 0.05 * (1 - (1 - leak) ** 100)


def test_the_ideal_target_holds_slow_leaks() -> None:
    """The remedy that the refusal names is one."""
    x = pulse(100, 3000)
    fixed = ltc2hw.quantize(leaky_readout(1e-3), "ideal", x)
    unit = 2.0 ** -variable_fraction(fixed.population("out"), "membrane")
    outputs = ltc2hw.simulate(fixed, x, "integer").outputs[:, 0, 0] * unit
    asked = (1 - 0.999**100) * 0.999**2900
    assert outputs[-1] == pytest.approx(asked, rel=0.01)


def test_a_shut_gate_that_leaks_is_told_and_refused_where_it_matters() -> None:
    """The table ends at one part in 4096: 3 steps of it are nothing, 3,000 change the answer."""
    network = Network(
        (Input("input", 1), Readout("out", 2, real(0.0), Gate(real([logit(1e-9), 0.0])))),
        (Projection("input", "spikes", "out", "current", dense([[1.0], [1.0]])),),
        "out",
    )
    short = ltc2hw.quantize(network, "loihi2", pulse(3, 3))
    (leak,) = report_of(short).decays
    assert leak.asked == pytest.approx(1e-9)
    assert (leak.got, leak.lost, leak.gained, leak.neuron) == (1 / 4096, 0, 1, 0)
    assert broken(network, pulse(100, 3000)) == ["lost-decay"]
    # Where no leak at all was meant, it is counted, too.
    readout = network.population("out")
    assert isinstance(readout, Neurons)
    shut = readout.with_constants({"tau_mem.bias": real([-1000.0, -0.3])})
    network = Network((network.input, shut), network.projections, "out")
    (leak,) = report_of(ltc2hw.quantize(network, "loihi2", pulse(3, 3))).decays
    assert (leak.gained, leak.neuron) == (1, 1)
    # Alone, what it would have collected is the range in use, and becomes 0.
    assert broken(leaky_readout(1e-9), pulse(3, 3)) == ["slow-leak"]


def test_a_leak_that_the_gate_function_cannot_tell_is_refused() -> None:
    """PLAN is exactly 0 below -5: a leak of 1/200 becomes none, and the output stays 0."""
    x = pulse(100, 400)
    network = leaky_readout(1 / 200)
    assert broken(network, x, gate_function="plan") == ["slow-leak", "lost-decay"]
    allowed = ltc2hw.QuantizeOptions(gate_function="plan", allow=("slow-leak", "lost-decay"))
    report = report_of(ltc2hw.quantize(network, "loihi2", x, allowed))
    assert report.states[0].band is None
    assert (report.decays[0].got, report.decays[0].lost) == (0.0, 1)


def lif_network(
    weights: Any, current_decay: float = 0.3, membrane_decay: float = 0.1, threshold: Any = 1.0,
    bias: Any = 0.0,
) -> Network:  # fmt: skip
    weights = np.asarray(weights, dtype=float)
    size, inputs = weights.shape
    lif = LIF("out", size, real(current_decay), real(membrane_decay), real(threshold), real(bias))
    return Network(
        (Input("input", inputs), lif),
        (Projection("input", "spikes", "out", "current", Dense(weights)),),
        "out",
    )


def spikes(steps: int, inputs: int, rate: float = 0.2, batch: int = 4) -> FloatArray:
    drawn = np.random.default_rng(9).random((steps, batch, inputs)) < rate
    return drawn.astype(float)


@pytest.mark.parametrize("which", ["membrane_decay", "current_decay"])
@pytest.mark.parametrize(
    ("leak", "got", "refused"),
    [(1e-9, 0, True), (1.2e-4, 0, True), (3e-4, 1, True), (1e-3, 4, False), (0.1, 410, False)],
)
def test_decays_of_lif_neurons_that_round_away_are_refused(
    which: str, leak: float, got: int, refused: bool
) -> None:
    """12 bits: ``round(4096 leak)``; more than a tenth off is refused, whatever is asked for."""
    network = lif_network(np.random.default_rng(0).normal(0, 0.5, (3, 6)), **{which: leak})
    x = spikes(40, 6)
    if which == "current_decay" and got == 0:
        # The current's decay has no zero on the chip: a rule that nothing allows.
        assert broken(network, x, allow=tuple(LIMITS)) == ["current-decay"]
        return
    assert broken(network, x) == (["lost-decay"] if refused else [])
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(allow=("lost-decay",)))
    decays = {row.name: row for row in report_of(fixed).decays}
    row = decays[f"out.{which}"]
    assert (row.asked, row.got) == (leak, got / 4096)
    assert row.lost == (3 if got == 0 else 0)
    assert len(report_of(fixed).allowed) == refused


def test_small_weights_beside_large_ones_are_told_and_lost_neurons_refused() -> None:
    """2e-5 beside 0.075: one input of three is told, a neuron's only input is refused."""

    def network(weights: Any) -> Network:
        size, inputs = np.shape(weights)
        return Network(
            (Input("input", inputs), Readout("out", size, real(0.0), Gate(real(-1.0)))),
            (Projection("input", "spikes", "out", "current", dense(weights)),),
            "out",
        )

    weights = [2e-5, 0.075, -0.009]
    told = report_of(ltc2hw.quantize(network([weights]), "loihi2", np.ones((5, 2, 3))))
    row = told.tensors[0]
    # The scale is 2^-10: 77 and -9 of it, and nothing for 2e-5.
    wrong = 2e-5 + abs(77 / 1024 - 0.075) + abs(9 / 1024 - 0.009)
    assert (row.size, row.zeroed, row.clipped) == (3, 1, 0)
    assert row.error == pytest.approx(wrong / sum(map(abs, weights)))
    column = network([[w] for w in weights])
    x = np.ones((5, 2, 1))
    assert broken(column, x) == ["lost-weights"]
    allowed = ltc2hw.QuantizeOptions(allow=("lost-weights",))
    fixed = ltc2hw.quantize(column, "loihi2", x, allowed)
    assert fixed.projections[0].weights.values.tolist() == [0, 77, -9]
    assert "[lost-weights] out.current of neuron 0: 2e-05 of 2e-05" in report_of(fixed).allowed[0]


def test_a_neuron_that_could_never_fire_loses_nothing() -> None:
    """The same weights onto spiking neurons that cannot reach their threshold either way."""
    weights = [[2e-5], [0.075], [-0.009]]
    assert broken(lif_network(weights, threshold=1.0), spikes(20, 1)) == []
    assert broken(lif_network(weights, threshold=1e-5), spikes(20, 1)) == ["lost-weights"]
    network = Network(
        (
            Input("input", 1),
            LTC("out", 3, real(1.0), real(0.0), real(0.0), Gate(real(0.0)), Gate(real(0.0))),
        ),
        (Projection("input", "spikes", "out", "current", dense(weights)),),
        "out",
    )
    assert broken(network, spikes(20, 1)) == []
    spiking = network.population("out")
    assert isinstance(spiking, Neurons)
    low = spiking.with_constants({"threshold": real([1e-5] * 3)})
    sensitive = replace(network, populations=(network.input, low))
    assert broken(sensitive, spikes(20, 1)) == ["lost-weights"]


def test_gates_that_lose_their_weights_are_refused_where_the_gate_can_tell() -> None:
    """Argument changes of less than a quarter are told; larger ones are refused."""

    def gated(weight: float, other: float) -> Network:
        return Network(
            (Input("input", 1), Readout("out", 2, real(0.0), Gate(real(-1.0)))),
            (
                Projection("input", "spikes", "out", "current", dense([[1.0], [1.0]])),
                Projection("input", "spikes", "out", "tau_mem", dense([[weight], [other]])),
            ),
            "out",
        )

    x = spikes(20, 1)
    # Steps of 1/16 beside 7, steps of 1 beside 120.
    assert broken(gated(0.03, 7.0), x) == []
    assert broken(gated(0.4, 120.0), x) == ["lost-weights"]


def test_whole_populations_of_coarse_weights_that_vanish_are_refused() -> None:
    """Two-bit weights may lose neurons, but not most of a population."""
    rng = np.random.default_rng(4)
    few = rng.normal(0, 0.3, (6, 5))
    few[0] = [0.003, -0.003, 0.003, 0.003, 0.0]
    x = spikes(30, 5)
    assert broken(lif_network(few, threshold=0.01), x) == ["lost-weights"]
    assert broken(lif_network(few, threshold=0.01), x, weight_bits=2) == []
    most = np.full((6, 5), 0.01)
    most[5] = 1.0
    assert broken(lif_network(most, threshold=0.01), x, weight_bits=2) == ["lost-weights"]


def test_channels_too_small_to_be_heard_are_told_and_refused_where_they_are_all() -> None:
    """Two graded channels of ranges 1e-3 and 1: the small one is below half a step of 8 bits."""

    def network(weights: Any) -> Network:
        size, inputs = np.shape(weights)
        return Network(
            (Input("input", inputs, graded=True), Readout("out", size, real(0.0), Gate(real(0.0)))),
            (Projection("input", "value", "out", "current", dense(weights)),),
            "out",
        )

    x = np.random.default_rng(1).random((10, 4, 2)) * [1e-3, 1.0]
    told = report_of(ltc2hw.quantize(network([[1.0, 1.0]]), "loihi2", x)).messages[0]
    assert (told.name, told.silent, told.neuron) == ("input.value", 1, 0)
    assert told.unit == 2.0**-8
    assert broken(network([[1.0, 0.0], [0.0, 1.0]]), x) == ["lost-messages"]
    assert broken(network([[1.0, 0.0], [0.0, 1.0]]), x * [100.0, 1.0]) == []
    fixed = ltc2hw.quantize(
        network(np.eye(2)), "loihi2", x, ltc2hw.QuantizeOptions(allow=("lost-messages",))
    )
    assert not ltc2hw.simulate(fixed, x, "integer").outputs[:, :, 0].any()


def test_all_violations_come_at_once_and_each_is_allowed_by_name() -> None:
    """Rules of the chip and limits in one error; what is not named stays refused."""
    network = lif_network([[2e-5], [0.075]], membrane_decay=1e-4, threshold=1e-5)
    x = spikes(20, 1)
    assert broken(network, x) == ["lost-decay", "lost-weights"]
    assert broken(network, x, allow={"lost-weights"}) == ["lost-decay"]
    assert broken(network, x, allow=["lost-weights", "lost-decay"]) == []
    spiking = network.population("out")
    assert isinstance(spiking, Neurons)
    negative = spiking.with_constants({"threshold": real([-1.0, 1.0])})
    with_rule = replace(network, populations=(network.input, negative))
    assert broken(with_rule, x) == ["lif-constant", "lost-decay", "lost-weights"]
    assert broken(with_rule, x, allow=LIMITS) == ["lif-constant"]


@pytest.mark.parametrize(
    "allow", [("no-such-limit",), ["slow-leak", "lif-constant"], "weight-bits"]
)
def test_unknown_limits_are_refused(allow: Any) -> None:
    """A rule of the chip is none."""
    with pytest.raises(UnknownNameError, match="one of slow-leak, lost-decay"):
        broken(lif_network([[0.5]]), spikes(5, 1), allow=allow)


def test_what_is_allowed_is_deterministic_and_changes_no_integer() -> None:
    """Allowing a limit that is not exceeded leaves no trace; equal calls give equal networks."""
    rng = np.random.default_rng(3)
    network, x = random_network(rng), rng.uniform(-1, 1, (9, 4, 5))
    plain = ltc2hw.quantize(network, "loihi2", x)
    assert plain == ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(allow=LIMITS))
    assert report_of(plain).allowed == ()


def unit_of(fixed: FixedNetwork) -> float:
    return float(2.0 ** -variable_fraction(fixed.population("out"), "membrane"))


@pytest.mark.parametrize("steps", [100, 1000, 5000])
def test_inhibited_integrators_keep_their_weights_for_any_length(steps: int) -> None:
    """Membranes that run away below zero are clipped and counted; weights and spikes stay."""
    weights = np.random.default_rng(1).normal(0, 1, (21, 21))
    weights[3] = -1.5
    network = lif_network(weights, current_decay=1.0, membrane_decay=0.0)
    x = spikes(steps, 21, batch=1)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    (projection,) = fixed.projections
    # All bits: the scale that is best for the weights alone.
    largest = np.max(np.abs(weights))
    assert projection.weight_fraction >= np.floor(np.log2(127 / largest))
    assert np.max(np.abs(projection.weights.values)) > 63
    trace = ltc2hw.simulate(fixed, x, "integer")
    asked = ltc2hw.simulate(network, x).outputs
    assert np.mean(trace.outputs == asked) > 0.99
    assert set(trace.saturations["out"]) <= {"membrane"}
    assert not trace.outputs[:, :, 3].any()
    fits = np.max(np.abs(ltc2hw.simulate(network, x, record="all").states["out"]["membrane"]))
    clipped = fits / unit_of(fixed) > 2**23 - 1
    assert bool(trace.saturations["out"]) == clipped
    assert clipped == (steps > 100)


def test_membranes_below_zero_that_come_back_are_kept() -> None:
    """2,000 steps of inhibition, then of excitation: the first spike comes when it is due."""
    network = lif_network([[-1.0, 0.984375]], current_decay=1.0, membrane_decay=0.0)
    x = np.zeros((4200, 1, 2))
    x[:2000, :, 0] = 1.0
    x[2000:, :, 1] = 1.0
    fixed = ltc2hw.quantize(network, "loihi2", x)
    trace, asked = ltc2hw.simulate(fixed, x, "integer"), ltc2hw.simulate(network, x).outputs
    first = int(np.argmax(asked[:, 0, 0]))
    assert first > 4000
    assert not trace.saturations["out"]
    assert abs(int(np.argmax(trace.outputs[:, 0, 0])) - first) <= 40
    # Nor are those of neurons that are read by their membrane, which never spike.
    read = lif_network([[-1.0, 0.984375]], current_decay=1.0, membrane_decay=0.0, threshold=1e9)
    fixed = ltc2hw.quantize(read, "loihi2", x)
    membrane = ltc2hw.simulate(fixed, x, "integer", record="all").states["out"]["membrane"]
    assert np.min(membrane) * unit_of(fixed) == pytest.approx(-2000, rel=1e-3)


@pytest.mark.parametrize("threshold", [1e3, 1e4, 1e6, 1e12])
@pytest.mark.parametrize("population", [True, False])
def test_a_threshold_out_of_reach_takes_no_bits(threshold: float, population: bool) -> None:
    """Membranes are right within half a per cent; what saturated is told."""
    # Weights that 8 bits hold exactly, if they are let.
    weights = np.rint(np.random.default_rng(0).normal(0, 32, (3, 10))) / 64
    thresholds = real([threshold] * 3 if population else [2.0, 2.0, threshold])
    network = lif_network(weights, threshold=thresholds)
    x = spikes(60, 10, rate=0.3)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    asked = ltc2hw.simulate(network, x, record="all").states["out"]["membrane"][:, :, 2]
    got = ltc2hw.simulate(fixed, x, "integer", record="all")
    difference = got.states["out"]["membrane"][:, :, 2] * unit_of(fixed) - asked
    assert np.max(np.abs(difference)) < 0.005 * np.max(np.abs(asked))
    assert not got.outputs[:, :, 2].any()
    saturated = fixed.provenance.get("saturated_constants", "")
    count = 3 if population else 1
    assert saturated == (f"out.threshold: {count}" if threshold > 1e3 else "")
    rows = {row.name: row for row in report_of(fixed).tensors}
    assert rows["out threshold"].clipped == (count if threshold > 1e3 else 0)


def test_reachable_thresholds_decide_the_scale() -> None:
    """A threshold within reach never saturates, whatever it costs the weights."""
    network = lif_network(np.full((1, 800), 0.004), current_decay=1.0, threshold=4.0)
    x = spikes(40, 800, rate=0.1)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    assert "saturated_constants" not in fixed.provenance
    lif = fixed.population("out")
    assert isinstance(lif, FixedNeurons)
    assert int(lif.constants["threshold"][0]) * 64 * unit_of(fixed) == pytest.approx(4.0, rel=1e-4)


def test_a_saturated_threshold_within_reach_is_refused() -> None:
    """Membranes up to a quarter of where the threshold saturates: it might be crossed there."""
    # The neuron integrates to some 2,400 and its threshold is 1e5: a fraction of 13 would hold
    # both weights of 0.1 and that, but the membranes come within a factor of four of 2^17 64 / 2^f.
    weights = [[0.02, 400.0]]
    x = np.ones((40, 1, 2))
    network = lif_network(weights, current_decay=1.0, membrane_decay=0.16, threshold=1e5)
    rules = broken(network, x)
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(allow=LIMITS))
    lif = fixed.population("out")
    assert isinstance(lif, FixedNeurons)
    seen = float(np.max(ltc2hw.simulate(network, x, record="all").states["out"]["membrane"]))
    top = int(lif.constants["threshold"][0]) * 64 * unit_of(fixed)
    assert top > 2 * seen
    assert rules == (["unreachable-threshold"] if top < min(4 * seen, 0.99e5) else [])


@pytest.mark.parametrize("size", [1e6, 1e9])
def test_biases_out_of_reach_take_no_bits(size: float) -> None:
    """LIF: one neuron fires at every step, one never does, the others are as without them."""
    weights = np.random.default_rng(0).normal(0, 0.5, (4, 10))
    network = lif_network(weights, bias=[0.02, size, -size, -0.03])
    x = spikes(60, 10)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    assert fixed.provenance["saturated_constants"] == "out.bias: 2"
    got, asked = (
        ltc2hw.simulate(n, x, e).outputs for n, e in ((fixed, "integer"), (network, None))
    )
    assert got[:, :, 1].all()
    assert not got[:, :, 2].any()
    assert np.mean(got == asked) > 0.98


def test_a_pinned_ltc_neuron_takes_no_bits_from_its_neighbours() -> None:
    """A bias current of 1e8 saturates its own neuron; the others' weights keep their bits."""
    rng = np.random.default_rng(5)
    base = random_network(rng, gate="static", hidden=(6,))
    x = rng.uniform(-1, 1, (20, 8, 5))
    hidden = base.population("hidden0")
    assert isinstance(hidden, Neurons)
    plain = ltc2hw.quantize(base, "loihi2", x)
    pinned = hidden.with_constants(
        {"bias_current": np.array([1e8, *hidden.constants["bias_current"][1:]])}
    )
    populations = tuple(pinned if p.name == "hidden0" else p for p in base.populations)
    network = replace(base, populations=populations)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    assert fixed.provenance["saturated_constants"] == "hidden0.bias_current: 1"
    assert [p.weights for p in fixed.projections] == [p.weights for p in plain.projections]
    got = ltc2hw.simulate(fixed, x, "integer").spikes["hidden0"]
    asked = ltc2hw.simulate(network, x).spikes["hidden0"]
    assert np.array_equal(got[:, :, 0], asked[:, :, 0])
    assert np.mean(got == asked) > 0.97


def test_a_readout_keeps_its_bias_and_tells_of_its_weights() -> None:
    """Its membrane is the answer: a bias is never clipped, and lost weights are refused."""
    network = Network(
        (Input("input", 1), Readout("out", 2, real([1e8, 0.0]), Gate(real(0.0)))),
        (Projection("input", "spikes", "out", "current", dense([[0.5], [0.5]])),),
        "out",
    )
    x = spikes(20, 1)
    assert broken(network, x) == ["lost-weights"]
    fixed = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(allow=LIMITS))
    assert "saturated_constants" not in fixed.provenance


@pytest.mark.parametrize("bias", [0.1, -3.0])
def test_room_to_learn_survives_a_bias(bias: float) -> None:
    """A readout of membranes with a bias gets the fraction of one without, and the same answers."""

    def network(bias: float) -> Network:
        rng = np.random.default_rng(6)
        size = 40
        first, second = rng.normal(0, 0.5, (size, 5)), rng.normal(0, 0.3, (3, size))
        ltc = LTC("hidden", size, real(0.5), real(1.8), real(0.0), Gate(real(-1.0)),
                  Gate(real(1.0)))  # fmt: skip
        return Network(
            (Input("input", 5), ltc, Readout("out", 3, real(bias), Gate(real(-1.0)))),
            (
                Projection("input", "spikes", "hidden", "current", Dense(first)),
                Projection("hidden", "membrane", "out", "current", Dense(second)),
            ),
            "out",
        )  # fmt: skip

    x = spikes(20, 5)
    room = ltc2hw.QuantizeOptions(weight_reach=2.0)
    without = ltc2hw.quantize(network(0.0), "loihi2", x, room).population("out")
    fixed = ltc2hw.quantize(network(bias), "loihi2", x, room)
    out = fixed.population("out")
    assert isinstance(out, FixedNeurons)
    assert variable_fraction(out, "membrane") == variable_fraction(without, "membrane")
    # Weights up to 2 in 8 bits have 6 fractional bits; messages m; the smallest exponent is 1.
    message = next(m for p in fixed.populations for m in getattr(p, "messages", ()))
    sent = variable_fraction(fixed.population("hidden"), "membrane") - message.shift
    assert variable_fraction(out, "membrane") == 6 + sent + 1
    got = ltc2hw.simulate(fixed, x, "integer").outputs * 2.0 ** -variable_fraction(out, "membrane")
    asked = ltc2hw.simulate(network(bias), x).outputs
    assert np.max(np.abs(got - asked)) < 0.2 * np.max(np.abs(asked))


@pytest.mark.parametrize("leak", [1e-3, 3e-4])
def test_fine_states_keep_a_slow_leak(leak: float) -> None:
    """What is refused with the membrane as coarse as its port is held where it may be finer."""
    x = pulse(100, 8000)
    network = leaky_readout(leak)
    assert "slow-leak" in broken(network, x)
    options = ltc2hw.QuantizeOptions(fine_states=True, allow=("lost-decay",))
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    out = fixed.population("out")
    assert isinstance(out, FixedNeurons)
    assert variable_fraction(out, "membrane") > variable_fraction(out, "current")
    got = ltc2hw.simulate(fixed, x, "integer").outputs[:, 0, 0]
    real = ltc2hw.simulate(network, x).outputs[:, 0, 0]
    held = np.ldexp(got.astype(float), -variable_fraction(out, "membrane"))
    # The gate's own 12 bits make the leak 4 or 1 of 4096; that is what the state then follows.
    rate = round(leak * 4096) / 4096
    follows = np.where(np.arange(8000) < 100, 1 - (1 - rate) ** np.arange(1, 8001), 0.0)
    follows[100:] = follows[99] * (1 - rate) ** np.arange(1, 7901)
    assert np.max(np.abs(held - follows)) < 0.02 * follows.max()
    assert real.max() == pytest.approx(follows.max(), rel=0.25)
    assert np.abs(got[-1]) < 0.2 * got.max()
