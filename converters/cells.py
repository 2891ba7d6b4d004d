"""From a layer of any model as a torch module to neurons and projections of the graph."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from torch import Tensor

from ltc2hw.converters.plain_modules import exact_array
from ltc2hw.graph.network import Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import Variable
from ltc2hw.neurons import Cell
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray

Source = tuple[str, Variable]


def neurons_of(cell: Cell, name: str) -> Neurons:
    """The neurons of a cell: its constants by name, (N,) each, and the functions of its gates.

    A learned constant beyond its range is the nearest end, as in the cell; constants that the cell
    does not have are 0.

    Raises:
        InvalidValueError: for parameters that are not plain, finite numbers of single or double
            precision.

    >>> from ltc2hw.dynamics.models.lif import lif
    >>> from ltc2hw.neurons import ProgramCell
    >>> neurons = neurons_of(ProgramCell(lif, 3, 2, constants={"threshold": 0.5}), "hidden")
    >>> neurons.constants["threshold"]
    array([0.5, 0.5])
    """
    form = cell.form
    held = cell.tensors().named(form)
    constants: dict[str, FloatArray] = {}
    for described in form.model.constants:
        value = held.get(described.name, torch.zeros(form.size))
        exact = exact_array(value.expand(form.size), f"{described.name} of {name}")
        learned = described.name in form.learned
        limits = (described.low, described.high) if learned else (-np.inf, np.inf)
        constants[described.name] = np.clip(exact, *limits)
    functions = dict.fromkeys(form.model.gates, cast(Nonlinearity, form.nonlinearity))
    return Neurons(name, form.size, form.model, constants, functions)


def synapses_of(cell: Cell, name: str, source: Source) -> list[Projection]:
    """What arrives at a cell: from the source, from its own output, and its graded synapses.

    Raises:
        InvalidValueError: for weights that are not plain, finite numbers of single or double
            precision.
    """
    form, tensors = cell.form, cell.tensors()
    own = (name, form.model.output)
    found = [
        Projection(*sender, name, port, Dense(matrix), delay)
        for sender, weights, delay in (
            (source, tensors.weight_input, 0),
            (own, tensors.weight_recurrent, 1),
        )
        if weights is not None
        for port, matrix in zip(form.ports, _matrices(weights, name), strict=True)
    ]
    for (variable, port), weights in zip(form.graded, tensors.matrices, strict=True):
        delay = 0 if variable in form.early else 1
        sender = (name, variable)
        (matrix,) = _matrices(weights, name)
        found.append(Projection(*sender, name, port, Dense(matrix), delay))
    return found


def _matrices(weights: Tensor, name: str) -> FloatArray:
    """Weights (P, N, M), or (N, M) with one port, exact."""
    exact = exact_array(weights, f"weights of {name}")
    return exact.reshape(-1, *exact.shape[-2:])
