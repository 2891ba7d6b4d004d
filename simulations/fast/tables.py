"""The vocabulary of a plan: operations, and the records that describe what they work on.

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
    COMPUTE = 5
    RECORD_SPIKES = 6
    RECORD_SPIKES_AS_VALUES = 7
    RECORD_VALUES = 8


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
    KERNEL_EVENTS = 6
    """The kernel of a convolution; those shapes are the last."""
    KERNEL_VALUES = 7


POPULATION = np.dtype(
    [
        ("start", np.uint64),  # start of its rows of the state, in samples
        ("spikes", np.uint64),  # start of its spikes, in samples
        ("stride", np.uint64),  # neurons with padding
        ("size", np.uint64),
        ("constants", np.uint64),  # start of its rows of constants
        ("ports", np.uint64),  # start of its rows of what arrives
        ("reach", np.uint64),  # length of a row of either
        ("copies", np.uint64),  # samples for which constants are repeated
        ("piece", np.uint64),  # neurons that are updated at once
        ("shared", np.int64),  # whether all pieces but the last have the same constants
        ("entries", np.uint64),  # start of its tables
        ("counters", np.uint64),  # its first counter
    ]
)

STAGE = np.dtype(
    [
        ("population", np.uint64),  # row of the table of populations
        ("address", np.uint64),  # of the machine code of the loop
        ("numbers", np.uint64),  # start of the numbers of the loop
        ("bits", np.uint64),  # start of its shifts and other integers
        ("first_port", np.uint64),  # rows of the table of ports that the loop reads
        ("last_port", np.uint64),
    ]
)

MESSAGE = np.dtype(
    [
        ("start", np.uint64),  # of the spikes or values, in samples
        ("size", np.uint64),
        ("stride", np.uint64),
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
        ("columns", np.uint64),  # start of the column pointers, or of a geometry's outer places
        ("synapses", np.uint64),  # number of the first sparse one
        ("sums", np.uint64),  # start of the accumulators, in samples
        ("blocks", np.uint64),  # start of the weights in blocks, if a matrix unit multiplies
        ("reach", np.uint64),  # sources in whole blocks
        ("bytes", np.uint64),  # start of the bytes of values, in samples
        ("planes", np.uint64),  # bytes of a value
        ("rests", np.uint64),  # start of a geometry's inner places
        ("radix", np.uint64),  # what divides a neuron's place into both
        ("reciprocal", np.uint64),  # 2^shift / radix, rounded up
        ("shift", np.uint64),
        ("weights_row", np.uint64),  # from row to row of a geometry, and from vector to vector
        ("sums_row", np.uint64),
        ("weights_vector", np.uint64),
        ("sums_vector", np.uint64),
        ("lanes", np.int64),  # of the pieces of its vectors; 0: any length, -1: several in a row
    ]
)

PORT = np.dtype(
    [
        ("row", np.uint64),  # among the ports of its population
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
        ("start", np.uint64),  # of the spikes or values, in samples
        ("stride", np.uint64),
        ("size", np.uint64),
        ("destination", np.uint64),  # start of the (T, B, N) array in the record
        ("channels", np.uint64),  # of an image that lies channels last, else 1
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
