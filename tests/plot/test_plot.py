"""Pictures show the numbers they are drawn from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import ltc2hw
from ltc2hw.comparison.compare import CompareOptions
from ltc2hw.errors import DamagedFileError, InvalidValueError, UnknownNameError
from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Trace
from tests.random_networks import random_network, random_samples

mpl.use("agg")
import matplotlib.pyplot as plt

from ltc2hw.plot import account, ladder, learning_curve, membrane, ranges, raster


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def network() -> Network:
    return random_network(np.random.default_rng(0), hidden=(6, 9))


@pytest.fixture(scope="module")
def trace(network: Network) -> Trace:
    x = random_samples(np.random.default_rng(1), network, 20, 3)
    return ltc2hw.simulate(network, x, record="all").labelled(
        [2, 0, 1], "toy", np.array([20, 8, 3])
    )


def rectangles(axes: Any) -> list[Any]:
    return list(axes.patches)


def numbers(line: Any) -> list[float]:
    found: list[float] = line.get_ydata().tolist()
    return found


def drawn_spikes(axes: Any) -> set[tuple[int, int]]:
    return {
        (int(segment[0][0]), round(float(segment[:, 1].mean())))
        for collection in axes.collections
        for segment in collection.get_segments()
    }


def test_a_raster_has_a_mark_for_each_spike(trace: Trace) -> None:
    axes = raster(trace, "hidden1", sample=1)
    steps, neurons = np.nonzero(trace.spikes["hidden1"][:, 1])
    assert drawn_spikes(axes) == set(zip(steps.tolist(), neurons.tolist(), strict=True))
    assert axes.get_title(loc="left") == "toy, sample 1, label 0"
    assert [shade.get_x() for shade in rectangles(axes)] == [7.5]


def test_a_raster_stacks_populations(trace: Trace) -> None:
    axes = raster(trace)
    wanted = set()
    for name, start in (("hidden0", 0), ("hidden1", 6)):
        steps, neurons = np.nonzero(trace.spikes[name][:, 0])
        wanted |= set(zip(steps.tolist(), (neurons + start).tolist(), strict=True))
    assert drawn_spikes(axes) == wanted
    assert [t.get_text() for t in axes.get_yticklabels()] == ["hidden0\n(6)", "hidden1\n(9)"]


def line(axes: Any, label: str) -> Any:
    return next(own for own in axes.lines if own.get_label() == label)


def test_a_membrane_is_drawn_in_real_units_with_its_threshold(trace: Trace) -> None:
    axes = membrane(trace, "hidden0", 3, sample=1)
    place = (slice(8), 1, 3)
    assert np.array_equal(
        line(axes, "membrane").get_ydata(), trace.states["hidden0"]["membrane"][place]
    )
    assert np.array_equal(
        line(axes, "threshold").get_ydata(), trace.states["hidden0"]["threshold"][place]
    )
    (spikes,) = axes.collections
    assert len(np.asarray(spikes.get_offsets())) == trace.spikes["hidden0"][place].sum()


def test_the_neuron_that_spikes_most_is_drawn_unless_told(trace: Trace) -> None:
    axes = membrane(trace, "hidden1")
    most = int(np.argmax(trace.spikes["hidden1"][:, 0].sum(axis=0)))
    assert axes.get_title(loc="left").endswith(f"neuron {most}")


def test_constant_thresholds_come_from_the_network() -> None:
    lif = random_network(np.random.default_rng(0), model="LIF", hidden=(4,))
    x = random_samples(np.random.default_rng(1), lif, 30, 2)
    fixed = ltc2hw.quantize(lif, "loihi2", x)
    own = ltc2hw.simulate(fixed, x, "integer")
    axes = membrane(own, "hidden0", 1, network=fixed)
    assert set(line(axes, "threshold").get_ydata().tolist()) == {1.0}
    assert np.array_equal(
        line(axes, "membrane").get_ydata(), own.real("hidden0", "membrane")[:, 0, 1]
    )
    integers = membrane(own, "hidden0", 1, units="integer")
    assert np.array_equal(
        line(integers, "membrane").get_ydata(), own.states["hidden0"]["membrane"][:, 0, 1]
    )


def test_thresholds_that_change_are_not_taken_for_constants(network: Network) -> None:
    x = random_samples(np.random.default_rng(1), network, 5, 1)
    bare = ltc2hw.simulate(network, x)
    with pytest.raises(InvalidValueError, match="threshold of hidden0 is not recorded"):
        membrane(bare, "hidden0", network=network)
    assert len(membrane(bare, "hidden0").lines) == 1
    assert len(membrane(bare, "readout", network=network).lines) == 1


def test_ranges_are_what_occurred_and_what_the_word_holds(network: Network) -> None:
    x = random_samples(np.random.default_rng(1), network, 6, 2)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    own = ltc2hw.simulate(fixed, x, "integer", "all")
    axes = ranges(fixed, own)
    names = [label.get_text() for label in axes.get_yticklabels()]
    bars = rectangles(axes)
    words, occurred = bars[: len(names)], bars[len(names) :]
    row = names.index("readout.membrane")
    values = own.states["readout"]["membrane"]
    for bar, low, high in (
        (occurred[row], int(values.min()), int(values.max())),
        (words[row], -(1 << 23), (1 << 23) - 1),
    ):
        ends = [float(np.sign(v) * np.log2(1 + abs(v))) for v in (low, high)]
        assert [bar.get_x(), bar.get_x() + bar.get_width()] == pytest.approx(ends)


RECORDS: list[dict[str, Any]] = [
    {"epoch": 0, "loss": 1.5, "validation_loss": 1.6, "validation": 0.4, "learning_rate": 0.1},
    {"epoch": 1, "loss": 0.5, "validation_loss": 0.9, "validation": 0.8, "learning_rate": 0.1},
]


@dataclass
class Record:
    epoch: int
    loss: float
    validation_loss: float
    validation: float
    learning_rate: float


@dataclass
class Result:
    history: tuple[Record, ...]


@pytest.mark.parametrize("form", ["records", "objects", "result", "content", "file"])
def test_learning_curves_take_every_form_of_a_history(form: str, tmp_path: Path) -> None:
    path = tmp_path / "train.json"
    path.write_text(json.dumps({"task": "toy", "history": RECORDS}))
    own = tuple(Record(**record) for record in RECORDS)
    forms = {
        "records": RECORDS,
        "objects": own,
        "result": Result(own),
        "content": {"history": RECORDS},
        "file": path,
    }
    axes = learning_curve(forms[form])
    assert line(axes, "training loss").get_ydata().tolist() == [1.5, 0.5]
    assert line(axes, "validation loss").get_ydata().tolist() == [1.6, 0.9]
    (other,) = (a for a in axes.figure.axes if a is not axes)
    assert numbers(other.lines[0]) == [0.4, 0.8]


def test_learning_on_the_chip_has_a_curve_of_samples() -> None:
    curve = [
        {"samples": 10, "stream": 0.2, "validation": 0.3},
        {"samples": 20, "stream": 0.5, "validation": 0.6},
    ]
    axes = learning_curve({"curve": curve})
    assert axes.get_xlabel() == "samples learned"
    assert line(axes, "score while learning").get_ydata().tolist() == [0.2, 0.5]


def test_pictures_go_where_they_are_told(trace: Trace) -> None:
    figure, (first, second) = plt.subplots(2)
    assert raster(trace, ax=first) is first
    assert membrane(trace, ax=second) is second
    assert set(figure.axes) == {first, second}
    figure.savefig(Path("/dev/null"), format="png")


def test_wrong_calls_are_refused(trace: Trace, network: Network, tmp_path: Path) -> None:
    wrong: Any = "axes"
    other: Any = network
    calls: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: raster(trace, sample=3), "sample is 3; expected 0 to 2"),
        (lambda: raster(trace, sample=-1), "sample is -1"),
        (lambda: raster(trace, ax=wrong), "ax is"),
        (lambda: raster(other), "trace is"),
        (lambda: membrane(trace, "hidden0", 6), "neuron of hidden0 is 6; expected 0 to 5"),
        (lambda: ranges(other, trace), "network is"),
        (lambda: learning_curve([]), "history is"),
        (lambda: learning_curve([{"epoch": 0}]), "loss of a history is missing"),
        (lambda: learning_curve(3), "history is 3"),
    )
    for call, message in calls:
        with pytest.raises(InvalidValueError, match=message):
            call()
    with pytest.raises(UnknownNameError):
        raster(trace, "nobody")
    with pytest.raises(UnknownNameError):
        membrane(trace, "input")
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(DamagedFileError):
        learning_curve(tmp_path / "bad.json")
    silent = ltc2hw.simulate(network, np.zeros((2, 1, 5)), record=("membrane",))
    with pytest.raises(InvalidValueError, match="not recorded"):
        raster(silent)
    fixed = ltc2hw.quantize(network, "loihi2", np.ones((2, 1, 5)))
    with pytest.raises(InvalidValueError, match="integers of the network"):
        ranges(fixed, silent)


def test_pictures_of_a_loss_end_where_the_integers_are(network: Network) -> None:
    x = random_samples(np.random.default_rng(2), network, 12, 40)
    labels = ltc2hw.simulate(network, x).outputs[-1].argmax(axis=1)
    options = ltc2hw.QuantizeOptions(weight_bits=2, allow=("lost-weights",))
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    report = ltc2hw.compare(network, fixed, x, labels, engines=("integer",))
    assert report.scores["float64"] == 1.0
    assert report.scores["integer"] < 1.0

    for axes in (account(report), ladder(report)):
        texts = [text.get_text() for text in axes.texts]
        assert any(f"{100 * report.scores['integer']:.2f} %" in text for text in texts)
        assert any("100.00 %" in text for text in texts)
    assert [label.get_text() for label in ladder(report).get_yticklabels()] == [
        stage.name for stage in report.ladder
    ]


def test_a_report_without_causes_has_no_picture_of_them(network: Network) -> None:
    x = random_samples(np.random.default_rng(2), network, 12, 4)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    options = CompareOptions(causes=False)
    report = ltc2hw.compare(network, fixed, x, [0, 1, 2, 0], ("integer",), options=options)
    with pytest.raises(InvalidValueError, match="comparison with causes"):
        account(report)
