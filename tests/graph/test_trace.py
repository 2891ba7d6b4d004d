"""Traces say what their numbers mean, and become tables that hold the same numbers."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.errors import InvalidValueError, MissingExtraError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.notes import Notes, label_axes, notes_of
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.words import IntArray
from tests.random_networks import random_fixed_network, random_network, random_samples

pandas = pytest.importorskip("pandas")
xarray = pytest.importorskip("xarray")

LABELS, LENGTHS = np.array([2, 0, 1]), np.array([5, 2, 4])


def traced(seed: int = 0, *, labelled: bool = True) -> tuple[FixedNetwork, Trace]:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=6)
    trace = ltc2hw.simulate(network, random_samples(rng, network, 5, 3), "integer", "all")
    return network, trace.labelled(LABELS, "toy", LENGTHS) if labelled else trace


@given(st.integers(0, 2**32))
@settings(max_examples=15, deadline=None)
def test_real_is_integer_over_two_to_the_fraction(seed: int) -> None:
    network, trace = traced(seed)
    assert trace.notes.engine == "integer"
    for (name, variable), integers in trace.recorded().items():
        fraction = variable_fraction(network.population(name), variable)
        real = trace.real(name, variable)
        assert real.dtype == np.float64
        assert np.array_equal(real * 2.0**fraction, integers)


@given(st.integers(0, 2**32), st.sampled_from(["real", "integer"]))
@settings(max_examples=10, deadline=None)
def test_xarray_holds_the_recorded_arrays(seed: int, units: str) -> None:
    network, trace = traced(seed)
    tree = trace.to_xarray(units)  # type: ignore[arg-type]
    for (name, variable), integers in trace.recorded().items():
        found = tree[name][variable]
        assert found.dims == ("time", "sample", "neuron")
        wanted = integers if units == "integer" else trace.real(name, variable)
        assert np.array_equal(found.values, wanted)
    node = tree[network.output]
    assert node.label.dims == ("sample",)
    assert node.label.values.tolist() == LABELS.tolist()
    assert node.length.values.tolist() == LENGTHS.tolist()
    assert tree.attrs == {"engine": "integer", "task": "toy", "units": units}


@given(st.integers(0, 2**32), st.sampled_from(["real", "integer"]))
@settings(max_examples=10, deadline=None)
def test_pandas_has_a_row_for_each_step_that_a_sample_has(seed: int, units: str) -> None:
    _, trace = traced(seed)
    frame = trace.to_pandas(units)  # type: ignore[arg-type]
    assert frame.index.names == ["population", "time", "sample", "neuron"]
    total = 0
    for (name, variable), integers in trace.recorded().items():
        own = frame.loc[name]
        total += len(own) if variable == next(iter(trace.to_xarray()[name].data_vars)) else 0
        wanted = integers if units == "integer" else trace.real(name, variable)
        for time, sample, neuron in ((0, 0, 0), (1, 1, 0), (4, 0, -1), (3, 2, -1)):
            index = neuron % integers.shape[2]
            value = own.loc[(time, sample, index)]
            assert value[variable] == wanted[time, sample, index]
            assert value["label"] == LABELS[sample]
        assert len(own) == LENGTHS.sum() * integers.shape[2]
    assert total == len(frame)


def test_integers_beside_gaps_stay_integers() -> None:
    _, trace = traced(3)
    frame = trace.to_pandas("integer")
    kinds = {kind.name for kind in frame.dtypes}
    assert kinds <= {"Int32", "Int64", "UInt8"}


def test_targets_at_every_step_are_columns_and_coordinates() -> None:
    _, trace = traced(labelled=False)
    targets = np.arange(5 * 3 * 2, dtype=np.float64).reshape(5, 3, 2)
    targets[0, 0] = np.nan
    told = trace.labelled(targets)
    frame = told.to_pandas()
    name = next(iter(told.to_xarray().children))
    assert frame.loc[(name, 2, 1, 0)][["target 0", "target 1"]].tolist() == [14.0, 15.0]
    assert told.to_xarray()[name].label.dims == ("time", "sample", "target")
    single = trace.labelled([0.5, 1.5, 2.5]).to_pandas()
    assert single.loc[(name, 2, 1, 0)]["target 0"] == 1.5
    classes = trace.labelled(np.array([[0, 1, -1]] * 5))
    assert classes.to_pandas().loc[(name, 4, 1, 0)]["label"] == 1
    assert classes.to_xarray()[name].label.dims == ("time", "sample")


def test_outputs_are_under_the_population_that_is_read() -> None:
    network = random_network(np.random.default_rng(0))
    trace = ltc2hw.simulate(network, np.zeros((4, 2, 5)), record=())
    tree = trace.to_xarray()
    assert list(tree.children) == ["readout"]
    assert np.array_equal(tree["readout"].membrane.values, trace.outputs)
    assert len(trace.to_pandas()) == 4 * 2 * 3


def test_integers_of_unknown_scale_are_no_reals() -> None:
    _, trace = traced()
    bare = replace(trace, notes=Notes())
    with pytest.raises(InvalidValueError, match=r"fraction of .* is unknown"):
        bare.to_pandas()
    assert np.array_equal(bare.to_xarray("integer")["outputs"].outputs.values, trace.outputs)
    name, variable = next(key for key in trace.recorded() if key[1] != "spikes")
    with pytest.raises(InvalidValueError, match=rf"fraction of {name}\.{variable}"):
        bare.real(name, variable)


def test_reals_are_no_integers() -> None:
    network = random_network(np.random.default_rng(0))
    trace = ltc2hw.simulate(network, np.zeros((4, 2, 5)))
    with pytest.raises(InvalidValueError, match="integers of a quantized network"):
        trace.to_pandas("integer")
    with pytest.raises(UnknownNameError, match="units is 'volts'; expected one of real, integer"):
        trace.to_xarray("volts")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match=r"hidden0\.threshold"):
        trace.real("hidden0", "threshold")


@pytest.mark.parametrize(
    ("labels", "lengths", "error", "message"),
    [
        ([1, 2], None, ShapeError, r"labels of a trace is \(2,\)"),
        (np.zeros((5, 2), dtype=int), None, ShapeError, "labels of a trace"),
        (np.zeros((5, 3, 2, 1)), None, ShapeError, "labels of a trace"),
        (["a", "b", "c"], None, InvalidValueError, "labels of a trace is of type"),
        (LABELS, [5, 2], ShapeError, "lengths of a trace"),
        (LABELS, [5, 0, 4], InvalidValueError, "length of a sample is 0; expected 1 to 5"),
        (LABELS, [5, 6, 4], InvalidValueError, "length of a sample is 6; expected 1 to 5"),
        (LABELS, [5.0, 1.0, 4.0], InvalidValueError, "lengths of a trace is float64"),
        (np.zeros((0,), dtype=int), None, ShapeError, "none empty"),
    ],
)
def test_labels_and_lengths_of_other_samples_are_refused(
    labels: object, lengths: IntArray | None, error: type[Exception], message: str
) -> None:
    _, trace = traced(labelled=False)
    with pytest.raises(error, match=message):
        trace.labelled(labels, lengths=lengths)


@pytest.mark.parametrize(
    "wrong",
    [
        {"engine": 3},
        {"axes": "sample, time, neuron"},
        {"fractions": {"out": {"membrane": 1 << 20}}},
        {"fractions": {"out": 3}},
        {"fractions": [("out", {})]},
    ],
)
def test_notes_that_mean_nothing_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidValueError):
        Notes(**wrong)  # type: ignore[arg-type]


def test_label_axes_tell_classes_from_targets() -> None:
    assert label_axes(np.zeros(3, dtype=int)) == ("sample",)
    assert label_axes(np.zeros((4, 3), dtype=int)) == ("time", "sample")
    assert label_axes(np.zeros((3, 2))) == ("sample",)
    assert label_axes(np.zeros((4, 3, 2))) == ("time", "sample")


def test_notes_are_not_compared() -> None:
    """Two engines that give the same numbers give equal traces."""
    network, trace = traced()
    other = replace(trace, notes=notes_of(network, "fast"))
    assert other.notes != trace.notes
    assert other == trace
    assert replace(trace, outputs=trace.outputs + 1) != trace


@pytest.mark.parametrize("package", ["xarray", "pandas"])
def test_a_missing_package_is_named_by_its_extra(
    package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, trace = traced()
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match="frames"):
        trace.to_xarray() if package == "xarray" else trace.to_pandas()


def test_the_repr_is_one_line() -> None:
    network, trace = traced()
    for value in (network, trace):
        text = repr(value)
        assert "\n" not in text
        assert len(text) < 600
        assert "array" not in text
    assert "3 samples" in repr(trace)
