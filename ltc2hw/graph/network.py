"""The float graph: what a trained network is, before any hardware. NumPy float64, frozen.

The equations of the neurons are those of their models (``ltc2hw/dynamics/models``);
``docs/numerics.md`` has them side by side with their integer forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import (
    InputNames,
    Port,
    Variable,
    check_connection,
    check_graph,
    check_population,
    named,
    population_shape,
    summary_of,
)
from ltc2hw.numbers.convolution import Shape
from ltc2hw.numbers.fields import ArrayFields, parts, set_field, texts
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.scalars import require_type
from ltc2hw.showing import Shown


@dataclass(frozen=True, eq=False)
class Input(ArrayFields, InputNames):
    """Where samples enter: binary spikes, or graded values.

    A spiking input accepts only 0 and 1; a graded one any finite real. ``shape`` is (channels,
    height, width) or (channels, length) of images and rows, which convolutions need; (size,) if
    left out. Neurons are numbered channel by channel, row by row.
    """

    name: str
    size: int
    graded: bool = False
    shape: Shape = ()

    def __post_init__(self) -> None:
        check_population("Input", self.name, self.size)
        require_type(f"{self.name} graded", self.graded, bool, np.bool_)
        set_field(self, "shape", population_shape(self.name, self.size, self.shape))


FloatPopulation = Input | Neurons


@dataclass(frozen=True, eq=False)
class Projection(ArrayFields):
    """Weights from a variable of one population to a port of another.

    ``arriving_j(t) = Σ_i weights[j, i] · variable_i(t - delay)``; delay in algorithmic steps,
    0 meaning the same step. Every cycle needs a delay of at least 1.
    """

    source: str
    variable: Variable
    target: str
    port: Port
    weights: Weights
    delay: int = 0

    def __post_init__(self) -> None:
        check_connection(self)


@dataclass(frozen=True, eq=False)
class Network(ArrayFields, Shown):
    """A float network: populations, projections, and which population is its output.

    Construction checks names, shapes, ports, finite numbers and delays in every cycle.
    ``provenance`` is free text by key (task, method, seed, version), kept in files.

    >>> import numpy as np
    >>> from ltc2hw.numbers.weights import Dense
    >>> net = Network(
    ...     populations=(Input("input", 2), Neurons("out", 1, "lif", {"current_decay": 0.5})),
    ...     projections=(Projection("input", "spikes", "out", "current", Dense([[0.5, 1.0]])),),
    ...     output="out",
    ... )
    >>> net.population("out").size
    1
    """

    populations: tuple[FloatPopulation, ...]
    projections: tuple[Projection, ...]
    output: str
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kinds = (Input, Neurons)
        set_field(self, "populations", parts("populations", self.populations, *kinds))
        set_field(self, "projections", parts("projections", self.projections, Projection))
        set_field(self, "provenance", texts("provenance", self.provenance))
        inputs = [p for p in self.populations if isinstance(p, Input)]
        check_graph(self.populations, self.projections, inputs, self.output)

    def __repr__(self) -> str:
        return f"<Network: {summary_of(self)}>"

    @property
    def input(self) -> Input:
        """The input population."""
        return next(p for p in self.populations if isinstance(p, Input))

    def population(self, name: str) -> FloatPopulation:
        """Return the population of that name.

        Raises:
            UnknownNameError: if there is none.
        """
        return named(self.populations, name)

    def with_output(self, name: str) -> Network:
        """The same network read out at another population: one of several readouts.

        Raises:
            UnknownNameError: if there is none of that name, or it is the input.

        >>> import numpy as np
        >>> from ltc2hw.numbers.weights import Dense
        >>> a, b = (Neurons(name, 1, "lif", {"current_decay": 0.5}) for name in "ab")
        >>> ends = (Projection("x", "spikes", end, "current", Dense([[1.0]])) for end in "ab")
        >>> net = Network((Input("x", 1), a, b), tuple(ends), output="a")
        >>> net.with_output("b").output
        'b'
        """
        return replace(self, output=name)
