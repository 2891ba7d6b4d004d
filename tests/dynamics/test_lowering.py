"""The rules of lowering, worked out by hand, and real programs against their integers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.dynamics.expression import (
    Expression,
    collect,
    constant,
    fires,
    gate,
    larger,
    mix,
    port,
    real,
    register,
    smaller,
    square_root,
    state,
    where,
)
from ltc2hw.dynamics.formats import Formats, GateFormat, Held, mantissa
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.lowering import lower, result_fractions
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.printing import equations
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import sigmoid_table
from ltc2hw.numbers.words import Overflow, Word

U, V, P, K = state("u"), state("v"), port("p"), constant("k")
FORMATS = Formats(
    held={"u": Held(8), "v": Held(12), "w": Held.within(Word(8), 4), "r": Held(11), "s": Held(0)},
    ports={"p": 6, "g": 10},
    constants={"k": 5, "b": 3},
    gates={"g": GateFormat("plan", 7)},
)


def program(**results: Expression) -> Program:
    """A program of these results; states stay as they are unless they are among them."""
    return collect(lambda: {"u": U, "v": V, **results}).program


def lowered(**results: Expression) -> list[str]:
    """Lines of the integer program, without those of states that stay."""
    lines = equations(lower(program(**results), FORMATS)).splitlines()
    return [line for line in lines if not line.endswith(("= u[t-1]", "= v[t-1]"))]


RULES: list[tuple[str, dict[str, Expression], list[str]]] = [
    ("a sum is as fine as its finest part", {"y": U + P}, ["y = u[t-1] + (arriving.p << 2)"]),
    ("numbers take the fraction of their place", {"y": U + 0.3}, ["y = u[t-1] + 77"]),
    ("numbers are rounded half to even", {"y": P + 2.5 / 64}, ["y = arriving.p + 2"]),
    ("a constant only scales: 5 of 5 + 8 - 8", {"y": K * U}, ["y = rsz(const.k·u[t-1], 5)"]),
    ("so does what is made of constants", {"y": U * (1.0 - K)},
     ["y = rsz(u[t-1]·(32 - const.k), 5)"]),
    ("a sum asks for the finer: 5 + 8 - 12", {"y": K * U + V},
     ["y = rsz(const.k·u[t-1], 1) + v[t-1]"]),
    ("and shifts left beyond it: 5 + 6 - 12", {"y": K * P + V},
     ["y = (const.k·arriving.p << 1) + v[t-1]"]),
    ("nothing is shifted where fractions agree: 5 + 6 - 11", {"y": register(K * P, "r")},
     ["y = const.k·arriving.p"]),
    ("numbers among themselves have the 15 bits of the largest",
     {"y": where(fires(U, 0.0), 0.3, 0.7) * U},
     ["y = rsz((9830 if u[t-1] > 0 else 22938)·u[t-1], 15)"]),
    ("of all that they can come to", {"y": (where(fires(U, 0.0), 0.3, 0.7) + 0.6) * U},
     ["y = rsz(((4915 if u[t-1] > 0 else 11469) + 9830)·u[t-1], 14)"]),
    ("a result, too", {"y": where(fires(U, 0.0), 0.3, 0.7)},
     ["y = 9830 if u[t-1] > 0 else 22938"]),
    ("a constant times a comparison keeps its bits", {"y": K * fires(U, 0.0)},
     ["y = const.k if u[t-1] > 0 else 0"]),
    ("two signals: the finer, 8 + 12 - 12", {"y": U * V}, ["y = rsz(u[t-1]·v[t-1], 8)"]),
    ("numbers multiply with 15 bits", {"y": U * 0.1}, ["y = rsz(u[t-1]·13107, 17)"]),
    ("powers of two with one", {"y": U * 0.5}, ["y = rsz(u[t-1]·1, 1)"]),
    ("even large ones", {"y": U * 140.0}, ["y = u[t-1]·35 << 2"]),
    ("comparisons at the finer fraction", {"y": fires(U, P)},
     ["y = u[t-1] > arriving.p << 2"]),
    ("a product with a comparison is a choice", {"y": fires(U, P) * V},
     ["y = v[t-1] if u[t-1] > arriving.p << 2 else 0"]),
    ("a choice is as fine as its parts", {"y": where(fires(U, 0.0), P, V)},
     ["y = arriving.p << 6 if u[t-1] > 0 else v[t-1]"]),
    ("extremes likewise", {"y": smaller(larger(U, 0.25), P)},
     ["y = min(max(u[t-1], 64), arriving.p << 2)"]),
    ("words at their own fraction: 8 to 4", {"y": register(U + P, "w")},
     ["w.held = sat(rsz(u[t-1], 4) + rsz(arriving.p, 2), -128, 127)", "y = w.held"]),
    ("states keep theirs", {"v": mix(V, P, K)},
     ["v = v[t-1] + rsz(const.k·((arriving.p << 6) - v[t-1]), 5)"]),
    ("and are brought to it: 8 to 12", {"v": U + P, "y": V + V},
     ["v = (u[t-1] << 4) + (arriving.p << 6)", "y = v[t-1] + v[t-1]"]),
    ("a state that keeps a comparison is 0 or 1",
     {"s": fires(U, 0.0), "y": state("s") * U + state("s")},
     ["s = u[t-1] > 0", "y = (u[t-1] if s[t-1] else 0) + (s[t-1] << 8)"]),
]  # fmt: skip


@pytest.mark.parametrize(("results", "expected"), [rule[1:] for rule in RULES],
                         ids=[rule[0] for rule in RULES])  # fmt: skip
def test_rules(results: dict[str, Expression], expected: list[str]) -> None:
    assert lowered(**results) == expected


def test_gates_have_the_argument_s_fraction_and_their_own() -> None:
    """A gate only scales: the product has the fraction of what it multiplies."""
    formats = Formats(
        {**FORMATS.held, "g": Held.within(Word(12, overflow=Overflow.WRAP), 10)},
        FORMATS.ports, FORMATS.constants, FORMATS.gates,
    )  # fmt: skip
    opened = gate(port("g"), "g")
    made = collect(lambda: {"g": opened, "y": opened * U, "z": (1.0 - opened) * P, "u": U}).program
    assert equations(lower(made, formats)).splitlines() == [
        "g.held = wrap(arriving.g, 12, 1)",
        "g = plan(g.held, 10, 7)",
        "y = rsz(g·u[t-1], 7)",
        "z = rsz((128 - g)·arriving.p, 7)",
        "u = u[t-1]",
    ]
    assert result_fractions(made, formats) == {"g": 7, "y": 8, "z": 6, "u": 8}


def test_mantissas_are_exact_to_fifteen_bits() -> None:
    for number in (0.1, -0.3, 1 / 3, 140.0, 2.0**40, 2.0**-40, 0.99999, -1.0):
        value, fraction = mantissa(number)
        assert value % 2 == 1
        assert abs(value) < 1 << 15
        assert abs(value * 2.0**-fraction - number) <= abs(number) * 2.0**-15
    assert mantissa(0.0) == (0, 0)


MISSING: list[tuple[dict[str, Expression], str]] = [
    ({"y": port("q") + 1.0}, "format of port q is missing"),
    ({"y": constant("c") * U}, "format of constant c is missing"),
    ({"y": register(U, "z")}, "format of word z is missing"),
    ({"y": state("x"), "x": state("x")}, "format of word x is missing"),
    ({"y": gate(U, "h")}, "format of .* h is missing"),
    ({"y": 1.0 / K * U}, "operation divide of a neuron is not to be lowered"),
    ({"y": square_root(K) + U}, "operation square_root of a neuron is not to be lowered"),
]


@pytest.mark.parametrize(("results", "message"), MISSING, ids=[m for _, m in MISSING])
def test_what_has_no_format_is_refused_by_name(
    results: dict[str, Expression], message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        lower(program(**results), FORMATS)


FINE = 24
WIDE = 1 << 40
TABLE_BITS = 12


def fine(model: Model) -> Formats:
    """Everything with 24 fractional bits, in words of 41."""
    operations = model.program.names(Operation.REGISTER)
    made = {v for v in model.program.values if v.operation is Operation.GREATER}
    held = {
        name: Held(0 if model.program.values[model.program.results[name]] in made else FINE)
        for name in model.states
    }
    held |= {name: Held.between(WIDE, FINE) for name in operations}
    return Formats(
        held,
        dict.fromkeys(model.ports, FINE),
        {own.name: FINE for own in model.constants},
        dict.fromkeys(model.gates, GateFormat("interpolated", FINE, TABLE_BITS)),
    )


@pytest.mark.parametrize("model", [find_model(name).worked_out for name in MODELS],
                         ids=list(MODELS))  # fmt: skip
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_fine_formats_give_the_real_program(model: Model, seed: int) -> None:
    """One step from the same states, but for comparisons that are closer than the error.

    The table's lines are 2e-7 off, times what a gate multiplies, at most 8; a model's own numbers
    have 15 bits where they multiply.
    """
    numbers = [v.numbers[0] for v in model.program.values if v.operation is Operation.NUMBER]
    exact = all(m * 2.0**-bits == n for n in numbers for m, bits in [mantissa(n)])
    rng = np.random.default_rng(seed)
    formats, shape = fine(model), (4, 5)
    integers = lower(model.program, formats)
    fractions = result_fractions(model.program, formats)

    def drawn(shape: tuple[int, ...], low: float, high: float, fraction: int) -> Any:
        return np.rint(rng.uniform(low, high, shape) * 2.0**fraction).astype(np.int64)

    constants = {
        own.name: drawn((5,), max(own.low, -1.0), min(own.high, 1.0), FINE)
        for own in model.constants
    }
    ports = {name: drawn(shape, -2, 2, FINE) for name in model.ports}
    states = {
        name: drawn(shape, 0 if fractions[name] == 0 or name == "adaptation" else -2,
                    1 if fractions[name] == 0 or name == "adaptation" else 2, fractions[name])
        for name in model.states
    }  # fmt: skip
    table = sigmoid_table(TABLE_BITS, FINE, interpolated=True, nonlinearity="sigmoid")
    tables = dict.fromkeys(model.gates, table)
    found, misfits = evaluate_integer(integers, constants, tables, ports, states)
    expected = evaluate_real(
        model.program,
        {name: values * 2.0**-FINE for name, values in constants.items()},
        {name: values * 2.0**-FINE for name, values in ports.items()},
        {name: values * 2.0 ** -fractions[name] for name, values in states.items()},
        dict.fromkeys(model.gates, "sigmoid"),
    )
    assert not any(misfits.values())
    compared = found.get("spikes", np.zeros(shape)) == expected.get("spikes", np.zeros(shape))
    assert compared.mean() > 0.9
    for name, value in expected.items():
        error = np.abs(found[name] * 2.0 ** -fractions[name] - value)
        limit = 2e-6 if exact else 2.0**-15 * (4 + np.abs(value).max())
        assert np.where(compared, error, 0.0).max() < limit, name


def random_expression(rng: np.random.Generator, depth: int) -> Expression:
    """Sums, products and choices of signals in ±4; products are clipped there."""
    if depth == 0:
        leaves: list[Callable[[], Expression]] = [
            lambda: port(f"p{rng.integers(3)}"),
            lambda: state("u"),
            lambda: constant(f"k{rng.integers(2)}"),
            lambda: real(float(np.round(rng.normal(), 3))),
        ]
        return leaves[int(rng.integers(4))]()
    a, b = (random_expression(rng, depth - 1) for _ in range(2))
    kinds: list[Callable[[], Expression]] = [
        lambda: a + b,
        lambda: a - b,
        lambda: smaller(4.0, larger(-4.0, a * b)),
        lambda: smaller(a, b),
        lambda: where(fires(port("p0"), port("p1")), a, b),
        lambda: fires(port("p1"), port("p2")) * a,
        lambda: mix(a, b, 0.25),
    ]
    return kinds[int(rng.integers(len(kinds)))]()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_random_programs_agree_with_their_integers(seed: int) -> None:
    """Any fractions of 20 to 24 bits: what is lost stays below 2^-12 of the largest number."""
    rng = np.random.default_rng(seed)
    step = random_expression(rng, 4)
    made = collect(lambda: {"u": step}).program
    fractions = {name: int(rng.integers(20, 25)) for name in ("u", "p0", "p1", "p2", "k0", "k1")}
    formats = Formats({"u": Held(fractions["u"])}, fractions, fractions)

    def drawn(name: str, shape: tuple[int, ...]) -> Any:
        return np.rint(rng.uniform(-2, 2, shape) * 2.0 ** fractions[name]).astype(np.int64)

    constants = {name: drawn(name, (6,)) for name in ("k0", "k1")}
    ports = {name: drawn(name, (7, 6)) for name in ("p0", "p1", "p2")}
    states = {"u": drawn("u", (7, 6))}
    with np.errstate(over="raise"):
        found, _ = evaluate_integer(lower(made, formats), constants, {}, ports, states)

    def reals(parts: Mapping[str, Any]) -> dict[str, Any]:
        return {name: values * 2.0 ** -fractions[name] for name, values in parts.items()}

    expected = evaluate_real(made, reals(constants), reals(ports), reals(states), {})
    fraction = result_fractions(made, formats)["u"]
    assert np.abs(found["u"] * 2.0**-fraction - expected["u"]).max() < 2.0**-12 * 64
