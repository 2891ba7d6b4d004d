"""The integer engine with some of what a step begins from given, instead of worked out.

So an error that a step makes is told from one that it takes over: a population can hear what it
would hear in another run, and begin each step from the registers of another run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ltc2hw.graph.fixed import (
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    recorded_dtype,
)
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Array, State, Trace
from ltc2hw.simulations.driver import StageResult, run
from ltc2hw.simulations.integer import IntegerArithmetic

Messages = Mapping[tuple[str, Variable], Array]
"""Integers (T, B, N) as they are sent, by population and variable, the input's among them."""


def forced(
    network: FixedNetwork,
    heard: Messages,
    record: Sequence[str],
    before: State | None = None,
    *,
    past: bool = False,
) -> Trace:
    """Run an integer network whose populations hear given messages of each other.

    ``heard`` has what each sends at every step, (T, B, N), whatever it would send itself. What a
    population sends to itself stays its own, but for ``past``: then what it hears of its own past
    is given as well. With ``before``, registers by population and name, (T, B, N), every step
    begins from these: with both, no step knows of the one before.

    Raises:
        UnknownNameError: if a variable to record does not exist.

    >>> from ltc2hw.dynamics.models import find_model
    >>> from ltc2hw.graph.network import Input, Network, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> from ltc2hw.quantization.quantize import quantize
    >>> wire = Projection("x", "spikes", "out", "current", Dense([[0.5]]))
    >>> out = Neurons("out", 1, "if_subtract", {"threshold": 4.0})
    >>> net = Network((Input("x", 1), out), (wire,), "out")
    >>> fixed = quantize(net, "loihi2", np.ones((4, 1, 1)))
    >>> ones = np.ones((3, 1, 1), dtype=np.int64)
    >>> run = forced(fixed, {("x", "spikes"): ones}, ["membrane"])
    >>> unit = 1 << fixed.population("out").fractions["membrane"]
    >>> (run.states["out"]["membrane"] / unit).ravel().tolist()
    [0.5, 1.0, 1.5]
    >>> start = {"out": {"membrane": 0 * ones, "spikes": 0 * ones}}
    >>> again = forced(fixed, {("x", "spikes"): ones}, ["membrane"], start, past=True)
    >>> (again.states["out"]["membrane"] / unit).ravel().tolist()
    [0.5, 0.5, 0.5]
    """
    arithmetic = ForcedArithmetic(heard, past=past)

    def begin(t: int, carried: State) -> State:
        arithmetic.step = t
        return carried if before is None else _at(before, t, carried)

    entering = heard[network.input.name, network.input.variables[0]]
    return run(arithmetic, network, entering, record, recorded_dtype(network), begin=begin)


class ForcedArithmetic(IntegerArithmetic):
    """Integers, where projections deliver given messages of the ``step`` that runs.

    ``past``: whether what a population hears of its own past is given as well.
    """

    def __init__(self, heard: Messages, *, past: bool) -> None:
        super().__init__()
        self.heard = heard
        self.past = past
        self.step = 0

    def encode(self, population: FixedPopulation, x: Array) -> StageResult:
        """What the input sends is given as it is."""
        return StageResult({population.variables[0]: x}, {})

    def arriving(self, connection: FixedProjection, message: Array) -> Array:
        """``(mantissas @ given message) << exponent``; zeros were sent before the first step."""
        own = connection.source == connection.target
        if not own or (self.past and connection.delay):
            sent = self.step - connection.delay
            given = self.heard[connection.source, connection.variable]
            message = given[sent] if sent >= 0 else np.zeros_like(given[0])
        return super().arriving(connection, message)


def _at(before: State, t: int, carried: State) -> State:
    """Registers before a step; past messages, which nothing reads, as they are."""
    return {
        name: {**registers, **{key: array[t] for key, array in before.get(name, {}).items()}}
        for name, registers in carried.items()
    }
