"""Comparison: every number against one computed here by other means."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.comparison.compare import CompareOptions, compare
from ltc2hw.comparison.excerpt import MOST_EXCERPTS, real_outputs
from ltc2hw.comparison.report import Report
from ltc2hw.comparison.tally import ExactTally
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.decision import Classification, Regression, decision_for
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import Word
from ltc2hw.quantization.mixing import Kind, Part, float_tensors, partly_fixed, parts, real_tensors
from ltc2hw.quantization.rounded import RoundedGate, RoundedMessages, rounded_messages
from tests.convolution.test_networks import events, gated_network
from tests.random_networks import (
    GATE_KINDS,
    GateKind,
    random_fixed_network,
    random_network,
    random_samples,
)
from tests.views import kind

Samples = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]


@pytest.fixture(scope="module")
def pair() -> tuple[Network, FixedNetwork, Samples, Labels]:
    rng = np.random.default_rng(11)
    network = random_network(rng, hidden=(14, 9))
    x = rng.uniform(-1, 1, (9, 40, 5))
    outputs = ltc2hw.simulate(network, x).outputs
    labels = outputs[-1].argmax(axis=1)
    labels[:7] = (labels[:7] + 1) % 3
    options = ltc2hw.QuantizeOptions(weight_bits=4)
    return network, ltc2hw.quantize(network, "loihi2", x, options), x, labels


@pytest.fixture(scope="module")
def report(pair: tuple[Network, FixedNetwork, Samples, Labels]) -> Report:
    return compare(*pair, engines=("integer", "fast"), task="random")


def test_scores_are_those_of_the_last_outputs(
    report: Report, pair: tuple[Network, FixedNetwork, Samples, Labels]
) -> None:
    network, fixed, x, labels = pair
    real = ltc2hw.simulate(network, x).outputs[-1].argmax(axis=1)
    integer = ltc2hw.simulate(fixed, x, "integer").outputs[-1].argmax(axis=1)
    assert report.metric == "accuracy"
    assert report.scores["float64"] == np.mean(real == labels) == 33 / 40
    assert report.scores["integer"] == report.scores["fast"] == np.mean(integer == labels)
    assert report.lost == pytest.approx(33 / 40 - np.mean(integer == labels))
    assert report.samples == {"float64": 40, "integer": 40, "fast": 40}


def test_exactness_counts_every_recorded_integer(
    report: Report, pair: tuple[Network, FixedNetwork, Samples, Labels]
) -> None:
    _, fixed, x, _ = pair
    numbers = sum(p.size * len(p.recordable) for p in fixed.populations) * x.shape[0] * x.shape[1]
    assert report.exact["fast"].compared == numbers
    assert report.exact["fast"].mismatches == report.mismatches == 0
    assert "integer" not in report.exact


def test_spikes_are_compared_entry_by_entry(
    report: Report, pair: tuple[Network, FixedNetwork, Samples, Labels]
) -> None:
    network, fixed, x, _ = pair
    real = ltc2hw.simulate(network, x).spikes
    integer = ltc2hw.simulate(fixed, x, "integer").spikes
    assert set(report.spikes) == {"hidden0", "hidden1"}
    differs = np.zeros((9, 40), dtype=bool)
    for name, spikes in report.spikes.items():
        first, second = real[name].astype(int), integer[name].astype(int)
        assert spikes.agreement == np.mean(first == second) < 1
        assert spikes.overlap == pytest.approx(
            2 * np.sum(first * second) / (first.sum() + second.sum())
        )
        np.testing.assert_allclose(spikes.float_rate, first.mean(axis=(1, 2)))
        np.testing.assert_allclose(spikes.integer_rate, second.mean(axis=(1, 2)))
        differs |= (first != second).any(axis=2)
    first_steps = [int(np.argmax(d)) for d in differs.T if d.any()]
    assert report.divergence.never == 40 - len(first_steps)
    for step, count in enumerate(report.divergence.first_step):
        assert count == first_steps.count(step)


def test_excerpts_are_the_samples_that_tell_most(
    report: Report, pair: tuple[Network, FixedNetwork, Samples, Labels]
) -> None:
    network, fixed, x, labels = pair
    real = ltc2hw.simulate(network, x, record="all")
    integer = ltc2hw.simulate(fixed, x, "integer", "all")
    answers = [trace.outputs[-1].argmax(axis=1) for trace in (real, integer)]
    differs = np.zeros(40, dtype=bool)
    for name, spikes in real.spikes.items():
        differs |= (spikes != integer.spikes[name]).any(axis=(0, 2))
    kinds = {
        sample: (
            0 if first == label != second
            else 1 if second == label != first
            else 2 if first != second
            else 3 if differs[sample]
            else 4
        )
        for sample, (first, second, label) in enumerate(zip(*answers, labels, strict=True))
    }  # fmt: skip
    lost, won, *others = ([s for s in kinds if kinds[s] == kind] for kind in range(5))
    assert lost
    assert won or others[0]
    rest = [sample for kind in others for sample in kind]
    found = [excerpt.sample for excerpt in report.excerpts]
    assert len(found) == MOST_EXCERPTS == 8
    most = [*lost[:5], *won[:2], *rest]
    assert found == most[:8]
    for excerpt in report.excerpts:
        s = excerpt.sample
        assert (excerpt.label, excerpt.float_answer, excerpt.integer_answer) == (
            labels[s], answers[0][s], answers[1][s],
        )  # fmt: skip
        assert excerpt.float_verdict == (answers[0][s] == labels[s])
        assert excerpt.integer_verdict == (answers[1][s] == labels[s])
        assert np.array_equal(excerpt.float_outputs, real.outputs[:, s])
        for name, spikes in excerpt.integer_spikes.items():
            assert np.array_equal(spikes, integer.spikes[name][:, s])
        assert sorted(m.neuron for m in excerpt.membranes if m.population == "hidden0") == [
            *range(14)
        ]
        for kept in excerpt.membranes:
            place = slice(None), s, kept.neuron
            states = integer.states[kept.population]
            numbers = np.ldexp(kept.integer_membrane, kept.fraction)
            assert np.array_equal(numbers, states["membrane"][place])
            np.testing.assert_array_equal(
                kept.float_threshold, real.states[kept.population]["threshold"][place]
            )


def test_regression_shows_the_worst_samples_first(
    pair: tuple[Network, FixedNetwork, Samples, Labels],
) -> None:
    network, fixed, x, _ = pair
    outputs = ltc2hw.simulate(network, x).outputs[-1]
    found = compare(network, fixed, x, outputs, engines=("integer",)).excerpts
    integer = real_outputs(fixed, ltc2hw.simulate(fixed, x, "integer"))[-1]
    errors = np.mean((outputs - integer) ** 2, axis=1)
    # All of them lose, and none can win: the eight worst, in that order.
    assert [excerpt.sample for excerpt in found] == np.argsort(-errors)[:8].tolist()
    assert {(e.label, e.float_answer, e.float_verdict) for e in found} == {(None, None, 0.0)}


def test_ranges_hold_the_extremes(
    report: Report, pair: tuple[Network, FixedNetwork, Samples, Labels]
) -> None:
    _, fixed, x, _ = pair
    recorded = ltc2hw.simulate(fixed, x, "integer", "all").recorded()
    ranges = {entry.name: entry for entry in report.state_ranges}
    assert len(ranges) == sum(1 for _, variable in recorded if variable != "spikes")
    for (name, variable), values in recorded.items():
        if variable != "spikes":
            entry = ranges[f"{name}.{variable}"]
            assert (entry.low, entry.high) == (values.min(), values.max())
            assert entry.minimum <= entry.low <= entry.high <= entry.maximum
            assert entry.bits_unused >= 0
    for entry, projection in zip(report.weight_ranges, fixed.projections, strict=True):
        values = projection.weights.values
        assert (entry.low, entry.high) == (values.min(), values.max())
        assert (entry.minimum, entry.maximum) == (-8, 7)


def test_ladder_starts_at_float_and_ends_at_integer(report: Report) -> None:
    names = [stage.name for stage in report.ladder]
    assert names == [
        "float64", "+ weights", "+ constants", "+ inputs", "+ gate function", "+ words",
        "+ saturation", "integer",
    ]  # fmt: skip
    assert report.ladder[0].score == report.scores["float64"]
    assert report.ladder[-2].score == report.ladder[-1].score == report.scores["integer"]


def test_batches_change_nothing(
    report: Report,
    pair: tuple[Network, FixedNetwork, Samples, Labels],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The package's attribute of this name is the function.
    monkeypatch.setattr(import_module("ltc2hw.comparison.compare"), "MEMORY", 3 * 9 * 250 * 8)
    network, fixed, x, labels = pair
    told: list[tuple[str, int, int]] = []
    again = compare(
        network, fixed, x, labels, ("integer", "fast"), task="random",
        progress=lambda *step: told.append(step),
    )  # fmt: skip
    assert again.to_dict() == report.to_dict()
    runs = [step[1:] for step in told if step[0] == "samples"]
    # All samples by three engines, then three more runs that tell where these part.
    assert [done for done, _ in runs][::3] == [*range(0, 121, 12), 240]
    assert {total for _, total in runs} == {240}
    assert told[-1][1] == told[-1][2]


def test_fewer_samples_for_one_engine(pair: tuple[Network, FixedNetwork, Samples, Labels]) -> None:
    network, fixed, x, labels = pair
    options = CompareOptions(samples={"fast": 6}, causes=False, cause_samples=10)
    shorter = compare(network, fixed, x, labels, ("integer", "fast"), options=options)
    assert shorter.samples == {"float64": 40, "integer": 40, "fast": 6}
    integer = ltc2hw.simulate(fixed, x[:, :10], "integer").outputs[-1].argmax(axis=1)
    assert shorter.scores["fast"] == np.mean(integer[:6] == labels[:6])
    assert shorter.ladder[-1].score == np.mean(integer == labels[:10])
    assert shorter.causes == ()


def test_the_ideal_target_loses_nothing_at_any_stage() -> None:
    rng = np.random.default_rng(4)
    network = random_network(rng, gate="dense")
    x = rng.integers(-128, 128, (10, 30, 5)) / 128
    labels = ltc2hw.simulate(network, x).outputs[-1].argmax(axis=1)
    report = compare(network, ltc2hw.quantize(network, "ideal", x), x, labels, ("integer",))
    assert [stage.score for stage in report.ladder] == [1.0] * 9
    assert max(cause.output_error for cause in report.causes) < 1e-3


def test_the_coarsest_weights_are_the_first_cause() -> None:
    rng = np.random.default_rng(8)
    network = random_network(rng, gate="static")
    x = rng.uniform(-1, 1, (9, 60, 5))
    name = "hidden0.spikes->readout.current"
    options = ltc2hw.QuantizeOptions(projection_bits={name: 2})
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    labels = ltc2hw.simulate(network, x).outputs[-1].argmax(axis=1)
    report = compare(network, fixed, x, labels, ("integer",))
    assert report.causes[0].name == f"{name} weights"
    assert report.causes[0].score < 1
    # What rounding leaves as it is cannot be a cause.
    assert "hidden0 tau_mem.from_state" not in {cause.name for cause in report.causes}


def test_regression_uses_real_units() -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng, outputs=2)
    x = rng.uniform(-1, 1, (6, 25, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    targets = rng.normal(0, 0.1, (25, 2))
    report = compare(network, fixed, x, targets, ("integer",))
    real = ltc2hw.simulate(network, x).outputs[-1]
    scale = 2.0 ** variable_fraction(fixed.population("readout"), "membrane")
    integer = ltc2hw.simulate(fixed, x, "integer").outputs[-1] / scale
    assert report.metric == "mse"
    assert report.scores["float64"] == pytest.approx(np.mean((real - targets) ** 2))
    assert report.scores["integer"] == pytest.approx(np.mean((integer - targets) ** 2))
    assert report.lost == report.scores["integer"] - report.scores["float64"]


def test_spiking_outputs_are_counted() -> None:
    rng = np.random.default_rng(3)
    network = random_network(rng, model="LIF", hidden=(6,), graded=False)
    network = replace(
        network,
        populations=network.populations[:2],
        projections=network.projections[:2],
        output="hidden0",
    )
    assert kind(network.population("hidden0")) == "lif"
    x = random_samples(rng, network, 12, 30)
    fixed = ltc2hw.quantize(network, "loihi1", x)
    labels = ltc2hw.simulate(network, x).spikes["hidden0"].sum(axis=0, dtype=int).argmax(axis=1)
    report = compare(network, fixed, x, labels, ("integer",))
    assert report.scores["float64"] == 1.0
    assert [stage.name for stage in report.ladder] == [
        "float64", "+ weights", "+ constants", "+ words", "+ saturation", "integer",
    ]  # fmt: skip


def tampered(trace: Trace, places: list[tuple[int, int, int]]) -> Trace:
    membrane = trace.states["readout"]["membrane"].copy()
    for place in places:
        membrane[place] += 5
    return replace(trace, states={**trace.states, "readout": {"membrane": membrane}})


def test_a_wrong_engine_is_found_with_its_first_difference() -> None:
    rng = np.random.default_rng(6)
    network = ltc2hw.quantize(random_network(rng), "loihi2", rng.uniform(-1, 1, (4, 3, 5)))
    trace = ltc2hw.simulate(network, rng.uniform(-1, 1, (4, 3, 5)), "integer", ("membrane",))
    trace = replace(trace, states={"readout": trace.states["readout"]}, spikes={})
    tally = ExactTally()
    tally.add(trace, trace, 0)
    assert (tally.result().compared, tally.result().mismatches, tally.first) == (36, 0, None)
    tally.add(trace, tampered(trace, [(2, 1, 0), (3, 0, 2)]), 3)
    tally.add(trace, tampered(trace, [(1, 2, 1)]), 6)
    tally.add(trace, tampered(trace, [(1, 0, 0)]), 9)
    found = tally.result()
    assert (found.compared, found.mismatches) == (144, 4)
    assert found.first is not None
    assert (found.first.step, found.first.sample, found.first.neuron) == (1, 8, 1)
    assert found.first.found - found.first.expected == 5


@given(st.integers(0, 2**32), st.sampled_from(GATE_KINDS), st.sampled_from(["LTC", "LIF"]))
@settings(max_examples=20)
def test_real_tensors_undo_quantization(seed: int, gate: GateKind, model: Any) -> None:
    """With wide words they are the float network's own numbers."""
    rng = np.random.default_rng(seed)
    network = random_network(rng, gate=gate, model=model, hidden=(7,))
    fixed = ltc2hw.quantize(network, "ideal", rng.uniform(-1, 1, (5, 8, 5)))
    real = real_tensors(fixed)
    assert {tensor.owner for tensor in real} >= {"hidden0", "readout"}
    for tensor, values in real.items():
        original = float_tensors(network)[tensor]
        assert values.shape == original.shape
        np.testing.assert_allclose(values, original, rtol=1e-3, atol=2e-3, err_msg=str(tensor))


def test_partly_fixed_changes_what_it_is_told() -> None:
    rng = np.random.default_rng(9)
    network = random_network(rng, gate="dense")
    fixed = ltc2hw.quantize(network, "loihi2", rng.uniform(-1, 1, (5, 8, 5)))
    assert partly_fixed(network, fixed, ()) == network
    part = Part(Kind.CONSTANT, "hidden0", "tau_mem.bias")
    tensor = part.tensor
    one = partly_fixed(network, fixed, (part,))
    np.testing.assert_array_equal(float_tensors(one)[tensor], real_tensors(fixed)[tensor])
    others = set(real_tensors(fixed)) - {tensor}
    for other in others:
        np.testing.assert_array_equal(float_tensors(one)[other], float_tensors(network)[other])
    whole = partly_fixed(network, fixed, parts(network, fixed))
    for other in real_tensors(fixed):
        np.testing.assert_array_equal(float_tensors(whole)[other], real_tensors(fixed)[other])
    rounded = [p for p in whole.projections if isinstance(p.weights, RoundedMessages)]
    assert {p.variable for p in rounded} == {"current", "membrane", "adaptation"}


@pytest.mark.parametrize("seed", range(6))
def test_a_rounded_gate_is_the_integer_gate(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, models=("LTC",))
    ltc = network.population("hidden0")
    assert isinstance(ltc, FixedNeurons)
    silent = {name: np.zeros_like(values) for name, values in ltc.constants.items()}
    arguments = rng.integers(-(2**22), 2**22, (50, ltc.size))
    nothing = np.zeros_like(arguments)
    ports = {"current": nothing, "tau_mem": arguments, "tau_adp": nothing}
    states = dict.fromkeys(ltc.registers, nothing)
    wanted, _ = evaluate_integer(ltc.program, silent, ltc.tables, ports, states)
    form, fraction = ltc.formats.gates["tau_mem"], ltc.formats.held["tau_mem"].fraction
    rounded = RoundedGate(form, fraction, ltc.tables["tau_mem"])
    found = rounded.evaluate(np.ldexp(arguments.astype(float), -fraction))
    np.testing.assert_array_equal(found * 2.0**form.output_fraction, wanted["tau_mem"])


def test_rounded_messages_are_cut_toward_zero_and_saturate() -> None:
    matrix = np.array([[1.0, 10.0]])
    messages = np.array([[0.9, -0.9], [99.0, -99.0]])
    kernel = Conv(matrix.reshape(1, 2, 1), (2, 1))
    for weights in (Dense(matrix), Sparse.from_array(matrix), kernel):
        rounded = rounded_messages(weights, Word(4), 1)
        assert isinstance(rounded, type(weights))
        assert rounded != weights
        np.testing.assert_array_equal(rounded.apply(messages), [[0.5 - 5.0], [3.5 - 40.0]])


def test_a_kernel_of_another_shape_does_not_belong() -> None:
    network = gated_network()
    fixed = ltc2hw.quantize(network, "loihi2", calibration=events())
    flat = replace(without_kernels(fixed), populations=tuple(
        replace(p, shape=()) for p in fixed.populations
    ))  # fmt: skip
    with pytest.raises(InvalidValueError, match="input input 144; expected input input 2x9x8"):
        compare(network, flat, events(), [0, 1, 2])
    with pytest.raises(
        InvalidValueError, match=r"sparse 288x144 of .* is convolution 4x2x3x3, str"
    ):
        compare(network, without_kernels(fixed), events(), [0, 1, 2])


def test_networks_that_do_not_belong_together_are_refused(
    pair: tuple[Network, FixedNetwork, Samples, Labels],
) -> None:
    network, fixed, x, labels = pair
    other = random_network(np.random.default_rng(0), hidden=(14, 8))
    with pytest.raises(InvalidValueError, match="ltc hidden1 9; expected ltc hidden1 8"):
        compare(other, fixed, x, labels)
    fewer = replace(network, projections=network.projections[:-1])
    with pytest.raises(InvalidValueError, match=r"projection hidden1\.spikes->readout\.current"):
        compare(fewer, fixed, x, labels)
    lacking = replace(fixed, projections=fixed.projections[:-1])
    with pytest.raises(InvalidValueError, match="part"):
        compare(network, lacking, x, labels)


def test_senseless_arguments_are_named(
    pair: tuple[Network, FixedNetwork, Samples, Labels],
) -> None:
    network, fixed, x, labels = pair
    with pytest.raises(UnknownNameError, match="engine to compare is 'gpu'"):
        compare(network, fixed, x, labels, ("gpu",))
    with pytest.raises(UnknownNameError, match="engine to compare is 'float64'"):
        compare(network, fixed, x, labels, ("float64",))
    with pytest.raises(ShapeError, match="shape of samples"):
        compare(network, fixed, x[0], labels)
    with pytest.raises(ShapeError, match="labels"):
        compare(network, fixed, x, labels[:-1])
    with pytest.raises(InvalidValueError, match="label is 3; expected 0 to 2"):
        compare(network, fixed, x, np.full_like(labels, 3))
    with pytest.raises(InvalidValueError, match="finite"):
        compare(network, fixed, np.full_like(x, np.nan), labels)


def test_decisions_average_the_last_steps() -> None:
    outputs = np.array([[[0.0, 9.0]], [[3.0, 1.0]], [[0.0, 1.0]]])
    for steps, chosen in ((1, 1), (2, 0), (3, 1), (None, 1)):
        assert Classification(steps).judge(outputs, np.array([chosen])) == [1.0]
    assert Regression(2).judge(outputs, np.array([[1.5, 3.0]])) == [2.0]
    assert decision_for(np.array([0]), 1, 2, spiking=True) == Classification(None)
    assert decision_for(np.array([[0.0, 1.0]]), 1, 2, spiking=False) == Regression(1)
