"""Where and when an integer run leaves the float run, and what of that is made where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ltc2hw.errors import UnknownNameError

Course = tuple[float, ...]
"""A number for each step, (T,); 0 at steps that no sample has."""


@dataclass(frozen=True)
class Origins:
    """A mean squared error in the parts that it is the sum of, each in the unit squared.

    With the errors ``e`` of the free run, ``o`` of a run in which populations hear each other as in
    the float run, ``k`` of one in which they also hear themselves so, and ``l`` of single steps
    from the float run's state, ``e = l + (k - l) + (o - k) + (e - o)``; the parts are the means of
    these times ``e``. A negative one makes the error smaller than it would be without it.

    >>> origins = Origins(made=1.0, kept=0.5, returned=0.25, inherited=2.25)
    >>> origins.total, origins.shares, origins.here
    (4.0, (0.25, 0.125, 0.0625, 0.5625), 0.4375)
    """

    made: float
    """By the step itself: its weights, constants, functions, cuts and ends."""
    kept: float
    """In the population's own state, from the steps before."""
    returned: float
    """With messages that the population sends to itself."""
    inherited: float
    """With messages of other populations."""

    @property
    def total(self) -> float:
        """The mean squared error."""
        return self.made + self.kept + self.returned + self.inherited

    @property
    def shares(self) -> tuple[float, float, float, float]:
        """The parts in their order, as shares of the total; 0 each where there is no error."""
        whole = self.total or 1.0
        return self.made / whole, self.kept / whole, self.returned / whole, self.inherited / whole

    @property
    def here(self) -> float:
        """Share of the total that the population brings about itself: all but what it inherits."""
        return sum(self.shares[:3])


@dataclass(frozen=True)
class StateDrift:
    """Error of one graded variable of a population.

    ``free``, ``own`` and ``made`` are root mean square errors at each step, (T,), relative to
    ``scale``, the root mean square of the float run over all steps (1 where that is 0 throughout):
    of the integer run, of the one in which populations hear each other as in the float run but
    themselves as they are, and of single steps.
    ``standing`` is the share of neuron-steps at which single steps, several in a row, do not move
    the state while the float run moves by more than an integer, with no spike nor end of the word;
    ``stuck`` counts the neurons that do so. ``bits_used`` of ``bits`` are what the values need.
    """

    variable: str
    scale: float
    free: Course
    own: Course
    made: Course
    origins: Origins
    standing: float
    stuck: int
    bits: int
    bits_used: int

    @property
    def error(self) -> float:
        """Root mean square error of the integer run over all steps, relative to ``scale``."""
        return float(max(self.origins.total, 0.0) ** 0.5 / self.scale)


@dataclass(frozen=True)
class Flips:
    """Shares of neuron-steps at each step, (T,): spikes of float alone, and of integers alone."""

    missed: Course
    added: Course

    @property
    def differing(self) -> Course:
        """Share of neuron-steps whose spikes differ, at each step.

        >>> Flips((0.25, 0.0), (0.5, 0.0)).differing
        (0.75, 0.0)
        """
        return tuple(a + b for a, b in zip(self.missed, self.added, strict=True))


@dataclass(frozen=True)
class SpikeDrift:
    """Spikes of one population that differ between float and integers.

    ``free``, ``own`` and ``made`` as in :class:`StateDrift`; the total of ``origins`` is the share
    of all neuron-steps that differ in the integer run. ``first_step`` counts samples by the step of
    their first difference in this population, (T,), ``never`` those without any. ``silenced``
    neurons spike in float alone, ``awakened`` ones in integers alone, over all samples.
    """

    free: Flips
    own: Flips
    made: Flips
    origins: Origins
    first_step: tuple[int, ...]
    never: int
    silenced: int
    awakened: int

    @property
    def first(self) -> int | None:
        """The earliest step at which a spike differs."""
        return next((step for step, count in enumerate(self.first_step) if count), None)


@dataclass(frozen=True)
class PopulationDrift:
    """One population: its graded variables, the one that charges first, and its spikes.

    ``spikes`` is None where it sends none. ``factor``: how many times larger its numbers are in
    the integer network, whose thresholds say so; errors are in the float network's unit.
    """

    name: str
    size: int
    states: tuple[StateDrift, ...]
    spikes: SpikeDrift | None
    factor: float = 1.0

    @property
    def exact(self) -> bool:
        """Whether every number is that of the float run."""
        return all(state.origins.total == 0 for state in self.states) and (
            self.spikes is None or self.spikes.first is None
        )


@dataclass(frozen=True)
class Drift:
    """How far the integer run is from the float run, by population and step, on some samples."""

    samples: int
    populations: tuple[PopulationDrift, ...]

    def population(self, name: str) -> PopulationDrift:
        """Return the population of that name.

        Raises:
            UnknownNameError: if there is none.
        """
        for population in self.populations:
            if population.name == name:
                return population
        raise UnknownNameError("population", name, [p.name for p in self.populations])

    @property
    def errors(self) -> Mapping[str, Course]:
        """Relative error of each population's first graded variable at each step, (T,)."""
        return {p.name: p.states[0].free for p in self.populations if p.states}

    @property
    def differing(self) -> Mapping[str, Course]:
        """Share of each population's neuron-steps whose spikes differ, at each step, (T,)."""
        return {p.name: p.spikes.free.differing for p in self.populations if p.spikes is not None}

    def to_dict(self) -> dict[str, Any]:
        """Everything as JSON types."""
        return asdict(self, dict_factory=_plain)


def _plain(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Fields with lists for tuples, as JSON gives them back."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in pairs}
