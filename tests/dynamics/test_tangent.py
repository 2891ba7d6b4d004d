"""How steps move, against torch's autograd through the same step and against finite differences."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from ltc2hw.dynamics.expression import Expression, fires, port, register, state
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import Surrogate, evaluate_real
from ltc2hw.dynamics.tangent import Tangent, carry, cross, enter, show, tangent
from ltc2hw.neurons.nonlinearity import NONLINEARITIES
from ltc2hw.neurons.surrogate import SURROGATES
from ltc2hw.neurons.torch_step import TorchStep
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.words import FloatArray
from tests.dynamics.random_programs import random_program
from tests.dynamics.test_adjoint import LEAVES, SAMPLES, SIZE, inputs_of

Arrays = dict[Operation, dict[str, FloatArray]]


def arrays_of(inputs: Mapping[Operation, Mapping[str, Tensor]]) -> Arrays:
    return {
        leaf: {name: value.detach().numpy() for name, value in inputs[leaf].items()}
        for leaf in LEAVES
    }


def entries_of(
    found: Tangent, given: Arrays, functions: Mapping[str, Nonlinearity], slope: Surrogate
) -> dict[str, FloatArray]:
    """Every entry (SAMPLES, SIZE), and the step's own results."""
    parameters, ports, states = (given[leaf] for leaf in LEAVES)
    forward = evaluate_real(found.forward, parameters, ports, states, functions, surrogate=slope)
    entries = evaluate_real(found.jacobian, parameters, forward, {}, {})
    return {name: np.broadcast_to(own, (SAMPLES, SIZE)) for name, own in entries.items()}


def names_of(found: Tangent) -> list[tuple[str, Operation, str, str]]:
    """Every entry that there could be: its name, result and leaf."""
    named = []
    for results, by_state, by_port in ((found.states, carry, enter), (found.sends, show, cross)):
        for result in results:
            named += [(by_state(result, s), Operation.STATE, result, s) for s in found.states]
            named += [(by_port(result, p), Operation.PORT, result, p) for p in found.ports]
    return named


def check(own: Model, functions: Mapping[str, Nonlinearity], surrogate: str, seed: int) -> None:
    found = tangent(own)
    inputs = inputs_of(own.program, seed)
    parameters, ports, states = (inputs[leaf] for leaf in LEAVES)
    step = TorchStep(
        own.program,
        tuple(own.program.results),
        {name: NONLINEARITIES[function] for name, function in functions.items()},
        SURROGATES[surrogate],
    )
    outputs = step(parameters, ports, states, {})
    entries = entries_of(
        found, arrays_of(inputs), functions,
        lambda d: SURROGATES[surrogate].slope(torch.from_numpy(d)).numpy(),
    )  # fmt: skip
    named = names_of(found)
    assert set(entries) <= {name for name, *_ in named}
    for name, kind, result, leaf in named:
        wanted = np.zeros((SAMPLES, SIZE))
        if outputs[result].requires_grad:
            total = outputs[result].expand(SAMPLES, SIZE).sum()
            grad = torch.autograd.grad(
                total, inputs[kind][leaf], retain_graph=True, allow_unused=True
            )[0]
            wanted = wanted if grad is None else grad.numpy()
        got = entries.get(name, np.zeros((SAMPLES, SIZE)))
        np.testing.assert_allclose(got, wanted, rtol=1e-10, atol=1e-10, err_msg=name)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("function", ["sigmoid", "plan"])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_entries_of_a_model_are_autograds(
    name: str, function: Nonlinearity, surrogate: str
) -> None:
    found = find_model(name)
    check(found, dict.fromkeys(found.gates, function), surrogate, seed=3)


def random_model(seed: int) -> Model:
    return Model("random", random_program(seed), (), "membrane", ("spikes", "kept"))


@pytest.mark.parametrize("seed", range(40))
def test_entries_of_any_model_are_autograds(seed: int) -> None:
    functions: dict[str, Nonlinearity] = {"tau": "sigmoid", "rho": "plan"}
    check(random_model(seed), functions, "multi_gaussian" if seed % 2 else "triangle", seed)


@model(sends=("spikes", "before"), source="this test")
def handed_on() -> Mapping[str, Expression]:
    """A state that is another's past, one that is what arrives, and one that nothing leaves."""
    charged = register(0.5 * state("membrane") + port("current") - state("before"), "membrane")
    return {
        "membrane": charged,
        "before": state("membrane"),
        "arrived": port("late"),
        "gone": register(0.5 * state("gone") + port("late") * state("arrived"), "gone"),
        "spikes": fires(charged, 1.0),
    }


def test_states_that_are_handed_on_have_entries_of_one() -> None:
    check(handed_on, {}, "triangle", seed=1)
    found = tangent(handed_on)
    assert found.carried("before") == ("membrane",)
    assert found.entered("late") == ("arrived", "gone")
    assert found.shown("spikes") == ("membrane", "before")
    assert found.remembered("current", ("spikes",)) == ("membrane", "before")
    assert found.remembered("late", ("spikes",)) == ()


def test_what_remembers_a_port_follows_from_the_equations() -> None:
    remembered = {
        name: {
            port: tangent(find_model(name)).remembered(port, (find_model(name).output,))
            for port in find_model(name).ports
        }
        for name in MODELS
    }
    whole = ("membrane", "adaptation", "spikes")
    assert remembered["ltc"] == dict.fromkeys(("current", "tau_mem", "tau_adp"), whole)
    assert remembered["readout"] == dict.fromkeys(("current", "tau_mem"), ("membrane",))
    assert remembered["lif"] == remembered["cuba"] == {"current": ("current", "membrane")}
    assert remembered["alif"] == {"current": ("current", "membrane", "adaptation")}
    assert remembered["adlif"] == {"current": ("membrane", "adaptation")}
    assert remembered["brf"] == {"current": ("membrane", "imaginary", "refractory")}


def differences(
    program: Program,
    given: Arrays,
    kind: Operation,
    leaf: str,
    functions: Mapping[str, Nonlinearity],
) -> dict[str, FloatArray]:
    """Central differences of every result by a leaf."""
    width = 1e-6
    ends = []
    for sign in (1.0, -1.0):
        moved = {k: dict(own) for k, own in given.items()}
        moved[kind][leaf] = moved[kind][leaf] + sign * width
        parameters, ports, states = (moved[k] for k in LEAVES)
        ends.append(evaluate_real(program, parameters, ports, states, functions))
    return {name: (ends[0][name] - ends[1][name]) / (2 * width) for name in program.results}


@pytest.mark.parametrize("name", [*MODELS, *map(str, range(10))])
def test_entries_are_finite_differences_where_nothing_begins_to_fire(name: str) -> None:
    own = find_model(name) if name in MODELS else random_model(int(name))
    functions: dict[str, Nonlinearity] = dict.fromkeys(own.gates, "sigmoid")
    found, given = tangent(own), arrays_of(inputs_of(own.program, seed=5))
    entries = entries_of(found, given, functions, np.zeros_like)
    for entry, kind, result, leaf in names_of(found):
        if name not in MODELS and leaf == "spikes":
            continue  # a random program chooses by it: one bit, which has no small difference
        moved = differences(own.program, given, kind, leaf, functions)[result]
        got = entries.get(entry, np.zeros((SAMPLES, SIZE)))
        np.testing.assert_allclose(got, np.broadcast_to(moved, got.shape), rtol=1e-5, atol=1e-6)
