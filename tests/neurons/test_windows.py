"""Compiled windows against single steps under autograd, values and gradients."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor
from torch.autograd.gradcheck import gradcheck

from ltc2hw.neurons import (
    GATES,
    GateKind,
    LIFCell,
    LTCCell,
    NetworkState,
    ReadFrom,
    ReadoutCell,
    ReadoutState,
    SpikingNetwork,
)
from tests.neurons.randomised import randomised


def network(
    gate: GateKind, readout: GateKind, recurrent: bool, functions: tuple[str, str], read: ReadFrom
) -> SpikingNetwork:
    nonlinearity, surrogate = functions

    def cell(inputs: int, size: int) -> LTCCell:
        return LTCCell(
            inputs,
            size,
            gate=gate,
            recurrent=recurrent,
            nonlinearity=nonlinearity,
            surrogate=surrogate,
        )

    last = ReadoutCell(5, 3, gate=readout, nonlinearity=nonlinearity)
    module = SpikingNetwork([cell(4, 6), cell(6, 5)], last, read_from=read).double()
    randomised(module, seed=11)
    return module


def by_steps(module: SpikingNetwork, x: Tensor) -> tuple[Tensor, NetworkState]:
    outputs, state = [], None
    for values in x:
        output, state = module.step(values, state)
        outputs.append(output)
    assert state is not None
    return torch.stack(outputs), state


def gradients(module: SpikingNetwork, outputs: Tensor, x: Tensor) -> list[Tensor]:
    """Gradients of a fixed random projection of the outputs."""
    projection = torch.randn(
        outputs.shape, generator=torch.Generator().manual_seed(12), dtype=outputs.dtype
    )
    wanted = [x, *module.parameters()]
    return list(torch.autograd.grad((outputs * projection).sum(), wanted))


def samples(steps: int = 9) -> Tensor:
    generator = torch.Generator().manual_seed(13)
    x = 3.0 * torch.rand(steps, 7, 4, generator=generator, dtype=torch.float64)
    return x.requires_grad_(True)


@pytest.mark.parametrize(
    ("gate", "readout", "recurrent", "functions", "read"),
    [
        *product(
            GATES,
            ["event"],
            [True, False],
            product(("sigmoid", "plan"), ("multi_gaussian", "triangle")),
            ["spikes"],
        ),
        *product(["event"], GATES, [True], [("plan", "multi_gaussian")], ["spikes", "membrane"]),
    ],
)
def test_window_equals_steps(
    gate: GateKind, readout: GateKind, recurrent: bool, functions: tuple[str, str], read: ReadFrom
) -> None:
    module = network(gate, readout, recurrent, functions, read)
    x = samples()
    outputs, state = module(x)
    expected, after = by_steps(module, x)
    torch.testing.assert_close(outputs, expected, rtol=0, atol=1e-12)
    for found, wanted in zip(
        (*state.layers, state.readout), (*after.layers, after.readout), strict=True
    ):
        for value, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(value, other, rtol=0, atol=1e-12)
    found_gradients = gradients(module, outputs, x)
    for value, other in zip(found_gradients, gradients(module, expected, x), strict=True):
        assert float(other.abs().max()) > 0
        torch.testing.assert_close(value, other, rtol=0, atol=1e-10)


@pytest.mark.parametrize("gate", GATES)
def test_gradients_cross_windows_through_the_state(gate: GateKind) -> None:
    module = network(gate, gate, True, ("plan", "multi_gaussian"), "membrane")
    x = samples()
    first, state = module(x[:4])
    second, _ = module(x[4:], state)
    whole, _ = module(x)
    parts = gradients(module, torch.cat((first, second)), x)
    for value, other in zip(parts, gradients(module, whole, x), strict=True):
        torch.testing.assert_close(value, other, rtol=0, atol=1e-10)


def test_a_detached_state_stops_the_gradient() -> None:
    module = network("event", "event", True, ("plan", "multi_gaussian"), "spikes")
    x = samples()
    _, state = module(x[:4])
    later, _ = module(x[4:], state.detach())
    assert float(gradients(module, later, x)[0][:4].abs().max()) == 0.0


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("nonlinearity", ["sigmoid", "plan"])
def test_readout_window_against_finite_differences(gate: GateKind, nonlinearity: str) -> None:
    readout = ReadoutCell(4, 3, gate=gate, nonlinearity=nonlinearity).double()
    randomised(readout, seed=14)
    x = samples(5)
    start = torch.full((7, 3), 0.3, dtype=torch.float64, requires_grad=True)

    def run(x: Tensor, start: Tensor, *_: Tensor) -> Tensor:
        membranes: Tensor = readout.window(x, ReadoutState(start))[0]
        return membranes

    assert gradcheck(run, (x, start, *readout.parameters()))


def test_silent_layer_against_finite_differences() -> None:
    # Without spikes the membranes are smooth, so differences know nothing of a surrogate.
    cell = LTCCell(4, 6, threshold=1e6).double()
    randomised(cell, seed=15)

    def run(x: Tensor, *_: Tensor) -> Tensor:
        membranes: Tensor = cell.window(x)[1]
        return membranes

    assert gradcheck(run, (samples(5), *cell.parameters()))


def test_float32_windows_stay_close_to_float64() -> None:
    module = network("event", "event", True, ("plan", "multi_gaussian"), "membrane")
    x = samples().detach()
    wanted, _ = module(x)
    found, _ = module.float()(x.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-4)


def test_lif_window_equals_steps() -> None:
    module = SpikingNetwork([LIFCell(4, 6, recurrent=True)], ReadoutCell(6, 3)).double()
    x = samples()
    torch.testing.assert_close(module(x)[0], by_steps(module, x)[0], rtol=0, atol=1e-12)
