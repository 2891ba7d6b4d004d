"""What the kernels take, and the plain integers by which they name variables and operations."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.simulations.plasticity.tables import Constant, Counter, Operation, Row

Array = npt.NDArray[Any]
Number = Any
"""An integer of some width, or a truth value."""

# Numba sees the members of enumerations as objects, so the kernels use plain integers.
ARRIVE, CURRENT_STAGE, UPDATE_STAGE, SEND, COMPARE, FACTORS, FEEDBACK = (int(o) for o in Operation)
(
    PORT_CURRENT,
    PORT_TAU_MEM,
    PORT_TAU_ADP,
    CURRENT,
    MEMBRANE,
    ADAPTATION,
    SPIKES,
    OLD_MEMBRANE,
    OLD_ADAPTATION,
    TAU_MEM,
    DISTANCE,
    FALL,
    FADE,
    CREDIT,
    ONES,
) = (int(row) for row in Row)
(
    BIAS_CURRENT,
    MEM_BIAS,
    MEM_FROM_STATE,
    MEM_FROM_CURRENT,
    ADP_BIAS,
    ADP_FROM_STATE,
    ADP_FROM_CURRENT,
    THRESHOLD,
    STRENGTH,
) = (int(constant) for constant in Constant)
(
    COUNT_CURRENT,
    COUNT_TAU_MEM,
    COUNT_TAU_ADP,
    COUNT_THRESHOLD,
    COUNT_CREDIT,
    COUNT_FACTOR_CURRENT,
    COUNT_FACTOR_TAU_MEM,
    COUNT_FACTOR_TAU_ADP,
) = (int(counter) for counter in list(Counter)[:8])
COUNT_ERROR = int(Counter.ERROR)
ONE = np.uint64(1)


class Tables(NamedTuple):
    """Read-only tables."""

    schedule: Array
    populations: Array
    gates: Array
    entries: Array
    messages: Array
    projections: Array
    vectors: Array
    formats: Array
    vector_formats: Array
    slopes: Array
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
    constants: Array
    state: Array
    sent: Array
    factors: Array
    """Post-synaptic factors (3 ports, neurons), in the type of the synapses."""
    counts: Array
    """Misfits of populations (populations, counters)."""
    misfits: Array
    """Misfits of plastic projections, then of vectors: value, mean, gradient."""


class Rule(NamedTuple):
    """Scalars of the rule."""

    softmax: Any
    triangle: Any
    stochastic: Any
    symmetric: Any
    seed: Any
    factor_low: Any
    factor_high: Any
    factor_fraction: Any
    softmax_index: Any
    surrogate_index: Any
