"""Constants made of constants: what is worked out before a run, and what stays in the step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from ltc2hw.dynamics.derived import WORKED_OUT, derive, fold
from ltc2hw.dynamics.expression import Expression, constant, port, register, square_root, state
from ltc2hw.dynamics.formats import Formats, Held
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.dynamics.verify import constant_only, verify
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import Word
from tests.dynamics.running import SIZE, random_case


@pytest.mark.parametrize("name", MODELS)
def test_a_step_with_derived_constants_is_the_same_step(name: str) -> None:
    rng = np.random.default_rng(1)
    chosen, constants = find_model(name), random_case(name, rng)[0]
    for described in chosen.constants:
        assert described.name in constants
    ports = {port: rng.normal(0, 1, (5, SIZE)) for port in chosen.ports}
    states = {state: rng.normal(0, 1, (5, SIZE)) for state in chosen.states}
    gates = dict.fromkeys(chosen.gates, "sigmoid")
    whole = evaluate_real(chosen.program, constants, ports, states, gates)  # type: ignore[arg-type]
    values = derive(chosen.program, constants)
    working = evaluate_real(chosen.working, values, ports, states, gates)  # type: ignore[arg-type]
    for result in chosen.results:
        assert np.array_equal(whole[result], working[result]), result


@pytest.mark.parametrize("name", MODELS)
def test_nothing_is_left_to_work_out(name: str) -> None:
    working = find_model(name).working
    for index, value in enumerate(working.values):
        assert not (value.operation in WORKED_OUT and constant_only(working, index))
    assert fold(working).program == working
    assert fold(working).derived is None


def rooted() -> Model:
    @model(output="membrane")
    def neuron() -> Mapping[str, Expression]:
        a, b = constant("a", 0.5), constant("b", 0.25)
        product = a * b
        shared = square_root(product) / a
        sum_alone = 1.0 - a
        u = shared * state("membrane") + product * port("current") + sum_alone * state("membrane")
        return {"membrane": register(u, "membrane")}

    return neuron


def test_the_largest_parts_are_made_constants_and_sums_stay() -> None:
    folded = fold(rooted().program)
    assert folded.derived is not None
    values = derive(rooted().program, {"a": np.array([0.5, 0.25]), "b": np.array([0.25, 0.25])})
    assert np.array_equal(values["derived0"], [0.125, 0.0625])
    assert np.array_equal(values["derived1"], [np.sqrt(0.125) / 0.5, 1.0])
    assert set(folded.program.parameters) == {"a", "derived0", "derived1"}
    assert folded.derived.states == folded.derived.ports == ()


def test_quotients_and_roots_are_not_lowered_as_they_are() -> None:
    held = {"membrane": Held.within(Word(24), 12)}
    fractions = {"a": 12, "b": 12, "derived0": 12, "derived1": 12}
    formats = Formats(held, {"current": 12}, fractions)
    with pytest.raises(InvalidValueError, match="not to be lowered"):
        lower(rooted().program, formats)
    parameters = lower(rooted().working, formats).parameters
    assert set(parameters) == {"a", "derived0", "derived1"}


def test_deep_expressions_take_no_time() -> None:
    """Each value twice the last one: 2^90 paths to the first."""
    builder = Builder("real")
    value = builder.add(Operation.PARAMETER, name="c")
    for _ in range(90):
        value = builder.add(Operation.ADD, value, value)
    value = builder.add(Operation.SQUARE_ROOT, value)
    moving = builder.add(Operation.MULTIPLY, value, builder.add(Operation.PORT, name="current"))
    program: Program = builder.program({"out": moving})
    verify(program)
    folded = fold(program)
    assert folded.program.parameters == ("derived0",)
    formats = Formats({}, {"current": 3}, {"derived0": 4})
    assert lower(folded.program, formats).ports == ("current",)
