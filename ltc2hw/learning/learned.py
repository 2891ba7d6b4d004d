"""What a learning network remembers and returns, the same for every engine that learns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

import numpy as np

from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.rule import Memory, Parameter
from ltc2hw.showing import Shown, listed

Memories = Mapping[Parameter, Memory]
Eligibility = Mapping[Parameter, Mapping[str, Array]]
"""Arrays of the shape of each parameter, by the state of its neuron that they belong to.

Those that a readout's leak filters are called by what is sent, the port where it lands, and the
readout's state: ``spikes.current.membrane``.
"""
Counts = Mapping[str, Mapping[str, int]]
Net = TypeVar("Net", Network, FixedNetwork)


@dataclass(frozen=True)
class Learning(Shown):
    """What a learning network remembers between steps; its arrays are never changed in place."""

    memories: Memories
    registers: State
    step: int
    """Updates done so far: steps that had a label or target."""
    begun: str = field(default="", compare=False)
    """Checksum of the integer network that learning began with, "" where it is not known."""
    eligibility: Eligibility = field(default_factory=dict)
    """What every value left in its neuron's states, where the rule's descent keeps it."""
    feedback: Mapping[int, Array] = field(default_factory=dict)
    """Feedback weights that learn, by projection, in the order of its own weights."""
    moves: int = 0
    """Steps done so far on integers, also those without a goal: eligibility draws by them."""

    def rested(self, registers: State) -> Learning:
        """The same with other registers, those of rest: of the past nothing is eligible."""
        forgotten = {
            parameter: {name: np.zeros_like(array) for name, array in own.items()}
            for parameter, own in self.eligibility.items()
        }
        return replace(self, registers=registers, eligibility=forgotten)

    def __repr__(self) -> str:
        values = sum(memory.value.size for memory in self.memories.values())
        return f"<Learning: {self.step:,} updates of {values:,} values>"


@dataclass(frozen=True)
class Learned(Generic[Net], Shown):
    """A stream of S samples of T steps, learned.

    ``network``: as adapted; ``learning``: memories and registers, to go on from; ``outputs``:
    readout membranes (T, S, N_out) as they were while learning, 0 after a sample's end;
    ``saturations``: misfits by population or parameter, and variable, clipped samples (under the
    input) and linear targets (``target`` of the readout) included; ``held``: what could not learn
    or was not to, by name, and why.
    """

    network: Net
    learning: Learning
    outputs: Array
    saturations: Counts
    held: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        samples, lost = (
            self.outputs.shape[1],
            sum(sum(c.values()) for c in self.saturations.values()),
        )
        held = f"; held: {listed(list(self.held))}" if self.held else ""
        told = f"{samples:,} samples, {self.learning.step:,} updates, {lost:,} values saturated"
        return f"<Learned: {told}{held}>"
