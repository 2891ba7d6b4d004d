"""Widths and scales by name reach the integers, which all engines and files then share."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters.c import write
from ltc2hw.dynamics.model import LIF_WORDS
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray, Width
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.widths import (
    scale_names,
    scaled_words,
    state_name,
    width_names,
    words_of,
)
from tests.converters.c_machines import COMPILERS, compile_c
from tests.quantization.test_parts import assert_integers
from tests.random_networks import random_network
from tests.zoo import zoo, zoo_samples

NARROW, ARGUMENT, PART = 15, 14, 13
WEIGHTS: tuple[Width, ...] = ("ternary", 2, 3, 4, 8)


def options(**changes: Any) -> ltc2hw.QuantizeOptions:
    return ltc2hw.QuantizeOptions(allow=tuple(LIMITS), **changes)


def every_width(network: Network) -> dict[str, Width]:
    """Narrower than the chip's, wherever that may be asked for."""
    names = dict.fromkeys(map(connection_name, network.projections))
    bits: dict[str, Width] = {name: WEIGHTS[k % 5] for k, name in enumerate(names)}
    bits |= {"input": 5, "message:n_readout.membrane": 7}
    for population in network.populations:
        if isinstance(population, Neurons) and population.model.words != LIF_WORDS:
            for word in words_of(population.model):
                model = population.model
                width = ARGUMENT if word in model.gates else PART if word in model.unit else NARROW
                bits[state_name(population.name, word)] = width
            bits |= {f"table:{population.name}.{gate}": 5 for gate in population.model.gates}
    return bits


@pytest.fixture(scope="module")
def mixed() -> tuple[Network, FixedNetwork, FloatArray, dict[str, Width]]:
    rng = np.random.default_rng(3)
    network, x = zoo(rng, drive=2.0), zoo_samples(rng, 30, 2)
    bits = every_width(network)
    return network, ltc2hw.quantize(network, "loihi2", x, options(bits=bits)), x, bits


def test_every_name_can_be_asked_for(mixed: Any) -> None:
    network, fixed, _, bits = mixed
    lif = {"state:n_lif.current", "state:n_lif.membrane"}
    assert set(width_names(network)) - set(bits) == lif
    for projection in fixed.projections:
        width = bits[connection_name(projection)]
        largest = 1 if width == "ternary" else 1 << (width - 1)
        assert projection.bits == (2 if width == "ternary" else width)
        values = projection.weights.values
        assert -largest <= values.min() < 0 < values.max() <= largest - (width != "ternary")
    assert fixed.input.word.bits == 5
    readout = fixed.population("n_readout")
    assert [message.word.bits for message in readout.messages] == [7]
    for population in fixed.populations[1:]:
        assert {form.index_bits for form in population.formats.gates.values()} <= {5}
        for word in words_of(population.model) if population.model.words != LIF_WORDS else ():
            held, width = population.formats.held[word], bits[state_name(population.name, word)]
            if held.overflow is None:
                continue
            assert held.numbers == (-(1 << (width - 1)), (1 << (width - 1)) - 1)


@pytest.mark.parametrize("engine", ["fast", "torch"])
def test_engines_agree_on_narrow_words(mixed: Any, engine: str) -> None:
    _, fixed, x, _ = mixed
    if engine == "torch":
        pytest.importorskip("torch")
    expected = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    found = ltc2hw.simulate(fixed, x, engine=engine, record="all")
    for key, values in expected.recorded().items():
        assert np.array_equal(values, found.recorded()[key]), key
    assert expected.saturations == found.saturations


@pytest.mark.filterwarnings("ignore:Changing the sparsity structure")
def test_lava_agrees_on_narrow_words(mixed: Any) -> None:
    pytest.importorskip("lava.magma", reason="the lava extra is not installed")
    from ltc2hw.converters.lava import inprocess

    _, fixed, x, _ = mixed
    expected = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    found = inprocess.simulate(fixed, x, "all")
    for key, values in expected.recorded().items():
        assert np.array_equal(values, found.recorded()[key]), key


@pytest.mark.skipif(not COMPILERS, reason="no C compiler is installed")
def test_c_agrees_on_narrow_words(mixed: Any, tmp_path: Path) -> None:
    """The check that is written beside the C compares every recorded integer by a checksum."""
    _, fixed, x, _ = mixed
    folder = tmp_path / "net"
    write(fixed, folder, prefix="net", samples=x)
    flags = ("-O1", "-DNET_RECORD", "-DNET_COUNT")
    compile_c(next(iter(COMPILERS.values())), folder, *flags, "main.c", "net.c", "-o", "check")
    done = subprocess.run([str(folder / "check")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" equal") > 30


def test_files_keep_every_width(mixed: Any, tmp_path: Path) -> None:
    _, fixed, _, _ = mixed
    ltc2hw.save(fixed, tmp_path / "mixed.h5")
    assert ltc2hw.load(tmp_path / "mixed.h5") == fixed


def test_narrow_words_hold_twice_what_was_seen(mixed: Any) -> None:
    """Nothing saturates on the calibration samples, and a word with one bit less would be full."""
    network, fixed, x, _ = mixed
    trace = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    assert not any(count for counts in trace.saturations.values() for count in counts.values())
    seen = ltc2hw.simulate(network, x, engine="float64", record="all")
    wide = ltc2hw.quantize(network, "loihi2", x, options(bits={"input": 5}))
    for name in ("n_ltc", "n_cuba", "n_adlif", "n_own"):
        population = fixed.population(name)
        assert isinstance(population, FixedNeurons)
        for word in scaled_words(population.model):
            if word not in population.model.results:
                continue
            if (name, word) == ("n_own", "threshold"):
                continue  # at most 1: the chip's word has all of its bits already
            largest = float(np.abs(seen.states[name][word]).max())
            fraction = population.formats.held[word].fraction
            limit = 1 << (NARROW - 1)
            assert 2 * largest * 2.0**fraction <= limit
            full = 2 * largest * 2.0 ** (fraction + 1) > limit - 1
            other = wide.population(name)
            assert isinstance(other, FixedNeurons)
            assert full or fraction >= other.formats.ports["current"] - 8


def fraction_of(fixed: FixedNetwork, name: str, word: str) -> int:
    population = fixed.population(name)
    assert isinstance(population, FixedNeurons)
    return population.formats.held[word].fraction


def test_scales_move_fractions_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    network, x = zoo(rng, ("ltc", "cuba", "readout"), drive=2.0), zoo_samples(rng, 30, 2)
    plain = ltc2hw.quantize(network, "loihi2", x, options())
    for name in scale_names(network):
        # Finer steps of what lands would need a larger exponent.
        fixed = ltc2hw.quantize(network, "loihi2", x, options(scale={name: -1}))
        assert fixed != plain, name
        moved = [
            (connection_name(a), a.weight_fraction - b.weight_fraction)
            for a, b in zip(fixed.projections, plain.projections, strict=True)
        ]
        if "->" in name:
            assert [shift for found, shift in moved if found == name] == [-1]
        if name == "input":
            assert fixed.input.fraction == plain.input.fraction - 1
        if name.startswith("state:"):
            owner, word = name.removeprefix("state:").split(".")
            fractions = [fraction_of(found, owner, word) for found in (fixed, plain)]
            assert fractions[0] == fractions[1] - 1


def test_the_scale_of_lavas_lif_moves_all_that_it_holds() -> None:
    rng = np.random.default_rng(5)
    network, x = zoo(rng, ("lif",), drive=2.0), zoo_samples(rng, 30, 2)
    plain = ltc2hw.quantize(network, "loihi2", x, options())
    moved = ltc2hw.quantize(network, "loihi2", x, options(scale={"state:n_lif.membrane": -2}))
    for word in ("current", "membrane"):
        fractions = [fraction_of(fixed, "n_lif", word) for fixed in (moved, plain)]
        assert fractions[0] == fractions[1] - 2


def test_a_narrow_word_saturates_as_python_says() -> None:
    """A readout whose current has 6 bits, against the equations with Python's integers."""
    network = random_network(np.random.default_rng(2), gate="static", hidden=(5,))
    x = np.random.default_rng(3).uniform(-1, 1, (12, 1, 5))
    asked = options(bits={"state:readout.current": 6}, scale={"state:readout.current": 3})
    fixed = ltc2hw.quantize(network, "loihi2", x, asked)
    trace = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    readout = fixed.population("readout")
    assert isinstance(readout, FixedNeurons)
    link = next(p for p in fixed.projections if p.target == "readout")
    finer = readout.formats.ports["current"] - readout.formats.held["current"].fraction
    assert finer > 0
    matrix = link.weights.to_array().astype(object)
    spikes = trace.spikes["hidden0"][:, 0].astype(object)
    sums = (spikes @ matrix.T) * 2**link.exponent
    bias = readout.constants["bias_current"].astype(object)
    cut = np.vectorize(lambda v: -(-v >> finer) if v < 0 else v >> finer)(sums)
    expected = np.clip(cut + bias, -32, 31).astype(np.int64)
    assert np.array_equal(trace.states["readout"]["current"][:, 0], expected)
    assert trace.saturations["readout"]["current"] == int(np.sum((cut + bias) != expected)) > 0


def test_ternary_weights_are_rounded_and_clipped() -> None:
    network = random_network(np.random.default_rng(1), hidden=(20,))
    x = np.random.default_rng(3).uniform(-1, 1, (12, 3, 5))
    fixed = ltc2hw.quantize(network, "loihi2", x, options(weight_bits="ternary"))
    for projection, real in zip(fixed.projections, network.projections, strict=True):
        values = np.rint(real.weights.values * 2.0**projection.weight_fraction)
        assert np.array_equal(projection.weights.values, np.clip(values, -1, 1))
        assert projection.bits == 2


INPUT = "input.value->hidden0.current"


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"bits": {"hidden": 4}}, UnknownNameError, "name of bits is 'hidden'; expected one of in"),
        ({"scale": {"state:hidden0.tau_mem": 1}}, UnknownNameError, "name of a scale is 'state:h"),
        ({"scale": {"table:hidden0.tau_mem": 1}}, UnknownNameError, "name of a scale is 'table:h"),
        ({"bits": {INPUT: 9}}, HardwareRuleError, r"\[weight-bits\] input.value->hidden0.current"),
        ({"bits": {INPUT: "binary"}}, InvalidValueError, "bits of input.* is 'binary'"),
        ({"bits": {"input": "ternary"}}, InvalidValueError, "bits of input is 'ternary'"),
        ({"bits": {"input": 1}}, InvalidValueError, "bits of input is 1; expected 2 to 24"),
        ({"bits": {"input": 9}}, HardwareRuleError, r"\[input-width\] input: 9 bits, limit 8 bits"),
        ({"bits": {"state:hidden0.current": 25}}, HardwareRuleError, r"\[state-width\].*2 to 24"),
        ({"bits": {"state:hidden0.adaptation": 8}}, HardwareRuleError, "8 bits, limit 12 to 16"),
        ({"bits": {"state:hidden0.tau_mem": 6}}, HardwareRuleError, "6 bits, limit 8 to 24"),
        ({"bits": {"table:hidden0.tau_mem": 0}}, InvalidValueError, "tau_mem is 0; expected 1 to"),
        ({"bits": 4}, InvalidValueError, "bits"),
        ({"scale": {"input": 0.5}}, InvalidValueError, "scale of input is 0.5; expected an integ"),
        ({"scale": {"input": 30}}, InvalidValueError, "scale of input is 30; expected an integer"),
        ({"bits": {INPUT: "ternary"}, "weight_reach": 2.0}, InvalidValueError, "2 or more with"),
    ],
)
def test_widths_without_meaning_are_refused(
    changes: dict[str, Any], error: type[Exception], message: str
) -> None:
    network = random_network(np.random.default_rng(1))
    with pytest.raises(error, match=message):
        ltc2hw.quantize(network, "loihi2", np.ones((3, 2, 5)), ltc2hw.QuantizeOptions(**changes))


def test_words_that_lava_fixes_and_tables_that_are_none_are_refused() -> None:
    lif = random_network(np.random.default_rng(1), model="LIF", graded=False)
    with pytest.raises(
        HardwareRuleError, match=r"\[state-width\] hidden0.membrane: 16 bits, limit"
    ):
        ltc2hw.quantize(lif, options=options(bits={"state:hidden0.membrane": 16}))
    with pytest.raises(UnknownNameError, match="name of bits is 'input'"):
        ltc2hw.quantize(lif, options=options(bits={"input": 4}))
    plan = random_network(np.random.default_rng(1), nonlinearity="plan")
    with pytest.raises(InvalidValueError, match="none for a gate of plan"):
        ltc2hw.quantize(plan, options=options(bits={"table:hidden0.tau_mem": 4}))


def test_a_word_that_is_wider_than_the_chips_is_refused_afterwards() -> None:
    """An integer network of another chip; narrower words are held by wider ones."""
    network = random_network(np.random.default_rng(1))
    x = np.random.default_rng(3).uniform(-1, 1, (6, 2, 5))
    fixed = ltc2hw.quantize(network, "ideal", x)
    violations = ltc2hw.check(fixed, "loihi2").violations
    assert "state-width" in {violation.rule for violation in violations}
    narrow = ltc2hw.quantize(network, "loihi2", x, options(bits={"state:hidden0.current": 16}))
    assert not ltc2hw.check(replace(narrow, target="loihi2"), "loihi2").violations


def test_parts_of_narrow_words_together_are_the_integers(mixed: Any) -> None:
    """What is told apart of a loss sums to it, whatever the widths are."""
    network, fixed, x, _ = mixed
    assert_integers(network, fixed, x)


def test_a_coarse_input_is_refused_unless_it_was_asked_for() -> None:
    """Of messages between populations nothing follows for the input, nor the other way round."""
    link = Projection("input", "value", "out", "current", Dense(np.eye(5)))
    populations = (Input("input", 5, True), Neurons("out", 5, "readout"))
    network = Network(populations, (link,), "out")
    x = np.full((6, 4, 5), 0.05)
    x[0, 0, 0] = 40.0
    for changes, refused in (
        ({}, True), ({"message_bits": 4}, True), ({"bits": {"input": 5}}, True),
        ({"bits": {"input": 4}}, False),
    ):  # fmt: skip
        asked = ltc2hw.QuantizeOptions(**changes)  # type: ignore[arg-type, unused-ignore]
        rules = {v.rule for v in ltc2hw.check(network, "loihi2", x, asked).violations}
        assert ("lost-messages" in rules) == refused, changes
