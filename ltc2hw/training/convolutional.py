"""Convolutional networks: layers of neurons over an image or a row, then dense layers, a readout.

With event gates the membrane gate of a layer is steered by a convolution of the messages of the
layer below, as its current is, and the adaptation gate by a convolution of the layer's own spikes
of the step before, with a kernel of the same size. Dense gates have convolutions of the layer's
currents and of its membranes or adaptations. All constants are one per channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons import GraphNetwork
from ltc2hw.neurons.gate import check_gate
from ltc2hw.neurons.initialise import check_parameters, check_starts
from ltc2hw.neurons.passage import Passage, outer_weights, pooled_shape
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.training.image_layers import ImageLayer, image_layer
from ltc2hw.training.options import ModelOptions

BELOW = "below"

LTC_GATES: Mapping[str, str] = {"tau_mem": "membrane", "tau_adp": "adaptation"}
READOUT_GATES: Mapping[str, str] = {"tau_mem": "membrane"}
"""Gates, each with the state that it depends on."""


class Link(NamedTuple):
    """Something that arrives at a layer."""

    sender: str
    """A variable of the layer's own, or what the layer below sends."""
    port: str
    delay: int = 0


@dataclass
class _Plan:
    """A network in the making."""

    generator: torch.Generator
    populations: list[FloatPopulation] = field(default_factory=list)
    projections: list[Projection] = field(default_factory=list)
    learned: dict[str, tuple[str, ...]] = field(default_factory=dict)
    passages: dict[int, Passage] = field(default_factory=dict)
    pool: int = 1
    """Side of the windows of the population below that the next layer sees the averages of."""

    @property
    def below(self) -> Shape:
        """Shape of what the next layer sees."""
        shape = self.populations[-1].shape
        return shape if self.pool == 1 else pooled_shape(shape, self.pool)

    def uniform(self, shape: Sequence[int], fan_in: int, gain: float) -> FloatArray:
        """Weights uniform in ``±gain/√fan_in``, numbers of single precision."""
        bound = gain / math.sqrt(fan_in)
        drawn = torch.empty(tuple(shape)).uniform_(-bound, bound, generator=self.generator)
        weights: FloatArray = drawn.double().numpy()
        return weights


def convolutional_network(
    shape: Shape, outputs: int, options: ModelOptions, generator: torch.Generator,
    graded_input: bool = True,
) -> GraphNetwork:  # fmt: skip
    """A new network of ``options.conv``, ``options.hidden`` and a readout; learns by autograd.

    ``shape``: (channels, height, width) or (channels, length) of a sample at one step.

    Raises:
        InvalidValueError: for samples that are no images or rows, or layers without a meaning.
        ShapeError: for a kernel larger than what it slides over; names the layer.
        TooLargeError: for layers of too many parameters.
        UnknownNameError: for an unknown neuron, gate, non-linearity, surrogate or ``read_from``.

    >>> options = ModelOptions(conv=("4k3s2", "8k3"), hidden=())
    >>> module = convolutional_network((2, 9, 9), 10, options, torch.Generator().manual_seed(0))
    >>> [population.shape for population in module.template.populations]
    [(2, 9, 9), (4, 4, 4), (8, 2, 2), (10,)]
    """
    if options.conv and len(shape) not in (2, 3):
        limit = "(channels, height, width) or (channels, length)"
        remedy = "say the shape of the data's samples, or use hidden layers alone"
        raise InvalidValueError("shape of samples for conv", tuple(shape), limit, remedy)
    plan = _Plan(generator)
    plan.populations.append(Input("input", math.prod(shape), graded_input, tuple(shape)))
    below = ("input", "value" if graded_input else "spikes")
    for layer in map(image_layer, options.conv):
        if layer.pools:
            layer.targets(plan.below)
            plan.pool *= layer.kernel
        else:
            number = len(plan.populations)
            below = _add_image_layer(plan, f"conv{number}", below, layer, options)
    for number, size in enumerate(options.hidden, start=1):
        name = "hidden" if len(options.hidden) == 1 else f"hidden{number}"
        below = _add_dense_layer(plan, name, below, size, options)
    if options.read_from == "membrane":
        below = (below[0], "membrane")
    _add_readout(plan, below, outputs, options)
    network = Network(tuple(plan.populations), tuple(plan.projections), "output")
    return GraphNetwork(
        network,
        learned=plan.learned,
        surrogate=options.surrogate,
        dtype=torch.float32,
        passages=plan.passages,
    )


def _add_image_layer(
    plan: _Plan, name: str, below: tuple[str, str], layer: ImageLayer, options: ModelOptions
) -> tuple[str, str]:
    """A population over an image; what it sends."""
    sources = plan.below
    targets, width = layer.targets(sources), layer.kernel
    dimensions, channels = len(sources) - 1, targets[0]
    window = (width,) * dimensions
    # An even kernel's centre is the place before its middle.
    around = ((width // 2, (width - 1) // 2),) * dimensions
    model = _model(options)
    links = _links(model, options, image=True)
    check_parameters(sources[0] * width**dimensions, channels, len(links))

    def weights(link: Link) -> Weights:
        inputs, gain = sources[0], options.gain
        if link.sender != BELOW:
            inputs = channels
        fan_in = inputs * width**dimensions
        if link.sender not in (BELOW, model.output):
            fan_in, gain = 2 * fan_in, 1.0
        kernel = plan.uniform((channels, inputs, *window), fan_in, gain)
        if link.sender == BELOW:
            return Conv(kernel, sources, layer.stride, layer.padding)
        return Conv(kernel, targets, 1, around)

    return _add_layer(plan, name, below, targets, model, links, weights, options)


def _add_dense_layer(
    plan: _Plan, name: str, below: tuple[str, str], size: int, options: ModelOptions
) -> tuple[str, str]:
    """A population without places, of what all neurons below send."""
    inputs, model = math.prod(plan.below), _model(options)
    links = _links(model, options, image=False)
    check_parameters(inputs, size, len(links), size)

    def weights(link: Link) -> Weights:
        if link.sender == BELOW:
            return Dense(plan.uniform((size, inputs), inputs, options.gain))
        if link.sender == model.output:
            return Dense(plan.uniform((size, size), size, options.gain))
        return Dense(plan.uniform((size, size), 2 * size, 1.0))

    return _add_layer(plan, name, below, (size,), model, links, weights, options)


def _add_readout(plan: _Plan, below: tuple[str, str], size: int, options: ModelOptions) -> None:
    """The leaky readout, that is read."""
    inputs, model = math.prod(plan.below), find_model("readout")
    check_gate("readout gate", options.readout_gate)
    gate = options.readout_gate
    links = [Link(BELOW, "current"), *_gate_links(model, gate, READOUT_GATES, BELOW)]
    check_parameters(inputs, size, len(links), size)
    for link in links:
        sources, gain = (inputs, 1.0) if link.sender == BELOW else (size, math.sqrt(0.5))
        weights = Dense(plan.uniform((size, sources), sources, gain))
        _connect(plan, "output", below, link, weights, options)
    plan.pool = 1
    constants = {"tau_mem.bias": options.readout_bias}
    functions = _functions(model, options)
    plan.populations.append(Neurons("output", size, model, constants, functions))
    plan.learned["output"] = _learned_of_gates(gate, READOUT_GATES)


def _add_layer(
    plan: _Plan,
    name: str,
    below: tuple[str, str],
    shape: Shape,
    model: Model,
    links: Sequence[Link],
    weights: Callable[[Link], Weights],
    options: ModelOptions,
) -> tuple[str, str]:
    """A population and what arrives there; what it sends."""
    for link in links:
        _connect(plan, name, below, link, weights(link), options)
    plan.pool = 1
    starts: Mapping[str, float | FloatArray] = _starts(plan, shape, model, options)
    if options.is_ltc:
        starts = {
            "threshold": options.threshold,
            "adaptation_strength": options.adaptation_strength,
            "tau_mem.bias": _spread(plan, shape, options.tau_mem_bias, options.tau_mem_spread),
            "tau_adp.bias": _spread(plan, shape, options.tau_adp_bias, options.tau_adp_spread),
        }
    functions = _functions(model, options)
    size = math.prod(shape)
    plan.populations.append(Neurons(name, size, model, starts, functions, shape))
    plan.learned[name] = (
        _learned_of_gates(options.gate, LTC_GATES)
        if options.is_ltc
        else tuple(own.name for own in model.constants if own.name not in options.fixed)
    )
    return name, model.output


def _connect(
    plan: _Plan,
    name: str,
    below: tuple[str, str],
    link: Link,
    weights: Weights,
    options: ModelOptions,
) -> None:
    """A projection, with what its messages pass while the network is trained."""
    source, variable = below if link.sender == BELOW else (name, link.sender)
    if link.sender == BELOW:
        hidden = len(plan.populations) > 1
        passage = Passage(
            dropout=options.dropout if hidden else 0.0,
            pool=plan.pool,
            norm=options.batch_norm and link.port == "current" and name != "output",
        )
        plan.passages[len(plan.projections)] = passage
        if plan.pool > 1:
            weights = outer_weights(weights, plan.populations[-1].shape, plan.pool)
    plan.projections.append(Projection(source, variable, name, link.port, weights, link.delay))


def _model(options: ModelOptions) -> Model:
    neuron = options.neuron
    return neuron if isinstance(neuron, Model) else find_model(neuron)


def _functions(model: Model, options: ModelOptions) -> dict[str, Nonlinearity]:
    found: dict[str, Nonlinearity] = dict.fromkeys(model.gates, options.nonlinearity)  # type: ignore[arg-type]
    return found


def _links(model: Model, options: ModelOptions, image: bool) -> list[Link]:
    """What arrives at a layer; only layers without places have recurrent currents."""
    recurrent = options.recurrent and not image
    if not options.is_ltc:
        below = [Link(BELOW, port) for port in model.ports]
        own = [Link(model.output, port, 1) for port in model.ports]
        return [*below, *(own if recurrent else ())]
    check_gate("gate", options.gate)
    links = [Link(BELOW, "current")]
    if options.gate == "event" and image:
        links += [Link(BELOW, "tau_mem"), Link(model.output, "tau_adp", 1)]
    else:
        links += _gate_links(model, options.gate, LTC_GATES, BELOW)
    if recurrent:
        ports = dict.fromkeys(link.port for link in links if link.sender == BELOW)
        links += [Link(model.output, port, 1) for port in ports]
    return links


def _gate_links(model: Model, gate: str, gates: Mapping[str, str], source: str) -> list[Link]:
    """What arrives at gates of a kind."""
    if gate == "event":
        return [Link(source, port) for port in gates]
    if gate == "static":
        return []
    return [
        Link(variable, port, 0 if variable in model.early else 1)
        for port, state in gates.items()
        for variable in (state, "current")
    ]


def _learned_of_gates(gate: str, gates: Mapping[str, str]) -> tuple[str, ...]:
    """Biases, and with event gates the own terms."""
    terms = ("bias", "from_state", "from_current") if gate == "event" else ("bias",)
    return ("bias_current", *(f"{port}.{term}" for port in gates for term in terms))


def _starts(
    plan: _Plan, shape: Shape, model: Model, options: ModelOptions
) -> dict[str, float | FloatArray]:
    """Where constants of another neuron than the LTC start.

    Raises:
        UnknownNameError, InvalidValueError: as :func:`~ltc2hw.neurons.initialise.check_starts`.
    """
    check_starts(model, options.constants, {**dict.fromkeys(options.fixed, 0.0), **options.spreads})
    found: dict[str, float | FloatArray] = dict(options.constants)
    for name, spread in options.spreads.items():
        centre = options.constants.get(name, model.constant(name).default)
        found[name] = _spread(plan, shape, centre, spread)
    return found


def _spread(plan: _Plan, shape: Shape, centre: float, spread: float) -> FloatArray:
    """A constant for each channel, or neuron, uniform in ``centre ± spread``."""
    channels = (shape[0], *(1 for _ in shape[1:]))
    noise = torch.empty(channels).uniform_(-1.0, 1.0, generator=plan.generator)
    drawn: FloatArray = np.float32(centre) + noise.double().numpy() * spread
    return drawn.astype(np.float32).astype(np.float64)
