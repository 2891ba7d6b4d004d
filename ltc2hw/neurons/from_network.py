"""The way back: from a network of the graph to a torch module that computes it and learns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor

from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons.cell import ProgramCell
from ltc2hw.neurons.graph_network import GraphNetwork, exact_dtype
from ltc2hw.neurons.learned_constants import learned_constants
from ltc2hw.neurons.network import ReadFrom, SpikingNetwork
from ltc2hw.neurons.nonlinearity import NONLINEARITIES
from ltc2hw.numbers.weights import Dense


def to_module(
    network: Network,
    *,
    learned: Collection[str] | None = None,
    surrogate: str = "multi_gaussian",
    dtype: torch.dtype | None = None,
) -> SpikingNetwork | GraphNetwork:
    """A module ``(x, state) -> (outputs, state)`` that computes what a network computes.

    A chain of layers with dense weights becomes a :class:`~ltc2hw.neurons.SpikingNetwork`, which
    learns compiled; any other network a :class:`~ltc2hw.neurons.GraphNetwork`, which learns by
    autograd. ``learned`` names the constants with a gradient besides the weights, by default
    biases (:func:`~ltc2hw.neurons.learned_constants.learned_constants`).

    ``dtype``: by default float32 if it holds every number of the network exactly, else float64, so
    that ``from_module(to_module(network)) == network``; ``torch.float32`` rounds to it.

    Raises:
        UnknownNameError: for an unknown surrogate, or a learned constant that no neuron has.
        UnsupportedError: for gates that are rounded tables.

    >>> from ltc2hw.graph.network import Input
    >>> network = Network(
    ...     (Input("input", 2), Neurons("a", 3, "lif"), Neurons("b", 1, "readout")),
    ...     (
    ...         Projection("input", "spikes", "a", "current", Dense([[0.5, 1.0]] * 3)),
    ...         Projection("a", "spikes", "b", "current", Dense([[1.0, 1.0, -1.0]])),
    ...     ),
    ...     "b",
    ... )
    >>> type(to_module(network)).__name__
    'SpikingNetwork'
    """
    dtype = exact_dtype(network) if dtype is None else dtype
    chain = _chain(network)
    if chain is None:
        return GraphNetwork(network, learned=learned, surrogate=surrogate, dtype=dtype)
    names = learned_constants(network, learned)
    cells = [_cell(layer, names[layer.neurons.name], surrogate, dtype) for layer in chain]
    read_from: ReadFrom = "spikes"
    if chain[-1].variable != chain[-2].neurons.model.output:
        read_from = "membrane"
    module = SpikingNetwork(
        cells[:-1], cells[-1], read_from=read_from, graded_input=network.input.graded
    )
    module.template = network
    return module


@dataclass(frozen=True)
class _Layer:
    """A population of a chain, and what arrives there, by kind of a cell's tensors."""

    neurons: Neurons
    variable: str
    """What the layer below sends."""
    inputs: Sequence[Projection]
    recurrent: Sequence[Projection]
    graded: Sequence[Projection]

    @property
    def ports(self) -> tuple[str, ...]:
        """Ports of the synapses from below."""
        return tuple(projection.port for projection in self.inputs)


def _chain(network: Network) -> list[_Layer] | None:
    """The layers from the input to the output, if a network is such a chain of cells."""
    layers: list[_Layer] = []
    below = network.input.name
    while below != network.output:
        above = {p.target for p in network.projections if p.source == below and p.target != below}
        if len(above) != 1 or len(layers) >= len(network.populations):
            return None
        (name,) = above
        arriving = [p for p in network.projections if p.target == name]
        layer = _layer(cast(Neurons, network.population(name)), below, arriving)
        if layer is None:
            return None
        layers.append(layer)
        below = name
    whole = len(layers) + 1 == len(network.populations) and len(layers) > 1
    taken = sum(len(part) for own in layers for part in (own.inputs, own.recurrent, own.graded))
    if not whole or taken != len(network.projections) or not _sends_along(network, layers):
        return None
    return layers


def _layer(neurons: Neurons, below: str, arriving: Sequence[Projection]) -> _Layer | None:
    """A population as a cell has it: one variable from below, and its own."""
    if not all(isinstance(projection.weights, Dense) for projection in arriving):
        return None
    functions = set(neurons.functions.values())
    if len(functions) > 1 or not functions <= set(NONLINEARITIES):
        return None
    inputs = [p for p in arriving if p.source == below]
    own = [p for p in arriving if p.source == neurons.name]
    variables = {p.variable for p in inputs}
    if len(inputs) + len(own) != len(arriving) or len(variables) != 1:
        return None
    if any(projection.delay for projection in inputs):
        return None
    ports = [projection.port for projection in inputs]
    early = neurons.early
    if any(p.delay != (0 if p.variable in early else 1) for p in own):
        return None
    output = {p.port: p for p in own if p.variable == neurons.model.output}
    recurrent = [output[port] for port in ports] if set(output) == set(ports) else []
    graded = [p for p in own if p not in recurrent]
    known = (*neurons.model.states, neurons.model.output, *early)
    if any(p.variable not in known for p in graded):
        return None
    return _Layer(neurons, variables.pop(), inputs, recurrent, graded)


def _sends_along(network: Network, layers: Sequence[_Layer]) -> bool:
    """Whether each layer sends its output, and the last one its output or its membrane."""
    for below, layer in pairwise(layers):
        last = layer is layers[-1]
        allowed = (below.neurons.model.output, *(("membrane",) if last else ()))
        if layer.variable not in allowed:
            return False
    return True


def _cell(layer: _Layer, learned: Sequence[str], surrogate: str, dtype: torch.dtype) -> ProgramCell:
    neurons = layer.neurons
    constants = [described.name for described in neurons.model.constants]
    cell = ProgramCell(
        neurons.model,
        layer.inputs[0].weights.shape[1],
        neurons.size,
        ports=layer.ports,
        recurrent=bool(layer.recurrent),
        graded=[(p.variable, p.port) for p in layer.graded],
        fixed=[name for name in constants if name not in learned],
        nonlinearity=str(next(iter(neurons.functions.values()), "sigmoid")),
        surrogate=surrogate,
        generator=torch.Generator(),
    ).to(dtype)
    tensors = cell.tensors()
    with torch.no_grad():
        _fill(tensors.weight_input, layer.inputs)
        if tensors.weight_recurrent is not None:
            _fill(tensors.weight_recurrent, layer.recurrent)
        for matrix, projection in zip(tensors.matrices, layer.graded, strict=True):
            _fill(matrix, [projection])
        for name, values in tensors.named(cell.form).items():
            values.copy_(torch.tensor(neurons.constants[name]))
    return cell


def _fill(weights: Tensor, projections: Sequence[Projection]) -> None:
    matrices = torch.stack([torch.tensor(p.weights.to_array()) for p in projections])
    weights.copy_(matrices.reshape(weights.shape))
