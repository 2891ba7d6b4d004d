"""The pages against the programs, and printed programs against the interpreter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.dynamics.bounds import register_ranges
from ltc2hw.dynamics.expression import (
    collect,
    constant,
    fires,
    port,
    register,
    smaller,
    state,
    where,
)
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.models import MODELS
from ltc2hw.dynamics.operations import INTEGER, REAL, ROUNDED, Operation
from ltc2hw.dynamics.page import example, lava, numerics
from ltc2hw.dynamics.printing import TEXTS, equations
from ltc2hw.files.texts import with_parts
from ltc2hw.numbers.nonlinearity import lookup_integer, plan_integer
from ltc2hw.numbers.words import IntArray
from tests.dynamics.populations import KINDS, random_population

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "numerics.md").read_text(encoding="utf-8")


def test_the_pages_are_generated_from_the_programs() -> None:
    assert with_parts(PAGE, numerics()) == PAGE, "renew it with scripts/write_numerics.py"
    page = (ROOT / "docs" / "lava.md").read_text(encoding="utf-8")
    assert with_parts(page, lava()) == page, "renew it with scripts/write_numerics.py"


def test_every_model_of_the_package_is_on_the_page() -> None:
    for name in MODELS:
        own, _ = example(name)
        assert own.name == name
        assert f"<!-- model {name} -->\nSource: {own.source}" in PAGE


def test_every_operation_is_defined_once_on_the_page() -> None:
    table = PAGE[PAGE.index("## Operations") : PAGE.index("### Functions of gates")]
    defined = [
        pair
        for row in re.findall(r"^\| (`.*?`) \| (`.*?`) \|", table, re.MULTILINE)
        for pair in zip(*(re.findall(r"`([^`]+)`", cell) for cell in row), strict=True)
    ]
    expected = [
        (TEXTS[kind].template.format("x", "y", "z", name="t", n=("n", "m")), kind.value)
        for kind in INTEGER
    ]
    assert sorted(defined) == sorted(expected)
    assert set(TEXTS) == {*INTEGER, *REAL}
    assert {*TEXTS, *ROUNDED} == set(Operation)


FUNCTIONS: dict[str, Any] = {
    "rsz": lambda x, n: (x >> n) if x >= 0 else -(-x >> n),
    "sat": lambda x, low, high: min(max(x, low), high),
    "plan": lambda x, f, g: int(plan_integer(np.array([x]), f, g)[0]),
    "look_up": lambda x, t, f, _: int(lookup_integer(np.array([x]), f, t, "table")[0]),
    "interpolate": lambda x, t, f, _: int(lookup_integer(np.array([x]), f, t, "interpolated")[0]),
}


def wrapped_once(x: int, bits: int, register_bits: int) -> int:
    """As the page says."""
    end, half = 1 << (register_bits - 1), 1 << (bits - 1)
    r = (x + end) % (2 * end) - end
    r = r - 2 * half if r > half else r
    return r + 2 * half if r <= -half else r


FUNCTIONS["wrap_once"] = wrapped_once


def python_name(written: str) -> str:
    """``const.tau_mem.bias`` and ``u[t-1]`` as names of Python."""
    return re.sub(r"(?<=\w)\.(?=[a-z])", "__", written.replace("[t-1]", "__past"))


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_what_is_printed_is_what_is_computed(kind: str, seed: int) -> None:
    """Printed integer programs read as Python's own integers: every result, bit for bit."""
    rng = np.random.default_rng(seed)
    neurons = random_population(rng, kind)
    states: dict[str, IntArray] = {
        name: rng.integers(low, high + 1, (1, neurons.size))
        for name, (low, high) in register_ranges(neurons).items()
    }
    ports = {name: rng.integers(-(1 << 22), 1 << 22, (1, neurons.size)) for name in neurons.ports}
    expected, _ = evaluate_integer(
        neurons.program, neurons.constants, neurons.tables, ports, states
    )
    program = python_name(equations(neurons.program).replace("\n    ", " "))
    for neuron in range(neurons.size):
        known: dict[str, Any] = {**FUNCTIONS, **neurons.tables}
        for kind_of, arrays in (("const__", neurons.constants), ("arriving__", ports)):
            known |= {
                kind_of + python_name(name): int(array[..., neuron].item())
                for name, array in arrays.items()
            }
        known |= {f"{name}__past": int(array[0, neuron]) for name, array in states.items()}
        for line in program.replace("·", "*").replace("^", "**").splitlines():
            name, _, text = line.partition(" = ")
            known[name] = int(eval(text, dict(known)))
        for name, array in expected.items():
            assert known[name] == np.broadcast_to(array, (1, neurons.size))[0, neuron], name


A, B, C = port("a"), port("b"), port("c")
WRITTEN = [
    (A - (B - C), "arriving.a - (arriving.b - arriving.c)"),
    ((A - B) - C, "arriving.a - arriving.b - arriving.c"),
    (A + (B - C), "arriving.a + arriving.b - arriving.c"),
    ((A + B) * C, "(arriving.a + arriving.b)·arriving.c"),
    (A + B * C, "arriving.a + arriving.b·arriving.c"),
    (A * (B * C), "arriving.a·arriving.b·arriving.c"),
    (constant("k") / (2.0 / constant("l")), "const.k / (2 / const.l)"),
    (fires(A + B, C), "arriving.a + arriving.b > arriving.c"),
    (1.0 - fires(A, B), "1 - (arriving.a > arriving.b)"),
    (where(fires(A, B), A, where(fires(B, C), B, C)),
     "arriving.a if arriving.a > arriving.b else arriving.b if arriving.b > arriving.c else "
     "arriving.c"),
    (where(fires(A, B), A, B) + C,
     "(arriving.a if arriving.a > arriving.b else arriving.b) + arriving.c"),
    (smaller(A + 0.5, -B), "min(arriving.a + 0.5, 0 - arriving.b)"),
]  # fmt: skip


@pytest.mark.parametrize(("expression", "expected"), WRITTEN, ids=[text for _, text in WRITTEN])
def test_parentheses_stand_where_they_are_needed(expression: Any, expected: str) -> None:
    assert equations(collect(lambda: {"y": expression}).program) == f"y = {expected}"


def test_values_are_printed_under_the_names_by_which_misfits_count() -> None:
    @model(output="membrane")
    def renamed() -> Any:
        held = register(0.5 * state("membrane") + port(), "charge")
        return {"membrane": held, "again": held}

    assert equations(renamed.program).splitlines() == [
        "charge.held = held(0.5·membrane[t-1] + arriving.current)",
        "membrane = charge.held",
        "again = charge.held",
    ]
