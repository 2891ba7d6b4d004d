"""Gate non-linearities in torch: PLAN's lines and its derivative."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ltc2hw.errors import UnknownNameError
from ltc2hw.neurons import plan
from ltc2hw.neurons.nonlinearity import NONLINEARITIES, nonlinearity_named, plan_slope
from ltc2hw.numbers.nonlinearity import NONLINEARITIES as NAMES

BREAKS = (1.0, 2.375, 5.0)


def arguments() -> npt.NDArray[np.float64]:
    """Every 1/512 from -7 to 7, which includes all breaks."""
    return np.arange(-7 * 512, 7 * 512 + 1) / 512


def lines(x: float) -> float:
    """PLAN as its authors tabulate it."""
    magnitude = abs(x)
    if magnitude < 1.0:
        y = 0.25 * magnitude + 0.5
    elif magnitude < 2.375:
        y = 0.125 * magnitude + 0.625
    elif magnitude < 5.0:
        y = 0.03125 * magnitude + 0.84375
    else:
        y = 1.0
    return y if x >= 0 else 1.0 - y


def test_plan_is_exact_on_a_grid() -> None:
    x = arguments()
    assert plan(torch.from_numpy(x)).tolist() == [lines(value) for value in x]


def test_plan_slope_is_the_derivative_of_each_line() -> None:
    x = arguments()
    step = 1.0 / 2048
    inner = x[~np.isin(np.abs(x), BREAKS)]
    wanted = [(lines(v + step) - lines(v - step)) / (2 * step) for v in inner]
    tensor = torch.from_numpy(inner).requires_grad_(True)
    (gradient,) = torch.autograd.grad(plan(tensor).sum(), tensor)
    assert gradient.tolist() == wanted
    value = plan(tensor).detach()
    assert plan_slope(tensor.detach(), value).tolist() == wanted


def test_slope_at_a_break_is_the_outer_lines() -> None:
    x = torch.tensor([*BREAKS, *(-value for value in BREAKS)])
    assert plan_slope(x, plan(x)).tolist() == [0.125, 0.03125, 0.0] * 2


def test_names_are_those_of_the_network() -> None:
    assert tuple(NONLINEARITIES) == NAMES
    with pytest.raises(UnknownNameError, match="sigmoid, plan"):
        nonlinearity_named("tanh")
