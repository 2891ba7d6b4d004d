"""What a network's populations send and put out on calibration samples, in float and as integers.

Integers hear each other's rounded messages, which fire at other steps than those of float. What
weights make of the ones can be held against what they made of the others: both are kept here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.graph.decision import Decision, decided_by
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.samples import real_array
from ltc2hw.graph.sequences import Mask, own_steps, sample_lengths, silent_after
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.calibration import Key
from ltc2hw.quantization.remedies.arriving import Bundle
from ltc2hw.registry import find_engine

MOST_SAMPLES = 1024
"""Samples that are looked at, the first ones."""

MOST_NUMBERS = 1 << 25
"""Numbers that a run may keep; of large networks fewer samples are looked at."""

MOST_PLACES = 4096
"""Messages that a convolution's moments are taken over, evenly spaced among all."""


@dataclass(frozen=True, eq=False)
class Sent:
    """Messages (T, B, N) by population and variable, and outputs that count, in real units.

    ``raw`` are all outputs (T, B, N_out).
    """

    messages: Mapping[Key, FloatArray]
    outputs: FloatArray
    raw: FloatArray


@dataclass(frozen=True, eq=False)
class Moments:
    """Means over steps and samples of what a bundle's weights multiply, (S, S).

    ``power`` is ``mean(q qᵀ)`` of the integers' messages, ``cross`` is ``mean(x qᵀ)`` with those
    of float; both are left-over sums where messages are summed over time.
    """

    power: FloatArray
    cross: FloatArray


class Runs:
    """Runs of one float network and of its integers on the same samples.

    ``decision`` says which outputs count, None for all of every step.
    """

    def __init__(
        self,
        network: Network,
        calibration: npt.ArrayLike,
        lengths: object,
        decision: Decision | None = None,
    ) -> None:
        self.decision = decision
        x = real_array("calibration", calibration)
        if x.ndim != 3 or 0 in x.shape:
            find_engine("float64")(network, x)  # which names what is wrong
        ends = sample_lengths(lengths, *x.shape[:2])
        numbers = len(x) * sum(population.size for population in network.populations)
        some = slice(max(1, min(MOST_SAMPLES, MOST_NUMBERS // numbers)))
        self.network = network
        self.lengths = None if ends is None else ends[some]
        self.x = silent_after(x[:, some], self.lengths)
        self.own: Mask = own_steps(self.lengths, *self.x.shape[:2])
        self.spiking = network.population(network.output).output_variable == SPIKES
        self.carried = tuple(sorted({projection.variable for projection in network.projections}))
        trace = find_engine("float64")(network, self.x, self.carried)
        self.real = self._sent(_real(trace.recorded()), trace.outputs)
        self.size = float(np.mean(self.real.outputs**2)) or 1.0

    def sent(self, fixed: FixedNetwork) -> Sent:
        """What an integer network sends."""
        trace = find_engine("fast")(fixed, self.x, self.carried)
        messages = {
            (name, variable): np.ldexp(
                values.astype(np.float64), -variable_fraction(fixed.population(name), variable)
            )
            for (name, variable), values in trace.recorded().items()
        }
        return self._sent(messages, _real_outputs(fixed, trace))

    def _sent(self, messages: Mapping[Key, FloatArray], outputs: FloatArray) -> Sent:
        return Sent(messages, self._outputs(outputs), np.asarray(outputs, dtype=np.float64))

    def error(self, sent: Sent) -> float:
        """Mean squared distance of outputs from float, relative to their mean square."""
        return float(np.mean((sent.outputs - self.real.outputs) ** 2)) / self.size

    def _outputs(self, outputs: FloatArray) -> FloatArray:
        """Outputs that count; of all steps, own ones, and spikes as their sums so far."""
        found = np.where(self.own[:, :, None], outputs, 0.0)
        if self.decision is not None:
            found = decided_by(self.decision, found, self.lengths)
        return np.cumsum(found, axis=0) if self.spiking else found

    def moments(self, bundle: Bundle, sent: Sent, kept: float) -> list[Moments]:
        """Moments of a bundle's sources, one for each group of a convolution.

        Messages are summed over time, a part ``kept`` of the sum staying from step to step, as a
        membrane does; 0 takes each step by itself.
        """
        projections = [self.network.projections[place] for place in bundle.places]
        rows = [self._rows(projections, messages, kept) for messages in (self.real, sent)]
        weights = projections[0].weights
        if isinstance(weights, Conv):
            return _seen(weights, *rows)
        real, found = rows
        count = len(found)
        return [Moments(found.T @ found / count, real.T @ found / count)]

    def _rows(self, projections: list[Projection], sent: Sent, kept: float) -> FloatArray:
        """Messages of all sources, a row (S,) for each step of each sample."""
        heard = [
            _summed(late(sent.messages[p.source, p.variable], p.delay), kept) for p in projections
        ]
        return np.concatenate([messages[self.own] for messages in heard], axis=1)

    def means(self, projection: Projection, sent: Sent) -> FloatArray:
        """Mean (N_source,) of what a projection carries."""
        messages = late(sent.messages[projection.source, projection.variable], projection.delay)
        return np.asarray(messages[self.own].mean(axis=0))


def late(messages: FloatArray, delay: int) -> FloatArray:
    """Messages (T, B, N) in the step in which they arrive.

    >>> late(np.array([[[1.0]], [[2.0]]]), 1).ravel().tolist()
    [0.0, 1.0]
    """
    if not delay:
        return messages
    found = np.zeros_like(messages)
    found[delay:] = messages[:-delay]
    return found


def _summed(messages: FloatArray, kept: float) -> FloatArray:
    if not kept:
        return messages
    found = messages.copy()
    for step in range(1, len(found)):
        found[step] += kept * found[step - 1]
    return found


def _seen(weights: Conv, real: FloatArray, found: FloatArray) -> list[Moments]:
    """Moments of what one output channel of each group sees."""
    size = weights.kernel[0].size
    power, cross = np.zeros((2, weights.groups, size, size))
    places = np.unique(np.linspace(0, len(found) - 1, MOST_PLACES).astype(np.int64))
    for x, q in zip(real[places], found[places], strict=True):
        seen = weights.patches(q)
        power += seen @ seen.transpose(0, 2, 1)
        cross += weights.patches(x) @ seen.transpose(0, 2, 1)
    return [Moments(*pair) for pair in zip(power / len(places), cross / len(places), strict=True)]


def _real(messages: Mapping[Key, npt.NDArray[np.generic]]) -> dict[Key, FloatArray]:
    return {key: np.asarray(values, dtype=np.float64) for key, values in messages.items()}


def _real_outputs(fixed: FixedNetwork, trace: Trace) -> FloatArray:
    population = fixed.population(fixed.output)
    fraction = variable_fraction(population, population.output_variable)
    return np.ldexp(trace.outputs.astype(np.float64), -fraction)
