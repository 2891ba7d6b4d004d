"""Recorded arrays as labelled tables of xarray and pandas, which are imported on use."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, MissingExtraError, UnknownNameError
from ltc2hw.graph.notes import AXES, Notes, label_axes
from ltc2hw.graph.sequences import own_steps
from ltc2hw.numbers.integer_limits import require_fraction

Array = npt.NDArray[Any]
Key = tuple[str, str]
Recorded = Mapping[Key, Array]

Units = Literal["real", "integer"]
UNITS: tuple[Units, ...] = get_args(Units)

SPIKES = "spikes"
"""The variable that is 0 or 1 in any units."""

OUTPUTS = "outputs"
"""Where outputs go whose population is not known."""

NULLABLE = {"int64": "Int64", "int32": "Int32", "uint8": "UInt8"}
"""Types of pandas that hold integers beside gaps."""

TARGET = "target"
"""Name of targets' axis, and the start of their columns."""


def in_units(key: Key, values: Array, notes: Notes, units: Units) -> Array:
    """A recorded array in real units (float64), or as the integers that it is; spikes stay.

    Raises:
        UnknownNameError: for other units.
        InvalidValueError: for integers whose scale is not known, and integers of a float network.

    >>> notes = Notes(fractions={"out": {"membrane": 3}})
    >>> in_units(("out", "membrane"), np.array([12]), notes, "real")
    array([1.5])
    """
    if units not in UNITS:
        raise UnknownNameError("units", str(units), UNITS)
    if key[1] == SPIKES:
        return values
    name = ".".join(key)
    is_real = values.dtype.kind == "f"
    if units == "integer":
        if is_real:
            limit, remedy = "the integers of a quantized network", "ask for real units"
            raise InvalidValueError(f"unit of {name}", "real", limit, remedy)
        return values
    if is_real:
        return values
    fraction = notes.fractions.get(key[0], {}).get(key[1])
    if fraction is None:
        raise InvalidValueError(
            f"fraction of {name}", "unknown", "one that the trace keeps",
            "simulate again, or ask for integer units",
        )  # fmt: skip
    require_fraction(f"fraction of {name}", fraction)
    real: Array = np.ldexp(values.astype(np.float64), -fraction)
    return real


def by_population(
    recorded: Recorded, outputs: Array, notes: Notes, units: Units
) -> dict[str, dict[str, Array]]:
    """Recorded arrays in some units by population and variable, the outputs among them.

    Outputs whose population is not known are under :data:`OUTPUTS`.
    """
    tree: dict[str, dict[str, Array]] = {}
    for key, values in recorded.items():
        tree.setdefault(key[0], {})[key[1]] = in_units(key, values, notes, units)
    population, _, variable = notes.output.partition(".")
    key = (population, variable) if notes.output else (OUTPUTS, OUTPUTS)
    own = tree.setdefault(key[0], {})
    if key[1] not in own:
        own[key[1]] = in_units(key, outputs, notes, units)
    return tree


def to_xarray(recorded: Recorded, outputs: Array, notes: Notes, units: Units) -> Any:
    """An ``xarray.DataTree`` with a data set for each population.

    Raises:
        MissingExtraError: without xarray.
    """
    tree = by_population(recorded, outputs, notes, units)
    xarray = needed("xarray", "labelled arrays")
    coordinates: dict[str, Any] = {}
    if notes.labels is not None:
        own = (TARGET,) if notes.labels.dtype.kind == "f" else ()
        coordinates["label"] = ((*label_axes(notes.labels), *own), notes.labels)
    if notes.lengths is not None:
        coordinates["length"] = (AXES[1], notes.lengths)
    told = {"engine": notes.engine, "task": notes.task, "units": units}
    about = {name: text for name, text in told.items() if text}
    nodes = {
        name: xarray.Dataset(
            {variable: (AXES, values) for variable, values in variables.items()},
            {**_indices(variables), **coordinates},
            about,
        )
        for name, variables in tree.items()
        if variables
    }
    return xarray.DataTree.from_dict({"/": xarray.Dataset(attrs=about), **nodes})


def _indices(variables: Mapping[str, Array]) -> dict[str, Array]:
    """Numbers along each axis."""
    shape = next(iter(variables.values())).shape
    return {name: np.arange(size) for name, size in zip(AXES, shape, strict=True)}


def to_pandas(recorded: Recorded, outputs: Array, notes: Notes, units: Units) -> Any:
    """A ``pandas.DataFrame`` with a row for each population, step, sample and neuron.

    Raises:
        MissingExtraError: without pandas.
    """
    tree = by_population(recorded, outputs, notes, units)
    pandas = needed("pandas", "data frames")
    frames = {name: _frame(pandas, own, notes) for name, own in tree.items() if own}
    columns = {tuple(frame.columns) for frame in frames.values()}
    if len(columns) > 1:
        # Gaps would turn integers into floats, which do not hold all of them.
        frames = {name: _with_gaps(frame) for name, frame in frames.items()}
    return pandas.concat(frames, names=["population"])


def _frame(pandas: Any, variables: Mapping[str, Array], notes: Notes) -> Any:
    steps, samples, neurons = next(iter(variables.values())).shape
    own = own_steps(notes.lengths, steps, samples)
    running = np.broadcast_to(own[:, :, None], (steps, samples, neurons))
    places = np.nonzero(running)
    index = pandas.MultiIndex.from_arrays(places, names=AXES)
    columns = {name: values[running] for name, values in variables.items()}
    return pandas.DataFrame({**_labels(notes.labels, places), **columns}, index)


def _labels(labels: Array | None, places: tuple[Array, ...]) -> dict[str, Array]:
    """The label, or the targets, of each row."""
    if labels is None:
        return {}
    rows = labels[places[: len(AXES) - 1] if len(label_axes(labels)) > 1 else places[1]]
    if labels.dtype.kind != "f":
        return {"label": rows}
    return {f"{TARGET} {index}": rows[:, index] for index in range(rows.shape[1])}


def _with_gaps(frame: Any) -> Any:
    """A frame whose integers stay integers where others have none."""
    kinds = {name: kind.name for name, kind in frame.dtypes.items() if kind.kind in "iu"}
    return frame.astype({name: NULLABLE[kind] for name, kind in kinds.items()})


def needed(package: str, purpose: str) -> Any:
    """Import a package of the extra ``frames``.

    Raises:
        MissingExtraError: if it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as error:
        raise MissingExtraError("frames", purpose) from error
