"""The vocabulary of a plan: operations, regions of memory, and the records that describe them.

Offsets and lengths are uint64 (compiled indexing of unsigned numbers needs no check for negative
ones, and loops over it become vector instructions); values and shifts are int64. Offsets into
memory that exists once per sample of a tile are in samples: the kernels multiply by the tile.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt

LANES = 16
"""Rows of neurons are padded to a multiple of this; padding stays zero and never spikes."""

FAN_LANES = 64
"""Rows of dense weights are padded to a multiple of this."""

EVENT_SLACK = 8
"""Room behind the end of an event list: they are written eight entries at a time."""

WEIGHT_BITS = 8
"""Low bits of a narrow synapse of sparse weights."""

TARGET_BITS = 32 - WEIGHT_BITS
"""Its high bits."""

CACHE_LINE = 64
"""Bytes that the processor reads at once, and of its longest vectors."""

Table = npt.NDArray[Any]

Scalar = Any
"""A number in a kernel: uint64 for indices and lengths, int64 or float64 for values."""


class Operation(IntEnum):
    """What a row of the schedule does; operations on the same kind of thing are neighbours."""

    ENTER_SPIKES = 0
    ENTER_VALUES = 1
    SEND_SPIKES = 2
    SEND_VALUES = 3
    FAN_OUT = 4
    CURRENT = 5
    UPDATE_LTC = 6
    UPDATE_LIF = 7
    UPDATE_READOUT = 8
    RECORD_SPIKES = 9
    RECORD_SPIKES_AS_VALUES = 10
    RECORD_VALUES = 11


class Region(IntEnum):
    """Variables of all neurons, one region of the state each; an input's value is a current.

    The last ones are passing: they are there only where they are recorded.
    """

    CURRENT = 0
    MEMBRANE = 1
    ADAPTATION = 2
    TAU_MEM = 3
    TAU_ADP = 4
    THRESHOLD = 5


class Passing(IntEnum):
    """Variables that no later step reads, in the same order as their regions of the state.

    They have room for as many samples as are computed at once: less memory is faster.
    """

    TAU_MEM = 0
    TAU_ADP = 1
    THRESHOLD = 2


class Arrival(IntEnum):
    """What arrives at the ports of all neurons, one region each; passing, too."""

    CURRENT = 0
    TAU_MEM = 1
    TAU_ADP = 2


class Constant(IntEnum):
    """Constants of all neurons, one region each; LIF neurons keep ``full - decay`` as factors."""

    BIAS_CURRENT = 0
    MEM_BIAS = 1
    MEM_FROM_STATE = 2
    MEM_FROM_CURRENT = 3
    ADP_BIAS = 4
    ADP_FROM_STATE = 5
    ADP_FROM_CURRENT = 6
    THRESHOLD = 7
    STRENGTH = 8
    CURRENT_KEPT = 9
    MEMBRANE_KEPT = 10


class Counter(IntEnum):
    """Saturation counters of a population; its gates are neighbours."""

    CURRENT = 0
    TAU_MEM = 1
    TAU_ADP = 2
    THRESHOLD = 3
    MEMBRANE = 4
    MESSAGE_CURRENT = 5
    MESSAGE_MEMBRANE = 6
    MESSAGE_ADAPTATION = 7


class Shape(IntEnum):
    """What a fan-out reads and how its weights are stored."""

    DENSE_EVENTS = 0
    DENSE_VALUES = 1
    SPARSE_EVENTS = 2
    SPARSE_VALUES = 3
    DENSE_PAIRS = 4
    """Values of at most 16 bits, two in a word, times the weights of two sources side by side."""
    DENSE_BYTES = 5
    """Values of at most 16 bits, byte by byte, times blocks of weights."""


class Function(IntEnum):
    """Gate functions."""

    PLAN = 0
    TABLE = 1
    INTERPOLATED = 2


def gate_table(number: npt.DTypeLike) -> np.dtype[Any]:
    """Records of gates; ``number`` is the type that kernels compute with."""
    return np.dtype(
        [
            ("function", np.int64),
            ("fraction", np.int64),
            ("output_fraction", np.int64),
            ("unit", number),  # what one unit of the gate is worth before its product is shifted
            ("own", np.int64),  # whether the neuron's own state and current steer it
            ("state_shift", np.int64),
            ("current_shift", np.int64),
            ("table", np.uint64),  # start of its entries
            ("index_bits", np.int64),
            ("out", np.uint64),  # region of what passes
            ("port", np.uint64),  # region of what arrives
            ("steered", np.uint64),  # region of the state
            ("bias", np.uint64),  # region of constants, followed by those of the two factors
        ]
    )


def population_table(number: npt.DTypeLike) -> np.dtype[Any]:
    """Records of populations; ``number`` is the type that kernels compute with."""
    return np.dtype(
        [
            ("number", np.uint64),  # place in the network, for counters
            ("start", np.uint64),  # start in every region, in samples
            ("stride", np.uint64),  # neurons with padding
            ("size", np.uint64),
            ("constants", np.uint64),  # start in every region of constants
            ("copies", np.uint64),  # samples for which constants are repeated
            ("piece", np.uint64),  # neurons that are updated at once
            ("shared", np.int64),  # whether all pieces but the last have the same constants
            ("low", number),  # state word
            ("high", number),
            (
                "wraps",
                np.int64,
            ),  # 2^bits - 1 where the word wraps, 0 where it saturates; LIF: current
            ("first_gate", np.uint64),  # rows of the table of gates
            ("gates", np.uint64),
            ("ports", np.uint64),  # first row of the table of ports, those of the current first
            ("update_ports", np.uint64),  # first row of those of the update
            ("last_port", np.uint64),
            ("recorded", np.int64),  # whether passing variables are
            ("strength_shift", np.int64),
            ("adaptation_unit", number),  # 2^(adaptation fraction - gate fraction)
            ("decay_fraction", np.int64),
            ("alignment", number),  # 2^alignment
        ]
    )


MESSAGE = np.dtype(
    [
        ("number", np.uint64),  # of the population
        ("start", np.uint64),
        ("size", np.uint64),
        ("stride", np.uint64),
        ("region", np.uint64),
        ("counter", np.uint64),
        ("shift", np.int64),
        ("low", np.int64),
        ("high", np.int64),
        ("wraps", np.int64),
        ("slots", np.uint64),  # length of the ring of this and past messages
        ("ring", np.uint64),  # start of values or events, in samples
        ("lengths", np.uint64),  # start of the numbers of events, in samples
        ("lists", np.int64),  # whether spikes are listed even where they are many
        ("reach", np.uint64),  # neurons in whole blocks, where matrices multiply spikes, else 0
        ("bytes", np.uint64),  # start of the ring of spikes as bytes, in samples
        ("crowds", np.uint64),  # start of the ring of flags: whether matrices multiply
    ]
)

FAN = np.dtype(
    [
        ("shape", np.int64),
        ("narrow", np.int64),  # whether sums are kept in the narrow accumulators
        ("message", np.uint64),  # row of the table of messages
        ("delay", np.uint64),
        ("sources", np.uint64),
        ("width", np.uint64),  # of a row of weights and of accumulators
        ("weights", np.uint64),  # start, if dense
        ("columns", np.uint64),  # start of the column pointers, if sparse
        ("synapses", np.uint64),  # number of the first sparse one
        ("sums", np.uint64),  # start of the accumulators, in samples
        ("blocks", np.uint64),  # start of the weights in blocks, if a matrix unit multiplies
        ("reach", np.uint64),  # sources in whole blocks
        ("bytes", np.uint64),  # start of the bytes of values, in samples
        ("planes", np.uint64),  # bytes of a value
    ]
)

PORT = np.dtype(
    [
        ("region", np.uint64),
        ("first", np.uint64),  # rows of the table of contributions, those of narrow sums first
        ("last", np.uint64),
    ]
)


def contribution_table(arrival: npt.DTypeLike) -> np.dtype[Any]:
    """Records of the sums that arrive at ports, which have the type ``arrival``."""
    return np.dtype(
        [
            ("narrow", np.int64),  # whether they are in the narrow accumulators
            ("sums", np.uint64),  # start, in samples
            ("width", np.uint64),  # of a row of accumulators
            ("column", np.uint64),  # start within it
            ("scale", arrival),  # 2^exponent
        ]
    )


RECORD = np.dtype(
    [
        ("region", np.uint64),
        ("start", np.uint64),
        ("stride", np.uint64),
        ("size", np.uint64),
        ("destination", np.uint64),  # start of the (T, B, N) array in the record
    ]
)


def padded(size: int, lanes: int = LANES) -> int:
    """Length of a row with padding."""
    return -(-size // lanes) * lanes


def zeros(*arrays: tuple[int, npt.DTypeLike]) -> list[Table]:
    """Zeroed arrays of some lengths and types, in one piece of memory.

    Each begins at a cache line: reading a vector across two of them takes two accesses.
    """
    sizes = [length * np.dtype(dtype).itemsize for length, dtype in arrays]
    whole = np.zeros(sum(padded(size, CACHE_LINE) for size in sizes) + CACHE_LINE, dtype=np.uint8)
    start = -whole.__array_interface__["data"][0] % CACHE_LINE
    result = []
    for size, (_, dtype) in zip(sizes, arrays, strict=True):
        result.append(whole[start : start + size].view(dtype))
        start += padded(size, CACHE_LINE)
    return result
