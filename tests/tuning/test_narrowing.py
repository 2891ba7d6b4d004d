"""The search for widths: what it counts, what it chooses, and its front."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from ltc2hw.tuning.cost import Footprint, fan_out, footprint, sent_variables, synaptic_operations
from ltc2hw.tuning.narrowing import narrow, widths_of
from ltc2hw.tuning.noise import Paired
from ltc2hw.tuning.pareto import Tradeoff, front
from ltc2hw.tuning.tune import TuneOptions
from tests.random_networks import dense, random_network, random_samples
from tests.tuning.planted import plain, task_of

CHIP = load_target("loihi2")


def test_bytes_are_counted_by_hand() -> None:
    network = plain()
    x = task_of(network, 5).train.x
    bits = {"input.value->hidden0.current": 5, "state:hidden0.membrane": 12}
    options = QuantizeOptions(weight_bits=4, bits=bits)
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    # 16 neurons, 5 inputs, 3 outputs: bits of each projection in whole bytes.
    assert [(p.weights.synapses, p.bits) for p in fixed.projections] == [
        (80, 5), (256, 4), (80, 4), (256, 4), (80, 4), (256, 4), (48, 4),
    ]  # fmt: skip
    weights = 50 + 128 + 40 + 128 + 40 + 128 + 24
    # Three gates of 65 knots, of up to 4096, in two bytes each.
    hidden = fixed.population("hidden0")
    assert isinstance(hidden, FixedNeurons)
    assert set(hidden.model.states) == {"current", "membrane", "adaptation", "spikes"} or set(
        hidden.model.states
    ) == {"membrane", "adaptation", "spikes"}
    kept = sum(
        {"membrane": 12, "adaptation": 16, "spikes": 1, "current": 24}[name]
        for name in hidden.model.states
    )
    readout = fixed.population("readout")
    assert isinstance(readout, FixedNeurons)
    states = 16 * kept // 8 + 3 * 24 * len(readout.model.states) // 8
    found = footprint(fixed, CHIP, options.bits)
    assert found == Footprint(weights, 3 * 65 * 2, states)
    assert found.total == weights + 390 + states


@pytest.mark.parametrize("graded", [True, False])
def test_operations_are_counted_message_by_message(*, graded: bool) -> None:
    rng = np.random.default_rng(2)
    network = random_network(rng, hidden=(6,), graded=graded)
    x = random_samples(rng, network, 4, 3)
    fixed = ltc2hw.quantize(network, "loihi2", x, QuantizeOptions(weight_bits=3))
    trace = ltc2hw.simulate(fixed, x, "integer", sent_variables(fixed))
    steps = np.ones((4, 3))
    steps[2:, 1] = 0.0
    sent = trace.recorded()
    total = 0
    for projection in fixed.projections:
        matrix = np.asarray(projection.weights.to_array())
        values = sent[projection.source, projection.variable]
        for step in range(4):
            for sample in range(3):
                for neuron in range(values.shape[2]):
                    if steps[step, sample] and values[step, sample, neuron]:
                        total += int(np.count_nonzero(matrix[:, neuron]))
        assert fan_out(projection).tolist() == np.count_nonzero(matrix, axis=0).tolist()
    assert total > 0
    assert synaptic_operations(fixed, trace, steps) == total / 3


def test_the_smallest_network_that_keeps_the_accuracy_is_chosen(tmp_path: Path) -> None:
    network = plain()
    task = task_of(network, 5)
    options = TuneOptions(budget=30)
    found = narrow(network, "loihi2", task, 0.1, tuning=options, trail=tmp_path / "t.json")
    assert len(found.trials) <= 30
    chosen = found.chosen
    assert chosen.kept
    assert chosen.lost.mean <= 0.1
    assert chosen.bytes < 0.9 * found.points[0].bytes
    assert chosen.bytes == min(point.bytes for point in found.points if point.kept)
    assert any(not point.kept for point in found.points)
    again = ltc2hw.quantize(network, "loihi2", task.train.x, QuantizeOptions(bits=chosen.bits))
    assert again == found.fixed
    outputs = ltc2hw.simulate(found.fixed, task.validation.x, "integer").outputs
    assert chosen.score == task.score(outputs, task.validation.labels) == found.scores["tuned"]
    assert chosen.bytes == footprint(found.fixed, CHIP, found.options.bits).total
    # What the trail has is not measured again, and comes to the same.
    same = narrow(network, "loihi2", task, 0.1, tuning=options, trail=tmp_path / "t.json")
    assert same.chosen == chosen
    assert same.fixed == found.fixed
    with pytest.raises(InvalidValueError, match="drop of trail"):
        narrow(network, "loihi2", task, 0.11, tuning=options, trail=tmp_path / "t.json")


def test_the_front_has_what_no_other_beats() -> None:
    rng = np.random.default_rng(0)
    points = [
        Tradeoff({}, float(score), Paired(1 - score, 0.1), int(size), float(work), kept=True)
        for score, size, work in zip(
            rng.random(40), rng.integers(1, 9, 40), rng.integers(1, 9, 40), strict=True
        )
    ]

    def beaten(one: Tradeoff) -> bool:
        return any(
            other.score >= one.score
            and other.bytes <= one.bytes
            and other.operations <= one.operations
            and (other.score, other.bytes, other.operations)
            != (one.score, one.bytes, one.operations)
            for other in points
        )

    assert set(map(id, front(points))) == {id(point) for point in points if not beaten(point)}


def test_every_word_that_can_be_narrower_is_named() -> None:
    wire = Projection("x", "value", "a", "current", dense([[0.5], [1.0]]))
    sent = Projection("a", "membrane", "out", "current", dense([[1.0, 1.0]]))
    network = Network(
        (Input("x", 1, graded=True), Neurons("a", 2, "readout"), Neurons("out", 1, "readout")),
        (wire, sent),
        "out",
    )
    x = np.linspace(-1, 1, 12).reshape(4, 3, 1)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    found = widths_of(network, fixed, CHIP, QuantizeOptions())
    assert found["x.value->a.current"] == (8, 7, 6, 5, 4, 3, 2)
    assert found["message:a.membrane"][0] == 12
    assert {"input", "state:a.membrane", "table:a.tau_mem"} <= set(found)
    for name, widths in found.items():
        assert widths == tuple(sorted(set(widths), reverse=True))
        if not name.startswith("table"):
            narrower = QuantizeOptions(bits={name: widths[-2]}, allow=tuple(LIMITS))
            ltc2hw.quantize(network, "loihi2", x, narrower)


def test_a_bound_that_nothing_keeps_is_refused() -> None:
    network = plain()
    task = task_of(network, 5)
    coarse = QuantizeOptions(weight_bits=2)
    with pytest.raises(InvalidValueError, match="score lost on validation samples"):
        narrow(network, "loihi2", task, 0.0, coarse, TuneOptions(budget=3))
    for drop in (-0.1, float("nan"), float("inf")):
        with pytest.raises(InvalidValueError, match="score that may be lost"):
            narrow(network, "loihi2", task, drop)
