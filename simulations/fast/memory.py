"""Memory of a tile of samples, and the registers that go in and out of it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.fixed import FixedNetwork
from ltc2hw.graph import Variable
from ltc2hw.simulations.fast.plan import REGION_OF_VARIABLE, Plan
from ltc2hw.simulations.fast.steps import Memory
from ltc2hw.simulations.fast.tables import EVENT_SLACK, Counter, Region, Table, zeros
from ltc2hw.state import check_state
from ltc2hw.trace import State


def allocate(plan: Plan, tile: int) -> Memory:
    """Zeroed memory for ``tile`` samples."""
    sizes, types = plan.sizes, plan.types
    state, spikes, values, pairs, events, lengths, narrow_sums, broad_sums, counts = zeros(
        (len(Region) * tile * sizes.neurons, types.number),
        (tile * sizes.neurons, np.uint8),
        (tile * sizes.values, types.message),
        (tile * sizes.pairs, np.int32),
        (tile * sizes.events, np.int32),
        (tile * sizes.lengths, np.uint64),
        (tile * sizes.narrow_sums, types.narrow_sums),
        (tile * sizes.broad_sums, types.broad_sums),
        (len(plan.rows) * len(Counter), np.int64),
    )
    words = spikes.view(np.uint64)
    return Memory(
        state, spikes, words, values, pairs, events, lengths, narrow_sums, broad_sums, counts
    )


def check_registers(network: FixedNetwork, plan: Plan, state: State, zero: State) -> None:
    """Check a state to start from: shapes, integers, and values that the network can reach.

    Raises:
        ShapeError: if a register is missing or of another shape.
        InvalidValueError: if a value is not an integer or outside the register's range, on which
            the proofs of :mod:`~ltc2hw.simulations.fast.widths` rely.
    """
    check_state(state, zero)
    for name, register, _ in registers(zero):
        values = np.asarray(state[name][register])
        if values.dtype.kind not in "iub":
            raise InvalidValueError(f"type of state {name}.{register}", values.dtype, "integers")
        low, high = plan.limits[name, register]
        if values.min() < low or values.max() > high:
            worst = values.flat[np.argmax(np.maximum(low - values, values - high))]
            raise InvalidValueError(
                f"state {name}.{register}", worst, f"{low} to {high}", "continue a trace.state"
            )


class TileState:
    """Moves the registers and past messages of samples between a State and a tile's memory."""

    def __init__(self, plan: Plan, memory: Memory, tile: int) -> None:
        self.plan = plan
        self.memory = memory
        self.tile = tile

    def load(self, state: State, first: int, samples: int) -> None:
        """Take over samples ``first .. first + samples - 1``; everything else becomes zero."""
        self.memory.state.fill(0)
        self.memory.spikes.fill(0)
        self.memory.lengths.fill(0)
        self.memory.values.fill(0)
        for name, register, given in registers(state):
            if register.startswith("sent:"):
                for delay, message in enumerate(given, start=1):
                    slot = -delay % self.slots(name, register)
                    self.load_message(name, register, slot, message[first : first + samples])
            else:
                size = given.shape[1]
                self.register(name, register)[:samples, :size] = given[first : first + samples]

    def store(self, state: State, first: int, samples: int, steps: int) -> None:
        """Write the registers after ``steps`` steps into the same samples of a State."""
        for name, register, result in registers(state):
            if register.startswith("sent:"):
                for delay, message in enumerate(result, start=1):
                    slot = (steps - delay) % self.slots(name, register)
                    self.store_message(name, register, slot, message[first : first + samples])
            else:
                size = result.shape[1]
                result[first : first + samples] = self.register(name, register)[:samples, :size]

    def register(self, name: str, register: str) -> Table:
        """View (tile, padded size) of a register."""
        p = self.plan.tables.populations[self.plan.rows[name]]
        start, stride = int(p["start"]), int(p["stride"])
        array = self.memory.spikes
        if register != "spikes":
            span = self.tile * self.plan.sizes.neurons
            region = REGION_OF_VARIABLE[register]
            array = self.memory.state[region * span : (region + 1) * span]
        return array[self.tile * start : self.tile * (start + stride)].reshape(self.tile, stride)

    def message(self, name: str, register: str) -> tuple[Table, Variable]:
        """Record of the message of a register ``sent:VARIABLE``, and the variable."""
        variable: Variable = register.removeprefix("sent:")  # type: ignore[assignment]
        return self.plan.tables.messages[self.plan.messages[name, variable]], variable

    def slots(self, name: str, register: str) -> int:
        """Length of the ring of a message."""
        return int(self.message(name, register)[0]["slots"])

    def load_message(self, name: str, register: str, slot: int, given: Table) -> None:
        """Write past messages (samples, N) into a slot of their ring."""
        m, variable = self.message(name, register)
        if variable != "spikes":
            self.values(m, slot)[: given.shape[0], : given.shape[1]] = given
            return
        events, lengths = self.events(m, slot)
        counts = np.count_nonzero(given, axis=1)
        events[: counts.size][listed(events[: counts.size], counts)] = np.nonzero(given)[1]
        lengths[: counts.size] = counts

    def store_message(self, name: str, register: str, slot: int, result: Table) -> None:
        """Read past messages (samples, N) from a slot of their ring."""
        m, variable = self.message(name, register)
        if variable != "spikes":
            result[...] = self.values(m, slot)[: result.shape[0], : result.shape[1]]
            return
        events, lengths = self.events(m, slot)
        result[...] = 0
        there = listed(events[: result.shape[0]], lengths[: result.shape[0]])
        result[np.nonzero(there)[0], events[: result.shape[0]][there]] = 1

    def values(self, m: Table, slot: int) -> Table:
        """View (tile, padded size) of a slot of graded messages."""
        stride = int(m["stride"])
        start = self.tile * (int(m["ring"]) + slot * stride)
        return self.memory.values[start : start + self.tile * stride].reshape(self.tile, stride)

    def events(self, m: Table, slot: int) -> tuple[Table, Table]:
        """Views of a slot of event lists: (tile, padded size + slack), and lengths (tile,)."""
        length = int(m["stride"]) + EVENT_SLACK
        start = self.tile * (int(m["ring"]) + slot * length)
        lists = self.memory.events[start : start + self.tile * length]
        first = self.tile * (int(m["lengths"]) + slot)
        return lists.reshape(self.tile, length), self.memory.lengths[first : first + self.tile]


def listed(events: Table, lengths: Table) -> Table:
    """Which entries of event lists (samples, room) count."""
    there: Table = np.arange(events.shape[1]) < lengths[:, None]
    return there


def registers(state: State) -> Iterator[tuple[str, str, Table]]:
    """Every register of every population."""
    for name, values in state.items():
        for register, array in values.items():
            yield name, register, array
