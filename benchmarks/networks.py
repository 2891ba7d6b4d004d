"""The networks that are measured: integer networks of given size and activity, never trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ltc2hw.converters.populations import Factor, FixedGate, FixedLIF, FixedLTC, FixedReadout
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.nonlinearity import sigmoid_table
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import Word

STATE = Word(24)
SPIKE = Word(1, signed=False)


@dataclass(frozen=True)
class Workload:
    """A network and samples for it."""

    network: FixedNetwork
    x: npt.NDArray[np.float64]

    @property
    def sample_steps(self) -> int:
        """Steps times samples."""
        return self.x.shape[0] * self.x.shape[1]


def gate(rng: np.random.Generator, size: int, bias: float) -> FixedGate:
    """An event gate with self terms and the default interpolated table of loihi2."""
    return FixedGate(
        bias=np.full(size, round(bias * 4096)),
        from_state=Factor(rng.integers(-8000, 8000, size), 14),
        from_current=Factor(rng.integers(-8000, 8000, size), 14),
        fraction=12,
        output_fraction=12,
        function="interpolated",
        table=sigmoid_table(6, 12, interpolated=True, nonlinearity="sigmoid"),
    )


def ltc(rng: np.random.Generator, name: str, size: int, threshold: int) -> FixedNeurons:
    """LTC neurons with event gates."""
    return FixedLTC(
        name=name,
        size=size,
        state=STATE,
        fraction=12,
        adaptation_fraction=16,
        threshold=np.full(size, threshold),
        adaptation_strength=Factor(np.full(size, 30000), 18),
        bias_current=rng.integers(-200, 200, size),
        tau_mem=gate(rng, size, -1.0),
        tau_adp=gate(rng, size, 2.0),
    )


def lif(
    name: str, size: int, threshold: int, bias: int = 0, shape: tuple[int, ...] = ()
) -> FixedNeurons:
    """LIF neurons with Lava's arithmetic."""
    neurons = FixedLIF(
        name=name,
        size=size,
        state=STATE,
        fraction=12,
        decay_fraction=12,
        alignment=6,
        current_decay=np.full(size, 1024),
        membrane_decay=np.full(size, 256),
        threshold=np.full(size, threshold),
        bias_mantissa=np.full(size, bias),
        bias_exponent=6,
    )
    return replace(neurons, shape=shape)


def readout(rng: np.random.Generator, name: str, size: int) -> FixedNeurons:
    """Leaky integrators with static gates."""
    still = Factor(np.zeros(size, dtype=np.int64), 0)
    static = gate(rng, size, -2.0)
    steady = FixedGate(
        static.bias,
        still,
        still,
        static.fraction,
        static.output_fraction,
        static.function,
        static.table,
    )
    return FixedReadout(name, size, STATE, 12, np.zeros(size, dtype=np.int64), steady)


def projection(
    source: str, variable: Variable, target: str, port: Port, weights: Weights, delay: int = 0
) -> FixedProjection:
    """Eight-bit weights at the smallest exponent that Lava expresses."""
    return FixedProjection(source, variable, target, port, weights, 8, 1, 6, delay)


def dense(rng: np.random.Generator, targets: int, sources: int, scale: float = 40.0) -> Dense:
    """A full matrix of eight-bit weights around zero."""
    weights = np.rint(rng.normal(0, scale, (targets, sources)))
    return Dense(np.clip(weights, -128, 127).astype(np.int64))


def recurrent_ltc(hidden: int, steps: int, batch: int, seed: int = 0) -> Workload:
    """The shape of S-MNIST: one graded input, event-gated LTC neurons, ten readouts."""
    rng = np.random.default_rng(seed)
    populations: tuple[FixedPopulation, ...] = (
        FixedInput("input", 1, True, Word(8, signed=False), 7),
        ltc(rng, "hidden", hidden, 700),
        readout(rng, "readout", 10),
    )
    ports: tuple[Port, ...] = ("current", "tau_mem", "tau_adp")
    scale = 240 / np.sqrt(hidden)
    projections = (
        *(projection("input", "value", "hidden", p, dense(rng, hidden, 1)) for p in ports),
        *(
            projection("hidden", "spikes", "hidden", p, dense(rng, hidden, hidden, scale), 1)
            for p in ports
        ),
        projection("hidden", "spikes", "readout", "current", dense(rng, 10, hidden)),
    )
    network = FixedNetwork(populations, projections, "readout", "loihi2")
    return Workload(network, rng.random((steps, batch, 1)))


def recurrent_lif(
    hidden: int, steps: int, batch: int, rate: float = 0.1, inputs: int = 32, seed: int = 0
) -> Workload:
    """Recurrent LIF neurons, as Lava's own processes compute them, driven by random spikes."""
    rng = np.random.default_rng(seed)
    populations = (FixedInput("input", inputs, False, SPIKE, 0), lif("hidden", hidden, 800))
    scale = 120 / np.sqrt(hidden)
    projections = (
        projection("input", "spikes", "hidden", "current", dense(rng, hidden, inputs)),
        projection("hidden", "spikes", "hidden", "current", dense(rng, hidden, hidden, scale), 1),
    )
    network = FixedNetwork(populations, projections, "hidden", "loihi2")
    return Workload(network, (rng.random((steps, batch, inputs)) < rate).astype(np.float64))


def driven_lif(size: int, steps: int, batch: int, rate: float, seed: int = 0) -> Workload:
    """A full square matrix, ``size`` spiking inputs of exactly known rate onto ``size`` neurons."""
    rng = np.random.default_rng(seed)
    populations = (FixedInput("input", size, False, SPIKE, 0), lif("hidden", size, 100_000))
    weights = dense(rng, size, size, 20.0)
    projections = (projection("input", "spikes", "hidden", "current", weights),)
    network = FixedNetwork(populations, projections, "hidden", "loihi2")
    return Workload(network, (rng.random((steps, batch, size)) < rate).astype(np.float64))


def sparse_lif(size: int, fan_in: int, steps: int, rate: float, seed: int = 0) -> Workload:
    """Recurrent LIF neurons with ``fan_in`` random synapses each, and as many from the input."""
    rng = np.random.default_rng(seed)
    populations = (FixedInput("input", size, False, SPIKE, 0), lif("hidden", size, 100_000))
    projections = (
        projection("input", "spikes", "hidden", "current", random_sparse(rng, size, fan_in)),
        projection("hidden", "spikes", "hidden", "current", random_sparse(rng, size, fan_in), 1),
    )
    network = FixedNetwork(populations, projections, "hidden", "loihi2")
    return Workload(network, (rng.random((steps, 1, size)) < rate).astype(np.float64))


def random_sparse(rng: np.random.Generator, size: int, fan_in: int) -> Sparse:
    """A square matrix with ``fan_in`` weights in each row (fewer where two coincide)."""
    columns = rng.integers(0, size, (size, fan_in)).ravel()
    rows = np.repeat(np.arange(size), fan_in)
    weights = rng.integers(-100, 101, size * fan_in)
    matrix = sparse.coo_matrix((weights, (rows, columns)), (size, size)).tocsr()
    matrix.data = np.clip(matrix.data, -128, 127)
    return Sparse.from_scipy(matrix)


Layer = tuple[int, int, int, int]
"""Channels, width of the kernel, stride and padding."""

NMNIST: tuple[Layer, ...] = ((16, 5, 2, 1), (32, 3, 1, 1), (32, 6, 2, 2))
"""Convolutions of events of 2x34x34, of the widths and strides of sinabs's network for N-MNIST; the
last one has the sums over 2x2 pixels before it in its kernel."""

GESTURE: tuple[Layer, ...] = ((16, 5, 2, 2), (32, 3, 2, 1), (64, 3, 2, 1))
"""Convolutions of events of 2x128x128."""


def convolutional(
    image: Shape,
    layers: tuple[Layer, ...],
    thresholds: tuple[int, ...],
    classes: int = 10,
    seed: int = 0,
) -> FixedNetwork:
    """Spikes of an image through convolutions of LIF neurons to a dense layer of neurons."""
    rng = np.random.default_rng(seed)
    populations: list[FixedPopulation] = [
        FixedInput("input", prod(image), False, SPIKE, 0, shape=image)
    ]
    projections: list[FixedProjection] = []
    source, shape = "input", image
    for number, ((channels, width, stride, padding), threshold) in enumerate(
        zip(layers, thresholds, strict=True)
    ):
        name = f"layer{number}"
        kernel = np.clip(np.rint(rng.normal(0, 40, (channels, shape[0], width, width))), -128, 127)
        conv = Conv(kernel.astype(np.int64), shape, stride, padding)
        source, shape = _layer(populations, projections, conv, source, name, threshold)
    populations.append(lif("output", classes, 100_000))
    weights = dense(rng, classes, prod(shape))
    projections.append(projection(source, "spikes", "output", "current", weights))
    return FixedNetwork(tuple(populations), tuple(projections), "output", "loihi2")


def _layer(
    populations: list[FixedPopulation],
    projections: list[FixedProjection],
    conv: Conv,
    source: str,
    name: str,
    threshold: int,
) -> tuple[str, Shape]:
    """Add the neurons at which a convolution arrives."""
    shape = conv.targets
    populations.append(lif(name, prod(shape), threshold, shape=shape))
    projections.append(projection(source, "spikes", name, "current", conv))
    return name, shape


def events(
    shape: Shape, steps: int, batch: int, rate: float, seed: int = 1
) -> npt.NDArray[np.bool_]:
    """Random spikes of an image."""
    rng = np.random.default_rng(seed)
    return rng.random((steps, batch, prod(shape))) < rate
