"""All derivatives of a step, against torch's autograd and against the tangent of the same step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltc2hw.dynamics.jacobian import derivative, jacobian
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.tangent import carry, cross, enter, show, tangent
from ltc2hw.errors import UnknownNameError
from ltc2hw.neurons.nonlinearity import NONLINEARITIES
from ltc2hw.neurons.surrogate import SURROGATES
from ltc2hw.neurons.torch_step import TorchStep
from ltc2hw.numbers.words import FloatArray
from tests.dynamics.test_adjoint import LEAVES, SAMPLES, SIZE, inputs_of
from tests.dynamics.test_tangent import arrays_of, entries_of, random_model

SHAPE = (SAMPLES, SIZE)


def check(model: Model, function: str, surrogate: str) -> dict[str, FloatArray]:
    """Every derivative of every result; the ones that are not 0 by the step's structure."""
    program, results = model.program, tuple(model.results)
    found = jacobian(program, results)
    assert found.values[: len(program.values)] == program.values
    functions = dict.fromkeys(program.names(Operation.GATE), NONLINEARITIES[function])
    inputs = inputs_of(program, 7)
    constants, ports, states = (inputs[leaf] for leaf in LEAVES)
    outputs = TorchStep(program, results, functions, SURROGATES[surrogate])(
        constants, ports, states, {}
    )
    names = tuple(name for name in found.results if name not in program.results)
    with torch.no_grad():
        made = TorchStep(found, names, functions, SURROGATES[surrogate])(
            constants, ports, states, {}
        )
    own = {
        name: np.broadcast_to(np.asarray(torch.as_tensor(value).detach()), SHAPE)
        for name, value in made.items()
    }
    for result in results:
        for leaf in LEAVES:
            for name, value in inputs[leaf].items():
                wanted = torch.zeros_like(value)
                if outputs[result].requires_grad:
                    total = outputs[result].expand(SHAPE).sum()
                    (grad,) = torch.autograd.grad(
                        total, value, retain_graph=True, allow_unused=True
                    )
                    wanted = wanted if grad is None else grad
                each = own.get(derivative(result, leaf, name), np.zeros(SHAPE))
                # A constant is the same for all samples: its derivative is their sum.
                got = each.sum(axis=0) if leaf is Operation.PARAMETER else each
                np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-10, atol=1e-10)
    return own


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("function", ["sigmoid", "plan"])
def test_derivatives_of_a_model_are_autograds(name: str, function: str) -> None:
    check(find_model(name), function, "multi_gaussian")


@pytest.mark.parametrize("seed", range(20))
def test_derivatives_of_any_step_are_autograds(seed: int) -> None:
    check(random_model(seed), "plan" if seed % 2 else "sigmoid", "triangle")


@pytest.mark.parametrize("name", MODELS)
def test_a_tangent_has_the_same_derivatives(name: str) -> None:
    """Made forwards in one place and backwards in the other."""
    model = find_model(name)
    own = check(model, "sigmoid", "triangle")
    other = tangent(model)
    slope = SURROGATES["triangle"].slope
    entries = entries_of(
        other, arrays_of(inputs_of(model.program, 7)), dict.fromkeys(model.gates, "sigmoid"),
        lambda distance: slope(torch.from_numpy(distance)).numpy(),
    )  # fmt: skip
    named = {
        by(result, leaf): derivative(result, kind, leaf)
        for results, ways in (
            (other.states, ((carry, Operation.STATE), (enter, Operation.PORT))),
            (other.sends, ((show, Operation.STATE), (cross, Operation.PORT))),
        )
        for by, kind in ways
        for result in results
        for leaf in (other.states if kind is Operation.STATE else other.ports)
    }
    assert set(entries) == {name for name, wanted in named.items() if wanted in own}
    for name, values in entries.items():
        np.testing.assert_allclose(own[named[name]], values, rtol=1e-12, atol=1e-12)


def test_what_is_zero_is_not_there() -> None:
    lif = find_model("lif")
    found = jacobian(lif.program, ("current", "membrane")).results
    assert derivative("membrane", Operation.PARAMETER, "threshold") in found
    # The current hears nothing of the membrane, nor of the bias.
    assert derivative("current", Operation.STATE, "membrane") not in found
    assert derivative("current", Operation.PARAMETER, "bias") not in found
    with pytest.raises(UnknownNameError, match="result of a step"):
        jacobian(lif.program, ("voltage",))
