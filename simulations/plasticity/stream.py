"""A stream of samples through a learner: one sample after the other, an update every step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.goals import Course, Goals, samples_of
from ltc2hw.learning.learned import Counts, Learned, Learning, Memories, Net
from ltc2hw.learning.rule import Parameter
from ltc2hw.simulations.driver import add_counts

Misfits = dict[str, dict[str, int]]
"""Misfits by population or parameter, and variable."""


@dataclass(frozen=True)
class Update:
    """What one learning step computed.

    ``output``: the readout's membranes (N_out,); ``descent``: factor times message of every value
    of a parameter, the direction in which the step's loss falls, nothing at a step without a goal;
    ``saturations``: misfits by population or parameter, and variable.
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

    def continued(self, learning: Learning) -> Learning:
        """A state to go on from, checked."""
        ...

    def encode(self, x: npt.NDArray[np.float64], counts: Misfits | None = None) -> Array:
        """Samples (T, S, N_in) as the network takes them; misfits are added to ``counts``."""
        ...

    def goals(self, targets: npt.ArrayLike, course: Course, counts: Misfits | None = None) -> Goals:
        """What the readout should say at each step; misfits are added."""
        ...

    def step(
        self, learning: Learning, x: Array, goal: Array | None, t: int, steps: int
    ) -> tuple[Update, Learning]:
        """Run step ``t`` of a sample's ``steps`` steps on x (N_in,), compare, learn.

        Without a goal it runs the step alone: nothing that learns changes, no update is counted.
        """
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
    lengths: npt.ArrayLike | None = None,
) -> Learned[Net]:
    """Learn S samples x (T, S, N_in), one after the other; see the engines' ``learn``."""
    entered = enter(learner, x, targets, learning, reset=reset, lengths=lengths)
    course, goals = entered.course, entered.goals
    output = learner.network.population(learner.network.output)
    outputs: npt.NDArray[Any] = np.zeros((course.steps, course.samples, output.size), learner.dtype)
    counts, state = entered.counts, entered.start
    for s, steps in enumerate(course.lengths.tolist()):
        if reset:
            state = state.rested(learner.rest())
        for t in range(steps):
            update, state = learner.step(state, entered.samples[t, s], goals.at(t, s), t, steps)
            outputs[t, s] = update.output
            add_counts(counts, update.saturations)
        learner.check(state)
    return Learned(learner.adapted(state.memories), state, outputs, counts)


class Entered(NamedTuple):
    """A stream as a learner takes it.

    ``samples`` (T, S, N_in) and ``goals`` encoded; ``start``: the state before the first step;
    ``counts``: samples and targets that did not fit their words.
    """

    course: Course
    samples: Array
    goals: Goals
    start: Learning
    counts: Misfits


def enter(
    learner: Learner[Net],
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    learning: Learning | None,
    *,
    reset: bool,
    lengths: npt.ArrayLike | None = None,
) -> Entered:
    """Check and encode everything that a caller gives to a learner.

    Raises:
        ShapeError, InvalidValueError: for samples, lengths, labels, targets or a state that do not
            fit.
    """
    population = learner.network.input
    samples, course = samples_of(x, population.size, population.graded, lengths, reset=reset)
    counts: Misfits = {}
    encoded = learner.encode(samples, counts)
    goals = learner.goals(targets, course, counts)
    start = learner.start() if learning is None else learner.continued(learning)
    return Entered(course, encoded, goals, start, counts)
