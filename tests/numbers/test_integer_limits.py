"""One rule on signs, overflow, shifts and fractions: what is legal is exact, all else refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.converters.populations import Factor, FixedGate, FixedLIF, FixedLTC, FixedReadout
from ltc2hw.errors import DamagedFileError, InvalidValueError, UnknownNameError
from ltc2hw.files.bundle import load, save
from ltc2hw.files.hdf5 import read_tree, write_tree
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    recorded_dtype,
)
from ltc2hw.graph.neurons import FixedNeurons, Message
from ltc2hw.numbers.integer_limits import FINEST, FINEST_GATE, LARGEST_SHIFT
from ltc2hw.numbers.nonlinearity import plan_integer, sigmoid_table
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Overflow, Rounding, Word
from ltc2hw.simulations import fast, integer
from tests.random_networks import random_fixed_network, random_samples
from tests.simulations.test_integer import Scalar
from tests.simulations.traces import assert_same_trace
from tests.views import kind, rebuilt

ZERO = np.zeros(1, dtype=np.int64)
NOTHING = Factor(ZERO, 0)
PLAN = FixedGate(ZERO, NOTHING, NOTHING, 12, 12, "plan", np.zeros(0, dtype=np.int64))


def ltc(**changes: Any) -> FixedNeurons:
    """One neuron that does nothing in particular."""
    fields: dict[str, Any] = {
        "name": "hidden", "size": 1, "state": Word(24), "fraction": 12, "adaptation_fraction": 16,
        "threshold": ZERO + 1000, "adaptation_strength": Factor(ZERO + 100, 8),
        "bias_current": ZERO, "tau_mem": PLAN, "tau_adp": PLAN,
    }  # fmt: skip
    return FixedLTC(**{**fields, **changes})


def lif(**changes: Any) -> FixedNeurons:
    """One LIF neuron."""
    fields: dict[str, Any] = {
        "name": "hidden", "size": 1, "state": Word(24), "fraction": 12, "decay_fraction": 12,
        "alignment": 6, "current_decay": 1000, "membrane_decay": 100, "threshold": 1000,
        "bias_mantissa": 0, "bias_exponent": 0,
    }  # fmt: skip
    return FixedLIF(**{**fields, **changes})


def one_neuron(population: Any, *, weight: int = 100, **changes: Any) -> FixedNetwork:
    """A graded input of 8 bits and one neuron."""
    fields: dict[str, Any] = {"bits": 8, "exponent": 0, "weight_fraction": 6, **changes}
    weights = Dense(np.array([[weight]]))
    projection = FixedProjection("input", "value", "hidden", "current", weights, **fields)
    entry = FixedInput("input", 1, True, Word(8), 4)
    return FixedNetwork((entry, population), (projection,), "hidden", "loihi2")


def interpolated(fraction: int, index_bits: int = 6, output: int = 12) -> FixedGate:
    """A gate with an interpolated table and nothing else."""
    table = sigmoid_table(index_bits, output, interpolated=True, nonlinearity="sigmoid")
    return FixedGate(ZERO, NOTHING, NOTHING, fraction, output, "interpolated", table)


def network_of(made: Any) -> Any:
    """Neurons in a network, whose construction proves that no sum leaves 62 bits."""
    return one_neuron(made) if isinstance(made, FixedNeurons) else made


REFUSED: list[tuple[Any, str]] = [
    (lambda: lif(state=Word(24, signed=False)), "hidden state is unsigned"),
    (lambda: ltc(state=Word(24, signed=False)), "hidden state is unsigned"),
    (lambda: lif(state=Word(24, overflow=Overflow.WRAP)), "hidden state is wrap"),
    (lambda: ltc(adaptation_fraction=40), "adaptation_fraction is 40; expected 12 to 30"),
    (lambda: ltc(state=Word(60)), "largest product at hidden"),
    (lambda: ltc(adaptation_strength=Factor(ZERO + (1 << 50), 0)), "adaptation_strength"),
    (lambda: ltc(threshold=ZERO + (1 << 62), adaptation_strength=Factor(ZERO + 1, 0)), "threshold"),
    (lambda: ltc(tau_mem=interpolated(59)), "tau_mem) is fraction 59; expected 3 to 58"),
    (lambda: ltc(tau_mem=replace(PLAN, fraction=60)), "(plan) is fraction 60; expected 10 to 58"),
    (lambda: ltc(tau_mem=interpolated(58, 6, 12)), "interpolation of hidden tau_mem"),
    (lambda: ltc(tau_mem=replace(PLAN, table=ZERO)), "tau_mem table"),
    (lambda: ltc(tau_mem=replace(interpolated(12), table=np.array([0, 5000]))), "entry of the"),
    (lambda: ltc(tau_mem=replace(interpolated(12), table=np.array([[0, 1]]))), "one dimension"),
    (lambda: ltc(fraction=FINEST + 1), "hidden current fraction is 1023"),
    (lambda: ltc(messages=(Message("current", Word(8), 0),) * 2), "one format for each variable"),
    (lambda: Message("current", Word(8), 63), "shift of message current is 63"),
    (lambda: FixedInput("input", 1, True, Word(8), 1024), "input fraction is 1024"),
    (lambda: lif(decay_fraction=30, state=Word(40)), "product at hidden.current"),
    (lambda: lif(bias_mantissa=1 << 40, bias_exponent=30), "shifted value at hidden.membrane"),
    (lambda: lif(threshold=1 << 57), "hidden.spikes"),
    (lambda: one_neuron(ltc(), exponent=60), "sum at hidden.current"),
    (lambda: one_neuron(lif(), exponent=50), "sum at hidden.current"),
    (lambda: one_neuron(ltc(bias_current=ZERO + (1 << 62))), "sum at hidden.current"),
    (
        lambda: one_neuron(ltc(tau_mem=replace(PLAN, from_state=Factor(ZERO + (1 << 40), 3)))),
        "product hidden tau_mem.from_state",
    ),
    (lambda: one_neuron(ltc(), weight_fraction=2000), "fraction of weights of input.value"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_engines_would_compute_differently_is_refused_by_name(make: Any, message: str) -> None:
    with pytest.raises(InvalidValueError) as caught:
        network_of(make())
    assert message in str(caught.value)


def test_a_readout_sends_what_it_has() -> None:
    with pytest.raises(UnknownNameError, match="message of out is 'adaptation'"):
        FixedReadout("out", 1, Word(24), 12, ZERO, PLAN, (Message("adaptation", Word(8), 0),))


@pytest.mark.parametrize("overflow", ["saturate", "wrap"])
def test_words_take_the_names_of_files(overflow: str) -> None:
    """A text would have compared unequal to the choice, and a saturating word have wrapped."""
    word = Word(8, rounding="floor", overflow=overflow)  # type: ignore[arg-type]
    assert word == Word(8, True, Rounding.FLOOR, Overflow(overflow))
    assert word.fit(np.array([130]))[0] == (127 if overflow == "saturate" else -126)


def test_files_are_refused_where_constructors_refuse(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    save(one_neuron(ltc()), path)
    for place, value in (("adaptation_fraction", 40), ("fraction", 5000)):
        tree: Any = read_tree(path)
        tree["content"]["populations"]["1"][place] = value
        other = tmp_path / f"{place}.h5"
        write_tree(other, tree)
        with pytest.raises(DamagedFileError, match=place):
            load(other)


@pytest.mark.parametrize("shift", [0, 5, 31, 32, 40, LARGEST_SHIFT])
@pytest.mark.parametrize(
    "word", [Word(12), Word(12, signed=False), Word(5, overflow=Overflow.WRAP)]
)
def test_messages_are_the_same_with_any_shift_and_word(shift: int, word: Word) -> None:
    sender = ltc(messages=(Message("current", word, shift),))
    network = one_neuron(sender, weight=-120, exponent=8)
    own = FixedProjection("hidden", "current", "hidden", "tau_mem", Dense(ZERO[None] + 90), 8, 2, 0)
    network = replace(network, projections=(*network.projections, own))
    x = np.linspace(-8, 8, 40).reshape(20, 2, 1)
    trace = integer.simulate(network, x, "all")
    assert_same_trace(fast.simulate(network, x, "all"), trace)
    current = trace.states["hidden"]["current"]
    sent = [abs(int(i)) >> shift if i >= 0 else -(abs(int(i)) >> shift) for i in current.flat]
    low, high = word.minimum, word.maximum
    expected = [
        (s - low) % 2**word.bits + low if word.overflow is Overflow.WRAP else min(max(s, low), high)
        for s in sent
    ]
    arguments = 90 * np.reshape(expected, current.shape) << 2
    tau = plan_integer(np.clip(arguments, -(2**23), 2**23 - 1), 12, 12)
    assert (tau == trace.states["hidden"]["tau_mem"]).all()


@pytest.mark.parametrize("function", ["plan", "table", "interpolated"])
@pytest.mark.parametrize("bits", [24, 44])
def test_gates_of_any_fraction_equal_the_second_specification(function: Any, bits: int) -> None:
    """Arguments over the whole word, which wide fractions put near zero."""
    table = sigmoid_table(6, 12, interpolated=function == "interpolated", nonlinearity="sigmoid")
    finest = FINEST_GATE - (8 if function == "interpolated" else 0)
    for fraction in (10, 31, 45, finest):
        gate = replace(
            PLAN, function=function, fraction=fraction,
            table=np.zeros(0, dtype=np.int64) if function == "plan" else table,
        )  # fmt: skip
        network = one_neuron(ltc(state=Word(bits), tau_mem=gate))
        drive = FixedProjection(
            "input", "value", "hidden", "tau_mem", Dense(ZERO[None] + 127), 8, bits - 18, 0
        )
        network = replace(network, projections=(*network.projections, drive))
        x = np.array([-8.0, -1.0, -1 / 16, 0.0, 1 / 16, 1.0, 7.9]).reshape(7, 1, 1)
        trace = integer.simulate(network, x, "all")
        assert_same_trace(fast.simulate(network, x, "all"), trace)
        if bits == 24:  # the second specification is written for this word
            expected = Scalar(network).run(x[:, 0])["hidden", "tau_mem"]
            assert trace.states["hidden"]["tau_mem"][:, 0].tolist() == expected


@pytest.mark.parametrize(
    ("change", "dtype"),
    [
        ({"word": Word(31, signed=False)}, np.int32),
        ({"word": Word(32, signed=False)}, np.int64),
        ({"word": Word(32)}, np.int32),
        ({"word": Word(33)}, np.int64),
    ],
)
def test_records_are_as_wide_as_what_they_hold(change: dict[str, Any], dtype: Any) -> None:
    network = one_neuron(ltc())
    entry = replace(network.input, **change)
    network = replace(network, populations=(entry, network.populations[1]))
    assert recorded_dtype(network) == dtype
    word = change["word"]
    x = np.full((2, 1, 1), 1e300)
    for engine in (integer, fast):
        assert engine.simulate(network, x, "all").states["input"]["value"].max() == word.maximum


@pytest.mark.parametrize(("bits", "dtype"), [(28, np.int32), (29, np.int64), (38, np.int64)])
def test_wide_currents_are_recorded_wide(bits: int, dtype: Any) -> None:
    """The register has four bits more than the state, 32 at least."""
    network = one_neuron(
        lif(state=Word(bits), current_decay=1, threshold=1 << 50), weight=101, exponent=15
    )
    x = np.full((300, 1, 1), 7.9)
    trace = integer.simulate(network, x, "all")
    assert_same_trace(fast.simulate(network, x, "all"), trace)
    current = trace.states["hidden"]["current"]
    assert current.dtype == dtype
    end, half, value = 1 << max(32, bits + 4) - 1, 1 << bits - 1, 0
    for found in current[:, 0, 0].tolist():
        value = value * 4095 // 4096 if value >= 0 else -(-value * 4095 // 4096)
        value = (value + (126 * 101 << 15 + 6) + end) % (2 * end) - end
        value = value - 2 * half if value > half else value + 2 * half if value <= -half else value
        assert found == value
    assert np.abs(current).max() > 1 << 27


SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=25)
@given(SEEDS, st.data())
def test_what_constructors_accept_is_exact(seed: int, data: Any) -> None:
    """Extremes of every word, shift and fraction: refused by name, or the same bits."""
    rng = np.random.default_rng(seed)
    network = random_fixed_network(rng, largest=6)
    populations: list[FixedPopulation] = []
    try:
        for population in network.populations:
            if isinstance(population, FixedInput):
                populations.append(population)
                continue
            bits = data.draw(st.sampled_from([5, 16, 24, 31, 32, 33, 40]))
            changes: dict[str, Any] = {"state": Word(bits)}
            if population.messages:
                shift = data.draw(st.integers(0, LARGEST_SHIFT))
                changes["messages"] = tuple(replace(m, shift=shift) for m in population.messages)
            if kind(population) == "lif":
                changes["alignment"] = data.draw(st.integers(0, 30))
            population = rebuilt(population, **changes)
            populations.append(population)
        projections = tuple(
            replace(p, exponent=data.draw(st.integers(0, 20))) for p in network.projections
        )
        changed = replace(network, populations=tuple(populations), projections=projections)
    except InvalidValueError:
        return
    x = random_samples(rng, changed, 6, 3)
    with np.errstate(over="raise"):
        expected = integer.simulate(changed, x, "all")
    assert_same_trace(fast.simulate(changed, x, "all"), expected)
