"""Real programs as machine code against their meaning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltc2hw.dynamics.adjoint import reverse
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.neurons.nonlinearity import NONLINEARITIES, nonlinearity_named
from ltc2hw.neurons.surrogate import SURROGATES, surrogate_named
from ltc2hw.numbers.nonlinearity import Nonlinearity
from tests.dynamics.random_programs import random_program
from tests.neurons.compiled_program import Array, run_compiled

FUNCTIONS: dict[str, Nonlinearity] = {"tau": "sigmoid", "rho": "plan"}


def leaves_of(program: Program, batch: int, size: int, seed: int) -> dict[tuple[Operation, str],
                                                                           Array]:  # fmt: skip
    """Numbers for every leaf; states named spikes are 0 or 1."""
    rng = np.random.default_rng(seed)
    found: dict[tuple[Operation, str], Array] = {}
    for leaf in (Operation.PARAMETER, Operation.PORT, Operation.STATE):
        for name in program.names(leaf):
            values = rng.normal(size=(size,) if leaf is Operation.PARAMETER else (batch, size))
            found[leaf, name] = (values > 0) * 1.0 if name == "spikes" else values
    return found


def meaning(
    program: Program, leaves: dict[tuple[Operation, str], Array], surrogate: str
) -> dict[str, Array]:
    def named(kind: Operation) -> dict[str, Array]:
        return {name: values for (leaf, name), values in leaves.items() if leaf is kind}

    slope = surrogate_named(surrogate).slope
    return evaluate_real(
        program,
        named(Operation.PARAMETER),
        named(Operation.PORT),
        named(Operation.STATE),
        FUNCTIONS,
        surrogate=lambda d: slope(torch.from_numpy(np.ascontiguousarray(d))).numpy(),
    )


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("backwards", [False, True])
def test_machine_code_computes_the_program(seed: int, backwards: bool) -> None:
    """Whole registers and what is left of them; nothing is written beside the results."""
    surrogate = tuple(SURROGATES)[seed % 2]
    program = random_program(seed, length=12)
    if backwards:
        program = reverse(program, tuple(program.results))
    size = (1, 3, 8, 16, 21, 40)[seed % 6]
    leaves = leaves_of(program, 3, size, seed)
    found = run_compiled(program, leaves, FUNCTIONS, surrogate)
    for name, wanted in meaning(program, leaves, surrogate).items():
        # A comparison of nearly equal values is another where rounding is.
        scale = 1.0 + np.abs(wanted).max()
        np.testing.assert_allclose(found[name], np.broadcast_to(wanted, (3, size)), rtol=0,
                                   atol=1e-10 * scale, err_msg=name)  # fmt: skip


def test_single_precision_is_close() -> None:
    program = random_program(5)
    leaves = leaves_of(program, 4, 37, 5)
    wanted = meaning(program, leaves, "triangle")
    singles = {leaf: values.astype(np.float32) for leaf, values in leaves.items()}
    found = run_compiled(program, singles, FUNCTIONS)
    for name in ("membrane", "kept"):
        assert found[name].dtype == np.float32
        np.testing.assert_allclose(
            found[name], np.broadcast_to(wanted[name], (4, 37)), rtol=1e-3, atol=1e-3
        )


def test_results_are_added_to_what_is_there() -> None:
    builder = Builder("real")
    port = builder.add(Operation.PORT, name="current")
    program = builder.program({"total": builder.add(Operation.MULTIPLY, port, port)})
    x = np.arange(10.0)[None].repeat(2, axis=0)
    found = run_compiled(program, {(Operation.PORT, "current"): x}, {}, added={"total": 3 * x})
    np.testing.assert_array_equal(found["total"], x * x + 3 * x)


def arguments(dtype: type) -> Array:
    """Every 1/512 from -14 to 14, which includes all breaks."""
    return (np.arange(-14 * 512, 14 * 512 + 1) / 512).astype(dtype)[None]


def of_one(operation: Operation, name: str = "") -> Program:
    builder = Builder("real")
    x = builder.add(Operation.PORT, name="x")
    return builder.program({"y": builder.add(operation, x, name=name)})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", list(NONLINEARITIES))
def test_gates_are_those_of_torch(name: str, dtype: type) -> None:
    x = arguments(dtype)
    tolerance = 1e-14 if dtype is np.float64 else 3e-6
    functions, tensor = nonlinearity_named(name), torch.from_numpy(x)
    value = functions.value(tensor)
    for operation, wanted in (
        (Operation.GATE, value),
        (Operation.SLOPE, functions.slope(tensor, value)),
    ):
        found = run_compiled(of_one(operation, "g"), {(Operation.PORT, "x"): x}, {"g": name})
        np.testing.assert_allclose(found["y"], wanted.numpy(), rtol=0, atol=tolerance)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", list(SURROGATES))
def test_surrogates_are_those_of_torch(name: str, dtype: type) -> None:
    x = np.concatenate((arguments(dtype), np.array([[-1e30, 1e30]], dtype)), axis=1)
    leaves = {(Operation.PORT, "x"): x}
    found = run_compiled(of_one(Operation.SURROGATE), leaves, {}, name)
    tolerance = 1e-12 if dtype is np.float64 else 3e-5
    wanted = surrogate_named(name).slope(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found["y"], wanted, rtol=0, atol=tolerance)
