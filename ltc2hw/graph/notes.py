"""What a run was: by which engine, in which scales, on which labelled samples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Network
from ltc2hw.graph.samples import plain_array
from ltc2hw.numbers.fields import ArrayFields, set_field
from ltc2hw.numbers.integer_limits import require_fraction
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.words import IntArray

AXES = ("time", "sample", "neuron")
"""Names of the axes of everything that is recorded."""

Fractions = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, eq=False)
class Notes(ArrayFields):
    """What the numbers of a run mean.

    - ``engine``: the name of what ran
    - ``output``: population and variable that are read, ``readout.membrane`` for example
    - ``fractions[population][variable]``: ``real = integer / 2^fraction``; empty for a float
      network, whose numbers are real already
    - ``task``: the name of what the samples belong to
    - ``labels``: classes (B,) or (T, B), int64; or targets (B, N_out) or (T, B, N_out), float64
      (of a single output also given as (B,))
    - ``lengths``: steps of each sample (B,), int64; None where every sample has all steps
    - ``axes``: names of the axes of what is recorded

    Raises:
        InvalidValueError, ShapeError: naming what is no text, fraction, label or length.

    >>> Notes(engine="fast", labels=[2, 0]).labels
    array([2, 0])
    """

    engine: str = ""
    output: str = ""
    fractions: Fractions = field(default_factory=dict)
    task: str = ""
    labels: npt.NDArray[Any] | None = None
    lengths: IntArray | None = None
    axes: str = ", ".join(AXES)

    def __post_init__(self) -> None:
        for name in ("engine", "output", "task", "axes"):
            require_type(f"{name} of a trace", getattr(self, name), str)
        if self.axes != ", ".join(AXES):
            raise InvalidValueError("axes of a trace", repr(self.axes), ", ".join(AXES))
        require_type("fractions of a trace", self.fractions, Mapping)
        for population, own in self.fractions.items():
            require_type(f"fractions of {population}", own, Mapping)
            for variable, fraction in own.items():
                require_fraction(f"fraction of {population}.{variable}", fraction)
        set_field(self, "labels", _numbers("labels of a trace", self.labels, (1, 2, 3)))
        set_field(self, "lengths", _numbers("lengths of a trace", self.lengths, (1, 2)))
        if self.lengths is not None and self.lengths.dtype != np.int64:
            raise InvalidValueError("lengths of a trace", self.lengths.dtype, "integers")

    def require_fit(self, steps: int, samples: int) -> None:
        """Raise unless labels and lengths belong to so many steps and samples.

        Raises:
            ShapeError, InvalidValueError: naming what does not fit.
        """
        if self.labels is not None:
            axes = label_axes(self.labels)
            found = self.labels.shape[: len(axes)]
            wanted = (steps, samples)[-len(axes) :]
            if found != wanted:
                raise ShapeError("labels of a trace", self.labels.shape, f"{wanted} first")
        if self.lengths is not None:
            if self.lengths.shape != (samples,):
                raise ShapeError("lengths of a trace", self.lengths.shape, f"({samples},)")
            wrong = self.lengths[(self.lengths < 1) | (self.lengths > steps)]
            if wrong.size:
                raise InvalidValueError("length of a sample", int(wrong[0]), f"1 to {steps}")


def label_axes(labels: npt.NDArray[Any]) -> tuple[str, ...]:
    """The axes of labels that are those of the samples: ``sample``, or ``time`` before it.

    >>> label_axes(np.zeros(3, dtype=np.int64)), label_axes(np.zeros((8, 3, 2)))
    (('sample',), ('time', 'sample'))
    """
    own = labels.ndim - (labels.dtype.kind == "f")
    return AXES[:2] if own == 2 else AXES[1:2]


def _numbers(name: str, values: object, dimensions: tuple[int, ...]) -> npt.NDArray[Any] | None:
    if values is None:
        return None
    array = plain_array(name, values)
    array = array.astype(np.float64 if array.dtype.kind == "f" else np.int64, copy=False)
    if array.ndim == 1 and array.dtype.kind == "f":
        array = array[:, None]
    if array.ndim not in dimensions or 0 in array.shape:
        limit = " or ".join(map(str, dimensions))
        raise ShapeError(f"shape of {name}", array.shape, f"{limit} dimensions, none empty")
    return array


def notes_of(
    network: Network | FixedNetwork, engine: str, lengths: IntArray | None = None
) -> Notes:
    """What is known of a run before it: the engine, and the scales of an integer network.

    >>> from ltc2hw.graph.network import Input
    >>> from ltc2hw.graph.neurons import Neurons
    >>> net = Network((Input("input", 1), Neurons("out", 1, "readout")), (), "out")
    >>> notes_of(net, "float64").output
    'out.membrane'
    """
    output = network.population(network.output)
    fractions: dict[str, dict[str, int]] = {}
    if isinstance(network, FixedNetwork):
        for population in network.populations:
            fractions[population.name] = {
                variable: variable_fraction(population, variable)
                for variable in population.recordable
            }
    return Notes(engine, f"{output.name}.{output.output_variable}", fractions, lengths=lengths)
