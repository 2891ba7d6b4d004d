"""Initial values of parameters, from an explicit generator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real

import torch
from torch import Tensor, nn

from ltc2hw.dynamics.model import Model
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.neurons.gate import GateKind
from ltc2hw.numbers.capacity import require_capacity

MOST_PARAMETERS = 1 << 26
"""Most parameters of one cell, 256 MiB in float32; training holds six times as much."""


def check_sizes(**sizes: int) -> None:
    """Raise InvalidValueError for a size that is not an integer of at least one."""
    for name, size in sizes.items():
        if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
            raise InvalidValueError(name, size, "an integer >= 1")


def check_numbers(**numbers: float) -> None:
    """Raise InvalidValueError for what is no finite number."""
    for name, number in numbers.items():
        if not isinstance(number, Real) or not math.isfinite(number):
            raise InvalidValueError(name, number, "a finite number")


def check_starts(model: Model, starts: Mapping[str, float], spreads: Mapping[str, float]) -> None:
    """Raise unless all constants of a model can start in ``start ± spread``.

    Raises:
        UnknownNameError: for a constant that the model does not have.
        InvalidValueError: for what is no finite number, and an end outside the constant's range.
    """
    every = tuple(described.name for described in model.constants)
    for name in (*starts, *spreads):
        if name not in every:
            raise UnknownNameError(f"constant of model {model.name}", name, every)
    for described in model.constants:
        name = described.name
        start, spread = starts.get(name, described.default), spreads.get(name, 0.0)
        check_numbers(**{name: start, f"spread of {name}": spread})
        for end in (start - abs(spread), start + abs(spread)):
            if not described.low <= end <= described.high:
                limit = f"{described.low} to {described.high}"
                raise InvalidValueError(f"{name} of {model.name}", end, limit)


def check_parameters(inputs: int, size: int, ports: int, rows: int = 0) -> None:
    """Raise TooLargeError for a cell of too many parameters: synapses from inputs and ``rows``."""
    remedy = "use a smaller layer"
    require_capacity(
        "parameters of a cell", ports * size * (inputs + rows), MOST_PARAMETERS, remedy
    )


def uniform_weight(
    shape: tuple[int, ...], fan_in: int, gain: float, generator: torch.Generator | None
) -> nn.Parameter:
    """Weights uniform in ``±gain/√fan_in``."""
    bound = gain / math.sqrt(fan_in)
    return nn.Parameter(torch.empty(shape).uniform_(-bound, bound, generator=generator))


def gate_term_weight(
    gate: GateKind, size: int, generator: torch.Generator | None
) -> nn.Parameter | None:
    """One gate term: zeros (N,) for event gates, small (N, N) for dense ones, None for static."""
    if gate == "static":
        return None
    if gate == "event":
        return nn.Parameter(torch.zeros(size))
    return uniform_weight((size, size), 2 * size, 1.0, generator)


def bias_rows(
    size: int,
    centres: tuple[float, ...],
    spreads: tuple[float, ...],
    generator: torch.Generator | None,
) -> nn.Parameter:
    """Biases of several ports as rows, (ports, N), each row uniform in ``centre ± spread``."""
    noise = torch.empty(len(centres), size).uniform_(-1.0, 1.0, generator=generator)
    rows = torch.tensor(centres).unsqueeze(1) + noise * torch.tensor(spreads).unsqueeze(1)
    return nn.Parameter(rows)


def constant(size: int, value: float) -> Tensor:
    """A vector (N,) of one value."""
    return torch.full((size,), float(value))
