"""The Lava processes of on-chip FPTT, built from an integer rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg

from ltc2hw.converters.lava.assembly import FIXED_POINT
from ltc2hw.converters.lava.limits import programmed
from ltc2hw.converters.lava.processes.beat import Beat
from ltc2hw.converters.lava.processes.plastic import (
    LTCConstants,
    PlasticLTC,
    PlasticReadout,
    ReadoutConstants,
)
from ltc2hw.converters.lava.processes.plastic_arithmetic import (
    FactorConstants,
    GateForm,
    Plastic,
    Rounding,
)
from ltc2hw.converters.lava.processes.plastic_neurons import ARGUMENT, DISTANCE, Forward, Terms
from ltc2hw.converters.lava.processes.scheduled import Run, Timing
from ltc2hw.converters.lava.processes.source import Source
from ltc2hw.converters.lava.processes.synapses import PlasticDense, Synapses
from ltc2hw.converters.populations import FixedGate, FixedLTC, FixedReadout
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.learning.fixed import IntegerRule, draw_indices, first_memory
from ltc2hw.learning.rule import FEEDBACK_BITS, Parameter, feedback_mantissas, parameter_name
from ltc2hw.learning.values import read_parameter
from ltc2hw.learning.words import time_weight
from ltc2hw.numbers.weights import Dense
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
        UnsupportedError: LIF populations, graded messages between populations, sparse weights.
    """
    where, remedy = "Lava's learning processes", "learn with engine='integer'"
    for population in chip.network.populations:
        if isinstance(population, FixedNeurons) and not population.model.gates:
            raise UnsupportedError(where, f"population '{population.name}'", "LIF neurons", remedy)
    for projection in chip.network.projections:
        name = f"projection {connection_name(projection)}"
        if projection.variable not in ("spikes", "value"):
            raise UnsupportedError(where, name, "graded messages", remedy)
        if not isinstance(projection.weights, Dense):
            raise UnsupportedError(where, name, "sparse weights", remedy)


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


def gate_form(gate: FixedGate) -> GateForm:
    """What learning needs of a gate."""
    shift = gate.from_current.shift
    return GateForm(gate.fraction, gate.output_fraction, shift, gate.function == "plan")


def forward_of(population: FixedLTC | FixedReadout) -> Forward:
    """A population's step, with the arguments of its gates and how far above threshold it is."""
    neurons = programmed(population)
    assert neurons is not None
    values, results = list(neurons.program.values), dict(neurons.program.results)
    for gate in neurons.model.gates:
        (results[f"{ARGUMENT}{gate}"],) = values[results[gate]].arguments
    if "spikes" in results:
        values.append(Value(Operation.SUBTRACT, values[results["spikes"]].arguments))
        results[DISTANCE] = len(values) - 1
    program = Program(neurons.program.language, tuple(values), results)
    return Forward(program, neurons.constants, neurons.tables, neurons.ports, neurons.registers)


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
        self.factors = FactorConstants(
            words.factor,
            words.factor_fraction,
            chip.slopes,
            words.surrogate_index,
            chip.powers,
            words.softmax_index,
        )

    def backward(self, name: str) -> int:
        """Phase at which a population's factors leave."""
        return 2 * self.bottom - self.depths[name]

    def file(self, name: str) -> str:
        return "" if self.folder is None else str(self.folder / f"{name}.npz")

    def plastic(self, parameter: Parameter, shape: tuple[int, ...]) -> Plastic | None:
        """The three words of a parameter as they are at the start; None if it does not learn."""
        form = self.chip.formats.get(parameter)
        if form is None:
            return None
        network = self.chip.network
        value, mean, gradient = first_memory(form, read_parameter(network, parameter))
        index = draw_indices(network, parameter, form.first)
        arrays = [array.reshape(shape) for array in (index, value, mean, gradient)]
        return Plastic(form, self.rounding, *arrays)

    def terms(self, name: str, size: int) -> Terms:
        """The constants of a population that learn."""
        found: dict[tuple[str, str], Plastic] = {}
        for parameter in self.chip.parameters:
            if parameter.population == name and parameter.projection is None:
                plastic = self.plastic(parameter, (size,))
                assert plastic is not None
                found[parameter.port, parameter.term] = plastic
        return found

    def neurons(self, population: FixedLTC | FixedReadout) -> AbstractProcess:
        name = population.name
        gates = {"tau_mem": gate_form(population.tau_mem)}
        if isinstance(population, FixedLTC):
            gates["tau_adp"] = gate_form(population.tau_adp)
        common: dict[str, Any] = {
            "size": population.size,
            "fraction": population.fraction,
            "forward": forward_of(population),
            "gates": gates,
            "factors": self.factors,
            "acts": self.depths[name],
            "corrects": self.backward(name),
        }
        made: dict[str, Any] = {
            "terms": self.terms(name, population.size),
            "beat": self.beat,
            "file": self.file(name),
            "name": name,
        }
        if isinstance(population, FixedReadout):
            rule, steps = self.chip.rule, self.beat.steps
            constants = ReadoutConstants(
                **common,
                classify=rule.error == "softmax",
                weights=tuple(time_weight(rule, t, steps) for t in range(steps)),
            )
            return PlasticReadout(constants=constants, **made)
        ltc = LTCConstants(
            **common,
            adaptation_fraction=population.adaptation_fraction,
            strength_shift=population.adaptation_strength.shift,
        )
        return PlasticLTC(constants=ltc, **made)

    def synapses(self, index: int, projection: FixedProjection) -> AbstractProcess:
        parameter = Parameter(projection.target, projection.port, "weights", index)
        name = parameter_name(self.chip.network, parameter)
        shape = projection.weights.shape
        back, fraction = None, None
        if index in self.chip.crossed:
            fraction = projection.weight_fraction
            if self.chip.rule.feedback == "random":
                fraction = FEEDBACK_BITS
                back = feedback_mantissas(self.chip.rule.feedback_seed, index, shape)
        synapses = Synapses(
            name=name,
            weights=projection.weights.to_array(),
            plastic=self.plastic(parameter, shape),
            exponent=projection.exponent,
            delay=projection.delay,
            back=back,
            back_fraction=fraction,
            heard=self.depths[projection.source],
            answered=self.depths[projection.target] - 1,
            corrected=self.backward(projection.target),
        )
        file = self.file(f"synapses_{index}")
        return PlasticDense(synapses=synapses, beat=self.beat, file=file, name=name)


def build_learner(
    chip: IntegerRule, samples: IntArray, goals: IntArray, folder: Path | None = None
) -> LavaLearner:
    """Create and connect the processes of a learning network.

    ``samples`` (T, S, N_in) and ``goals`` (S, 1 or N_out) as :func:`encode` makes them. With a
    ``folder`` every process writes what it learned there after the last update.

    Raises:
        UnsupportedError: see :func:`check_learnable`.
    """
    check_learnable(chip)
    network = chip.network
    steps, count, _ = samples.shape
    period = 2 * depths(network)[network.output]
    builder = _Builder(chip, Beat(period, steps, count), folder)

    def source(data: IntArray, phase: int, name: str) -> Source:
        timing = Timing(period, phase, phase, steps, 0, count)
        return Source(data=data.astype(np.int32), timing=timing, run=Run(), name=name)

    goal_data = np.repeat(goals[:, None], steps, axis=1)
    goal = source(goal_data, builder.depths[network.output], "goal")
    populations: dict[str, AbstractProcess] = {}
    for population in network.populations:
        if isinstance(population, FixedInput):
            data = samples.transpose(1, 0, 2)
            populations[population.name] = source(data, 0, population.name)
        else:
            assert isinstance(population, (FixedLTC, FixedReadout))
            populations[population.name] = builder.neurons(population)
    connections = tuple(builder.synapses(*pair) for pair in enumerate(network.projections))
    goal.value_out.connect(populations[network.output].goal_in)
    for index, (projection, connection) in enumerate(
        zip(network.projections, connections, strict=True)
    ):
        sender, receiver = populations[projection.source], populations[projection.target]
        getattr(sender, f"{projection.variable}_out").connect(connection.s_in)
        connection.a_out.connect(getattr(receiver, f"{projection.port}_in"))
        if projection.target in chip.reached:
            getattr(receiver, f"{projection.port}_factor_out").connect(connection.factor_in)
        if index in chip.crossed:
            connection.credit_out.connect(sender.credit_in)
    return LavaLearner(populations, connections, goal, period * steps * count)
