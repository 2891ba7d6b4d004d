"""What an integer network costs: bytes that a target stores, operations that samples cause."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.roles import binary_states
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.target import Target
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.words import FloatArray, Width
from ltc2hw.quantization.rules import synapse_bytes
from ltc2hw.quantization.widths import state_name


@dataclass(frozen=True)
class Footprint:
    """Bytes that a target stores: weights, tables of gates, registers and states of all neurons.

    Each is the sum of bits, rounded up to bytes. Messages are not stored; constants are as wide as
    the target's words, whatever is asked for, and are left out.
    """

    weights: int
    tables: int
    states: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.weights + self.tables + self.states


def footprint(
    fixed: FixedNetwork, target: Target, asked: Mapping[str, Width] | None = None
) -> Footprint:
    """Count the bytes of an integer network; ``asked`` has the widths of states by name.

    >>> from ltc2hw.numbers.weights import Dense
    >>> from ltc2hw.quantization.quantize import quantize
    >>> from ltc2hw.registry import find_target
    >>> from ltc2hw.graph.network import Input, Network, Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> wire = Projection("x", "spikes", "out", "current", Dense([[1.0, 0.5, 0.5]]))
    >>> net = Network((Input("x", 3), Neurons("out", 1, "if_subtract")), (wire,), "out")
    >>> footprint(quantize(net, "loihi2", np.ones((4, 1, 3))), find_target("loihi2"))
    Footprint(weights=3, tables=0, states=6)
    """
    neurons = [p for p in fixed.populations if isinstance(p, FixedNeurons)]
    return Footprint(
        sum(synapse_bytes(projection, target.resources) for projection in fixed.projections),
        sum(table_bytes(population) for population in neurons),
        sum(
            -(-population.size * state_bits(population, target, asked or {}) // 8)
            for population in neurons
        ),
    )


def table_bytes(population: FixedNeurons) -> int:
    """Bytes of a population's tables, in the narrowest of the usual integers that hold them."""
    return sum(
        table.size * np.min_scalar_type(int(table.max())).itemsize
        for table in population.tables.values()
        if table.size
    )


def state_bits(population: FixedNeurons, target: Target, asked: Mapping[str, Width]) -> int:
    """Bits of the registers and states that a neuron keeps from step to step."""
    total = 0
    for name in population.model.states:
        usual = target.words.state
        if name in binary_states(population.model):
            usual = 1
        elif name in population.model.unit:
            usual = target.words.adaptation
        total += int(asked.get(state_name(population.name, name), usual))
    return total


def synaptic_operations(fixed: FixedNetwork, trace: Trace, steps: FloatArray) -> float:
    """Weights that are added for a sample, on average: spikes times the synapses that they meet.

    ``trace`` has recorded all that projections send; a graded value that is not 0 counts as one
    message. ``steps`` (T, B) are the samples' own, 1 or 0.
    """
    sent = trace.recorded()
    total = 0.0
    for projection in fixed.projections:
        values = sent.get((projection.source, projection.variable))
        if values is not None:
            counts = np.einsum("tbn,tb->n", values != 0, steps)
            total += float(counts @ fan_out(projection))
    return total / steps.shape[1]


def fan_out(projection: FixedProjection) -> FloatArray:
    """Synapses other than 0 that each source meets, (N_source,)."""
    weights = projection.weights
    there = weights.with_values((weights.values != 0).astype(np.int64))
    targets = there.apply(np.eye(weights.shape[1], dtype=np.int64))
    found: FloatArray = targets.sum(axis=1).astype(np.float64)
    return found


def sent_variables(fixed: FixedNetwork) -> tuple[str, ...]:
    """Names of the variables that projections carry, to be recorded."""
    return tuple(dict.fromkeys(projection.variable for projection in fixed.projections))
