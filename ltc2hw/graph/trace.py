"""What an engine returns: spikes, states, outputs, saturations, and the state to go on from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.frames import Units, in_units, to_pandas, to_xarray
from ltc2hw.graph.notes import Notes
from ltc2hw.graph.structure import Population
from ltc2hw.numbers.fields import ArrayFields
from ltc2hw.numbers.scalars import require_type, shown
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.showing import Shown, listed

if TYPE_CHECKING:
    import pandas
    import xarray

Array = npt.NDArray[Any]
State = Mapping[str, Mapping[str, Array]]
"""Registers by population and name, each (B, N); past messages as ``sent:VARIABLE`` (D, B, N)."""

ALL = "all"
"""Value of ``record`` that asks for every recordable variable of every population."""


@dataclass(frozen=True, eq=False)
class Trace(ArrayFields, Shown):
    """A run of B samples over T steps; two are equal if all of their numbers are.

    - ``spikes[population]``: (T, B, N) uint8
    - ``states[population][variable]``: (T, B, N), float64 for a Network, int32 for a
      FixedNetwork (int64 where 32 bits do not hold every value)
    - ``outputs``: (T, B, N_out), the membrane of a readout or the spikes of spiking neurons
    - ``saturations[population][variable]``: how many values did not fit their word
    - ``state``: registers after the last step, to continue from
    - ``notes``: what the numbers mean: engine, scales, labels, lengths; they are not compared

    Raises:
        ShapeError, InvalidValueError: for labels or lengths of other samples.
    """

    spikes: Mapping[str, Array]
    states: Mapping[str, Mapping[str, Array]]
    outputs: Array
    saturations: Mapping[str, Mapping[str, int]]
    state: State
    notes: Notes = field(default_factory=Notes, compare=False)

    def __post_init__(self) -> None:
        require_type("notes of a trace", self.notes, Notes)
        if self.notes.labels is not None or self.notes.lengths is not None:
            self.notes.require_fit(*self.outputs.shape[:2])

    def __repr__(self) -> str:
        return f"<Trace: {self.summary}>"

    @property
    def summary(self) -> str:
        """Steps, samples, and what was recorded of whom, in a line."""
        variables: dict[str, list[str]] = {}
        for name, variable in self.recorded():
            variables.setdefault(name, []).append(variable)
        own = [f"{name} ({', '.join(names)})" for name, names in variables.items()]
        lost = sum(sum(counts.values()) for counts in self.saturations.values())
        axes = zip(self.outputs.shape, ("steps", "samples", "outputs"), strict=False)
        shape = ", ".join(f"{size:,} {name}" for size, name in axes)
        by = f" by {self.notes.engine}" if self.notes.engine else ""
        recorded = listed(own) or "nothing recorded"
        return f"{shape}{by}; {recorded}; {lost:,} values saturated"

    def recorded(self) -> dict[tuple[str, str], Array]:
        """Every recorded array by (population, variable), spikes included."""
        result = {(name, "spikes"): array for name, array in self.spikes.items()}
        for name, variables in self.states.items():
            result.update({(name, variable): array for variable, array in variables.items()})
        return result

    def labelled(self, labels: object, task: str = "", lengths: IntArray | None = None) -> Trace:
        """The same run with the labels of its samples, the task and, if given, their lengths.

        Raises:
            ShapeError, InvalidValueError: for labels or lengths of other samples.
        """
        kept = self.notes.lengths if lengths is None else lengths
        given: Any = labels
        return replace(self, notes=replace(self.notes, task=task, labels=given, lengths=kept))

    def real(self, population: str, variable: str) -> FloatArray:
        """A recorded variable in real units, float64 (T, B, N): ``integer / 2^fraction``.

        Raises:
            UnknownNameError: for what was not recorded.
            InvalidValueError: for integers whose fraction is not known.
        """
        recorded = self.recorded()
        if (population, variable) not in recorded:
            known = tuple(f"{name}.{own}" for name, own in recorded)
            raise UnknownNameError("recorded variable", f"{population}.{variable}", known)
        key = population, variable
        return in_units(key, recorded[key], self.notes, "real").astype(np.float64)

    def to_xarray(self, units: Units = "real") -> xarray.DataTree:
        """Everything recorded as a tree of data sets, one for each population.

        Dimensions are ``time``, ``sample`` and ``neuron``; ``label`` and ``length`` are
        coordinates. Outputs are among the variables of the population that is read. Steps past a
        sample's end hold zeros, as in the arrays.

        Raises:
            MissingExtraError: without the extra ``frames``.
            InvalidValueError: for integers of unknown scale in real units, reals in integer ones.
        """
        tree: xarray.DataTree = to_xarray(self.recorded(), self.outputs, self.notes, units)
        return tree

    def to_pandas(self, units: Units = "real") -> pandas.DataFrame:
        """Everything recorded as one table: a row for each population, time, sample and neuron.

        Columns are the variables; where a population lacks one there is a gap. Labels are in the
        column ``label``, targets in ``target 0`` and so on. Steps past a sample's end are left out.

        Raises:
            MissingExtraError: without the extra ``frames``.
            InvalidValueError: for integers of unknown scale in real units, reals in integer ones.
        """
        return to_pandas(self.recorded(), self.outputs, self.notes, units)


def record_names(record: Sequence[str] | str) -> tuple[str, ...]:
    """A ``record`` argument as names.

    Raises:
        InvalidValueError: if it is neither a name nor a sequence of names.
    """
    if isinstance(record, str):
        return (record,)
    if not isinstance(record, Iterable) or isinstance(record, (bytes, Mapping)):
        raise InvalidValueError("record", shown(record), "names of variables, () for none")
    names = tuple(record)
    for name in names:
        require_type("variable to record", name, str)
    return names


def check_record(
    record: Sequence[str] | str, populations: Sequence[Population]
) -> dict[str, tuple[str, ...]]:
    """Turn a ``record`` argument into the variables to record of each population.

    ``record`` is a sequence of variable names, each recorded wherever it exists, or ``"all"``.

    Raises:
        UnknownNameError: if neither these populations nor any model of ours have such a variable.
        InvalidValueError: if it is not names.
    """
    if isinstance(record, str) and record == ALL:
        return {p.name: p.recordable for p in populations}
    wanted = record_names(record)
    known = {v: None for p in populations for v in p.recordable}
    for variable in wanted:
        if variable not in known:
            known |= {v: None for name in MODELS for v in find_model(name).results}
        if variable not in known:
            raise UnknownNameError("variable to record", variable, (*known, ALL))
    return {p.name: tuple(v for v in p.recordable if v in wanted) for p in populations}


def empty_record(
    wanted: Mapping[str, Sequence[str]],
    populations: Sequence[Population],
    steps: int,
    batch: int,
    dtype: npt.DTypeLike,
) -> dict[str, dict[str, Array]]:
    """Allocate (T, B, N) arrays for everything to be recorded; spikes are uint8."""
    return {
        p.name: {
            variable: np.zeros(
                (steps, batch, p.size), dtype=np.uint8 if variable == "spikes" else dtype
            )
            for variable in wanted[p.name]
        }
        for p in populations
    }


def make_trace(
    record: Mapping[str, Mapping[str, Array]],
    outputs: Array,
    saturations: Mapping[str, Mapping[str, int]],
    state: State,
) -> Trace:
    """Sort recorded arrays into a :class:`Trace`."""
    return Trace(
        spikes={name: v["spikes"] for name, v in record.items() if "spikes" in v},
        states={
            name: {variable: array for variable, array in v.items() if variable != "spikes"}
            for name, v in record.items()
        },
        outputs=outputs,
        saturations=saturations,
        state=state,
    )
