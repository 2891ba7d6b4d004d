"""Random convolutional networks that nobody tuned, for comparing engines, converters and files.

Everything is drawn from one NumPy generator, so a seed names a network. They have one or two
dimensions, any stride, padding, dilation and grouping, pooling, recurrence, second paths with
delays, spikes and graded messages, projections to any port, and a dense readout or none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

import ltc2hw
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv, Shape, average_pool, sum_pool
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray, Word
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.rules import exponent_range
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from tests.random_networks import shrink_to_accumulators

MODELS = ("ltc", "lif", "alif")
CONSTANTS = {
    "ltc": {"threshold": 0.3, "adaptation_strength": 1.8, "tau_mem.from_state": 0.2},
    "lif": {"threshold": 0.5, "membrane_decay": 0.2},
    "alif": {"threshold": 0.2, "adaptation_decay": 0.1, "membrane_decay": 0.3},
}


def random_conv(
    rng: np.random.Generator, sources: Shape, *, largest: int = 6, strides: int = 2
) -> Conv:
    """A kernel over an image or a row: any stride, padding, dilation, grouping; or depthwise."""
    dimensions, channels = len(sources) - 1, sources[0]
    groups = int(rng.choice([g for g in range(1, channels + 1) if channels % g == 0]))
    outputs = groups * int(rng.integers(1, max(1, largest // groups) + 1))
    width = rng.integers(1, 4, dimensions)
    stride, dilation = rng.integers(1, strides + 1, dimensions), rng.integers(1, 3, dimensions)
    missing = np.maximum(dilation * (width - 1) + 1 - np.array(sources[1:]), 0)
    padding = rng.integers(0, 3, (dimensions, 2))
    padding[:, 0] += missing
    shape = (outputs, channels // groups, *map(int, width))
    kernel = rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])) + 0.1
    return Conv(kernel, sources, stride.tolist(), padding.tolist(), dilation.tolist(), groups)


def own_conv(rng: np.random.Generator, image: Shape) -> Conv:
    """A kernel from an image to itself, for recurrence."""
    width, dilation = rng.integers(1, 4, len(image) - 1), rng.integers(1, 3, len(image) - 1)
    total = dilation * (width - 1)
    before = np.array([rng.integers(0, reach + 1) for reach in total])
    padding = np.stack([before, total - before], axis=1)
    depthwise = bool(rng.integers(2))
    shape = (image[0], 1 if depthwise else image[0], *map(int, width))
    kernel = rng.normal(0, 0.3, shape)
    groups = image[0] if depthwise else 1
    return Conv(kernel, image, 1, padding.tolist(), dilation.tolist(), groups)


def like(rng: np.random.Generator, conv: Conv) -> Conv:
    """Another kernel over the same places."""
    return conv.with_values(rng.normal(0, np.abs(conv.values).mean() + 0.05, conv.values.size))


def random_conv_network(
    rng: np.random.Generator,
    *,
    models: Sequence[str] = MODELS,
    layers: int | None = None,
    side: int = 7,
    graded_messages: bool = True,
    second_ports: bool = True,
) -> Network:
    """A float network of 1 to 3 convolutional populations, with or without a dense readout."""
    dimensions = int(rng.integers(1, 3))
    shape = tuple(int(n) for n in rng.integers(3, side + 1, dimensions))
    image: Shape = (int(rng.integers(1, 4)), *shape)
    graded = graded_messages and bool(rng.integers(2))
    source = Input("input", int(np.prod(image)), graded, shape=image)
    populations: list[FloatPopulation] = [source]
    projections: list[Projection] = []
    sent = ("input", "value" if graded else "spikes")
    for index in range(layers or int(rng.integers(1, 4))):
        name, conv = f"conv{index}", _forward(rng, image)
        image = conv.targets
        model = str(rng.choice(list(models)))
        neurons = Neurons(name, int(np.prod(image)), model, CONSTANTS[model], shape=image)
        populations.append(neurons)
        ports = neurons.ports if second_ports else neurons.ports[:1]
        projections += _into(rng, sent, name, ports, conv)
        if rng.integers(2):
            port = str(rng.choice(list(ports)))
            projections.append(
                Projection(
                    name, "spikes", name, port, own_conv(rng, image), int(rng.integers(1, 4))
                )
            )
        sent = (name, "spikes")
        if graded_messages and rng.integers(3) == 0:
            sent = (name, str(rng.choice(list(neurons.variables))))
    if rng.integers(2):
        size = int(np.prod(image))
        matrix = rng.normal(size=(3, size)) / np.sqrt(size)
        populations.append(Neurons("readout", 3, "readout"))
        projections.append(Projection(*sent, "readout", "current", Dense(matrix)))
    origin = {"origin": "random"}
    return Network(tuple(populations), tuple(projections), populations[-1].name, origin)


def _forward(rng: np.random.Generator, image: Shape) -> Conv:
    """A convolution, or now and then pooling."""
    kind = int(rng.integers(5))
    if kind < 2 and min(image[1:]) > 1:
        pool = (sum_pool, average_pool)[kind]
        return pool(image, 2, int(rng.integers(1, 3)), int(rng.integers(2)))
    return random_conv(rng, image)


def _into(
    rng: np.random.Generator,
    sent: tuple[str, str],
    target: str,
    ports: tuple[str, ...],
    conv: Conv,
) -> list[Projection]:
    """What one population sends to another: to the first port, perhaps to others and later too."""
    made = [Projection(*sent, target, ports[0], conv)]
    made += [Projection(*sent, target, p, like(rng, conv)) for p in ports[1:] if rng.integers(2)]
    if rng.integers(2):
        port, delay = str(rng.choice(list(ports))), int(rng.integers(1, 4))
        made.append(Projection(*sent, target, port, like(rng, conv), delay))
    return made


def conv_samples(
    rng: np.random.Generator,
    network: Network | FixedNetwork,
    steps: int = 9,
    batch: int = 3,
    *,
    loudest: float = 1.0,
) -> FloatArray:
    """Samples (T, B, N_in): spikes, or values within ±``loudest``."""
    shape = (steps, batch, network.input.size)
    if network.input.graded:
        return np.asarray(rng.uniform(-loudest, loudest, shape))
    return np.asarray(rng.random(shape) < rng.choice([0.05, 0.3, 0.7]), dtype=np.float64)


def random_fixed_conv_network(
    rng: np.random.Generator, *, extreme: bool = False, target: str = "loihi2"
) -> FixedNetwork:
    """Such a network in integers.

    With ``extreme`` the mantissas go over the whole word, exponents as far as the accumulators
    allow, and graded messages are sent with shifts so small that many do not fit their words.
    """
    network = random_conv_network(rng)
    samples = conv_samples(rng, network)
    anything = QuantizeOptions(allow=tuple(LIMITS))
    fixed = ltc2hw.quantize(network, target, samples, anything)
    if not extreme:
        return fixed
    chip = load_target(target)
    projections = []
    for projection in fixed.projections:
        word = Word(projection.bits)
        weights = projection.weights
        values = rng.integers(word.minimum, word.maximum + 1, weights.values.size)
        exponent = int(rng.integers(projection.exponent, exponent_range(word.bits, chip)[1] + 1))
        projections.append(
            replace(projection, weights=weights.with_values(values), exponent=exponent)
        )
    populations = tuple(_louder(rng, p) for p in fixed.populations)
    strained = replace(fixed, populations=populations, projections=tuple(projections))
    return shrink_to_accumulators(strained, chip)


def _louder(rng: np.random.Generator, population: FixedPopulation) -> FixedPopulation:
    if isinstance(population, FixedInput):
        return population
    messages = tuple(
        replace(m, shift=max(0, m.shift - int(rng.integers(0, 6)))) for m in population.messages
    )
    return replace(population, messages=messages)
