"""What the quantization report says, recomputed number by number from both networks' fields."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.comparison.markdown import to_markdown
from ltc2hw.comparison.page import page_html
from ltc2hw.converters.populations import Gate, Readout
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.weights import Dense
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.report import (
    KEY,
    ROWS,
    QuantizationReport,
    TensorChange,
    bounded,
    read_report,
)
from tests.random_networks import (
    GATE_KINDS,
    GateKind,
    Model,
    dense,
    random_network,
    random_samples,
    real,
)
from tests.views import kind, view


def report_of(fixed: FixedNetwork) -> QuantizationReport:
    report = read_report(fixed.provenance)
    assert report is not None
    return report


def scales_of(fixed: FixedNetwork) -> dict[str, tuple[list[int], int, int, int]]:
    """Integers, fraction, lowest and highest of every constant that a bit specification names."""
    found: dict[str, tuple[list[int], int, int, int]] = {}
    state, factor = 2**23, 2**15

    def note(name: str, values: Any, fraction: int, lowest: int, highest: int) -> None:
        found[name] = ([int(value) for value in values], fraction, lowest, highest)

    for population in fixed.populations:
        p = view(population)
        if kind(population) == "lif":
            for decay in ("current_decay", "membrane_decay"):
                note(f"{p.name} {decay}", getattr(p, decay), 12, 0, 4096)
            note(f"{p.name} threshold", p.threshold, p.fraction - 6, -(2**17), 2**17 - 1)
            bias = p.fraction - p.bias_exponent
            note(f"{p.name} bias", p.bias_mantissa, bias, -(2**12), 2**12 - 1)
        if kind(population) in ("ltc", "readout"):
            note(f"{p.name} bias_current", p.bias_current, p.fraction, -state, state - 1)
            gates = {"tau_mem": (p.tau_mem, p.fraction)}
            if kind(population) == "ltc":
                note(f"{p.name} threshold", p.threshold, p.fraction, -state, state - 1)
                strength = p.adaptation_strength
                scale = strength.shift + p.fraction - 16
                note(f"{p.name} adaptation_strength", strength.values, scale, -factor, factor - 1)
                gates["tau_adp"] = (p.tau_adp, 16)
            for port, (gate, own) in gates.items():
                note(f"{p.name} {port}.bias", gate.bias, gate.fraction, -state, state - 1)
                for term, source in (("from_state", own), ("from_current", p.fraction)):
                    multiplier = getattr(gate, term)
                    scale = multiplier.shift + gate.fraction - source
                    name = f"{p.name} {port}.{term}"
                    note(name, multiplier.values, scale, -factor, factor - 1)
    return found


def asked_of(network: Network, name: str) -> list[float]:
    owner, field = name.split(" ")
    population = network.population(owner)
    assert isinstance(population, Neurons)
    value = population.constants[field]
    return [float(number) for number in value]


def check_row(
    row: TensorChange, asked: list[list[float]], got: list[list[int]], scale: tuple[int, int, int]
) -> None:
    """One list of numbers per neuron, against one row of the report."""
    fraction, lowest, highest = scale
    errors, clipped, zeroed = [], 0, 0
    for wanted, integers in zip(asked, got, strict=True):
        for number, integer in zip(wanted, integers, strict=True):
            rounded = round(math.ldexp(number, fraction))
            clipped += not lowest <= rounded <= highest
            zeroed += number != 0 and integer == 0
            assert integer == min(max(rounded, lowest), highest)
        change = sum(
            abs(math.ldexp(integer, -fraction) - number)
            for number, integer in zip(wanted, integers, strict=True)
        )
        errors.append((change, sum(map(abs, wanted))))
    worst = max((change / whole if whole else 0.0) for change, whole in errors)
    whole = sum(total for _, total in errors)
    assert (row.clipped, row.zeroed) == (clipped, zeroed), row
    assert row.error == pytest.approx(sum(c for c, _ in errors) / whole if whole else 0, rel=1e-9)
    assert row.worst_error == pytest.approx(worst, rel=1e-9, abs=1e-15)
    change, total = errors[row.worst]
    assert (change / total if total else 0.0) == pytest.approx(worst, rel=1e-9, abs=1e-15)


def gate_value(gate: Any, integer: int) -> int:
    """An interpolated table read with Python's integers; PLAN by its breaks and lines."""
    fraction: int = gate.fraction
    if gate.function == "plan":
        x = abs(integer) / 2**fraction
        lines = ((1, 4, 0.5), (2.375, 8, 0.625), (5, 32, 27 / 32), (math.inf, math.inf, 1.0))
        slope, start = next((slope, start) for end, slope, start in lines if x < end)
        y = int(4096 * start) + int(4096 * x / slope)
        return y if integer >= 0 else 4096 - y
    assert gate.function == "interpolated"
    cells: int = len(gate.table) - 1
    width = 16 * 2**fraction // cells
    place = min(max(integer, -8 * 2**fraction), 8 * 2**fraction - 1) + 8 * 2**fraction
    cell, rest = divmod(place, width)
    low, high = int(gate.table[cell]), int(gate.table[cell + 1])
    return int(low + (high - low) * rest // width)


def leaks_of(network: Network, fixed: FixedNetwork) -> dict[str, tuple[list[float], list[float]]]:
    """Leak of every neuron, asked and got, by name."""
    found: dict[str, tuple[list[float], list[float]]] = {}
    for population in network.populations:
        p, integer = view(population), view(fixed.population(population.name))
        if kind(population) == "lif":
            for what in ("current_decay", "membrane_decay"):
                got = [int(d) / 4096 for d in getattr(integer, what)]
                found[f"{p.name}.{what}"] = ([float(d) for d in getattr(p, what)], got)
        if kind(population) in ("ltc", "readout"):
            for port in ("tau_mem", "tau_adp")[: 1 + (kind(population) == "ltc")]:
                gate, own = getattr(p, port), getattr(integer, port)
                adp = port == "tau_adp"
                if gate.nonlinearity == "plan":
                    asked = [float(evaluate("plan", np.array([b]))[0]) for b in gate.bias]
                else:
                    asked = [1 / (1 + math.exp(-b)) for b in gate.bias]
                values = [gate_value(own, int(b)) / 4096 for b in own.bias]
                found[f"{p.name}.{port}"] = (
                    [1 - a if adp else a for a in asked],
                    [1 - g if adp else g for g in values],
                )
    return found


def still(leak: int) -> int:
    """Largest integer of which a leak of so many parts in 4096 takes less than one unit."""
    return max(x for x in range(4097) if x * leak < 4096)


@given(
    st.integers(0, 2**32),
    st.sampled_from(["LTC", "LIF"]),
    st.sampled_from(GATE_KINDS),
    st.sampled_from(["sigmoid", "plan"]),
    st.integers(2, 8),
    st.booleans(),
)
@settings(max_examples=40, deadline=None)
def test_the_report_says_what_was_made_of_every_number(
    seed: int, model: Model, gate: GateKind, nonlinearity: Any, bits: int, graded: bool
) -> None:
    """Clipped, became 0, errors, leaks asked and got, bands: equal to a recomputation."""
    rng = np.random.default_rng(seed)
    network = random_network(
        rng, gate=gate, model=model, hidden=(7, 4), graded=graded, nonlinearity=nonlinearity
    )
    # Weights of gates that are far beyond the gate's range fit no exponent and are refused.
    powers = [rng.integers(-5, 3 if p.port == "current" else 1) for p in network.projections]
    stretch = [10.0 ** int(power) for power in powers]
    projections = tuple(
        Projection(p.source, p.variable, p.target, p.port,
                   Dense(p.weights.to_array() * np.where(rng.random(p.weights.shape) < 0.1, s, 1)),
                   p.delay)
        for p, s in zip(network.projections, stretch, strict=True)
    )  # fmt: skip
    network = Network(network.populations, projections, network.output)
    x = random_samples(rng, network, 9, 3)
    options = ltc2hw.QuantizeOptions(weight_bits=bits, allow=tuple(LIMITS))
    fixed = ltc2hw.quantize(network, "loihi2", x, options)
    report = report_of(fixed)
    assert (report.steps, report.left_out) == (9, 0)
    rows = {row.name: row for row in report.tensors}
    for p, integer in zip(network.projections, fixed.projections, strict=True):
        delay = f" after {p.delay}" if p.delay else ""
        row = rows.pop(f"{connection_name(p)}{delay} weights")
        limit = 2 ** (bits - 1)
        check_row(row, p.weights.to_array().tolist(), integer.weights.to_array().tolist(),
                  (integer.weight_fraction, -limit, limit - 1))  # fmt: skip
        assert row.size == p.weights.values.size
    for name, (integers, fraction, lowest, highest) in scales_of(fixed).items():
        asked = [[number] for number in asked_of(network, name)]
        got = [[integer] for integer in integers]
        check_row(rows.pop(name), asked, got, (fraction, lowest, highest))
    assert not rows
    check_leaks(report, network, fixed)
    check_bands(report, network, fixed, x)
    check_messages(report, network, fixed, x)


def check_leaks(report: QuantizationReport, network: Network, fixed: FixedNetwork) -> None:
    found = leaks_of(network, fixed)
    assert {row.name for row in report.decays} == set(found)
    for decay in report.decays:
        asked, got = found[decay.name]
        errors = [abs(g - a) / a for a, g in zip(asked, got, strict=True) if a > 0]
        assert decay.error == pytest.approx(max(errors, default=0.0), rel=1e-6, abs=1e-9)
        assert decay.asked == pytest.approx(asked[decay.neuron])
        assert decay.got == pytest.approx(got[decay.neuron])
        lost = [a > 0 and g == 0 for a, g in zip(asked, got, strict=True)]
        assert decay.lost == sum(lost)
        assert decay.gained == sum(g > 2 * a for a, g in zip(asked, got, strict=True))


def check_bands(report: QuantizationReport, network: Network, fixed: FixedNetwork, x: Any) -> None:
    trace = ltc2hw.simulate(network, x, record="all").recorded()
    leaks = leaks_of(network, fixed)
    for row in report.states:
        name, variable = row.name.split(".")
        p = view(fixed.population(name))
        assert row.in_use == pytest.approx(np.max(np.abs(trace[name, variable])))
        if kind(fixed.population(name)) == "lif":
            parts = [round(g * 4096) for g in leaks[f"{name}.{variable}_decay"][1]]
            unit, effect = 2.0**-p.fraction, "falls"
        elif variable == "adaptation":
            parts = [round(g * 4096) for g in leaks[f"{name}.tau_adp"][1]]
            unit, effect = 2.0**-16, "falls"
        else:
            widest = trace[name, "tau_mem"].max(axis=(0, 1))
            moves = any((q.target, q.port) == (name, "tau_mem") for q in network.projections)
            moves |= bool(np.any(view(network.population(name)).tau_mem.from_state))
            static = [round(g * 4096) for g in leaks[f"{name}.tau_mem"][1]]
            parts = [round(float(w) * 4096) for w in widest] if moves else static
            unit, effect = 2.0**-p.fraction, "stays"
        assert row.effect == effect
        assert row.band is not None
        assert row.band == pytest.approx(max(still(part) for part in parts) * unit)
        assert still(parts[row.neuron]) * unit == pytest.approx(row.band)


def check_messages(
    report: QuantizationReport, network: Network, fixed: FixedNetwork, x: Any
) -> None:
    trace = ltc2hw.simulate(network, x, record="all").recorded()
    graded = {(p.source, p.variable) for p in network.projections if p.variable != "spikes"}
    assert {row.name for row in report.messages} == {".".join(key) for key in graded}
    for row in report.messages:
        name, variable = row.name.split(".")
        values = np.abs(x if variable == "value" else trace[name, variable])
        assert row.in_use == pytest.approx(np.max(values))
        largest = values.max(axis=(0, 1))
        population = view(fixed.population(name))
        if variable == "value":
            sent = np.rint(largest * 2.0**population.fraction)
            assert row.unit == 2.0**-population.fraction
        else:
            (message,) = (m for m in population.messages if m.variable == variable)
            own = 16 if variable == "adaptation" else population.fraction
            assert row.unit == 2.0 ** (message.shift - own)
            sent = np.floor(largest / row.unit)
        assert row.silent == np.count_nonzero((sent == 0) & (largest > 0))


def test_the_report_travels_and_is_shown(tmp_path: Any) -> None:
    """In the file, in JSON, Markdown and HTML; the provenance's own text is not repeated."""
    rng = np.random.default_rng(2)
    network = random_network(rng, gate="static", hidden=(6,))
    x = rng.uniform(-1, 1, (12, 5, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x)
    ltc2hw.save(fixed, tmp_path / "fixed.h5")
    loaded = ltc2hw.load(tmp_path / "fixed.h5")
    assert isinstance(loaded, FixedNetwork)
    assert read_report(loaded.provenance) == report_of(fixed)
    compared = ltc2hw.compare(network, loaded, x, np.zeros(5, dtype=int), ("integer",))
    content = compared.to_dict()
    assert content["quantization"] == report_of(fixed).to_dict()
    assert KEY not in content["provenance"]
    json.dumps(content)
    for text in (to_markdown(compared), page_html(compared, [])):
        for title in ("Rounded tensors", "Leaks per step", "States that do not decay"):
            assert title in text
        assert '"tensors":' not in text


def test_quantizing_again_says_what_was_done_now() -> None:
    """What a former quantization left in the provenance does not stay."""
    rng = np.random.default_rng(2)
    network = random_network(rng, hidden=(6,))
    x = rng.uniform(-1, 1, (5, 5, 5))
    first = ltc2hw.quantize(network, "loihi2", x, ltc2hw.QuantizeOptions(weight_bits=4))
    stale = {**first.provenance, "saturated_constants": "hidden0.threshold: 9"}
    again = Network(network.populations, network.projections, network.output, stale)
    fixed = ltc2hw.quantize(again, "loihi2", x)
    assert report_of(fixed) == report_of(ltc2hw.quantize(network, "loihi2", x))
    assert "saturated_constants" not in fixed.provenance


def test_the_report_is_bounded_and_keeps_the_worst() -> None:
    """A thousand populations do not fill a file's provenance."""
    rows = [TensorChange(f"p{i} bias", 3, 1, 2, 0.0, i / 1000, 0) for i in range(1000)]
    report = bounded(rows, (), (), (), 7, ())
    assert len(report.tensors) == ROWS
    assert min(row.worst_error for row in report.tensors) == (1000 - ROWS) / 1000
    assert (report.left_out, report.clipped, report.zeroed) == (1000 - ROWS, 1000, 2000)
    assert read_report({KEY: report.to_text()}) == report
    assert len(report.to_text()) < 16_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        '{"tensors": 3}',
        '{"tensors":[],"decays":[],"states":[],"messages":[],"clipped":true,"zeroed":0,"left_out":0,'
        '"steps":null,"allowed":[]}',
        '{"tensors":[{"name":"a"}],"decays":[],"states":[],"messages":[],"clipped":0,"zeroed":0,"left_out":0,'
        '"steps":null,"allowed":[]}',
        '{"tensors":[],"decays":[],"states":[],"messages":[],"clipped":0,"zeroed":0,"left_out":0,'
        '"steps":1.5,"allowed":[]}',
        '{"tensors":[],"decays":[],"states":[],"messages":[],"clipped":0,"zeroed":0,"left_out":0,'
        '"steps":1,"allowed":[3]}',
        '{"tensors":[],"decays":[],"states":[],"messages":[],"clipped":0,"zeroed":0,"left_out":0,'
        '"steps":1,"allowed":[],"more":1}',
    ],
)
def test_texts_of_another_form_are_no_report(text: str) -> None:
    """A provenance is free text: what is no report is shown as it is."""
    assert read_report({KEY: text}) is None


def test_without_calibration_the_range_is_the_largest_conceivable() -> None:
    """And is marked so."""
    network = Network(
        (Input("input", 2), Readout("out", 1, real(0.5), Gate(-1.0))),
        (Projection("input", "spikes", "out", "current", dense([[1.0, -2.0]])),),
        "out",
    )
    row = report_of(ltc2hw.quantize(network, "loihi2")).states[0]
    assert (row.in_use, row.calibrated) == (3.5, False)
