"""Where recorded variables go: (T, B, N) arrays that lie end to end in two buffers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.fixed import FixedNetwork, recorded_dtype
from ltc2hw.simulations.fast.plan import REGION_OF_VARIABLE, Plan
from ltc2hw.simulations.fast.steps import Recorded, Tables
from ltc2hw.simulations.fast.tables import RECORD, Operation, Region, Table
from ltc2hw.trace import check_record


@dataclass(frozen=True)
class Recording:
    """Buffers of a run, views of them by name, and the plan's tables with rows that fill them."""

    buffers: Recorded
    tables: Tables
    arrays: Mapping[str, Mapping[str, Table]]
    outputs: Table


def prepare_recording(
    network: FixedNetwork, plan: Plan, record: Sequence[str] | str, steps: int, batch: int
) -> Recording:
    """Lay out what a run records.

    Raises:
        UnknownNameError: if no kind of population has such a variable.
    """
    wanted = check_record(record, network.populations)
    layout = _Layout(plan, steps, batch)
    for name, variables in wanted.items():
        for variable in variables:
            layout.add(name, variable, as_value=variable != "spikes")
    output = network.population(network.output)
    layout.add(output.name, output.output_variable, as_value=True)
    buffers = Recorded(
        np.empty(layout.spikes, dtype=np.uint8),
        np.empty(layout.values, dtype=recorded_dtype(network)),
    )
    arrays: dict[str, dict[str, Table]] = {name: {} for name in wanted}
    *recorded, (_, _, outputs) = layout.views(buffers)
    for name, variable, view in recorded:
        arrays[name][variable] = view
    return Recording(buffers, layout.tables(), arrays, outputs)


class _Layout:
    """Assigns a place to one variable after the other."""

    def __init__(self, plan: Plan, steps: int, batch: int) -> None:
        self.plan = plan
        self.shape = (steps, batch)
        self.spikes = 0
        self.values = 0
        self.places: list[tuple[str, str, bool, int, int]] = []
        self.schedule: list[tuple[int, int]] = []
        self.records: list[tuple[int, int, int, int, int]] = []

    def add(self, name: str, variable: str, *, as_value: bool) -> None:
        """Record a variable among the values, or spikes among the spikes."""
        p = self.plan.tables.populations[self.plan.rows[name]]
        size = int(p["size"])
        start = self.values if as_value else self.spikes
        operation = Operation.RECORD_VALUES
        if variable == "spikes":
            operation = Operation.RECORD_SPIKES_AS_VALUES if as_value else Operation.RECORD_SPIKES
        region = REGION_OF_VARIABLE.get(variable, Region.CURRENT)
        self.schedule.append((operation, len(self.records)))
        self.records.append((region, int(p["start"]), int(p["stride"]), size, start))
        self.places.append((name, variable, as_value, start, size))
        length = self.shape[0] * self.shape[1] * size
        if as_value:
            self.values += length
        else:
            self.spikes += length

    def tables(self) -> Tables:
        """The plan's tables, with records at the end of every step."""
        tables = self.plan.tables
        rows = np.array(self.schedule, dtype=np.int64)
        return tables._replace(
            schedule=np.concatenate([tables.schedule, rows]),
            records=np.array(self.records, dtype=RECORD),
        )

    def views(self, buffers: Recorded) -> list[tuple[str, str, Table]]:
        """Arrays (T, B, N) in the order in which they were added."""
        result: list[tuple[str, str, Table]] = []
        for name, variable, as_value, start, size in self.places:
            flat = buffers.values if as_value else buffers.spikes
            shape = (*self.shape, size)
            view = flat[start : start + self.shape[0] * self.shape[1] * size].reshape(shape)
            result.append((name, variable, view))
        return result
