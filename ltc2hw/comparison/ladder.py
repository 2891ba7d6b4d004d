"""Why accuracy was lost: stages from float to integer, and every cause alone.

The ladder adds the integer network's properties one after another to the float network; the
account adds each alone, tensor by tensor.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

import numpy as np

from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.labels import Labels
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

    def outputs(self, network: Network, fixed: FixedNetwork, x: FloatArray) -> FloatArray:
        """Outputs (T, B, N_out) of the float network with these properties."""
        mixed = partly_fixed(network, fixed, self.tensors, gates=self.gates, messages=self.messages)
        samples = rounded_samples(fixed, x) if self.inputs else x
        return simulate(mixed, samples, "float64", record=()).outputs


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


def measure_stages(
    network: Network, fixed: FixedNetwork, x: FloatArray, labels: Labels, decision: Decision
) -> Iterator[Stage]:
    """Score of every stage between float and integer, in order; ``integer`` itself is not run."""
    for mixture in ladder_mixtures(fixed):
        outputs = mixture.outputs(network, fixed, x)
        yield Stage(mixture.name, float(decision.judge(outputs, labels).mean()))


def measure_causes(
    network: Network, fixed: FixedNetwork, x: FloatArray, labels: Labels, decision: Decision
) -> Iterator[Cause]:
    """Score and output error of every cause alone, in the order of the network."""
    reference = Mixture("float64").outputs(network, fixed, x)
    scale = root_mean_square(reference) or 1.0
    for mixture in account_mixtures(network, fixed):
        outputs = mixture.outputs(network, fixed, x)
        yield Cause(
            mixture.name,
            float(decision.judge(outputs, labels).mean()),
            root_mean_square(outputs - reference) / scale,
        )


def root_mean_square(values: FloatArray) -> float:
    """``sqrt(mean(values^2))`` over everything."""
    return float(np.sqrt(np.mean(values**2)))
