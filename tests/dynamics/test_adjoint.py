"""Reverse programs against torch's autograd through the same step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from ltc2hw.dynamics.adjoint import given, gradient_of, reverse
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.errors import UnknownNameError, UnsupportedError
from ltc2hw.neurons.nonlinearity import NONLINEARITIES
from ltc2hw.neurons.surrogate import SURROGATES
from ltc2hw.neurons.torch_step import TorchStep
from ltc2hw.numbers.nonlinearity import Nonlinearity
from tests.dynamics.random_programs import random_program

SAMPLES, SIZE = 7, 11
LEAVES = (Operation.PARAMETER, Operation.PORT, Operation.STATE)

Inputs = dict[Operation, dict[str, Tensor]]


def inputs_of(program: Program, seed: int) -> Inputs:
    """Numbers for every leaf; states named spikes are 0 or 1, constants small beside roots."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    found: Inputs = {leaf: {} for leaf in LEAVES}
    roots = any(value.operation is Operation.SQUARE_ROOT for value in program.values)
    for leaf in LEAVES:
        for name in program.names(leaf):
            shape = (SIZE,) if leaf is Operation.PARAMETER else (SAMPLES, SIZE)
            value = (draw(*shape) > 0).double() if name == "spikes" else draw(*shape)
            if leaf is Operation.PARAMETER and roots:
                value = 0.1 + 0.8 * value.sigmoid()
            found[leaf][name] = value.requires_grad_(True)
    return found


def check(
    program: Program, functions: Mapping[str, Nonlinearity], surrogate: str, seed: int
) -> None:
    inputs = inputs_of(program, seed)
    parameters, ports, states = (inputs[leaf] for leaf in LEAVES)
    results = tuple(program.results)
    step = TorchStep(
        program,
        results,
        {name: NONLINEARITIES[function] for name, function in functions.items()},
        SURROGATES[surrogate],
    )
    outputs = step(parameters, ports, states, {})
    generator = torch.Generator().manual_seed(seed + 1)
    weights = {
        name: torch.randn(SAMPLES, SIZE, generator=generator, dtype=torch.float64)
        for name in results
    }
    total = torch.stack([(outputs[name] * weights[name]).sum() for name in results]).sum()
    names = [(leaf, name) for leaf in LEAVES for name in inputs[leaf]]
    wanted = torch.autograd.grad(
        total, [inputs[leaf][name] for leaf, name in names], allow_unused=True
    )

    def arrays(values: Mapping[str, Tensor]) -> dict[str, npt.NDArray[np.float64]]:
        return {name: value.detach().numpy() for name, value in values.items()}

    back = reverse(program, results)
    found = evaluate_real(
        back,
        arrays(parameters),
        arrays(ports) | {given(name): value.numpy() for name, value in weights.items()},
        arrays(states),
        functions,
        surrogate=lambda d: SURROGATES[surrogate].slope(torch.from_numpy(d)).numpy(),
    )
    for (leaf, name), value in zip(names, wanted, strict=True):
        label = gradient_of(leaf, name)
        if value is None:
            assert label not in found
            continue
        own = np.broadcast_to(found[label], (SAMPLES, SIZE))
        if leaf is Operation.PARAMETER:
            own = own.sum(axis=0)
        np.testing.assert_allclose(own, value.numpy(), rtol=1e-10, atol=1e-10, err_msg=label)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("function", ["sigmoid", "plan"])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_the_reverse_of_a_model_is_autograds(
    model: str, function: Nonlinearity, surrogate: str
) -> None:
    found = find_model(model)
    check(found.program, dict.fromkeys(found.gates, function), surrogate, seed=3)


@pytest.mark.parametrize("seed", range(40))
def test_the_reverse_of_any_program_is_autograds(seed: int) -> None:
    program = random_program(seed)
    functions: dict[str, Nonlinearity] = {"tau": "sigmoid", "rho": "plan"}
    check(program, functions, "multi_gaussian" if seed % 2 else "triangle", seed)


def test_what_has_no_reverse_is_named() -> None:
    program = find_model("lif").program
    with pytest.raises(UnknownNameError, match="result of a step is 'voltage'"):
        reverse(program, ("voltage",))
    with pytest.raises(UnsupportedError, match="integers"):
        reverse(Program("integer", program.values, program.results), ("spikes",))
    back = reverse(program, ("spikes",))
    with pytest.raises(UnsupportedError, match="surrogate"):
        reverse(back, tuple(back.results))
