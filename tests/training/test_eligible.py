"""Learning from each neuron's own memory, against autograd with the rules' own cuts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ltc2hw.dynamics.models import find_model
from ltc2hw.neurons import Cell, LIFCell, LTCCell, ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import TrainingOptions
from ltc2hw.training.eligible import EligibleLearner
from ltc2hw.training.loss import window_loss
from ltc2hw.training.options import Method
from tests.training.detached import outputs_for

STEPS, BATCH = 30, 3
INPUTS, SIZE = 2, 4

CONSTANTS = {
    "alif": {"threshold": 0.05, "membrane_decay": 0.3},
    "adlif": {"threshold": 0.05, "membrane_decay": 0.3, "adaptation_decay": 0.2},
    "brf": {"threshold": 0.02, "dt": 0.1, "omega": 4.0},
    "lif": {"threshold": 0.2, "current_decay": 0.3},
    "cuba": {},
    "if_subtract": {},
    "izhikevich": {},
}


def program_cell(name: str, inputs: int, generator: torch.Generator) -> Cell:
    return ProgramCell(
        find_model(name), inputs, SIZE, constants=CONSTANTS[name], gain=3.0, generator=generator
    )


def ltc_cell(gate: Any, nonlinearity: str) -> Callable[[int, torch.Generator], Cell]:
    return lambda inputs, generator: LTCCell(
        inputs, SIZE, gate=gate, nonlinearity=nonlinearity, tau_mem_bias=0.3, gain=2.0,
        generator=generator,
    )  # fmt: skip


CELLS: dict[str, Callable[[int, torch.Generator], Cell]] = {
    "ltc event": ltc_cell("event", "sigmoid"),
    "ltc event plan": ltc_cell("event", "plan"),
    "ltc static": ltc_cell("static", "sigmoid"),
    "lif cell": lambda inputs, generator: LIFCell(
        inputs, SIZE, recurrent=True, threshold=0.2, generator=generator
    ),
    **{
        name: lambda inputs, generator, name=name: program_cell(name, inputs, generator)
        for name in CONSTANTS
    },
}


def network(
    kind: str, layers: int = 1, read_from: Any = "spikes", readout_gate: Any = "static"
) -> SpikingNetwork:
    generator = torch.Generator().manual_seed(5)
    sizes = [INPUTS] + [SIZE] * (layers - 1)
    cells = [CELLS[kind](size, generator) for size in sizes]
    readout = ReadoutCell(SIZE, 1, gate=readout_gate, tau_mem_bias=-1.0, generator=generator)
    return SpikingNetwork(cells, readout, read_from=read_from).double()


def task() -> Task:
    return load_task(f"add-{STEPS}")


def data(count: int = BATCH) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    x = torch.rand(STEPS, count, INPUTS, generator=generator).double()
    return x, torch.rand(count, 1, generator=generator).double()


def learned(module: SpikingNetwork, **options: Any) -> list[Tensor]:
    """Gradients of all parameters of one sequence."""
    learner = EligibleLearner(module, task(), TrainingOptions(**options))
    x, labels = data()
    labels, aim = learner.prepared(x, labels, None)
    loss = next(learner.updates(x, labels, aim))
    outputs, _ = module(x)
    torch.testing.assert_close(loss, window_loss(task(), outputs, labels, aim.weights).detach())
    return [gradient_of(parameter) for parameter in module.parameters()]


def gradient_of(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


def wanted(module: SpikingNetwork, filtered: bool) -> list[Tensor]:
    x, labels = data()
    weights = torch.arange(1, STEPS + 1).double() / STEPS
    found: dict[int, Tensor] = {}
    for index, cell in enumerate((*module.cells, module.readout)):
        outputs = outputs_for(module, x, index, filtered)
        own = list(cell.parameters())
        loss = window_loss(task(), outputs, labels, weights)
        grads = torch.autograd.grad(loss, own, allow_unused=True)
        for parameter, gradient in zip(own, grads, strict=True):
            found[id(parameter)] = torch.zeros_like(parameter) if gradient is None else gradient
    return [found[id(parameter)] for parameter in module.parameters()]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("method", ["eprop", "hypr"])
def test_gradients_are_those_of_autograd_with_the_rules_cuts(kind: str, method: Method) -> None:
    module = network(kind)
    expected = wanted(module, filtered=method == "eprop")
    assert all(bool(gradient.abs().max() > 0) for gradient in expected[:2])
    assert_same(learned(module, method=method, piece=7), expected)


@pytest.mark.parametrize("kind", ["ltc event", "adlif"])
@pytest.mark.parametrize("piece", [1, 7, 30, 100])
def test_the_length_of_a_piece_does_not_matter(kind: str, piece: int) -> None:
    module = network(kind, layers=2)
    assert_same(learned(module, method="hypr", piece=piece), learned(module, method="ostl"))


@pytest.mark.parametrize("kind", ["ltc event", "brf"])
@pytest.mark.parametrize("read_from", ["spikes", "membrane"])
def test_two_layers_and_a_readout_of_event_gates(kind: str, read_from: str) -> None:
    module = network(kind, 2, read_from, "event")
    assert_same(learned(module, method="hypr", piece=4), wanted(module, filtered=False))
