"""A population's step as machine code equals the table of torch operations, gradients included."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons.population import PopulationStep

SHAPE, BATCH = (3, 2, 5), 4
SIZE = 30


def population(name: str, nonlinearity: str, dtype: torch.dtype) -> PopulationStep:
    """Neurons of an image whose constants are one per channel, all learned but one."""
    rng = np.random.default_rng(3)
    model = find_model(name)
    constants = {}
    for described in model.constants:
        low, high = max(described.low, -0.5), min(described.high, 0.9)
        values = np.clip(described.default, low, high) + rng.uniform(-0.05, 0.05, (3, 1, 1))
        constants[described.name] = np.clip(values, described.low, described.high)
    functions = dict.fromkeys(model.gates, nonlinearity)
    neurons = Neurons("a", SIZE, model, constants, functions, SHAPE)  # type: ignore[arg-type]
    learned = [described.name for described in model.constants][:-1]
    wanted = tuple(dict.fromkeys((*neurons.registers, model.output)))
    return PopulationStep(neurons, model.ports, learned, (), wanted, "multi_gaussian", dtype)


def run(step: PopulationStep, dtype: torch.dtype) -> tuple[dict[str, Tensor], list[Tensor]]:
    """Two steps, the second from the registers of the first; results and all gradients."""
    generator = torch.Generator().manual_seed(4)

    def drawn(scale: float) -> Tensor:
        # As parts of one plane, as convolutions of several ports give them.
        both = torch.rand((BATCH, 2 * SIZE), generator=generator, dtype=torch.float64)
        return (scale * both.to(dtype))[:, SIZE:].requires_grad_(True)

    program = step._own.rest.program
    ports = {name: drawn(2.0) for name in program.ports}
    start = {name: drawn(0.5) for name in program.states}
    after = step.then(ports, start, {}, BATCH)
    names = [name for name in start if name in after]
    after = step.then(ports, {name: after[name] for name in names}, {}, BATCH)
    total = sum((index + 1) * (value * value).sum() for index, value in enumerate(after.values()))
    assert isinstance(total, Tensor)
    leaves = [*ports.values(), *start.values(), *step.parameters()]
    return after, list(torch.autograd.grad(total, leaves, allow_unused=True))


@pytest.mark.parametrize("nonlinearity", ["sigmoid", "plan"])
@pytest.mark.parametrize("name", list(MODELS))
def test_machine_code_equals_the_operations(name: str, nonlinearity: str) -> None:
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 1e-4)):
        step = population(name, nonlinearity, dtype)
        assert all(value.numel() == 3 for value in step.held().values())
        assert step._own.fused is not None
        results, gradients = run(step, dtype)
        step._own = replace(step._own, fused=None)
        expected, wanted = run(step, dtype)
        for register, values in results.items():
            assert torch.allclose(values, expected[register], rtol=tolerance, atol=tolerance)
        for found, own in zip(gradients, wanted, strict=True):
            # Machine code gives zeros where autograd finds no way.
            own = torch.zeros_like(found) if own is None else own
            scale = max(1.0, float(own.abs().max()))
            assert torch.allclose(found, own, rtol=tolerance, atol=tolerance * scale)
        assert any(bool(gradient.any()) for gradient in gradients)


def test_constants_that_differ_within_a_channel_stay_one_per_neuron() -> None:
    bias = np.arange(8.0)
    neurons = Neurons("a", 8, "lif", {"bias": bias, "threshold": 2.0}, shape=(2, 2, 2))
    step = PopulationStep(
        neurons, ("current",), ("bias",), (), ("spikes",), "multi_gaussian", torch.float64
    )
    assert {name: value.numel() for name, value in step.held().items()}["bias"] == 8
    assert step.held()["threshold"].tolist() == [2.0, 2.0]
    assert step.constants()["bias"].tolist() == bias.tolist()
