"""The Lava processes of on-chip FPTT, built from an integer rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg

from ltc2hw.converters.lava.assembly import FIXED_POINT
from ltc2hw.converters.lava.processes.beat import Beat
from ltc2hw.converters.lava.processes.plastic import Compared, Halves, PlasticNeurons, Term
from ltc2hw.converters.lava.processes.plastic_arithmetic import (
    Eligible,
    ErrorConstants,
    Plastic,
    Rounding,
)
from ltc2hw.converters.lava.processes.scheduled import Run, Timing
from ltc2hw.converters.lava.processes.source import Source
from ltc2hw.converters.lava.processes.synapses import PlasticDense, Synapses
from ltc2hw.dynamics.formats import SURROGATE_TABLE
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.learning.fixed import IntegerRule, draw_indices, first_memory
from ltc2hw.learning.goals import Goals
from ltc2hw.learning.neurons import learnable_of
from ltc2hw.learning.rule import (
    FEEDBACK_BITS,
    WEIGHTS,
    Parameter,
    feedback_mantissas,
    parameter_name,
)
from ltc2hw.learning.values import read_parameter
from ltc2hw.learning.words import time_weight
from ltc2hw.numbers.operators import expanded
from ltc2hw.numbers.words import IntArray


@dataclass(frozen=True)
class LavaLearner:
    """Connected processes; ``steps`` chip steps do all samples, any process can be run."""

    populations: Mapping[str, AbstractProcess]
    connections: tuple[AbstractProcess, ...]
    goal: AbstractProcess
    steps: int

    def run_config(self) -> Loihi2SimCfg:
        """Lava's fixed-point run configuration."""
        return Loihi2SimCfg(select_tag=FIXED_POINT)


def check_learnable(chip: IntegerRule) -> None:
    """Raise for what the learning processes do not express.

    Raises:
        UnsupportedError: graded messages between populations.
    """
    where, remedy = "Lava's learning processes", "learn with engine='integer'"
    for projection in chip.network.projections:
        name = f"projection {connection_name(projection)}"
        if projection.variable not in ("spikes", "value"):
            raise UnsupportedError(where, name, "graded messages", remedy)


def depths(network: FixedNetwork) -> dict[str, int]:
    """Longest way of each population from the input, along projections without delay."""
    result = {population.name: 0 for population in network.populations}
    for _ in network.populations:
        for projection in network.projections:
            if projection.delay == 0:
                deeper = result[projection.source] + 1
                result[projection.target] = max(result[projection.target], deeper)
    return {
        name: max(depth, 0 if name == network.input.name else 1) for name, depth in result.items()
    }


class _Builder:
    """Makes one process per population and projection."""

    def __init__(self, chip: IntegerRule, beat: Beat, folder: Path | None) -> None:
        self.chip = chip
        self.beat = beat
        self.folder = folder
        self.depths = depths(chip.network)
        self.bottom = self.depths[chip.network.output]
        words = chip.words
        self.rounding = Rounding(words.rounding == "stochastic", words.seed)
        self.error = ErrorConstants(
            words.factor, words.factor_fraction, chip.powers, words.softmax_index
        )

    def backward(self, name: str) -> int:
        """Phase at which a population's factors leave."""
        return 2 * self.bottom - self.depths[name]

    def file(self, name: str) -> str:
        return "" if self.folder is None else str(self.folder / f"{name}.npz")

    def plastic(self, parameter: Parameter) -> Plastic | None:
        """The three words of a parameter as they are at the start; None if it does not learn."""
        form = self.chip.formats.get(parameter)
        if form is None:
            return None
        network = self.chip.network
        value, mean, gradient = first_memory(form, read_parameter(network, parameter))
        index = draw_indices(network, parameter, form.first)
        kept = None
        if form.eligibility is not None:
            words = {state: np.zeros_like(value) for state in form.eligibility.states}
            kept = Eligible(form.eligibility, parameter.port, self.rounding, index, words)
        return Plastic(form, self.rounding, index, value, mean, gradient, kept)

    def terms(self, population: FixedNeurons) -> Mapping[str, Term]:
        """The constants of a population that learn."""
        found: dict[str, Term] = {}
        for own in learnable_of(population):
            plastic = self.plastic(Parameter(population.name, own.port, own.term))
            if plastic is not None:
                found[f"{own.port}.{own.term}"] = Term(own.constant, own.port, own.message, plastic)
        return found

    def compared(self) -> Compared:
        """How the output is compared with goals."""
        output, rule = self.chip.output, self.chip.rule
        lengths = self.beat.lengths.tolist()
        return Compared(
            output.output_variable,
            output.fractions[output.output_variable],
            rule.error == "softmax",
            tuple(time_weight(rule, t, steps) for steps in lengths for t in range(steps)),
            self.error,
        )

    def neurons(self, population: FixedNeurons) -> AbstractProcess:
        name, found = population.name, self.chip.reverses.get(population.name)
        halves = Halves(
            size=population.size,
            forward=population.program if found is None else found.forward,
            backward=None if found is None else found.backward,
            tangent=self.chip.tangents.get(name),
            constants=population.constants,
            tables={**population.tables, SURROGATE_TABLE: self.chip.slopes},
            ports=population.ports,
            registers=population.registers,
            variables=tuple(v for v in population.variables if v == SPIKES),
            terms=self.terms(population),
            compared=self.compared() if name == self.chip.network.output else None,
            acts=self.depths[name],
            corrects=self.backward(name),
        )
        return PlasticNeurons(halves=halves, beat=self.beat, file=self.file(name), name=name)

    def moves(self, name: str) -> tuple[str, ...]:
        """What synapses are told of how a population moves."""
        found = self.chip.tangents.get(name)
        return () if found is None else found.moves

    def synapses(self, index: int, projection: FixedProjection) -> AbstractProcess:
        parameter = Parameter(projection.target, projection.port, WEIGHTS, index)
        name = parameter_name(self.chip.network, parameter)
        back, fraction = None, None
        if index in self.chip.crossed:
            fraction = projection.weight_fraction
            if self.chip.rule.feedback == "random":
                fraction = FEEDBACK_BITS
                seed = self.chip.rule.feedback_seed
                back = feedback_mantissas(seed, index, projection.weights.shape)
        weights, plastic = projection.weights, self.plastic(parameter)
        synapses = Synapses(
            name=name,
            weights=weights,
            plastic=plastic,
            places=None if plastic is None else expanded(weights).coordinates,
            exponent=projection.exponent,
            delay=projection.delay,
            back=back,
            back_fraction=fraction,
            heard=self.depths[projection.source],
            answered=self.depths[projection.target] - 1,
            corrected=self.backward(projection.target),
            moves=self.moves(projection.target),
        )
        file = self.file(f"synapses_{index}")
        return PlasticDense(synapses=synapses, beat=self.beat, file=file, name=name)


def build_learner(
    chip: IntegerRule,
    samples: IntArray,
    goals: Goals,
    lengths: IntArray,
    folder: Path | None = None,
) -> LavaLearner:
    """Create and connect the processes of a learning network.

    ``samples`` (T, S, N_in), ``goals`` of 1 or N_out numbers and ``lengths`` (S,) as
    :func:`encode` makes them. With a ``folder`` every process writes what it learned there after
    the last step.

    Raises:
        UnsupportedError: see :func:`check_learnable`.
    """
    check_learnable(chip)
    network = chip.network
    deep = depths(network)
    # Everything acts within a period, also what lies deeper than the output.
    period = max(2 * deep[network.output], *(depth + 1 for depth in deep.values()))
    own = np.arange(len(samples)) < lengths[:, None]
    beat = Beat(period, lengths, goals.wanted.T[own])
    builder = _Builder(chip, beat, folder)

    def source(data: IntArray, phase: int, name: str) -> Source:
        """Sends what belongs to the steps of all samples (T, S, N), as if they were one."""
        timing = Timing(period, phase, phase, beat.steps)
        return Source(data=data.swapaxes(0, 1)[own][None], timing=timing, run=Run(), name=name)

    goal_data = np.broadcast_to(goals.values, (*samples.shape[:2], goals.values.shape[2]))
    goal = source(goal_data, deep[network.output], "goal")
    populations: dict[str, AbstractProcess] = {}
    for population in network.populations:
        if isinstance(population, FixedInput):
            populations[population.name] = source(samples, 0, population.name)
        else:
            populations[population.name] = builder.neurons(population)
    connections = tuple(builder.synapses(*pair) for pair in enumerate(network.projections))
    goal.value_out.connect(populations[network.output].goal_in)
    for index, (projection, connection) in enumerate(
        zip(network.projections, connections, strict=True)
    ):
        sender, receiver = populations[projection.source], populations[projection.target]
        # A source sends whatever it is given, spikes or values.
        sent = "value" if isinstance(sender, Source) else projection.variable
        getattr(sender, f"{sent}_out").connect(connection.s_in)
        connection.a_out.connect(getattr(receiver, f"{projection.port}_in"))
        if projection.target in chip.reached:
            getattr(receiver, f"{projection.port}_factor_out").connect(connection.factor_in)
        if projection.target in chip.tangents:
            receiver.moves_out.connect(connection.moves_in)
        if index in chip.crossed:
            connection.credit_out.connect(sender.credit_in)
    return LavaLearner(populations, connections, goal, period * beat.steps)
