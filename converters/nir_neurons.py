"""Neurons of any model as a node of NIR: ``ltc2hw.Neurons`` holds the model itself."""

from __future__ import annotations

import json
from typing import Any, cast

import numpy as np

from ltc2hw.converters.nir_graph import NEURONS_TYPE, Node
from ltc2hw.dynamics.text import model_text, read_model
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.quantization.scaling import named_function


def neurons_entries(population: Neurons) -> dict[str, Any]:
    """The node of a population: constants (K, N) and non-linearities in the order of its model."""
    rows = [population.constants[constant.name] for constant in population.model.constants]
    functions = [named_function(population, gate) for gate in population.model.gates]
    return {
        "type": NEURONS_TYPE,
        "model": model_text(population.model),
        "shape": np.array([population.size]),
        "constants": np.array(rows, dtype=np.float64).reshape(len(rows), population.size),
        "nonlinearities": json.dumps(functions),
        "metadata": {},
    }


def read_neurons(node: Node, name: str, size: int) -> Neurons:
    """The population of N neurons that a node holds.

    Raises:
        DamagedFileError: for a model that is none, or numbers that do not fit it.
    """
    try:
        model = read_model(node.text("model"))
        names = [constant.name for constant in model.constants]
        rows = node.numbers("constants") if names else np.zeros((0, size))
        functions = json.loads(node.text("nonlinearities"))
        if rows.shape != (len(names), size):
            raise ShapeError("constants", rows.shape, f"({len(names)}, {size})")
        if not isinstance(functions, list) or len(functions) != len(model.gates):
            raise InvalidValueError("nonlinearities", functions, f"those of {model.gates}")
        kinds = dict(zip(model.gates, cast("list[Nonlinearity]", functions), strict=True))
        return Neurons(name, size, model, dict(zip(names, rows, strict=True)), kinds)
    except (InvalidValueError, ShapeError, ValueError, RecursionError) as error:
        raise node.damaged(str(error)) from error
