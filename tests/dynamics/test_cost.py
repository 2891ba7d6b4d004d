"""Operations counted by hand, and programs without the terms that are 0."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.dynamics.cost import COST, Cost, Operations, cost, operations
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.operations import INTEGER, Operation
from ltc2hw.dynamics.page import INTERPOLATED, PLAN, example
from ltc2hw.dynamics.program import Builder
from ltc2hw.dynamics.simplify import without
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.nonlinearity import sigmoid_table
from tests.dynamics.populations import KINDS, random_population


def test_every_operation_has_a_cost() -> None:
    assert set(COST) == set(INTEGER)


def test_a_lif_neuron_counted_by_hand() -> None:
    """Both decays; the port's shift and the wrap's two; four sums, two of the wrap; choices.

    ``2^12 - decay``, the bias and the threshold are made of constants.
    """
    model, formats = example("lif")
    found = operations(lower(model.program, formats))
    assert found == Operations(products=2, shifts=1 + 2, additions=3 + 2, choices=4 + 2 + 1 + 1)
    assert found.total == 18


def ones(name: str) -> FixedNeurons:
    """Neurons of the page, all constants 1 but for those of the gates' states, which are 0."""
    model, formats = example(name)
    constants = {
        constant.name: np.array([int("from" not in constant.name)] * 3)
        for constant in model.constants
    }
    table = sigmoid_table(6, 12, interpolated=True, nonlinearity="sigmoid")
    tables = {gate: table for gate, form in formats.gates.items() if form is INTERPOLATED}
    return FixedNeurons(name, 3, model, formats, constants, tables)


def test_an_ltc_neuron_counted_by_hand() -> None:
    """τ interpolated, ρ by PLAN; ``1 - ρ`` is shifted to the adaptation's fraction."""
    sums = 1 + 3 + 3 + 2 + 2 + 1
    expected = (
        Operations(products=7, shifts=1, additions=sums, choices=4 * 2 + 1 + 2)
        + COST[Operation.PLAN]
        + COST[Operation.INTERPOLATE]
    )
    assert operations(ones("ltc").program) == expected


def test_static_gates_are_constants_once_their_words_are_known() -> None:
    """Without projections and self terms: τ (I - u), ρ η and strength η are left."""
    found = cost(ones("ltc"), ("current",))
    assert found == Cost(
        Operations(products=3, additions=1 + 2 + 1 + 1, choices=2 + 1 + 1 + 2 + 1),
        registers=3,
        accumulators=1,
        constants=5,
        table_bytes=65 * 2,
    )
    whole = cost(ones("ltc"))
    assert (whole.accumulators, whole.constants) == (3, 5)
    assert whole.operations.products == 3 + 1  # the interpolation's


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_programs_without_what_is_zero_give_the_same_bits(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    neurons = random_population(rng, kind)
    zero = [name for name in neurons.program.parameters if rng.integers(2)]
    silent = [name for name in neurons.ports if rng.integers(2)]
    shape = (5, neurons.size)
    constants = {name: values * (name not in zero) for name, values in neurons.constants.items()}
    ports = {
        name: rng.integers(-(1 << 22), 1 << 22, shape) * (name not in silent)
        for name in neurons.ports
    }
    states = {name: rng.integers(0, 2, shape) for name in neurons.registers}
    expected, misfits = evaluate_integer(neurons.program, constants, neurons.tables, ports, states)
    smaller = without(neurons.program, silent, zero)
    assert set(smaller.parameters).isdisjoint(zero)
    assert set(smaller.ports).isdisjoint(silent)
    found, counted = evaluate_integer(smaller, constants, neurons.tables, ports, states)
    for name, array in expected.items():
        assert (np.broadcast_to(found[name], shape) == array).all(), name
    lost = {name: number for name, number in counted.items() if number}
    assert set(lost) <= set(misfits)
    assert operations(smaller).total <= operations(neurons.program).total


def test_shifts_of_nothing_and_differences_from_nothing() -> None:
    builder = Builder("integer")
    port, state = builder.add(Operation.PORT, name="p"), builder.add(Operation.STATE, name="u")
    nothing = builder.add(Operation.SHIFT_RIGHT, port, numbers=(3,))
    turned = builder.add(Operation.SUBTRACT, nothing, state)
    program = builder.program({"u": turned, "n": nothing})
    smaller = without(program, ("p",), ())
    assert smaller.ports == ()
    ones = np.ones((1, 1), dtype=np.int64)
    found, _ = evaluate_integer(smaller, {}, {}, {}, {"u": ones})
    assert found["u"] == -1
    assert found["n"] == 0
    assert operations(smaller) == Operations(additions=1)


def test_plan_costs_no_table() -> None:
    model, formats = example("readout")
    for form, reads in ((PLAN, 0), (INTERPOLATED, 2)):
        program = lower(model.program, replace(formats, gates={"tau_mem": form}))
        assert operations(program).reads == reads
