"""Numbers that the compiled learner gives to variables, constants, counters; its records."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

import numpy as np

from ltc2hw.graph.structure import Port, Variable
from ltc2hw.numbers.nonlinearity import GateFunction


class Operation(IntEnum):
    """What a row of the schedule does, with the table that its index refers to."""

    ARRIVE = 0
    """A projection delivers to its port."""
    CURRENT = 1
    """Stage ``current`` of a population."""
    UPDATE = 2
    """Stage ``update`` of a population."""
    SEND = 3
    """A variable becomes a message."""
    COMPARE = 4
    """The readout's error."""
    FACTORS = 5
    """Post-synaptic factors of a population."""
    FEEDBACK = 6
    """A projection sends factors back."""


class Row(IntEnum):
    """Variables of all neurons, one row of the state each."""

    PORT_CURRENT = 0
    PORT_TAU_MEM = 1
    PORT_TAU_ADP = 2
    CURRENT = 3
    MEMBRANE = 4
    ADAPTATION = 5
    SPIKES = 6
    OLD_MEMBRANE = 7
    OLD_ADAPTATION = 8
    TAU_MEM = 9
    DISTANCE = 10
    FALL = 11
    """``rsz((I - u[t-1]) σ'(g_m), G)``."""
    FADE = 12
    """``rsz((η[t-1] - (s[t-1] << A)) σ'(g_ρ), G)``."""
    CREDIT = 13
    ONES = 14


class Constant(IntEnum):
    """Constants of all neurons, one row each."""

    BIAS_CURRENT = 0
    MEM_BIAS = 1
    MEM_FROM_STATE = 2
    MEM_FROM_CURRENT = 3
    ADP_BIAS = 4
    ADP_FROM_STATE = 5
    ADP_FROM_CURRENT = 6
    THRESHOLD = 7
    STRENGTH = 8


class Counter(IntEnum):
    """Misfits of a population; the names are those of the specification."""

    CURRENT = 0
    TAU_MEM = 1
    TAU_ADP = 2
    THRESHOLD = 3
    CREDIT = 4
    FACTOR_CURRENT = 5
    FACTOR_TAU_MEM = 6
    FACTOR_TAU_ADP = 7
    MESSAGE_CURRENT = 8
    MESSAGE_MEMBRANE = 9
    MESSAGE_ADAPTATION = 10
    ERROR = 11


COUNTER_NAMES: Mapping[Counter, str] = {
    Counter.CURRENT: "current",
    Counter.TAU_MEM: "tau_mem",
    Counter.TAU_ADP: "tau_adp",
    Counter.THRESHOLD: "threshold",
    Counter.CREDIT: "credit",
    Counter.FACTOR_CURRENT: "factor current",
    Counter.FACTOR_TAU_MEM: "factor tau_mem",
    Counter.FACTOR_TAU_ADP: "factor tau_adp",
    Counter.MESSAGE_CURRENT: "message current",
    Counter.MESSAGE_MEMBRANE: "message membrane",
    Counter.MESSAGE_ADAPTATION: "message adaptation",
    Counter.ERROR: "error",
}

GATE_FUNCTION: Mapping[GateFunction, int] = {"plan": 0, "table": 1, "interpolated": 2}
LTC_KIND, READOUT_KIND, INPUT_KIND = 0, 1, 2

ROW_OF_VARIABLE: Mapping[Variable, Row] = {
    "spikes": Row.SPIKES,
    "value": Row.CURRENT,
    "current": Row.CURRENT,
    "membrane": Row.MEMBRANE,
    "adaptation": Row.ADAPTATION,
}
COUNTER_OF_MESSAGE: Mapping[Variable, Counter] = {
    "current": Counter.MESSAGE_CURRENT,
    "membrane": Counter.MESSAGE_MEMBRANE,
    "adaptation": Counter.MESSAGE_ADAPTATION,
}
CONSTANT_OF: Mapping[tuple[Port, str], Constant] = {
    ("current", "bias"): Constant.BIAS_CURRENT,
    ("tau_mem", "bias"): Constant.MEM_BIAS,
    ("tau_mem", "from_state"): Constant.MEM_FROM_STATE,
    ("tau_mem", "from_current"): Constant.MEM_FROM_CURRENT,
    ("tau_adp", "bias"): Constant.ADP_BIAS,
    ("tau_adp", "from_state"): Constant.ADP_FROM_STATE,
    ("tau_adp", "from_current"): Constant.ADP_FROM_CURRENT,
}
"""Constants that can learn."""

GATE = np.dtype(
    [
        ("function", np.int64),
        ("fraction", np.int64),
        ("output_fraction", np.int64),
        ("state_shift", np.int64),
        ("current_shift", np.int64),
        ("entries", np.uint64),
        ("index_bits", np.int64),
    ]
)
POPULATION = np.dtype(
    [
        ("kind", np.int64),
        ("first", np.uint64),
        ("size", np.uint64),
        ("low", np.int64),
        ("high", np.int64),
        ("wraps", np.int64),
        ("fraction", np.int64),
        ("adaptation_fraction", np.int64),
        ("strength_shift", np.int64),
        ("tau_mem", np.uint64),
        ("tau_adp", np.uint64),
    ]
)
MESSAGE = np.dtype(
    [
        ("population", np.uint64),
        ("row", np.uint64),
        ("size", np.uint64),
        ("start", np.uint64),
        ("depth", np.uint64),
        ("shift", np.int64),
        ("low", np.int64),
        ("high", np.int64),
        ("wraps", np.int64),
        ("counter", np.int64),
    ]
)
PROJECTION = np.dtype(
    [
        ("message", np.uint64),
        ("delay", np.uint64),
        ("sources", np.uint64),
        ("targets", np.uint64),
        ("start", np.uint64),
        ("port", np.uint64),
        ("target", np.uint64),
        ("source", np.uint64),
        ("exponent", np.int64),
        ("shift", np.int64),
        ("fraction", np.int64),
        ("format", np.int64),
        ("index", np.int64),
        ("by_source", np.int64),
    ]
)
VECTOR = np.dtype(
    [
        ("constant", np.uint64),
        ("port", np.uint64),
        ("row", np.uint64),
        ("first", np.uint64),
        ("size", np.uint64),
        ("start", np.uint64),
        ("format", np.uint64),
        ("message_shift", np.int64),
        ("network_shift", np.int64),
        ("index", np.int64),
    ]
)
