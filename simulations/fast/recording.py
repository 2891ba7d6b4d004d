"""Where recorded variables go: (T, B, N) arrays that lie end to end in two buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.graph.fixed import FixedNetwork, recorded_dtype
from ltc2hw.graph.trace import check_record
from ltc2hw.simulations.fast.plan import Plan
from ltc2hw.simulations.fast.steps import Recorded, Tables
from ltc2hw.simulations.fast.tables import RECORD, Operation, Table


@dataclass(frozen=True)
class Recording:
    """Buffers of a run, views of them by name, and the plan's tables with rows that fill them."""

    buffers: Recorded
    tables: Tables
    arrays: Mapping[str, Mapping[str, Table]]
    outputs: Table


@dataclass(frozen=True)
class Place:
    """Where a variable of a population goes."""

    population: str
    variable: str
    in_values: bool
    """Among the values, or else among the spikes."""
    part: slice
    shape: tuple[int, int, int]

    def view(self, buffers: Recorded) -> Table:
        """The array (T, B, N)."""
        buffer: Table = buffers.values if self.in_values else buffers.spikes
        return buffer[self.part].reshape(self.shape)


@dataclass(frozen=True)
class Layout:
    """What runs of some steps and samples record, and where: the same for all of them."""

    tables: Tables
    spikes: int
    """Length of a buffer."""
    values: int
    dtype: npt.DTypeLike
    """Type of values."""
    populations: tuple[str, ...]
    places: tuple[Place, ...]
    output: Place

    def recording(self) -> Recording:
        """Buffers of a run."""
        buffers = Recorded(np.empty(self.spikes, np.uint8), np.empty(self.values, self.dtype))
        arrays: dict[str, dict[str, Table]] = {name: {} for name in self.populations}
        for place in self.places:
            arrays[place.population][place.variable] = place.view(buffers)
        return Recording(buffers, self.tables, arrays, self.output.view(buffers))


def lay_out(
    network: FixedNetwork, plan: Plan, record: Sequence[str] | str, steps: int, batch: int
) -> Layout:
    """Lay out what runs record.

    Raises:
        UnknownNameError: if no kind of population has such a variable.
    """
    wanted = check_record(record, network.populations)
    draft = _Draft(plan, steps, batch)
    for name, variables in wanted.items():
        for variable in variables:
            draft.add(name, variable, in_values=variable != SPIKES)
    output = network.population(network.output)
    draft.add(output.name, output.output_variable, in_values=True)
    *places, last = draft.places
    return Layout(
        draft.tables(),
        draft.spikes,
        draft.values,
        recorded_dtype(network),
        tuple(wanted),
        tuple(places),
        last,
    )


class _Draft:
    """Assigns a place to one variable after the other."""

    def __init__(self, plan: Plan, steps: int, batch: int) -> None:
        self.plan = plan
        self.steps = steps
        self.batch = batch
        self.spikes = 0
        self.values = 0
        self.places: list[Place] = []
        self.schedule: list[tuple[int, int]] = []
        self.records: list[tuple[int, ...]] = []

    def add(self, name: str, variable: str, *, in_values: bool) -> None:
        """Record a variable among the values, or spikes among the spikes."""
        size = int(self.plan.tables.populations[self.plan.rows[name]]["size"])
        start = self.values if in_values else self.spikes
        operation = Operation.RECORD_VALUES
        if variable == SPIKES:
            operation = Operation.RECORD_SPIKES_AS_VALUES if in_values else Operation.RECORD_SPIKES
        stride = int(self.plan.tables.populations[self.plan.rows[name]]["stride"])
        self.schedule.append((operation, len(self.records)))
        channels = self.plan.orders[name].channels
        self.records.append((self.plan.start_of(name, variable), stride, size, start, channels))
        end = start + self.steps * self.batch * size
        shape = (self.steps, self.batch, size)
        self.places.append(Place(name, variable, in_values, slice(start, end), shape))
        if in_values:
            self.values = end
        else:
            self.spikes = end

    def tables(self) -> Tables:
        """The plan's tables, with records at the end of every step."""
        tables = self.plan.tables
        recorded = {(place.population, place.variable) for place in self.places}
        rows = np.array(self.schedule, dtype=np.int64)
        return tables._replace(
            stages=self.plan.stages_for(recorded),
            schedule=np.concatenate([tables.schedule, rows]),
            records=np.array(self.records, dtype=RECORD),
        )
