"""Every integer of every step lies in its interval, and intervals are no wider than today's."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.dynamics.bounds import Bounds, bounds, register_ranges, require_exact_program
from ltc2hw.dynamics.expression import constant, mix, port, register, state
from ltc2hw.dynamics.facts import facts
from ltc2hw.dynamics.formats import Formats, GateFormat, Held
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.intervals import Interval, transfer
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.operations import TABULATED, Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.nonlinearity import sigmoid_table
from ltc2hw.numbers.words import IntArray, Word
from tests.dynamics.populations import KINDS, random_population

SEEDS = st.integers(0, 2**32 - 1)
BATCH = 6


def with_every_value(program: Program) -> Program:
    """The same step with all values as results, ``v0`` and on."""
    every = {f"v{index}": index for index in range(len(program.values))}
    return replace(program, results={**program.results, **every})


def random_within(rng: np.random.Generator, interval: Interval, shape: Any) -> IntArray:
    """Integers of an interval, half of them at or next to its ends."""
    low, high = interval
    inner = rng.integers(low, high, shape, endpoint=True)
    ends = rng.choice([low, high, min(low + 1, high), max(high - 1, low)], shape)
    return np.where(rng.random(shape) < 0.5, inner, ends)


def ends(array: Any) -> Interval:
    """Smallest and largest integer."""
    return Interval(int(np.min(array)), int(np.max(array)))


def hold(
    neurons: FixedNeurons, found: Bounds, arriving: Mapping[str, int],
    start: Mapping[str, Interval], rng: np.random.Generator, steps: int,
) -> None:  # fmt: skip
    """Run from states of ``start`` and compare every value of every step."""
    program, shape = with_every_value(neurons.program), (BATCH, neurons.size)
    states = {name: random_within(rng, start[name], shape) for name in program.states}
    steady = {
        name: random_within(rng, Interval(-arriving[name], arriving[name]), shape)
        for name in program.ports
    }
    for step in range(steps):
        ports = {
            name: random_within(rng, Interval(-arriving[name], arriving[name]), shape)
            if step % 3 == 0 else steady[name]
            for name in program.ports
        }  # fmt: skip
        values, _ = evaluate_integer(program, neurons.constants, neurons.tables, ports, states)
        for index, interval in enumerate(found.values):
            assert ends(values[f"v{index}"]).within(interval), (index, program.values[index])
        states = {name: values[name] for name in states}
        for name, array in states.items():
            assert ends(array).within(found.states[name]), name


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_every_value_of_every_step_lies_in_its_interval(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    neurons = random_population(rng, kind)
    arriving = {name: int(rng.integers(0, 1 << rng.integers(1, 24))) for name in neurons.ports}
    zero = dict.fromkeys(neurons.registers, Interval(0, 0))
    hold(neurons, bounds(neurons, arriving), arriving, zero, rng, 40)
    given_states = register_ranges(neurons)
    hold(neurons, bounds(neurons, arriving, given_states), arriving, given_states, rng, 10)


def largest(values: IntArray) -> int:
    """Largest magnitude."""
    return int(np.abs(values).max())


@pytest.mark.parametrize("kind", ["ltc", "readout"])
@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_currents_and_membranes_are_bounded_by_what_arrives(kind: str, seed: int) -> None:
    """A membrane lies between 0 and currents; an adaptation in 0 .. 1, whatever its gate."""
    rng = np.random.default_rng(seed)
    neurons = random_population(rng, kind)
    arriving = dict.fromkeys(neurons.ports, int(rng.integers(0, 1 << rng.integers(1, 26))))
    found = bounds(neurons, arriving)
    limit = min(1 << 23, arriving["current"] + largest(neurons.constants["bias_current"]))
    assert found.results["current"].magnitude <= limit
    assert found.states["membrane"].magnitude <= limit
    leak = 2 * limit << neurons.formats.gates["tau_mem"].output_fraction
    products = [
        found.values[index].magnitude
        for index, value in enumerate(neurons.program.values)
        if value.operation is Operation.MULTIPLY
        and not any(
            neurons.program.values[a].operation is Operation.PARAMETER for a in value.arguments
        )
    ]
    one = 1 << (neurons.formats.held["adaptation"].fraction if kind == "ltc" else 0)
    assert max(products) <= max(leak, one << 12)
    if kind == "ltc":
        assert found.states["adaptation"].within(Interval(0, one))
        assert found.states["spikes"].within(Interval(0, 1))


@settings(max_examples=60, deadline=None)
@given(SEEDS)
def test_wrapping_currents_are_bounded_by_their_closed_form(seed: int) -> None:
    """``|i| <= max(h, k |i| + A - 2h)``: h, or the fixed point where more than 2h arrives."""
    rng = np.random.default_rng(seed)
    neurons = random_population(rng, "lif")
    arriving = int(rng.integers(0, 1 << rng.integers(1, 26)))
    found = bounds(neurons, {"current": arriving})
    half, end, decay = 1 << 23, (1 << 31) - (1 << 24), int(neurons.constants["current_decay"].min())
    excess = (arriving << 6) - 2 * half
    closed = half if excess <= 0 else min(max(half, -(-excess * 4096 // decay)), end)
    assert found.states["current"].magnitude <= closed
    total = -(-(4096 - decay) * closed // 4096) + (arriving << 6)
    if total < 1 << 31:
        argument = next(
            value.arguments[0]
            for value in neurons.program.values
            if value.operation is Operation.WRAP_ONCE
        )
        assert found.values[argument].magnitude < 1 << 31


@settings(max_examples=20, deadline=None)
@given(SEEDS)
def test_states_that_may_be_given_are_those_of_the_words(seed: int) -> None:
    """Whatever the constants: a threshold that nothing reaches, a gate that never closes."""
    rng = np.random.default_rng(seed)
    state = (-(1 << 23), (1 << 23) - 1)
    neurons = random_population(rng, "ltc")
    one = 1 << neurons.formats.held["adaptation"].fraction
    expected = {"membrane": state, "adaptation": (0, one), "spikes": (0, 1)}
    assert register_ranges(neurons) == expected
    assert register_ranges(random_population(rng, "readout")) == {"membrane": state}
    wide = (1 << 31) - (1 << 24)
    assert register_ranges(random_population(rng, "lif")) == {
        "current": (-wide, wide), "membrane": (1 - (1 << 23), (1 << 23) - 1),
    }  # fmt: skip


def test_a_quiet_neuron_stays_at_zero() -> None:
    neurons = random_population(np.random.default_rng(0), "lif", extreme=False)
    zero = np.zeros(neurons.size, dtype=np.int64)
    found = bounds(neurons.with_constants({"bias": zero, "threshold": zero}), {})
    assert found.states == {"current": (0, 0), "membrane": (0, 0)}
    assert found.results["spikes"] == (0, 0)


def test_a_slow_leak_is_bounded_by_its_limit_and_not_by_its_word() -> None:
    """100 units per step with 1/256 of all lost: what it comes to in the end, in a wide word."""
    leaky = one_state(Held.between(1 << 40, 8), lambda u: kept() * u + port("current"))
    neurons = fixed(leaky, {"kept": np.array([255])})
    found = bounds(neurons, {"current": 100})
    u = 0
    for _ in range(5000):
        u = u * 255 // 256 + 100
    assert u < 100 * 256
    assert found.states["u"] == (-u, u)


def test_what_a_constant_mixes_stays_between_its_parts() -> None:
    """The shared factor: ``k u + (1 - k) I`` and ``u + (1 - k) (I - u)`` are both in ±100."""
    current = register(port("current"), "I")
    for step in (
        lambda u: kept() * u + (1.0 - kept()) * current,
        lambda u: mix(u, current, 1.0 - kept()),
    ):
        neurons = fixed(one_state(Held(8), step), {"kept": np.array([3, 200, 255])})
        found = bounds(neurons, {"current": 100})
        assert found.states["u"].within(Interval(-100, 100))


def test_what_nothing_holds_is_refused_by_name() -> None:
    growing = one_state(Held(8), lambda u: kept() * u + port("current"))
    neurons = fixed(growing, {"kept": np.array([257])})
    with pytest.raises(InvalidValueError, match=r"register own.u is growing .*register\("):
        bounds(neurons, {"current": 1})
    with pytest.raises(InvalidValueError, match=r"register own.u is growing"):
        require_exact_program(neurons, {"current": 0})
    assert bounds(neurons, {}).states["u"] == (0, 0)


def kept() -> Any:
    return constant("kept", 0.9, "part that stays")


def one_state(held: Held, step: Any) -> tuple[Model, Held]:
    """A model of one register ``u`` with the word that holds it, where one does."""

    def own() -> Any:
        value = step(state("u"))
        return {"u": value if held.overflow is None else register(value, "u")}

    return model(output="u")(own), held


def fixed(made: tuple[Model, Held], constants: Mapping[str, IntArray]) -> Alone:
    """Its neurons, everything with 8 fractional bits."""
    own, held = made
    formats = Formats({"u": held, "I": Held(8)}, {"current": 8}, {"kept": 8})
    return Alone("own", formats, lower(own.program, formats), constants, {})


def with_words(neurons: FixedNeurons, **held: Held) -> FixedNeurons:
    """The same neurons with other words."""
    formats = replace(neurons.formats, held={**neurons.formats.held, **held})
    return replace(neurons, formats=formats, program=lower(neurons.model.program, formats))


def test_wide_words_are_exact_up_to_the_last_bit() -> None:
    """A leak of 12 bits times the difference of two words: of 50 bits, and not of 51."""
    readout = random_population(np.random.default_rng(3), "readout", extreme=False)
    fraction = readout.formats.held["current"].fraction
    for bits, legal in ((50, True), (51, False)):
        wide = with_words(readout, current=Held.within(Word(bits), fraction))
        assert accepted(wide, {"current": 1 << 60}) == legal


def accepted(neurons: FixedNeurons, arriving: Mapping[str, int]) -> bool:
    try:
        require_exact_program(neurons, arriving)
    except InvalidValueError:
        return False
    return True


Change = tuple[str, dict[str, Any], dict[str, int], str]
ONE = np.array([1])
REFUSED: list[Change] = [
    ("ltc", {}, {"current": 1 << 62}, "largest sum at hidden.current is"),
    ("ltc", {"bias_current": ONE << 62}, {"current": 8}, "largest sum at hidden.current is"),
    ("ltc", {"tau_mem.from_state": ONE << 40}, {}, "largest product hidden tau_mem.from_state is"),
    ("ltc", {"adaptation_strength": ONE << 51}, {}, "largest product hidden adaptation_strength"),
    ("ltc", {"threshold": (ONE << 62) - 1, "adaptation_strength": ONE << 40}, {},
     "largest sum at hidden.threshold is"),
    ("lif", {}, {"current": 1 << 57}, "largest shifted value at hidden.current is"),
    ("lif", {"threshold": ONE << 57}, {}, "largest shifted value at hidden.spikes is"),
    ("lif", {"bias": ONE << 62}, {}, "at hidden.membrane is"),
    ("readout", {"tau_mem.bias": ONE << 62}, {"tau_mem": 1}, "largest sum at hidden.tau_mem is"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "arriving", "message"), REFUSED)
def test_what_leaves_62_bits_is_refused_by_name(
    kind: str, changes: dict[str, IntArray], arriving: dict[str, int], message: str
) -> None:
    neurons = random_population(np.random.default_rng(3), kind, extreme=False)
    repeated = {name: np.repeat(value, neurons.size) for name, value in changes.items()}
    with pytest.raises(InvalidValueError, match="expected at most 2\\^62") as caught:
        require_exact_program(neurons.with_constants(repeated), arriving)
    assert message in str(caught.value)


def test_wide_leaks_decays_and_tables_are_refused_by_name() -> None:
    rng = np.random.default_rng(3)
    readout = random_population(rng, "readout", extreme=False)
    lif = random_population(rng, "lif", extreme=False)
    wide = 1 << 59
    for neurons, held, message in (
        (readout, {"current": Held(12, Operation.SATURATE, (-wide, wide))}, "tau_mem.from_state"),
        (lif, {"membrane": Held.between(wide, 12)}, "largest product at hidden.membrane"),
    ):
        with pytest.raises(InvalidValueError, match=message):
            require_exact_program(with_words(neurons, **held), {"current": 100})
    table = sigmoid_table(6, 12, interpolated=True, nonlinearity="sigmoid")
    builder = Builder("integer")
    argument = builder.add(Operation.PORT, name="g")
    result = builder.add(Operation.INTERPOLATE, argument, name="g", numbers=(58, 6))
    formats = Formats({}, {"g": 58}, {}, {"g": GateFormat("interpolated", 12, 6)})
    steep = Alone("hidden", formats, builder.program({"y": result}), {}, {"g": table})
    with pytest.raises(InvalidValueError, match="largest interpolation of hidden g"):
        require_exact_program(steep, {"g": 1})


@dataclass(frozen=True)
class Alone:
    """A program that is no population's."""

    name: str
    formats: Formats
    program: Program
    constants: Mapping[str, IntArray]
    tables: Mapping[str, IntArray]


SMALL = range(-5, 6)


def random_step(rng: np.random.Generator) -> Program:
    """Sums, products and choices of three small leaves, mixes and shares among them."""
    builder = Builder("integer")
    r, e, s = (builder.add(Operation.STATE, name=name) for name in ("r", "e", "s"))
    one = builder.number(int(rng.integers(1, 6)))
    rest = builder.add(Operation.SUBTRACT, one, r)
    values = [r, e, s, one, rest]
    kinds = (Operation.ADD, Operation.SUBTRACT, Operation.MULTIPLY, Operation.SELECT,
             Operation.SHIFT_TOWARD_ZERO, Operation.SHIFT_RIGHT, Operation.SHIFT_LEFT)  # fmt: skip
    for _ in range(10):
        kind = kinds[int(rng.integers(len(kinds)))]
        count = {Operation.SELECT: 3}.get(kind, 2 if kind in kinds[:3] else 1)
        chosen = (values[int(rng.integers(len(values)))] for _ in range(count))
        numbers = (int(rng.integers(0, 3)),) if count == 1 else ()
        values.append(builder.add(kind, *chosen, numbers=numbers))
    places = dict.fromkeys(values)
    return Program("integer", tuple(builder.values), {f"v{place}": place for place in places})


def narrowed(program: Program, leaves: Mapping[str, range]) -> list[Interval]:
    """Intervals of a program's values, checked against every combination of its states."""
    every = np.array(list(itertools.product(*leaves.values())))
    states = dict(zip(leaves, every.T, strict=True))
    exact, _ = evaluate_integer(with_every_value(program), {}, {}, {}, states)
    known, found = facts(program.values), list[Interval]()
    for index, value in enumerate(program.values):
        if value.operation is Operation.STATE:
            found.append(Interval(leaves[value.name][0], leaves[value.name][-1]))
            continue
        plain = transfer(value, [found[a] for a in value.arguments], {})
        found.append(known.narrowed(index, plain, found))
        assert found[-1].within(plain)
        assert ends(exact[f"v{index}"]).within(found[-1]), (index, value)
    return found


@settings(max_examples=200, deadline=None)
@given(SEEDS, st.integers(-3, 2), st.integers(0, 3), st.integers(-5, 2), st.integers(0, 3))
def test_facts_hold_for_every_integer_of_small_programs(
    seed: int, r: int, r_wide: int, e: int, e_wide: int
) -> None:
    program = random_step(np.random.default_rng(seed))
    narrowed(program, {"r": range(r, r + r_wide + 1), "e": range(e, e + e_wide + 1), "s": range(2)})


RIGHT = [Operation.SHIFT_RIGHT, Operation.SHIFT_TOWARD_ZERO]
SHARES = [(0, 4), (1, 3), (0, 5), (-1, 4), (0, 8), (5, 8)]


@pytest.mark.parametrize("shift", RIGHT, ids=str)
@pytest.mark.parametrize(("lowest", "highest"), SHARES)
def test_a_mix_is_bounded_by_its_ends_for_shares_of_up_to_one_alone(
    shift: Operation, lowest: int, highest: int
) -> None:
    """Every ``u + (t (y - u) >> 2)`` of small numbers; 4 is one."""
    builder = Builder("integer")
    u, y, t = (builder.add(Operation.STATE, name=name) for name in ("u", "y", "t"))
    way = builder.add(Operation.SUBTRACT, y, u)
    moved = builder.add(shift, builder.add(Operation.MULTIPLY, t, way), numbers=(2,))
    program = builder.program({"u": builder.add(Operation.ADD, moved, u), "y": y, "t": t})
    leaves = {"u": range(-9, 4), "y": range(-2, 12), "t": range(lowest, highest + 1)}
    found = narrowed(program, leaves)[-1]
    assert (found == (-9, 11)) == (lowest >= 0 and highest <= 4)


@pytest.mark.parametrize("shift", RIGHT, ids=str)
@pytest.mark.parametrize("coarser", [1, 2])
@pytest.mark.parametrize(("lowest", "highest"), SHARES)
def test_a_mix_of_coarser_numbers_is_bounded_by_its_ends(
    shift: Operation, coarser: int, lowest: int, highest: int
) -> None:
    """Every ``u + (t (y - (u << k)) >> 2 + k)``: between u and ``y >> k``."""
    builder = Builder("integer")
    u, y, t = (builder.add(Operation.STATE, name=name) for name in ("u", "y", "t"))
    finer = builder.add(Operation.SHIFT_LEFT, u, numbers=(coarser,))
    product = builder.add(Operation.MULTIPLY, t, builder.add(Operation.SUBTRACT, y, finer))
    moved = builder.add(shift, product, numbers=(2 + coarser,))
    program = builder.program({"u": builder.add(Operation.ADD, moved, u), "y": y, "t": t})
    leaves = {"u": range(-5, 4), "y": range(-26, 31), "t": range(lowest, highest + 1)}
    found = narrowed(program, leaves)[-1]
    assert (found == (min(-5, -26 >> coarser), 30 >> coarser)) == (lowest >= 0 and highest <= 4)


@pytest.mark.parametrize("shift", RIGHT, ids=str)
@pytest.mark.parametrize(("lowest", "highest"), SHARES)
@pytest.mark.parametrize("e", [range(-7, 9), range(3, 9), range(-9, -2)])
def test_a_shared_factor_keeps_both_parts_together_for_shares_of_up_to_one_alone(
    shift: Operation, lowest: int, highest: int, e: range
) -> None:
    """Every ``(r e >> 2) + ((4 - r) s >> 2)`` of small numbers, 4 being one.

    Of ``(r e >> 2) - (r s >> 2)``, too, which have only to hold.
    """
    builder = Builder("integer")
    r, first, second = (builder.add(Operation.STATE, name=name) for name in ("r", "e", "s"))
    rest = builder.add(Operation.SUBTRACT, builder.number(4), r)
    parts = [
        builder.add(shift, builder.add(Operation.MULTIPLY, *pair), numbers=(2,))
        for pair in ((r, first), (rest, second))
    ]
    same = builder.add(shift, builder.add(Operation.MULTIPLY, r, second), numbers=(2,))
    apart = builder.add(Operation.SUBTRACT, parts[0], same)
    total = builder.add(Operation.ADD, *parts)
    program = builder.program({"r": r, "e": first, "s": second, "z": apart, "y": total})
    found = narrowed(program, {"r": range(lowest, highest + 1), "e": e, "s": e})[-1]
    if lowest >= 0 and highest <= 4:
        lost = 0 if shift is Operation.SHIFT_TOWARD_ZERO and e[0] <= 0 <= e[-1] else 2
        assert found.within(Interval(e[0] - lost, e[-1] + lost))


UNARY: list[tuple[Operation, tuple[int, ...]]] = [
    (Operation.SHIFT_LEFT, (2,)), (Operation.SHIFT_RIGHT, (2,)),
    (Operation.SHIFT_TOWARD_ZERO, (3,)),
    (Operation.SATURATE, (-7, 20)), (Operation.WRAP, (4, 0)), (Operation.WRAP, (4, 1)),
    (Operation.WRAP_ONCE, (3, 5)), (Operation.PLAN, (4, 6)), (Operation.PLAN, (3, 5)),
    (Operation.LOOK_UP, (3, 3)), (Operation.INTERPOLATE, (3, 4)), (Operation.ENTRY, ()),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "numbers"), UNARY, ids=str)
def test_intervals_of_operations_hold_all_results_of_all_intervals(
    operation: Operation, numbers: tuple[int, ...]
) -> None:
    """Every interval of -70 .. 70 (of 7-bit tables: falling and rising ones)."""
    rng = np.random.default_rng(1)
    table = rng.integers(0, 33, 17 if operation is Operation.INTERPOLATE else 8)
    builder = Builder("integer")
    x = builder.add(Operation.STATE, name="x")
    name = "g" if operation in TABULATED else ""
    counted = operation in (Operation.SATURATE, Operation.WRAP, Operation.WRAP_ONCE)
    y = builder.add(operation, x, name="g" if counted else name, numbers=numbers)
    program = builder.program({"y": y})
    every = np.arange(-70, 71)
    exact = evaluate_integer(program, {}, {"g": table}, {}, {"x": every})[0]["y"]
    tight = operation not in (Operation.WRAP, Operation.WRAP_ONCE, Operation.INTERPOLATE)
    for first in range(0, every.size, 3):
        for last in range(first, every.size, 2):
            between = Interval(int(every[first]), int(every[last]))
            found = transfer(program.values[y], [between], {"g": table})
            part = ends(exact[first : last + 1])
            assert part == found if tight else part.within(found)
