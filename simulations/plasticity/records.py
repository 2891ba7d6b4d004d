"""What the kernels take."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.simulations.plasticity.tables import Act

Array = npt.NDArray[Any]
Number = Any
"""An integer of some width, or a truth value."""

# Numba sees the members of enumerations as objects, so the kernels use plain integers.
ARRIVE, EVALUATE, SEND, COMPARE, DELIVER, FEEDBACK, MOVE = (int(act) for act in Act)
ONE = np.uint64(1)


class Tables(NamedTuple):
    """Read-only tables."""

    schedule: Array
    operations: Array
    following: Array
    """Results that become registers after a step."""
    delivered: Array
    """Cells of factors, and the factors that they become."""
    inboxes: Array
    """Ports and credits, which are empty before a step; every source is its own target."""
    entries: Array
    output: Array
    entered: Array
    """Cells of the input: one copy."""
    messages: Array
    projections: Array
    kernels: Array
    vectors: Array
    formats: Array
    vector_formats: Array
    pointers: Array
    """Of every source of sparse weights: its first synapse, after those of earlier ones."""
    targets: Array
    """Of every synapse of sparse weights."""
    powers: Array
    feedback: Array


class Memory(NamedTuple):
    """Arrays that change."""

    values: Array
    means: Array
    gradients: Array
    vector_values: Array
    vector_means: Array
    vector_gradients: Array
    cells: Array
    """Every value of every neuron's program: constants, ports, registers, results."""
    sent: Array
    factors: Array
    """Post-synaptic factors, in the type of the synapses."""
    counts: Array
    """Misfits of neurons, by counter."""
    misfits: Array
    """Misfits of plastic projections, then of vectors: value, mean, gradient, eligibility."""
    products: Array
    """A row's descents, in the type of the synapses."""
    wide_products: Array
    """Descents of neurons' constants."""


class Kept(NamedTuple):
    """What synapses keep of the past, and how it moves; None where nothing is kept."""

    eligible: Array
    """Of every parameter, in the order of ``misfits``."""
    terms: Array
    """Of every state that a value keeps a word for: moves by its old states, then by the port, then
    its factor; -1 where there is none."""
    moved: Array
    """Cells of entries of tangents, and the moves that they become."""
    words: Array
    moves: Array
    """Entries of tangents and factors of the past: no product of two fits 64 bits if one is wider
    than 32."""
    messages: Array
    """Of a row, as the next ones."""
    totals: Array
    """One row more than any value keeps words."""
    draws: Array
    spread: Array
    """Moves as they stand along a row, by state and term."""


class Rule(NamedTuple):
    """Scalars of the rule."""

    softmax: Any
    stochastic: Any
    symmetric: Any
    seed: Any
    factor_low: Any
    factor_high: Any
    factor_fraction: Any
    softmax_index: Any
