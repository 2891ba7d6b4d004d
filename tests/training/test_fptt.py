"""FPTT against its equations, written out separately in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import backward

from ltc2hw.errors import InvalidValueError
from ltc2hw.training import FPTT

Array = npt.NDArray[np.float64]

UPDATES = 400
RATE = 0.05


class Equations:
    """NUMERICS, section 2, with plain gradient descent and a loss whose gradient is given."""

    def __init__(self, start: Array, alpha: float, beta: float) -> None:
        self.phi, self.mean, self.memory = start.copy(), start.copy(), np.zeros_like(start)
        self.alpha, self.beta = alpha, beta

    def update(self, gradient: Array, clip: float | None) -> None:
        total = gradient - self.memory + self.alpha * (self.phi - self.mean)
        if clip is not None:
            total = total * min(1.0, clip / (np.linalg.norm(total) + 1e-6))
        self.phi = self.phi - RATE * total
        self.memory = self.memory - self.alpha * (self.phi - self.mean)
        self.mean = (
            (1.0 - self.beta) * self.mean
            + self.beta * self.phi
            - self.beta / self.alpha * self.memory
        )


def problem(seed: int) -> tuple[torch.nn.Linear, Callable[[int], torch.Tensor]]:
    """A module and a different loss for every update."""
    generator = torch.Generator().manual_seed(seed)
    module = torch.nn.Linear(4, 3).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    x = torch.randn(UPDATES, 8, 4, generator=generator, dtype=torch.float64)
    y = torch.randn(UPDATES, 8, 3, generator=generator, dtype=torch.float64)
    return module, lambda index: (module(x[index]).tanh() - y[index]).square().mean()


def joined(tensors: Iterable[torch.Tensor]) -> Array:
    return np.concatenate([tensor.detach().numpy().ravel() for tensor in tensors])


@pytest.mark.parametrize("clip", [None, 0.1])
@pytest.mark.parametrize(("alpha", "beta"), [(0.1, 0.5), (0.5, 0.5), (0.02, 1.0), (1.0, 0.1)])
def test_hundreds_of_updates_follow_the_equations(
    alpha: float, beta: float, clip: float | None
) -> None:
    module, loss = problem(seed=1)
    parameters = list(module.parameters())
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    fptt = FPTT(parameters, alpha=alpha, beta=beta)
    equations = Equations(joined(parameters), alpha, beta)
    start = equations.phi
    for index in range(UPDATES):
        optimizer.zero_grad()
        backward(loss(index))
        equations.update(joined([p.grad for p in parameters if p.grad is not None]), clip)
        fptt.step(optimizer, clip)
        np.testing.assert_allclose(joined(parameters), equations.phi, rtol=0, atol=1e-10)
        np.testing.assert_allclose(joined(fptt.memory), equations.memory, rtol=0, atol=1e-10)
        np.testing.assert_allclose(joined(fptt.running_mean), equations.mean, rtol=0, atol=1e-10)
    assert np.abs(equations.phi - start).max() > 0.1
    fptt.finish_pass()
    np.testing.assert_allclose(joined(parameters), equations.mean, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Adamax"])
def test_step_equals_optimizing_loss_plus_regularizer(name: str) -> None:
    results = []
    for in_loss in (True, False):
        module, loss = problem(seed=2)
        parameters = list(module.parameters())
        optimizer = getattr(torch.optim, name)(parameters, lr=1e-2)
        fptt = FPTT(parameters, alpha=0.3, beta=0.5)
        for index in range(50):
            optimizer.zero_grad()
            if in_loss:
                backward(loss(index) + fptt.regularizer())
                optimizer.step()
                fptt.update_memories()
            else:
                backward(loss(index))
                fptt.step(optimizer)
        results.append(joined(parameters))
    np.testing.assert_allclose(results[0], results[1], rtol=0, atol=1e-9)


@given(seed=st.integers(0, 2**16), alpha=st.floats(0.01, 2.0), beta=st.floats(0.01, 1.0))
def test_gradient_of_the_regularizer(seed: int, alpha: float, beta: float) -> None:
    module, loss = problem(seed)
    parameters = list(module.parameters())
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    fptt = FPTT(parameters, alpha=alpha, beta=beta)
    for index in range(3):
        optimizer.zero_grad()
        backward(loss(index))
        fptt.step(optimizer)
    wanted = torch.autograd.grad(fptt.regularizer(), parameters)
    optimizer.zero_grad()
    fptt.add_gradient()
    for parameter, gradient in zip(parameters, wanted, strict=True):
        assert parameter.grad is not None
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-9, atol=1e-12)


def test_state_can_be_saved_and_restored() -> None:
    module, loss = problem(seed=3)
    parameters = list(module.parameters())
    optimizer = torch.optim.SGD(parameters, lr=RATE)
    fptt = FPTT(parameters, alpha=0.5, beta=0.5)
    optimizer.zero_grad()
    backward(loss(0))
    fptt.step(optimizer)
    saved = fptt.state_dict()
    fresh = FPTT(parameters, alpha=0.5, beta=0.5)
    fresh.load_state_dict(saved)
    np.testing.assert_array_equal(joined(fresh.memory), joined(fptt.memory))
    np.testing.assert_array_equal(joined(fresh.running_mean), joined(fptt.running_mean))
    optimizer.zero_grad()
    backward(loss(1))
    fptt.step(optimizer)
    assert not np.array_equal(joined(saved["memory"]), joined(fptt.memory))


@pytest.mark.parametrize(
    ("alpha", "beta", "name"),
    [(0.0, 0.5, "alpha"), (-1.0, 0.5, "alpha"), (0.1, 0.0, "beta"), (0.1, 1.5, "beta")],
)
def test_constants_out_of_range_are_named(alpha: float, beta: float, name: str) -> None:
    with pytest.raises(InvalidValueError, match=name):
        FPTT([], alpha=alpha, beta=beta)
