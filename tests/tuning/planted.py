"""Small networks that do their task in float, each with one fault planted for the integers.

Labels are the float network's own answers, so that every lost point is the integers'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

import ltc2hw
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.remedies.equalise import equalisable, with_factors
from ltc2hw.tasks import Split, Task
from tests.random_networks import random_network

STEPS, INPUTS = 10, 5
HIDDEN, OUTPUT = "hidden0", "readout"


@dataclass(frozen=True, eq=False)
class Planted:
    """A network, the task that it does, and what its quantization is calibrated on."""

    network: Network
    task: Task


def samples(rng: np.random.Generator, batch: int) -> FloatArray:
    """Samples (T, B, N) whose inputs are on for some time each."""
    rates = rng.uniform(-1, 1, (1, batch, INPUTS))
    return np.clip(rates + rng.normal(0, 0.3, (STEPS, batch, INPUTS)), -1, 1)


def answered(network: Network, x: FloatArray) -> Split:
    """Samples with the answers of a network as labels."""
    return Split(x, ltc2hw.simulate(network, x, "float64").outputs[-1].argmax(axis=1))


def task_of(network: Network, seed: int, calibrated: float = 1.0) -> Task:
    """A task that a network does without an error; training samples may be of another range."""
    rng = np.random.default_rng(seed)
    train, validation, test = (samples(rng, batch) for batch in (64, 240, 240))
    first, second, third = (answered(network, x) for x in (calibrated * train, validation, test))
    return Task("planted", "classification", STEPS, INPUTS, 3, first, second, third)


def plain(seed: int = 3) -> Network:
    """A network without a fault."""
    return random_network(np.random.default_rng(seed), inputs=INPUTS, hidden=(16,), outputs=3)


def outlier() -> Planted:
    """One neuron has numbers 512 times those of all others, and does the same with them."""
    network = plain()
    factors = np.ones(16)
    factors[4] = 512.0
    made = with_factors(network, HIDDEN, equalisable(network)[HIDDEN], factors)
    return Planted(made, task_of(made, 5))


def lone_weight() -> Planted:
    """One weight of the input is 200 times the others, at a neuron that nobody hears."""
    network = plain()
    projections = list(network.projections)
    for index, projection in enumerate(projections):
        matrix = projection.weights.to_array().copy()
        if projection.source == HIDDEN:
            matrix[:, 2] = 0.0
        if (projection.source, projection.port) == ("input", "current"):
            matrix[2, 0] = 200.0
        projections[index] = replace(projection, weights=ltc2hw.Dense(matrix))
    made = replace(network, projections=tuple(projections))
    return Planted(made, task_of(made, 5))


def slow_leak() -> Planted:
    """A readout so slow that what a step adds to its membrane is below a unit of its word."""
    network = random_network(
        np.random.default_rng(2), inputs=INPUTS, hidden=(16,), outputs=3, gate="static"
    )
    readout = network.population(OUTPUT)
    assert isinstance(readout, Neurons)
    slow = readout.with_constants({"tau_mem.bias": -8.3})
    made = replace(network, populations=(*network.populations[:-1], slow))
    return Planted(made, task_of(made, 5))


def clipped_input() -> Planted:
    """A network that was calibrated on samples of an eighth of the range of those to come."""
    network = plain()
    return Planted(network, task_of(network, 5, calibrated=1 / 8))


def outlier_task() -> Task:
    """The task of :func:`outlier`, for the command line."""
    return outlier().task


def lone_weight_task() -> Task:
    """The task of :func:`lone_weight`."""
    return lone_weight().task


def slow_leak_task() -> Task:
    """The task of :func:`slow_leak`."""
    return slow_leak().task


def clipped_input_task() -> Task:
    """The task of :func:`clipped_input`."""
    return clipped_input().task


FAULTS = {
    "outlier": outlier,
    "lone_weight": lone_weight,
    "slow_leak": slow_leak,
    "clipped_input": clipped_input,
}
"""Every fault by name; the task of each is ``NAME_task``."""
