"""Random integer networks of convolutions: any geometry, port, delay, message and width."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import Word
from ltc2hw.targets import load_target
from tests.random_networks import random_lif, random_ltc, shrink_to_accumulators

LARGEST = 1200
"""Most neurons of an image: written out, a recurrent kernel of theirs has a million synapses."""

PORTS: tuple[Port, ...] = ("current", "tau_mem", "tau_adp")


def random_conv(
    rng: np.random.Generator, sources: tuple[int, ...], bits: int, outputs: int | None = None
) -> Conv:
    """A convolution of an image or a row; kernels may be sparse, or lie in the padding alone."""
    dimensions = len(sources) - 1
    groups = int(rng.choice([g for g in (1, 1, 2, 3, sources[0]) if sources[0] % g == 0]))
    if outputs is None:
        outputs = groups * int(rng.choice([1, 2, 3, 5, 8, 16, 17, 33, 70]))
    groups = groups if outputs % groups == 0 else 1
    width = rng.integers(1, 6, dimensions)
    dilation = rng.integers(1, 4, dimensions)
    padding = rng.integers(0, 5, (dimensions, 2))
    reach = dilation * (width - 1) + 1
    padding[:, 0] += np.maximum(0, reach - np.array(sources[1:]) - padding.sum(axis=1))
    stride = rng.integers(1, 4, dimensions)
    word = Word(bits)
    shape = (outputs, sources[0] // groups, *width)
    kernel = rng.integers(word.minimum, word.maximum + 1, shape)
    if rng.integers(3) == 0:  # rows of zeros
        kernel *= rng.random(width) < 0.5
    return Conv(kernel, sources, stride.tolist(), padding.tolist(), dilation.tolist(), groups)


def random_network_of_convolutions(rng: np.random.Generator, *, wide: bool = False) -> FixedNetwork:
    """An input, populations of LIF or LTC neurons in one or two dimensions, and a dense one."""
    chip = load_target("loihi2")
    graded = bool(rng.integers(2))
    dimensions = int(rng.integers(1, 3))
    image = (int(rng.integers(1, 5)), *map(int, rng.integers(1, 12, dimensions)))
    word = Word(int(rng.integers(2, 17)), bool(rng.integers(2))) if graded else Word(1, False)
    populations: list[FixedPopulation] = [
        FixedInput("input", int(np.prod(image)), graded, word, 2 * graded, image)
    ]
    projections: list[FixedProjection] = []

    def connect(
        source: str, variable: Variable, target: str, port: Port, weights: Weights, delay: int
    ) -> None:
        held = 12 if wide else 8
        projections.append(
            FixedProjection(source, variable, target, port, weights, held, 0, 6, delay)
        )

    def bits() -> int:
        return int(rng.integers(9, 13) if wide else rng.integers(2, 9))

    previous: tuple[str, Variable] = ("input", "value" if graded else "spikes")
    sources = [(*previous, image)]
    for index in range(int(rng.integers(1, 4))):
        name = f"layer{index}"
        first = random_conv(rng, sources[-1][2], bits())
        while np.prod(first.targets) > LARGEST:
            first = random_conv(rng, sources[-1][2], bits())
        shape = first.targets
        size = int(np.prod(shape))
        gated = bool(rng.integers(2))
        # Of few kinds, because every new kind of loop has to be compiled.
        kind = np.random.default_rng(int(rng.integers(2)))
        neurons = (
            random_ltc(kind, name, size, extreme=False)
            if gated
            else random_lif(rng, name, size, chip, extreme=False)
        )
        populations.append(replace(neurons, shape=shape))
        connect(*previous, name, "current", first, int(rng.integers(0, 3)))
        for port in PORTS if gated else PORTS[:1]:
            if rng.integers(2):  # of the same image onto itself
                own = Conv(
                    rng.integers(-3, 4, (shape[0], shape[0], *(3,) * dimensions)), shape, 1, 1
                )
                delay = int(rng.integers(1, 4))
                variable: Variable = "membrane" if gated and rng.integers(2) else "spikes"
                connect(name, variable, name, port, own, delay)
        if rng.integers(3) == 0:
            matrix = rng.integers(-8, 8, (size, int(np.prod(image))))
            other: Weights = Dense(matrix)
            if rng.integers(2):
                other = Sparse.from_array(matrix * (rng.random(matrix.shape) < 0.2))
            connect(*sources[0][:2], name, "current", other, 3)
        previous = (name, "spikes")
        sources.append((*previous, shape))
    output = random_lif(rng, "output", 3, chip, extreme=False)
    populations.append(output)
    matrix = rng.integers(-100, 100, (3, int(np.prod(sources[-1][2]))))
    connect(*previous, "output", "current", Dense(matrix), 0)
    last = str(rng.choice(["output", previous[0]]))
    network = FixedNetwork(tuple(populations), tuple(projections), last, "loihi2")
    return shrink_to_accumulators(network, chip)


def gesture_network(rng: np.random.Generator) -> FixedNetwork:
    """Events of 2x128x128 through convolutions of 16, 32 and 64 channels of LIF neurons."""
    chip = load_target("loihi2")
    shape: tuple[int, ...] = (2, 128, 128)
    populations: list[FixedPopulation] = [
        FixedInput("input", int(np.prod(shape)), False, Word(1, signed=False), 0, shape)
    ]
    projections = []
    for name, channels, width in (("one", 16, 5), ("two", 32, 3), ("three", 64, 3)):
        kernel = rng.integers(-60, 80, (channels, shape[0], width, width))
        weights = Conv(kernel, shape, stride=2, padding=width // 2)
        source, shape = populations[-1].name, weights.targets
        neurons = random_lif(rng, name, int(np.prod(shape)), chip, extreme=False)
        neurons = neurons.with_constants({"threshold": np.full(neurons.size, 400)})
        populations.append(replace(neurons, shape=shape))
        projections.append(FixedProjection(source, "spikes", name, "current", weights, 8, 0, 6))
    return FixedNetwork(tuple(populations), tuple(projections), "three", "loihi2")
