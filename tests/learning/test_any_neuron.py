"""Neurons of any model learn: factors equal autograd's, integers are the same in every engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from ltc2hw import FixedNetwork, FPTTRule, Network, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.converters.populations import Gate, Readout
from ltc2hw.dynamics.expression import Expression, constant, fires, port, register, state, where
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.models import find_model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.dynamics.reverse import CREDIT, FACTOR
from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.backwards import reverse_of
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.learning.neurons import learnable
from ltc2hw.learning.rule import surrogate_slope
from ltc2hw.learning.scope import scope_of
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity.verify import verify
from tests.learning.torch_programs import by_torch
from tests.simulations.test_plasticity import assert_same

INPUTS, HIDDEN, OUTPUTS, STEPS, SAMPLES = 5, 6, 3, 6, 3
RECURRENT = 1
"""Index of the projection whose messages may be silent in a stream this short."""


@model(sends=("spikes", "membrane"), source="this test")
def tired() -> Mapping[str, Expression]:
    """Leaky neurons whose threshold rises with their own spikes, and whose drive has a bias."""
    drive = register(port("current") + constant("rest", 0.1) - 0.5 * state("fatigue"), "drive")
    charged = register(0.75 * state("membrane") + drive, "membrane")
    spikes = fires(charged, constant("threshold", 0.5) + state("fatigue"))
    return {
        "drive": drive,
        "membrane": where(spikes, charged - constant("threshold", 0.5), charged),
        "fatigue": register(0.875 * state("fatigue") + 0.25 * spikes, "fatigue"),
        "spikes": spikes,
    }


@model(output="membrane", sends=("membrane",), source="this test")
def basin() -> Mapping[str, Expression]:
    """Leaky integrators whose membranes are read."""
    arriving = register(port("current") + constant("rest", 0.1), "arriving")
    return {"membrane": register(0.5 * state("membrane") + arriving, "membrane")}


MODELS: dict[str, Model] = {
    "tired": tired,
    **{
        name: find_model(name)
        for name in ("ltc", "lif", "readout", "cuba", "adlif", "brf", "if_subtract", "izhikevich")
    },
}


# --- factors against autograd -------------------------------------------------------------------


def random_step(found: Model, seed: int) -> tuple[Any, Any, Any]:
    """Constants near their defaults, what arrives, and states, all random."""
    rng = np.random.default_rng(seed)
    neurons = Neurons("n", HIDDEN, found)
    constants = {
        name: np.clip(
            value * rng.uniform(0.8, 1.2, HIDDEN) + (value == 0) * rng.normal(0, 0.3, HIDDEN),
            found.constant(name).low,
            found.constant(name).high,
        )
        for name, value in neurons.constants.items()
    }
    ports = {name: rng.normal(0, 1, (4, HIDDEN)) for name in found.ports}
    states = {name: rng.uniform(0, 0.7, (4, HIDDEN)) for name in found.states}
    return constants, ports, states


@pytest.mark.parametrize("name", MODELS)
def test_factors_are_the_gradients_of_autograd_with_the_state_detached(name: str) -> None:
    found = MODELS[name]
    for credited in ({found.output}, set(found.sends)):
        constants, ports, states = random_step(found, seed=len(credited))
        credit = {
            variable: np.random.default_rng(7).normal(0, 1, (4, HIDDEN)) for variable in credited
        }
        reverse = reverse_of(found, credited)
        functions = Neurons("n", HIDDEN, found).functions
        forward = evaluate_real(
            reverse.forward, constants, ports, states, functions, surrogate=slope
        )
        given = {f"{CREDIT}.{variable}": own for variable, own in credit.items()}
        factors = evaluate_real(reverse.backward, constants, {**forward, **given}, {}, functions)

        arriving = {key: torch.tensor(value, requires_grad=True) for key, value in ports.items()}
        learned = {key: torch.tensor(value, requires_grad=True) for key, value in constants.items()}
        leaves = {
            Operation.PORT: arriving,
            Operation.STATE: {key: torch.tensor(value) for key, value in states.items()},
            Operation.PARAMETER: learned,
        }
        results = by_torch(found.program, leaves)
        # One at a time: a variable that another is made of gets that one's credit, too.
        parts = [(results[v] * torch.tensor(credit[v])).sum() for v in credited]
        loss = torch.stack(parts).sum()
        torch.autograd.backward(loss)
        for key, tensor in arriving.items():
            wanted = np.zeros((4, HIDDEN)) if tensor.grad is None else tensor.grad.numpy()
            factor = factors.get(f"{FACTOR}.{key}", np.zeros((4, HIDDEN)))
            np.testing.assert_allclose(factor, wanted, rtol=0, atol=1e-10)
        for own in learnable(found):
            tensor = learned[own.constant]
            met: FloatArray = np.ones((4, HIDDEN))
            if own.message.startswith("state."):
                met = states[own.message.removeprefix("state.")]
            elif own.message != "one":
                met = forward[own.message]
            factor = factors.get(f"{FACTOR}.{own.port}", np.zeros((4, HIDDEN)))
            assert tensor.grad is not None
            np.testing.assert_allclose((factor * met).sum(0), tensor.grad.numpy(), atol=1e-10)


def slope(distance: FloatArray) -> FloatArray:
    return surrogate_slope("multi_gaussian", distance)


def test_what_learns_follows_from_the_equations() -> None:
    names = {name: [f"{o.port}.{o.term}" for o in learnable(m)] for name, m in MODELS.items()}
    assert names["tired"] == ["current.bias"]
    assert names["adlif"] == ["current.bias"]
    assert names["lif"] == names["cuba"] == names["brf"] == []
    gate = ["bias", "from_state", "from_current"]
    assert names["ltc"] == [
        "current.bias", *(f"tau_mem.{t}" for t in gate), *(f"tau_adp.{t}" for t in gate)
    ]  # fmt: skip
    with pytest.raises(UnsupportedError, match="alif"):
        reverse_of(find_model("alif"), ("spikes",))


# --- networks -----------------------------------------------------------------------------------


def network_of(found: Model, sparse: bool = False) -> Network:
    """A layer of neurons that send spikes to themselves, read by leaky integrators."""
    rng = np.random.default_rng(5)

    def weights(target: int, source: int) -> Weights:
        matrix = rng.normal(0, 1, (target, source))
        if sparse:
            return Sparse.from_array(matrix * (rng.random(matrix.shape) < 0.6))
        return Dense(matrix)

    return Network(
        (
            Input("input", INPUTS, graded=True),
            Neurons("hidden", HIDDEN, found),
            Readout("readout", OUTPUTS, np.zeros(OUTPUTS), Gate(0.0, nonlinearity="plan")),
        ),
        (
            Projection("input", "value", "hidden", "current", weights(HIDDEN, INPUTS)),
            Projection("hidden", "spikes", "hidden", "current", weights(HIDDEN, HIDDEN), 1),
            Projection("hidden", "spikes", "readout", "current", weights(OUTPUTS, HIDDEN)),
        ),
        "readout",
    )


def stream() -> tuple[FloatArray, Any]:
    rng = np.random.default_rng(3)
    return rng.uniform(0, 1, (STEPS, SAMPLES, INPUTS)), rng.integers(0, OUTPUTS, SAMPLES)


def deployed(found: Model, sparse: bool = False) -> FixedNetwork:
    x, _ = stream()
    return quantize(network_of(found, sparse), "loihi2", x, QuantizeOptions(weight_reach=2.0))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("name", ["tired", "cuba", "adlif", "if_subtract"])
def test_integers_learn_the_same_in_both_engines_and_near_the_float_rule(
    name: str, sparse: bool
) -> None:
    fixed, (x, labels) = deployed(MODELS[name], sparse), stream()
    rule = FPTTRule(learning_rate=2.0**-3)
    runs = [learn(fixed, x, labels, rule, engine=engine) for engine in ("integer", "fast")]
    assert_same(*runs)
    memories = runs[0].learning.memories
    hidden = [p for p in memories if p.population == "hidden" and p.projection != RECURRENT]
    assert all(np.any(memories[p].gradient) for p in hidden)
    errors = verify(integer_rule(fixed, rule, PlasticWords()), x, labels)
    assert np.mean([error.cosine for error in errors]) > 0.99


@pytest.mark.parametrize("error", ["softmax", "linear"])
def test_any_population_that_is_read_by_numbers_is_compared_with_targets(error: Any) -> None:
    network = network_of(tired)
    populations = (*network.populations[:2], Neurons("readout", OUTPUTS, basin))
    x, labels = stream()
    fixed = quantize(replace(network, populations=populations), "loihi2", x)
    targets: Any = labels if error == "softmax" else np.eye(OUTPUTS)[labels]
    rule = FPTTRule(learning_rate=2.0**-3, error=error)
    runs = [learn(fixed, x, targets, rule, engine=engine) for engine in ("integer", "fast")]
    assert_same(*runs)
    assert any(p.population == "hidden" for p in runs[0].learning.memories)
    errors = verify(integer_rule(fixed, rule, PlasticWords()), x, targets)
    assert np.mean([error.cosine for error in errors]) > 0.99
    silent = replace(fixed, output="hidden")
    with pytest.raises(InvalidValueError, match="read by its spikes"):
        integer_rule(silent, rule)


def test_constants_that_no_rule_changes_are_told() -> None:
    held = scope_of(deployed(tired), FPTTRule()).held
    assert held == {"hidden.threshold": "the rule has no term for it"}
