"""A neuron model: its step as a program, and what a network needs to know beside it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ltc2hw.dynamics.derived import fold
from ltc2hw.dynamics.expression import Constant, Expression, collect
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.verify import one_bit, verify
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.numbers.scalars import require_type, shown

SPIKES = "spikes"
"""The result that is sent as one bit."""

STATE_WORDS, LIF_WORDS = "state", "lif"
"""How a chip holds a model's values; see :class:`Model`."""


@dataclass(frozen=True)
class Model:
    """A neuron model, complete and checked; :func:`model` makes one.

    ``ports`` in the order in which they take part in a step; ``states`` are the results that the
    next step reads; ``sends`` are the results that projections may carry, ``output`` the one that
    is read where the population is the network's output. ``words`` names how a chip holds its
    values: ``state`` (each register saturates in the state word) or ``lif`` (the decays, aligned
    thresholds and wrapping current of Lava's LIF). ``unit`` are the states that lie in 0 .. 1.
    """

    name: str
    program: Program
    constants: tuple[Constant, ...]
    output: str
    sends: tuple[str, ...]
    source: str = ""
    words: str = STATE_WORDS
    unit: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, value, kind in (
            ("name", self.name, str), ("program", self.program, Program),
            ("output", self.output, str), ("source", self.source, str), ("words", self.words, str),
            ("constants", self.constants, tuple), ("sends", self.sends, tuple),
            ("unit", self.unit, tuple),
        ):  # fmt: skip
            require_type(f"{name} of a neuron model", value, kind)
        if self.words not in (STATE_WORDS, LIF_WORDS):
            raise UnknownNameError(
                f"words of model {self.name}", self.words, (STATE_WORDS, LIF_WORDS)
            )
        for described in self.constants:
            require_type(f"constant of model {self.name}", described, Constant)
            _check_constant(self.name, described)
        verify(self.program)
        results = self.program.results
        for what, names in (
            ("output", (self.output,)),
            ("sent variable", self.sends),
            ("fraction", self.unit),
        ):
            for name in names:
                if name not in results:
                    raise UnknownNameError(f"{what} of model {self.name}", name, tuple(results))
        for name in self.program.states:
            if name not in results:
                raise UnknownNameError(f"state of model {self.name}", name, tuple(results))
        if SPIKES in results and not self._spikes_are_bits():
            raise InvalidValueError(
                f"{SPIKES} of model {self.name}", "not 0 or 1", "a result made of comparisons",
                "make it of fires(a, b), or give the result another name",
            )  # fmt: skip

    def _spikes_are_bits(self) -> bool:
        """Whether spikes are 0 or 1 in integers, too: a state of other bits has a fraction."""
        index = self.program.results[SPIKES]
        compared = self.program.values[index].operation is Operation.GREATER
        return compared or (index in one_bit(self.program) and SPIKES not in self.program.states)

    @cached_property
    def working(self) -> Program:
        """The step with its derived constants as parameters: what is lowered."""
        return fold(self.program).program

    @cached_property
    def worked_out(self) -> Model:
        """The same model with its derived constants as constants: what a chip holds.

        It is the model itself where nothing is derived.
        """
        working = self.working
        if working == self.program:
            return self
        described = {constant.name: constant for constant in self.constants}
        constants = tuple(
            described.get(name, Constant(name, meaning="made of the model's other constants"))
            for name in working.parameters
        )
        return replace(self, program=working, constants=constants)

    @cached_property
    def ports(self) -> tuple[str, ...]:
        """Where projections may land."""
        return self.program.ports

    @cached_property
    def states(self) -> tuple[str, ...]:
        """Registers: results that the next step reads, in the order of the results."""
        read = set(self.program.states)
        return tuple(name for name in self.program.results if name in read)

    @cached_property
    def results(self) -> tuple[str, ...]:
        """What can be recorded."""
        return tuple(self.program.results)

    @cached_property
    def gates(self) -> tuple[str, ...]:
        """Names of the non-linearities, each with a port's argument."""
        return self.program.names(Operation.GATE)

    @cached_property
    def early(self) -> tuple[str, ...]:
        """Results that need the first port alone and that the rest is made of.

        They are known before anything arrives at the other ports, so that a population can send
        them to itself within a step.
        """
        if len(self.ports) < 2:
            return ()
        return tuple(
            name
            for name in self.results
            if self.program.needed((name,)).ports == self.ports[:1]
            and self.program.values[self.program.results[name]].operation is Operation.REGISTER
        )

    def constant(self, name: str) -> Constant:
        """Description of a constant.

        Raises:
            UnknownNameError: if the model has none of that name.
        """
        for described in self.constants:
            if described.name == name:
                return described
        known = tuple(described.name for described in self.constants)
        raise UnknownNameError(f"constant of model {self.name}", name, known)


def _check_constant(model: str, described: Constant) -> None:
    """Numbers that a constant states of itself: a finite default, ends in order."""
    label = f"constant {shown(described.name)} of model {model}"
    for what, number in (
        ("default", described.default), ("low", described.low), ("high", described.high)
    ):  # fmt: skip
        require_type(f"{what} of {label}", number, int, float, np.integer, np.floating)
    if not math.isfinite(described.default):
        raise InvalidValueError(f"default of {label}", described.default, "a finite number")
    if not described.low <= described.high:
        ends = f"{described.low:g} to {described.high:g}"
        raise InvalidValueError(f"range of {label}", ends, "low <= high")
    if not described.low <= described.default <= described.high:
        ends = f"{described.low:g} to {described.high:g}"
        raise InvalidValueError(f"default of {label}", described.default, ends)


Step = Callable[[], Mapping[str, Expression]]


def model(
    *,
    output: str = SPIKES,
    sends: tuple[str, ...] | None = None,
    source: str = "",
    words: str = STATE_WORDS,
    unit: tuple[str, ...] = (),
) -> Callable[[Step], Model]:
    """Make a model of a function without arguments that returns a step's results by name.

    ``sends`` defaults to the output alone. A result that is named like a state is its next value.

    Raises:
        InvalidValueError: for a program that breaks a rule of
            :func:`~ltc2hw.dynamics.verify.verify`.
        UnknownNameError: for states, an output or sent variables that are no results.

    >>> from ltc2hw.dynamics.expression import constant, fires, port, register, state, where
    >>> @model(source="a leaky neuron")
    ... def leaky():
    ...     kept = constant("kept", 0.9, "part of the membrane that stays per step", low=0, high=1)
    ...     u = register(kept * state("membrane") + port("current"), "membrane")
    ...     s = fires(u, constant("threshold", 1.0))
    ...     return {"membrane": where(s, 0, u), "spikes": s}
    >>> leaky.states, leaky.ports, [c.name for c in leaky.constants]
    (('membrane',), ('current',), ['kept', 'threshold'])
    """

    def make(step: Step) -> Model:
        found = collect(step)
        return Model(
            name=step.__name__,
            program=found.program,
            constants=found.constants,
            output=output,
            sends=(output,) if sends is None else sends,
            source=source,
            words=words,
            unit=unit,
        )

    return make
