"""Memory of a tile of samples, and the registers that go in and out of it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.state import Shapes, check_ranges, check_state
from ltc2hw.graph.trace import State
from ltc2hw.simulations.fast.orders import Order
from ltc2hw.simulations.fast.plan import Plan
from ltc2hw.simulations.fast.steps import Memory
from ltc2hw.simulations.fast.tables import EVENT_SLACK, Scalar, Shape, Table, zeros

PAST = "sent:"
"""Beginning of the names of past messages in a State."""


IMAGES_BYTES = 1 << 21
"""Memory of the samples that go together where kernels are convolved: about what a cache holds.

Samples share rows of dense weights, but each adds its own part of a kernel.
"""


def most_samples(plan: Plan, limit: int) -> int:
    """Samples, at most ``limit``, that are computed together."""
    if not np.isin(plan.tables.fans["shape"], (Shape.KERNEL_EVENTS, Shape.KERNEL_VALUES)).any():
        return limit
    one = sum(length * np.dtype(dtype).itemsize for length, dtype in lengths(plan, 1))
    return max(1, min(limit, IMAGES_BYTES // one))


def lengths(plan: Plan, tile: int) -> list[tuple[int, npt.DTypeLike]]:
    """Lengths and types of the arrays of a tile."""
    sizes, types = plan.sizes, plan.types
    return [
        (tile * sizes.states, types.number),
        (sizes.ports, types.arrival),
        (tile * sizes.neurons, np.uint8),
        (tile * sizes.values, types.message),
        (tile * sizes.pairs, np.int32),
        (tile * sizes.bytes, np.uint8),
        (sizes.crowds, np.uint64),
        (tile * sizes.events, np.int32),
        (tile * sizes.lengths, np.uint64),
        (tile * sizes.narrow_sums, types.narrow_sums),
        (tile * sizes.broad_sums, types.broad_sums),
        (len(plan.counters), np.int64),
    ]


def allocate(plan: Plan, tile: int) -> Memory:
    """Zeroed memory for ``tile`` samples."""
    arrays = zeros(*lengths(plan, tile))
    state, ports, spikes, values, pairs, bytes_, *rest = arrays
    words, byte_words = spikes.view(np.uint64), bytes_.view(np.uint64)
    return Memory(state, ports, spikes, words, values, pairs, bytes_, byte_words, *rest)


def check_registers(plan: Plan, state: State, expected: State) -> State:
    """Return a state to start from: shapes, integers, and values that the network can reach.

    Raises:
        ShapeError: if a register is missing or of another shape.
        InvalidValueError, UnknownNameError: if a value is not an integer or outside the register's
            range, on which the proofs of :mod:`~ltc2hw.simulations.fast.widths` rely.
    """
    checked = check_state(state, expected)
    check_ranges(checked, plan.limits)
    return checked


class Tile:
    """Memory of a tile of samples, whose registers and past messages go to and from a State.

    ``shapes`` are those of :func:`~ltc2hw.graph.state.register_shapes`.
    """

    def __init__(self, plan: Plan, shapes: Shapes, samples: int) -> None:
        self.samples = samples
        self.memory = allocate(plan, samples)
        self.bytes = sum(array.nbytes for array in self.memory)
        self.registers: list[tuple[str, str, Table, Order]] = []
        self.past: list[tuple[str, str, _Values | _Events]] = []
        for name, kept in shapes.items():
            p, order = plan.tables.populations[plan.rows[name]], plan.orders[name]
            spikes = neurons_of(self.memory.spikes, samples, p["spikes"], p)
            for register in kept:
                if register.startswith(PAST):
                    variable = register.removeprefix(PAST)
                    m = plan.tables.messages[plan.messages[name, variable]]
                    ring = (
                        _Events(self.memory, samples, m, order, spikes)
                        if variable == "spikes"
                        else _Values(self.memory, samples, m, order)
                    )
                    self.past.append((name, register, ring))
                elif register == "spikes":
                    self.registers.append((name, register, spikes, order))
                else:
                    start = plan.start_of(name, register)
                    row = neurons_of(self.memory.state, samples, start, p)
                    self.registers.append((name, register, row, order))

    def load(self, state: State | None, first: int, samples: int) -> None:
        """Take over samples ``first .. first + samples - 1``; everything else becomes zero."""
        self.memory.state.fill(0)
        self.memory.spikes.fill(0)
        self.memory.lengths.fill(0)
        self.memory.crowds.fill(0)
        self.memory.values.fill(0)
        if state is None:
            return
        last = first + samples
        for name, register, neurons, order in self.registers:
            neurons[:samples] = order.placed(state[name][register][first:last])
        for name, register, ring in self.past:
            for delay, message in enumerate(state[name][register], start=1):
                ring.write(delay, message[first:last])

    def store(self, state: State, first: int, samples: int, steps: int) -> None:
        """Write the registers after ``steps`` steps into the same samples of a State."""
        last = first + samples
        for name, register, neurons, order in self.registers:
            state[name][register][first:last] = order.numbered(neurons[:samples])
        for name, register, ring in self.past:
            for delay, message in enumerate(state[name][register], start=1):
                ring.read(steps, delay, message[first:last])


class _Values:
    """The ring of a graded message."""

    def __init__(self, memory: Memory, samples: int, m: Table, order: Order) -> None:
        self.slots, self.order = int(m["slots"]), order
        rows = ring_of(memory.values, samples, m["ring"], self.slots, m["stride"])
        self.values = rows[:, :, : int(m["size"])]

    def write(self, delay: int, given: Table) -> None:
        """Write the message (samples, N) of ``delay`` steps before the first."""
        self.values[-delay, : given.shape[0]] = self.order.placed(given)

    def read(self, steps: int, delay: int, result: Table) -> None:
        """Read the message (samples, N) of ``delay`` steps before step ``steps``."""
        values = self.values[(steps - delay) % self.slots, : result.shape[0]]
        result[...] = self.order.numbered(values)


class _Events:
    """The ring of event lists of spikes; the last ones are also there as ``spikes``."""

    def __init__(self, memory: Memory, samples: int, m: Table, order: Order, spikes: Table) -> None:
        self.slots, self.order, self.spikes = int(m["slots"]), order, spikes
        length = int(m["stride"]) + EVENT_SLACK
        self.lists = ring_of(memory.events, samples, m["ring"], self.slots, length)
        self.lengths = ring_of(memory.lengths, samples, m["lengths"], self.slots, 1)[:, :, 0]
        self.bytes = ring_of(memory.bytes, samples, m["bytes"], self.slots, m["reach"])
        self.crowds = memory.crowds[int(m["crowds"]) :]

    def write(self, delay: int, given: Table) -> None:
        """Write the spikes (samples, N) of ``delay`` steps before the first."""
        samples, counts = given.shape[0], np.count_nonzero(given, axis=1)
        lists = self.lists[-delay, :samples]
        lists[listed(lists, counts)] = np.nonzero(self.order.placed(given))[1]
        self.lengths[-delay, :samples] = counts

    def read(self, steps: int, delay: int, result: Table) -> None:
        """Read the spikes (samples, N) of ``delay`` steps before step ``steps``."""
        samples = result.shape[0]
        if delay == 1:
            result[...] = self.order.numbered(self.spikes[:samples])
            return
        slot = (steps - delay) % self.slots
        if self.crowds[slot] != 0:
            kept = self.bytes[slot, :samples, : result.shape[1]]
            result[...] = self.order.numbered(kept)
            return
        lists = self.lists[slot, :samples]
        there = listed(lists, self.lengths[slot, :samples])
        found = np.zeros_like(result)
        found[np.nonzero(there)[0], lists[there]] = 1
        result[...] = self.order.numbered(found)


def listed(events: Table, lengths: Table) -> Table:
    """Which entries of event lists (samples, room) count."""
    there: Table = np.arange(events.shape[1]) < lengths[:, None]
    return there


def neurons_of(array: Table, samples: int, start: Scalar, p: Table) -> Table:
    """View (samples, N) of a population's row; ``start`` is where it would be for one sample."""
    first, stride, size = samples * int(start), int(p["stride"]), int(p["size"])
    rows = array[first : first + samples * stride].reshape(samples, stride)
    return rows[:, :size]


def ring_of(array: Table, samples: int, start: Scalar, slots: int, length: Scalar) -> Table:
    """View (slots, samples, length) of a ring; ``start`` is where it would be for one sample."""
    first, size = samples * int(start), samples * slots * int(length)
    return array[first : first + size].reshape(slots, samples, int(length))
