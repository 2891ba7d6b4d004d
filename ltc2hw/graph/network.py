"""The float graph: what a trained network is, before any hardware. NumPy float64, frozen.

Equations and symbols are those of Yin, Corradi, Bohte, arXiv 2112.11231 (LTC spiking neuron);
``docs/numerics.md`` has them side by side with their integer forms.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.structure import (
    Port,
    Variable,
    check_connection,
    check_graph,
    check_population,
    named,
)
from ltc2hw.numbers.fields import ArrayFields, parts, real_vector, set_field, texts
from ltc2hw.numbers.nonlinearity import NONLINEARITIES, Nonlinearity, evaluate
from ltc2hw.numbers.scalars import require_type
from ltc2hw.numbers.weights import Weights
from ltc2hw.numbers.words import FloatArray


@dataclass(frozen=True, eq=False)
class Gate(ArrayFields):
    """A learned time constant per neuron: ``σ(arriving + bias + from_state·x + from_current·I)``.

    ``x`` is the state that the gate steers, at the previous step. Arrays of shape (N,) once
    the gate belongs to a population; scalars are repeated.
    A gate on which no projection lands and whose ``from_*`` terms are zero is static.
    """

    bias: FloatArray | float = 0.0
    from_state: FloatArray | float = 0.0
    from_current: FloatArray | float = 0.0
    nonlinearity: Nonlinearity = "sigmoid"

    def __post_init__(self) -> None:
        require_type("nonlinearity", self.nonlinearity, str)
        if self.nonlinearity not in NONLINEARITIES:
            raise UnknownNameError("nonlinearity", self.nonlinearity, NONLINEARITIES)

    def sized(self, name: str, size: int) -> Gate:
        """Return the gate with every array checked to be of shape (size,)."""
        return replace(
            self,
            bias=real_vector(f"{name} bias", self.bias, size),
            from_state=real_vector(f"{name} from_state", self.from_state, size),
            from_current=real_vector(f"{name} from_current", self.from_current, size),
        )

    def evaluate(self, argument: FloatArray) -> FloatArray:
        """The non-linearity of arguments of any shape."""
        return evaluate(self.nonlinearity, argument)


@dataclass(frozen=True, eq=False)
class Input(ArrayFields):
    """Where samples enter: binary spikes, or graded values.

    A spiking input accepts only 0 and 1; a graded one any finite real.
    """

    name: str
    size: int
    graded: bool = False

    ports: ClassVar[tuple[Port, ...]] = ()
    registers: ClassVar[tuple[str, ...]] = ()
    output_variable: ClassVar[str] = ""

    def __post_init__(self) -> None:
        check_population("Input", self.name, self.size)
        require_type(f"{self.name} graded", self.graded, bool, np.bool_)

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The one variable that it sends."""
        return ("value",) if self.graded else ("spikes",)

    @property
    def recordable(self) -> tuple[str, ...]:
        """What an engine can record of it."""
        return self.variables


@dataclass(frozen=True, eq=False)
class LTC(ArrayFields):
    """Liquid-time-constant spiking neurons (arXiv 2112.11231), N of them.

    With ``I`` the arriving current plus ``bias_current``::

        τ = σ(tau_mem gate of u[t-1], I);     u = u[t-1] + τ (I - u[t-1])
        ρ = σ(tau_adp gate of η[t-1], I);     η = ρ η[t-1] + (1 - ρ) s[t-1]
        θ = threshold + adaptation_strength·η;   s = u > θ;   u = u (1 - s)

    The gate kind is not a field: it is which projections land on ``tau_mem`` and ``tau_adp``
    (spikes: event gates; the population's own graded current, membrane and adaptation: the
    paper's dense gates; nothing: static gates, the adaptive ASRNN neuron).
    Arrays have shape (N,); scalars are repeated.
    """

    name: str
    size: int
    threshold: FloatArray
    adaptation_strength: FloatArray
    bias_current: FloatArray
    tau_mem: Gate
    tau_adp: Gate

    ports: ClassVar[tuple[Port, ...]] = ("current", "tau_mem", "tau_adp")
    variables: ClassVar[tuple[Variable, ...]] = ("spikes", "current", "membrane", "adaptation")
    registers: ClassVar[tuple[str, ...]] = ("membrane", "adaptation", "spikes")
    output_variable: ClassVar[str] = "spikes"
    recordable: ClassVar[tuple[str, ...]] = (
        "current",
        "tau_mem",
        "tau_adp",
        "membrane",
        "adaptation",
        "threshold",
        "spikes",
    )

    def __post_init__(self) -> None:
        check_population("LTC", self.name, self.size)
        for field_name in ("threshold", "adaptation_strength", "bias_current"):
            value = getattr(self, field_name)
            set_field(self, field_name, real_vector(f"{self.name} {field_name}", value, self.size))
        size_gates(self, "tau_mem", "tau_adp")


@dataclass(frozen=True, eq=False)
class LIF(ArrayFields):
    """Current-based leaky integrate-and-fire neurons, as in Lava and slayer (CUBA).

    ``i = (1 - current_decay) i + arriving``; ``v = (1 - membrane_decay) v + i + bias``;
    ``s = v > threshold``; v is set to 0 on a spike. Arrays of shape (N,), decays in [0, 1].
    """

    name: str
    size: int
    current_decay: FloatArray
    membrane_decay: FloatArray
    threshold: FloatArray
    bias: FloatArray

    ports: ClassVar[tuple[Port, ...]] = ("current",)
    variables: ClassVar[tuple[Variable, ...]] = ("spikes",)
    registers: ClassVar[tuple[str, ...]] = ("current", "membrane")
    output_variable: ClassVar[str] = "spikes"
    recordable: ClassVar[tuple[str, ...]] = ("current", "membrane", "spikes")

    def __post_init__(self) -> None:
        check_population("LIF", self.name, self.size)
        for field_name in ("current_decay", "membrane_decay", "threshold", "bias"):
            value = getattr(self, field_name)
            set_field(self, field_name, real_vector(f"{self.name} {field_name}", value, self.size))
        for field_name in ("current_decay", "membrane_decay"):
            decay = getattr(self, field_name)
            if decay.min() < 0 or decay.max() > 1:
                worst = decay.min() if decay.min() < 0 else decay.max()
                raise InvalidValueError(f"{self.name} {field_name}", worst, "0 to 1")


@dataclass(frozen=True, eq=False)
class Readout(ArrayFields):
    """Leaky integrators without spikes: ``u = u[t-1] + σ(tau_mem gate) (I - u[t-1])``.

    Static or gated, by the same convention as :class:`LTC`. Arrays of shape (N,).
    """

    name: str
    size: int
    bias_current: FloatArray
    tau_mem: Gate

    ports: ClassVar[tuple[Port, ...]] = ("current", "tau_mem")
    variables: ClassVar[tuple[Variable, ...]] = ("current", "membrane")
    registers: ClassVar[tuple[str, ...]] = ("membrane",)
    output_variable: ClassVar[str] = "membrane"
    recordable: ClassVar[tuple[str, ...]] = ("current", "tau_mem", "membrane")

    def __post_init__(self) -> None:
        check_population("Readout", self.name, self.size)
        bias = real_vector(f"{self.name} bias_current", self.bias_current, self.size)
        set_field(self, "bias_current", bias)
        size_gates(self, "tau_mem")


def size_gates(population: LTC | Readout, *names: str) -> None:
    """Check a population's gates and bring their arrays to its size."""
    for name in names:
        label, gate = f"{population.name} {name}", getattr(population, name)
        require_type(label, gate, Gate)
        set_field(population, name, gate.sized(label, population.size))


FloatPopulation = Input | LTC | LIF | Readout


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
class Network(ArrayFields):
    """A float network: populations, projections, and which population is its output.

    Construction checks names, shapes, ports, finite numbers and delays in every cycle.
    ``provenance`` is free text by key (task, method, seed, version), kept in files.

    >>> import numpy as np
    >>> from ltc2hw.numbers.weights import Dense
    >>> net = Network(
    ...     populations=(Input("input", 2), LIF("out", 1, 0.5, 0.1, 1.0, 0.0)),
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
        kinds = (Input, LTC, LIF, Readout)
        set_field(self, "populations", parts("populations", self.populations, *kinds))
        set_field(self, "projections", parts("projections", self.projections, Projection))
        set_field(self, "provenance", texts("provenance", self.provenance))
        inputs = [p for p in self.populations if isinstance(p, Input)]
        check_graph(self.populations, self.projections, inputs, self.output)

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
