"""Why accuracy was lost: stages from float to integer, and every cause alone.

The ladder adds the integer network's properties one after another to the float network; the
account adds each alone, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ltc2hw.comparison.samples import Samples
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.mixing import (
    WEIGHTS,
    Tensor,
    float_tensors,
    has_gates,
    has_messages,
    partly_fixed,
    real_tensors,
    rounded_samples,
)
from ltc2hw.simulate import simulate


@dataclass(frozen=True)
class Mixture:
    """Which properties of the integer network a float run has."""

    name: str
    tensors: Collection[Tensor] = ()
    inputs: bool = False
    gates: bool = False
    messages: bool = False

    def network(self, network: Network, fixed: FixedNetwork) -> Network:
        """The float network with these properties."""
        return partly_fixed(network, fixed, self.tensors, gates=self.gates, messages=self.messages)

    def inputs_of(self, fixed: FixedNetwork, x: FloatArray) -> FloatArray:
        """Samples as that network is given them."""
        return rounded_samples(fixed, x) if self.inputs else x


@dataclass(frozen=True)
class Stage:
    """A rung of the ladder: its name and the score with everything up to it."""

    name: str
    score: float


@dataclass(frozen=True)
class Cause:
    """One property alone: the score with it, and how far it moves the outputs.

    ``output_error`` is the root mean square change of the outputs, relative to the root mean
    square of the float outputs.
    """

    name: str
    score: float
    output_error: float


def ladder_mixtures(fixed: FixedNetwork) -> tuple[Mixture, ...]:
    """Stages between float and integer, each with all properties of the one before."""
    everything = tuple(real_tensors(fixed))
    weights = tuple(tensor for tensor in everything if tensor.field == WEIGHTS)
    stages = [Mixture("float64"), Mixture("+ weights", weights)]
    if len(everything) > len(weights):
        stages.append(Mixture("+ constants", everything))
    if fixed.input.graded:
        stages.append(Mixture("+ inputs", everything, inputs=True))
    if has_gates(fixed):
        stages.append(Mixture("+ gate function", everything, inputs=True, gates=True))
    if has_messages(fixed):
        stages.append(Mixture("+ messages", everything, inputs=True, gates=True, messages=True))
    return tuple(stages)


def account_mixtures(network: Network, fixed: FixedNetwork) -> tuple[Mixture, ...]:
    """Every cause alone: each tensor that rounding changed, inputs, gate function, messages."""
    original = float_tensors(network)
    causes = [
        Mixture(str(tensor), (tensor,))
        for tensor, values in real_tensors(fixed).items()
        if not np.array_equal(values, original[tensor])
    ]
    if fixed.input.graded:
        causes.append(Mixture("inputs", inputs=True))
    if has_gates(fixed):
        causes.append(Mixture("gate function", gates=True))
    if has_messages(fixed):
        causes.append(Mixture("messages", messages=True))
    return tuple(causes)


class Account:
    """Stages and causes on the same samples, all against one float run."""

    def __init__(self, network: Network, fixed: FixedNetwork, samples: Samples) -> None:
        self.network = network
        self.fixed = fixed
        self.samples = samples

    @cached_property
    def reference(self) -> FloatArray:
        """Outputs (T, B, N_out) of the float network."""
        return self.outputs(Mixture("float64"))

    def outputs(self, mixture: Mixture) -> FloatArray:
        """Outputs (T, B, N_out) of the float network with some properties of the integers."""
        mixed = mixture.network(self.network, self.fixed)
        parts = []
        for part in self.samples.parts():
            x = mixture.inputs_of(self.fixed, self.samples.x[:, part])
            lengths = None if self.samples.lengths is None else self.samples.lengths[part]
            parts.append(simulate(mixed, x, "float64", record=(), lengths=lengths).outputs)
        return np.concatenate(parts, axis=1)

    def stages(self) -> Iterator[Stage]:
        """Score of every stage from float on, in order; ``integer`` itself is not run."""
        first, *others = ladder_mixtures(self.fixed)
        yield Stage(first.name, self.samples.score(self.reference))
        for mixture in others:
            yield Stage(mixture.name, self.samples.score(self.outputs(mixture)))

    def causes(self) -> Iterator[Cause]:
        """Score and output error of every cause alone, in the order of the network."""
        scale = root_mean_square(self.reference) or 1.0
        for mixture in account_mixtures(self.network, self.fixed):
            outputs = self.outputs(mixture)
            error = root_mean_square(outputs - self.reference) / scale
            yield Cause(mixture.name, self.samples.score(outputs), error)


def root_mean_square(values: FloatArray) -> float:
    """``sqrt(mean(values^2))`` over everything."""
    return float(np.sqrt(np.mean(values**2)))
