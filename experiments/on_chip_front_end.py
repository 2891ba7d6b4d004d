"""On-chip FPTT behind a fixed convolutional front end, on 1,000 + 100 recordings of N-MNIST.

``python -m experiments.on_chip_front_end`` reads ``$LTC2HW_SHARED/data/nmnist`` (``Train.zip`` and
``Test.zip``), draws kernels that nobody trained, learns what lies behind them on the integers of
``loihi2``, prints the accuracy before and after every pass and writes
``docs/results/on-chip-front-end.json``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from experiments.on_chip_runs import accuracy, write_results
from ltc2hw import FPTTRule, PlasticWords, QuantizeOptions, learn, quantize, simulate
from ltc2hw.data import DataOptions, read_data
from ltc2hw.data.events.binning import Binning
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.learned import Learning
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks import Split, Task

IMAGE: Shape = (2, 34, 34)
CHANNELS = (16, 32, 32)
HIDDEN, CLASSES = 64, 10
RATE = 0.05
"""Share of neurons of each convolution that should spike in a step."""

STEPS = 15
SEED = 0
REACH = 2.0
EXPONENTS = (5, 5, 5, 5, 6, 6, 7, 8)
"""A pass over the training samples at the learning rate 2^-k, for each k."""


def task() -> Task:
    """The recordings as spikes of 15 steps."""
    shared = os.environ.get("LTC2HW_SHARED") or Path(__file__).parents[2] / "shared"
    options = DataOptions(graded=False, binning=Binning(bins=STEPS, values="binary"))
    return Task.from_data(read_data(Path(shared, "data", "nmnist"), options), "N-MNIST")


def front_end(rng: np.random.Generator, x: FloatArray) -> Network:
    """Three convolutions of stride 2 with random kernels, LIF neurons.

    The threshold of each is the one at which its neurons spike at about :data:`RATE` on samples
    x; labels are not seen.
    """
    populations: list[FloatPopulation] = [Input("input", int(np.prod(IMAGE)), shape=IMAGE)]
    projections: list[Projection] = []
    image = IMAGE
    for index, channels in enumerate(CHANNELS):
        name, width = f"conv{index}", 5 if index == 0 else 3
        shape = (channels, image[0], width, width)
        conv = Conv(rng.normal(size=shape) / np.sqrt(np.prod(shape[1:])), image, 2, width // 2)
        image = conv.targets
        projections.append(Projection(populations[-1].name, "spikes", name, "current", conv))
        low, high = 0.0, 4.0
        for _ in range(8):
            threshold = (low + high) / 2
            constants = {"threshold": threshold, "membrane_decay": 0.2}
            neurons = Neurons(name, int(np.prod(image)), "lif", constants, shape=image)
            network = Network((*populations, neurons), tuple(projections), name)
            rate = simulate(network, x, record=()).outputs.mean()
            low, high = (threshold, high) if rate > RATE else (low, threshold)
        populations.append(neurons)
    return network


def network_of(front: Network, rng: np.random.Generator) -> Network:
    """A recurrent layer of event-gated LTC neurons and a readout behind the front end."""
    last = front.populations[-1]
    hidden = Neurons("hidden", HIDDEN, "ltc", {"threshold": 0.1, "adaptation_strength": 1.8})
    readout = Neurons("readout", CLASSES, "readout", {"tau_mem.bias": -2.0})

    def dense(targets: int, sources: int, gain: float) -> Dense:
        return Dense(rng.normal(size=(targets, sources)) * gain / np.sqrt(sources))

    made = []
    for port, gain in (("current", 1.0), ("tau_mem", 0.5), ("tau_adp", 0.5)):
        entering = dense(HIDDEN, last.size, gain * 3)
        own = dense(HIDDEN, HIDDEN, gain * 0.2)
        made.append(Projection(last.name, "spikes", "hidden", port, entering))
        made.append(Projection("hidden", "spikes", "hidden", port, own, 1))
    made.append(Projection("hidden", "spikes", "readout", "current", dense(CLASSES, HIDDEN, 1.0)))
    return Network((*front.populations, hidden, readout), (*front.projections, *made), "readout")


def run(train: Split, test: Split) -> Mapping[str, Any]:
    """Learn pass after pass; accuracies on both parts before the first and after each."""
    rng = np.random.default_rng(SEED)
    some = train.x[:, :40]
    network = network_of(front_end(rng, some), rng)
    fixed = quantize(network, "loihi2", some, QuantizeOptions(weight_reach=REACH))
    spikes = simulate(fixed, some, record=("spikes",)).spikes
    rates = {name: round(float(array.mean()), 4) for name, array in spikes.items()}
    print(f"{fixed}; spikes per neuron and step {rates}", flush=True)
    curve = [{"train": accuracy(fixed, train), "test": accuracy(fixed, test), "seconds": 0.0}]
    learning: Learning | None = None
    for number, exponent in enumerate(EXPONENTS):
        print(f"pass {number}: {curve[-1]}", flush=True)
        part = train.take(np.random.default_rng(1000 + number).permutation(train.samples))
        begun = time.perf_counter()
        rule, words = FPTTRule(learning_rate=2.0**-exponent), PlasticWords(seed=SEED)
        done = learn(fixed, part.x, part.labels, rule, words, "fast", learning)
        learning = done.learning
        seconds = time.perf_counter() - begun
        found = {"train": accuracy(done.network, train), "test": accuracy(done.network, test)}
        curve.append({**found, "seconds": seconds})
    print(f"pass {len(EXPONENTS)}: {curve[-1]}", flush=True)
    return {"network": repr(fixed), "rates": rates, "held": dict(done.held), "curve": curve}


def main() -> None:
    """Read the recordings, learn, write what was found."""
    recordings = task()
    found = run(recordings.train, recordings.test)
    settings = {"exponents": EXPONENTS, "seed": SEED, "reach": REACH, "steps": STEPS}
    print(f"written: {write_results('on-chip-front-end', {**settings, **found})}")


if __name__ == "__main__":
    main()
