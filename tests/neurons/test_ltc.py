"""LTC cells against the paper's equations, written out separately in NumPy."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.neurons import GATES, GateKind, LTCCell, LTCState
from tests.neurons.randomised import randomised

Array = npt.NDArray[np.float64]


def logistic(x: Array) -> Array:
    """Logistic function."""
    return 1.0 / (1.0 + np.exp(-x))


def arrays(cell: LTCCell) -> dict[str, Array]:
    """All parameters and constants of a cell."""
    return {name: value.detach().numpy() for name, value in cell.state_dict().items()}


def gates(
    kind: GateKind, p: dict[str, Array], x: Array, state: tuple[Array, ...], i: Array
) -> list[Array]:
    """Pre-activations of both gates for one sample, as the kind of gate defines them."""
    u, eta, s = state
    found = []
    for port, name, own in ((1, "tau_mem", u), (2, "tau_adp", eta)):
        bias = p["bias"][port]
        if kind == "dense":
            joined = np.hstack((p[f"{name}_from_current"], p[f"{name}_from_state"]))
            bias = joined @ np.concatenate((i, own)) + bias
        if kind == "event":
            bias = bias + p["weight_input"][port] @ x + p["weight_recurrent"][port] @ s
            bias = bias + p[f"{name}_from_state"] * own + p[f"{name}_from_current"] * i
        found.append(bias)
    return found


def paper_step(
    kind: GateKind, p: dict[str, Array], x: Array, state: tuple[Array, ...]
) -> tuple[Array, ...]:
    """One step of one sample: arXiv 2112.11231, with the weights' first port joined to [x, s]."""
    u, eta, s = state
    joined = np.hstack((p["weight_input"][0], p["weight_recurrent"][0]))
    i = joined @ np.concatenate((x, s)) + p["bias"][0]
    gate_mem, gate_adp = gates(kind, p, x, state, i)
    tau, rho = logistic(gate_mem), logistic(gate_adp)
    u = u + tau * (i - u)
    eta = rho * eta + (1.0 - rho) * s
    s = (u > p["threshold"] + p["adaptation_strength"] * eta).astype(np.float64)
    return u * (1.0 - s), eta, s


@pytest.mark.parametrize("gate", GATES)
def test_states_follow_the_equations(gate: GateKind) -> None:
    cell = LTCCell(3, 8, gate=gate).double()
    randomised(cell, seed=7)
    x = 2.0 * np.random.default_rng(8).random((60, 2, 3))
    states: list[tuple[Array, ...]] = [(np.zeros(8),) * 3 for _ in range(2)]
    state: LTCState | None = None
    fired = 0
    for values in x:
        with torch.no_grad():
            spikes, state = cell(torch.from_numpy(values), state)
        states = [
            paper_step(gate, arrays(cell), *pair) for pair in zip(values, states, strict=True)
        ]
        for found, wanted in zip(state, zip(*states, strict=True), strict=True):
            np.testing.assert_allclose(found.numpy(), np.array(wanted), rtol=0, atol=1e-6)
        np.testing.assert_array_equal(spikes.numpy(), state.spikes.numpy())
        fired += int(spikes.sum())
    assert 0 < fired < x.shape[0] * 2 * 8


def test_defaults_are_the_papers_constants() -> None:
    cell = LTCCell(2, 3)
    torch.testing.assert_close(cell.threshold, torch.full((3,), 0.1))
    torch.testing.assert_close(cell.adaptation_strength, torch.full((3,), 1.8))


def test_gates_start_at_their_biases() -> None:
    cell = LTCCell(2, 3, tau_mem_bias=-1.5, tau_adp_bias=2.0)
    assert cell.bias.tolist() == [[0.0] * 3, [-1.5] * 3, [2.0] * 3]


def test_chance_is_an_argument() -> None:
    def weights(seed: int) -> torch.Tensor:
        return LTCCell(2, 3, generator=torch.Generator().manual_seed(seed)).weight_input

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


def test_a_static_cell_without_recurrence_has_no_other_synapses() -> None:
    cell = LTCCell(2, 3, gate="static", recurrent=False)
    shapes = {name: tuple(value.shape) for name, value in cell.named_parameters()}
    assert shapes == {"weight_input": (1, 3, 2), "bias": (3, 3)}


def test_bad_arguments_are_named() -> None:
    with pytest.raises(InvalidValueError, match="size is 0"):
        LTCCell(2, 0)
    with pytest.raises(UnknownNameError, match="event, dense, static"):
        LTCCell(2, 3, gate="leaky")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="nonlinearity"):
        LTCCell(2, 3, nonlinearity="tanh")
    with pytest.raises(UnknownNameError, match="surrogate"):
        LTCCell(2, 3, surrogate="box")
