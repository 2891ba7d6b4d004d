"""Views: facts that are the object's own numbers, as JSON, as tables and as HTML."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.looking.view import cell, span, tables_of
from ltc2hw.quantization.rules import utilization
from ltc2hw.showing import view_of
from ltc2hw.targets import load_target
from ltc2hw.tasks import Split, Task
from tests.random_networks import random_fixed_network, random_network, random_samples
from tests.zoo import zoo


def facts(value: Any) -> dict[str, Any]:
    """The facts as they come back from JSON, which must hold all of them."""
    plain: dict[str, Any] = json.loads(json.dumps(view_of(value).to_dict(), allow_nan=False))
    return plain


def test_a_float_network_tells_its_populations_constants_and_projections() -> None:
    network = zoo(np.random.default_rng(0))
    told = facts(network)
    assert [row["name"] for row in told["populations"]] == [p.name for p in network.populations]
    for row, population in zip(told["populations"], network.populations, strict=True):
        assert row["size"] == population.size
        if isinstance(population, Neurons):
            assert row["model"] == population.model.name
    constants = {(row["population"], row["constant"]): row["range"] for row in told["constants"]}
    for population in network.populations:
        for name, values in getattr(population, "constants", {}).items():
            found = constants.pop((population.name, name))
            assert found == {"low": values.min(), "high": values.max()}
    assert constants == {}
    for row, projection in zip(told["projections"], network.projections, strict=True):
        assert row["synapses"] == projection.weights.values.size
        assert row["weights"]["low"] == projection.weights.values.min()
        assert row["delay"] == projection.delay
    assert told["provenance"] == {"origin": "zoo"}


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None)
def test_an_integer_network_tells_words_that_hold_what_a_run_gives(seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=8)
    told = facts(network)
    formats = {(row["population"], row["value"]): row for row in told["formats"]}
    trace = ltc2hw.simulate(network, random_samples(rng, network, 4, 2), "integer", "all")
    for (name, variable), values in trace.recorded().items():
        row = formats[name, variable]
        real = trace.real(name, variable)
        assert row["reach"]["low"] <= real.min()
        assert real.max() <= row["reach"]["high"]
        assert row["step"] == 2.0 ** -row["fraction"]
        low, high = -(1 << row["bits"] - 1) if row["signed"] else 0, 1 << row["bits"]
        assert low <= values.min()
        assert values.max() < high
    for population in network.populations:
        if isinstance(population, FixedNeurons):
            for message in population.messages:
                assert formats[population.name, f"message {message.variable}"]["bits"] == (
                    message.word.bits
                )
    used = {row["resource"]: (row["used"], row["limit"] or 0) for row in told["resources"]}
    assert used == utilization(network, load_target("loihi2"))
    for row, projection in zip(told["projections"], network.projections, strict=True):
        assert (row["bits"], row["exponent"]) == (projection.bits, projection.exponent)


def test_a_target_that_is_not_ours_has_no_resources() -> None:
    network = random_fixed_network(np.random.default_rng(0))
    assert facts(replace(network, target="elsewhere"))["resources"] == []


def quantized(seed: int) -> tuple[Network, FixedNetwork, Any]:
    rng = np.random.default_rng(seed)
    network = random_network(rng, hidden=(6,))
    x = random_samples(rng, network, 7, 4)
    return network, ltc2hw.quantize(network, "loihi2", x), x


def test_a_quantized_network_tells_what_rounding_did() -> None:
    _, fixed, _ = quantized(0)
    told = facts(fixed)["rounding"]
    assert told["calibrated_on_steps"] == 7
    assert told["worst_tensor"]
    assert "quantization" not in facts(fixed)["provenance"]


def test_a_trace_tells_rates_of_the_steps_that_samples_have() -> None:
    _, fixed, x = quantized(1)
    lengths = np.array([7, 1, 3, 5])
    trace = ltc2hw.simulate(fixed, x, "integer")
    spikes = trace.spikes["hidden0"].copy()
    spikes[:, :, 0], spikes[:, :, 1] = 0, 1
    states = {**trace.states, "hidden0": dict(trace.states["hidden0"])}
    trace = replace(trace, spikes={"hidden0": spikes}, states=states)
    trace = trace.labelled([0, 1, 1, 2], "toy", lengths)
    told = facts(trace)
    own = [spikes[:length, sample] for sample, length in enumerate(lengths)]
    rates = np.concatenate(own).mean(axis=0)
    (row,) = told["spikes"]
    assert row["spikes_per_step"] == pytest.approx(rates.mean(), rel=1e-12)
    assert row["silent"] == np.count_nonzero(rates == 0) >= 1
    assert row["saturated"] == np.count_nonzero(rates > 0.9) >= 1
    assert told["labels"] == "3 classes, one of each sample"
    assert told["lengths"] == {"low": 1, "high": 7}
    membrane = trace.real("hidden0", "membrane")
    reached = np.concatenate([membrane[:length, i] for i, length in enumerate(lengths)])
    (state,) = (row for row in told["states"] if row["population"] == "hidden0")
    assert state["range"] == {"low": reached.min(), "high": reached.max()}


def test_a_trace_of_unknown_scale_tells_its_integers_alone() -> None:
    _, fixed, x = quantized(1)
    trace = ltc2hw.simulate(fixed, x, "integer")
    bare = replace(trace, notes=type(trace.notes)())
    rows = facts(bare)["states"]
    assert all("range" not in row and row["fraction"] is None for row in rows)


def a_task() -> Task:
    def split(samples: int) -> Split:
        return Split(np.ones((5, samples, 2)), np.arange(samples) % 3, np.full(samples, 4))

    return Task(
        "toy", "classification", 5, 2, 3, split(6), split(3), split(4), classes=tuple("abc")
    )


def test_a_task_and_a_split_tell_their_sizes() -> None:
    task = a_task()
    told = facts(task)
    assert [row["samples"] for row in told["splits"]] == [6, 3, 4]
    assert told["splits"][0]["steps"] == {"low": 4, "high": 4}
    assert told["classes"] == ["a", "b", "c"]
    assert facts(task.train)["split"][0]["classes"] == 3
    assert repr(task) == (
        "<Task toy: classification; 5 steps, 2 inputs, 3 outputs; "
        "6 train, 3 validation, 4 test samples>"
    )


def test_reports_and_learned_networks_have_a_line_and_tables() -> None:
    network, fixed, x = quantized(2)
    report = ltc2hw.compare(network, fixed, x, [0, 1, 2, 0], engines=("integer",))
    assert "\n" not in repr(report)
    assert "0 integers differ" in repr(report)
    assert report._repr_html_().count("<table>") >= 5
    learned = ltc2hw.learn(fixed, x, [0, 1, 2, 0], engine="integer")
    assert repr(learned).startswith("<Learned: 4 samples, 28 updates")
    told = facts(learned)
    assert told["updates"] == 28
    assert len(told["memories"]) == len(learned.learning.memories)
    for row, memory in zip(told["memories"], learned.learning.memories.values(), strict=True):
        assert row["value"] == {"low": memory.value.min(), "high": memory.value.max()}
    assert repr(learned.learning).startswith("<Learning: 28 updates")
    assert "memories" in facts(learned.learning)


class Balanced(HTMLParser):
    """Notes tags that are open, and texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html_is_whole_and_shows_texts_as_they_are() -> None:
    wild = {"origin": "<script>alert(1)</script>", "two\nlines": "a\x1b[31mb"}
    network = replace(random_network(np.random.default_rng(0)), provenance=wild)
    parser = Balanced()
    parser.feed(network._repr_html_())
    assert parser.open == []
    assert "<script>alert(1)</script>" in parser.texts
    assert not any("\x1b" in text for text in parser.texts)


def test_many_populations_are_cut_in_the_line() -> None:
    neurons = tuple(Neurons(f"n{k}", 1, "lif") for k in range(300))
    network = Network((Input("input", 1), *neurons), (), "n0")
    assert len(repr(network)) < 300
    assert "and 295 more" in repr(network)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (span(0.25, 1e9), "0.25 to 1e+09"),
        ([8, 8], "8, 8"),
        ({"a": 1, "b_c": 2}, "a 1, b c 2"),
        (np.inf, "inf"),
        ("x" * 500, "x" * 159 + "…"),
        (False, "no"),
    ],
)
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


def test_empty_sections_have_no_table() -> None:
    assert tables_of({"rows": [], "values": {}, "counts": {"a": {}, "b": {}}}) == ()
