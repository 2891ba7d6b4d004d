"""What every run of a network in Lava needs: samples and state in, recorded arrays out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.exported import carrier
from ltc2hw.converters.lava.assembly import Feed
from ltc2hw.converters.lava.processes.scheduled import LOST, Run
from ltc2hw.converters.lava.schedule import make_schedule
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    message_format,
    recorded_dtype,
)
from ltc2hw.graph.fixed_state import starting_state
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import State, Trace, check_record, make_trace
from ltc2hw.numbers.words import IntArray, shift_toward_zero

SENT = "sent:"
"""Prefix of past messages in a state."""

Recorded = Mapping[str, Mapping[str, IntArray]]
"""Arrays (B, T, N) by population and variable, and counts by ``LOST`` and the word."""


@dataclass(frozen=True)
class Request:
    """A run, checked: what enters, what is kept, and what it costs in chip steps."""

    network: FixedNetwork
    encoded: IntArray
    misfits: int
    record: Mapping[str, tuple[str, ...]]
    state: State

    @classmethod
    def make(
        cls,
        network: FixedNetwork,
        x: npt.ArrayLike,
        record: Sequence[str] | str,
        state: State | None,
    ) -> Request:
        """Check and encode samples x (T, B, N_in).

        Raises:
            ShapeError, InvalidValueError, UnknownNameError: as every engine does.
        """
        samples = check_samples(x, network.input.size, network.input.graded)
        encoded, misfits = network.input.word.encode(samples, network.input.fraction)
        start = starting_state(network, state, samples.shape[1])
        return cls(network, encoded, misfits, check_record(record, network.populations), start)

    @property
    def chip_steps(self) -> int:
        """Chip steps of the whole run, all samples one after the other."""
        steps, batch, _ = self.encoded.shape
        return make_schedule(self.network).chip_steps(batch * (self.lead + steps))

    @property
    def lead(self) -> int:
        """Steps between samples: as many as the longest delay, so that all messages drain."""
        return max((projection.delay for projection in self.network.projections), default=0)

    def feed(self, file_of: Callable[[str], str]) -> Feed:
        """Samples and runs for the processes; ``file_of(population)`` is where each records."""
        runs = {p.name: self._run(p, file_of(p.name)) for p in self.network.populations}
        return Feed(self.encoded, self.lead, runs)

    def _run(self, population: FixedPopulation, file: str) -> Run:
        registers = self.state[population.name]
        past = {
            _port_of(population, name.removeprefix(SENT)): messages
            for name, messages in registers.items()
            if name.startswith(SENT)
        }
        initial = {name: value for name, value in registers.items() if not name.startswith(SENT)}
        if isinstance(population, FixedInput):
            return Run(past=past)
        return Run(initial, past, self._kept(population), file)

    def _kept(self, population: FixedPopulation) -> tuple[str, ...]:
        """What is asked for, what the next run starts from, and the output."""
        sent = (
            name.removeprefix(SENT) for name in self.state[population.name] if name.startswith(SENT)
        )
        wanted = (*self.record[population.name], *population.registers, *sent)
        if population.name == self.network.output:
            wanted = (*wanted, population.output_variable)
        return tuple(dict.fromkeys(wanted))

    def trace(self, recorded: Recorded) -> Trace:
        """Put what the processes recorded together; Lava's own LIF counts no saturations."""
        dtype = recorded_dtype(self.network)
        values: dict[str, dict[str, IntArray]] = {
            name: {
                variable: array.transpose(1, 0, 2)
                for variable, array in arrays.items()
                if not variable.startswith(LOST)
            }
            for name, arrays in recorded.items()
        }
        entrance = self.network.input
        values[entrance.name] = {entrance.variables[0]: self.encoded}
        kept = {
            name: {
                variable: values[name][variable].astype(np.uint8 if variable == "spikes" else dtype)
                for variable in variables
            }
            for name, variables in self.record.items()
        }
        output = self.network.population(self.network.output)
        outputs = values[output.name][output.output_variable].astype(dtype)
        return make_trace(kept, outputs, self._counts(recorded), self._final_state(values))

    def _counts(self, recorded: Recorded) -> dict[str, dict[str, int]]:
        """Values that did not fit, by population and word; of messages only those that are read."""
        counts: dict[str, dict[str, int]] = {p.name: {} for p in self.network.populations}
        entrance = self.network.input
        if self.misfits:
            counts[entrance.name][entrance.variables[0]] = self.misfits
        read = {(p.source, carrier(p.variable)) for p in self.network.projections}
        for name, arrays in recorded.items():
            messages = {carrier(variable) for variable in self.network.population(name).variables}
            for key, array in arrays.items():
                word = key.removeprefix(LOST)
                if word != key and (word not in messages or (name, word) in read):
                    counts[name][word] = int(array)
        return counts

    def _final_state(self, values: Mapping[str, Mapping[str, IntArray]]) -> State:
        following: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for population in self.network.populations:
            name = population.name
            following[name] = {}
            for register, before in self.state[name].items():
                if register.startswith(SENT):
                    variable = register.removeprefix(SENT)
                    sent = _messages(population, variable, values[name][variable])
                    past = np.concatenate([sent[::-1], before])[: len(before)]
                    following[name][register] = past
                else:
                    following[name][register] = values[name][register][-1]
        return following


def _port_of(population: FixedPopulation, variable: str) -> str:
    """Name of a message at the process: an input's port is called ``value`` in any case."""
    return "value" if isinstance(population, FixedInput) else variable


def _messages(population: FixedPopulation, variable: Any, value: IntArray) -> IntArray:
    sent: Variable = variable
    form = message_format(population, sent)
    if form is None:
        return value
    return form.word.fit(shift_toward_zero(value, form.shift))[0]
