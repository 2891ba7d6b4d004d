"""The largest magnitudes of a neuron's values in a real run: what their words have to hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import Reals, evaluate_real
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.words import FloatArray


def watched(program: Program) -> tuple[Program, Mapping[str, str]]:
    """The program with every register among its results, and what each result's range belongs to.

    A register is seen before what follows it, a membrane before its reset.
    """
    registers = {
        f"word {index}": (index, value.name)
        for index, value in enumerate(program.values)
        if value.operation is Operation.REGISTER
    }
    results = {**program.results, **{key: index for key, (index, _) in registers.items()}}
    owners = {key: key for key in program.results}
    return replace(program, results=results), owners | {k: n for k, (_, n) in registers.items()}


def largest_values(
    model: Model,
    constants: Reals,
    ports: Mapping[str, FloatArray],
    functions: Mapping[str, Nonlinearity],
) -> dict[str, float]:
    """Largest magnitude of every port, register and result of neurons that start at rest.

    ``constants`` (N,) by name; ``ports`` (T, B, N) by name: what arrives in each step;
    ``functions``: the non-linearity of every gate. NaN where a run leaves the real numbers.

    Raises:
        InvalidValueError: for ports that do not have the same steps, samples and neurons.
    """
    program, owners = watched(model.program)
    shapes = {arriving.shape for arriving in ports.values()}
    if len(shapes) != 1 or any(len(shape) != 3 for shape in shapes):
        raise InvalidValueError("shapes of what arrives", sorted(shapes), "one shape (T, B, N)")
    steps, *shape = shapes.pop()
    states = {name: np.zeros(shape) for name in program.states}
    largest = {name: float(np.max(np.abs(arriving))) for name, arriving in ports.items()}
    for t in range(steps):
        now = {name: arriving[t] for name, arriving in ports.items()}
        with np.errstate(over="ignore", invalid="ignore"):  # seen as infinite or NaN
            values = evaluate_real(program, constants, now, states, functions)
        states = {name: values[name] for name in states}
        for key, value in values.items():
            found = float(np.max(np.abs(value)))
            largest[owners[key]] = float(np.maximum(largest.get(owners[key], 0.0), found))
    return largest
