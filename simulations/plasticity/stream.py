"""A stream of samples through a learner: one sample after the other, an update every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.learned import Counts, Learned, Learning, Memories, Net
from ltc2hw.plasticity import Parameter
from ltc2hw.samples import check_samples
from ltc2hw.simulations.driver import add_counts
from ltc2hw.trace import Array, State


@dataclass(frozen=True)
class Update:
    """What one learning step computed.

    ``output``: the readout's membranes (N_out,); ``descent``: factor times message of every value
    of a parameter, the direction in which the step's loss falls; ``saturations``: misfits by
    population or parameter, and variable.
    """

    output: Array
    descent: Mapping[Parameter, Array]
    saturations: Counts


class Learner(Protocol[Net]):
    """What makes a learning engine."""

    network: Net
    dtype: npt.DTypeLike
    """Of the recorded outputs."""

    def start(self) -> Learning:
        """Memories of the network as it is, registers at zero."""
        ...

    def rest(self) -> State:
        """Registers at zero, batch of one."""
        ...

    def encode(self, x: npt.NDArray[np.float64]) -> Array:
        """Samples (T, S, N_in) as the network takes them."""
        ...

    def goals(self, targets: npt.ArrayLike, samples: int) -> Array:
        """What the readout should say at each sample, first axis S."""
        ...

    def step(
        self, learning: Learning, x: Array, goal: Array, t: int, steps: int
    ) -> tuple[Update, Learning]:
        """Run step ``t`` of a sample's ``steps`` steps on x (N_in,), compare, learn."""
        ...

    def check(self, learning: Learning) -> None:
        """Raise TrainingError if learning diverged."""
        ...

    def adapted(self, memories: Memories) -> Net:
        """The network that computes with the memories' values."""
        ...


def stream(
    learner: Learner[Net],
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    learning: Learning | None,
    *,
    reset: bool,
) -> Learned[Net]:
    """Learn S samples x (T, S, N_in), one after the other; see the engines' ``learn``."""
    samples = check_samples(x, learner.network.input.size, learner.network.input.graded)
    steps, count, _ = samples.shape
    encoded = learner.encode(samples)
    goals = learner.goals(targets, count)
    output = learner.network.population(learner.network.output)
    outputs: npt.NDArray[Any] = np.zeros((steps, count, output.size), learner.dtype)
    counts: dict[str, dict[str, int]] = {}
    state = learner.start() if learning is None else learning
    for s in range(count):
        if reset:
            state = replace(state, registers=learner.rest())
        for t in range(steps):
            update, state = learner.step(state, encoded[t, s], goals[s], t, steps)
            outputs[t, s] = update.output
            add_counts(counts, update.saturations)
        learner.check(state)
    return Learned(learner.adapted(state.memories), state, outputs, counts)
