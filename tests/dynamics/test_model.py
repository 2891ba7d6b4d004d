"""Models and the language of their files: what they mean, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from ltc2hw.dynamics.expression import (
    collect,
    constant,
    fires,
    larger,
    mix,
    port,
    register,
    smaller,
    square_root,
    state,
    where,
)
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.models.lif import lif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.errors import InvalidValueError, UnknownNameError

X, Y = port("x"), port("y")
ANYTHING: Any = "1"
PAIRS = np.array([[0.5, -2.0, 3.0, 1.0]]), np.array([[0.25, 4.0, -1.5, 1.0]])


def evaluated(expression: Any) -> Any:
    """Its value for the pairs."""
    program = collect(lambda: {"z": expression}).program
    ports = dict(zip("xy", PAIRS, strict=True))
    return evaluate_real(program, {"k": np.array(4.0)}, ports, {}, {})["z"]


x, y = PAIRS
MEANINGS = [
    (X + Y, x + y), (X - Y, x - y), (X * Y, x * y), (1 + X, 1 + x), (1 - X, 1 - x),
    (2 * X, 2 * x), (X + 1, x + 1), (X - 1, x - 1), (X * 3, x * 3), (-X, -x),
    (X * (constant("k") / 8), x * 0.5), (X * (8 / constant("k")), x * 2),
    (X * square_root(constant("k")), x * 2), (register(X, "w"), x),
    (fires(X, Y), (x > y) * 1.0), (where(fires(X, Y), X, Y), np.maximum(x, y)),
    (where(fires(X, 0.0), 1.0, Y), np.where(x > 0, 1.0, y)), (smaller(X, Y), np.minimum(x, y)),
    (larger(X, 0.0), np.maximum(x, 0)), (mix(X, Y, 0.25), 0.75 * x + 0.25 * y),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), MEANINGS, ids=range(len(MEANINGS)))
def test_expressions_mean_what_they_say(expression: Any, expected: Any) -> None:
    assert np.array_equal(np.broadcast_to(evaluated(expression), x.shape), expected)


def test_a_value_has_no_truth_of_its_own() -> None:
    """``if fires(...)`` and ``a and b`` would have taken one branch for every neuron."""
    with pytest.raises(TypeError, match=r"use fires\(a, b\) and where"):
        bool(fires(X, Y))
    with pytest.raises(TypeError, match="no truth"):
        where(X and Y, X, Y)


@pytest.mark.parametrize(
    ("write", "instead"),
    [
        (lambda: X > 0, r"fires\(a, b\) for a > b"),
        (lambda: X < Y, r"fires\(b, a\) for a < b"),
        (lambda: X >= Y, r"1 - fires\(b, a\) for a >= b"),
        (lambda: X <= 1, r"1 - fires\(a, b\) for a <= b"),
        (lambda: max(X, 0.0), r"larger\(a, b\) and smaller\(a, b\)"),
        (lambda: X**2, "products"),
        (lambda: abs(X), r"larger\(a, -a\)"),
        (
            lambda: where(ANYTHING == 1, 0.0, X),
            "value of a neuron is False; expected a neuron's value or a number",
        ),
        (lambda: X + ANYTHING, "value of a neuron is '1'; expected a neuron's value or a number"),
        (lambda: where(fires(X, 1.0), None, X), "value of a neuron is None"),  # type: ignore[arg-type]
    ],
)
def test_what_python_would_write_otherwise_is_answered_with_what_to_write(
    write: Any, instead: str
) -> None:
    with pytest.raises((TypeError, InvalidValueError), match=instead):
        write()


def test_values_that_are_used_twice_are_written_once() -> None:
    twice = X + 1.0
    program = collect(lambda: {"z": twice * twice, "w": (X + 1.0) * 2.0}).program
    sums = [value for value in program.values if value.operation is Operation.ADD]
    assert len(sums) == 1


def test_constants_are_described_in_the_order_of_their_first_use() -> None:
    a, b = constant("a", 0.5, "first (ms)", low=0, high=1), constant("b")
    found = collect(lambda: {"z": X * b + a, "w": a * Y})
    assert [own.name for own in found.constants] == ["b", "a"]
    assert found.constants[1].meaning == "first (ms)"
    assert (found.constants[0].low, found.constants[0].high) == (-math.inf, math.inf)


def test_models_say_what_networks_need() -> None:
    assert (ltc.ports, ltc.states) == (
        ("current", "tau_mem", "tau_adp"), ("membrane", "adaptation", "spikes"),
    )  # fmt: skip
    assert ltc.gates == ("tau_mem", "tau_adp")
    assert (ltc.early, readout.early, lif.early) == (("current",), ("current",), ())
    assert (lif.states, lif.sends, readout.output) == (
        ("current", "membrane"), ("spikes",), "membrane",
    )  # fmt: skip
    assert ltc.constant("threshold").default == 1.0
    with pytest.raises(UnknownNameError, match="constant of model ltc is 'nothing'"):
        ltc.constant("nothing")


def test_a_state_that_is_never_written_is_refused_by_name() -> None:
    def forgetful() -> Any:
        return {"spikes": fires(state("membrane") + X, 1.0)}

    with pytest.raises(InvalidValueError, match=r"state membrane .* never written"):
        model()(forgetful)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output": "charge"}, "output of model own is 'charge'; expected one of membrane, spikes"),
        ({"sends": ("spikes", "current")}, "sent variable of model own is 'current'"),
    ],
)
def test_outputs_and_sent_variables_are_results(options: Any, message: str) -> None:
    def own() -> Any:
        u = state("membrane") + X
        return {"membrane": u, "spikes": fires(u, 1.0)}

    with pytest.raises(UnknownNameError, match=message):
        model(**options)(own)
    assert model()(own).sends == ("spikes",)


REFUSED: list[tuple[Any, str]] = [
    (lambda: {}, "size of a neuron's program is 0"),
    (lambda: {"spikes": X / Y}, "made of what changes from step to step"),
    (lambda: {"spikes": square_root(X)}, "made of what changes from step to step"),
    (lambda: {"spikes": X * math.nan}, "expected a finite number"),
    (lambda: {"spikes": X + math.inf}, "expected a finite number"),
    (lambda: {"spikes": port("a b")}, "expected a plain name"),
    (lambda: {"spikes": X, "two words": X}, "result of a neuron's program is 'two words'"),
    (lambda: {"spikes": constant("k" * 100) * X}, "expected a plain name"),
    (
        lambda: {"spikes": X},
        r"not 0 or 1; expected a result made of comparisons .make it of fires\(a, b\)",
    ),
    (
        lambda: {"spikes": fires(constant("k") * X, constant("k", 2.0))},
        "k of a neuron is described twice",
    ),
    (
        lambda: {"spikes": fires(X, constant("k", 2.0, high=1.0))},
        "default of constant 'k' of model <lambda> is 2.0; expected",
    ),
    (lambda: (X, fires(X, 1.0)), "a neuron's step is tuple; expected a dictionary"),
    (lambda: None, "a neuron's step is NoneType; expected a dictionary"),
]


@pytest.mark.parametrize(("step", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_models_that_break_a_rule_are_refused(step: Any, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message):
        model()(step)


def test_programs_are_equal_if_they_are_written_the_same() -> None:
    def own() -> Any:
        return {"spikes": fires(X, constant("k"))}

    assert model()(own).program == model()(own).program
    assert isinstance(model()(own).program, Program)
