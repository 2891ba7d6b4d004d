"""Builds the Lava processes of an integer network and connects them.

Weights become Lava's own connections; neurons become Lava's own ``LIF`` where it computes exactly
what their program says, and otherwise a process of :mod:`~ltc2hw.converters.lava.processes.neurons`
that interprets it.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv as LavaConv
from lava.proc.lif.process import LIF as LavaLIF

from ltc2hw.converters.lava.connections import connection_recipes
from ltc2hw.converters.lava.limits import check_expressible, programmed, suits_lava_lif
from ltc2hw.converters.lava.populations import Recipe, lava_lif_recipe, neurons_recipe
from ltc2hw.converters.lava.processes.convolution import WideConvModel
from ltc2hw.converters.lava.processes.lif import RecordedLIFModel
from ltc2hw.converters.lava.processes.scheduled import Run, Timing
from ltc2hw.converters.lava.processes.source import Source
from ltc2hw.converters.lava.schedule import Schedule, make_schedule
from ltc2hw.converters.lava.wiring import connect
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork, FixedPopulation
from ltc2hw.graph.structure import Port
from ltc2hw.numbers.words import IntArray

FIXED_POINT = "fixed_pt"
"""Lava's tag of the bit-accurate models."""


@dataclass(frozen=True)
class Feed:
    """Integer samples (T, B, N), silent steps before each, and each population's run."""

    samples: IntArray
    lead: int = 0
    runs: Mapping[str, Run] = field(default_factory=dict)


@dataclass(frozen=True)
class LavaNetwork:
    """A network as connected Lava processes.

    - ``network``, ``schedule``: what it was built from, and when each population acts
    - ``populations``: process of each population; without the input, unless samples were given
    - ``connections``: processes of each projection, in the order of ``network.projections``: one,
      or two where a convolution waits
    """

    network: FixedNetwork
    schedule: Schedule
    populations: Mapping[str, AbstractProcess]
    connections: tuple[tuple[AbstractProcess, ...], ...]

    def in_port(self, population: str, port: Port = "current") -> InPort:
        """Port of a population's process, to bring in further Lava connections.

        Raises:
            UnknownNameError: if the population has no such port.
        """
        known = self.network.population(population).ports
        if port not in known:
            raise UnknownNameError(f"port of {population}", port, known)
        process = self.populations[population]
        return process.a_in if isinstance(process, LavaLIF) else getattr(process, f"{port}_in")

    def out_port(self, population: str, variable: str) -> OutPort:
        """Port of a population's process that sends a variable.

        Raises:
            UnknownNameError: if the population does not send that variable.
        """
        form = self.network.population(population)
        known = tuple(dict.fromkeys((*form.variables, form.output_variable)))
        if variable not in known:
            raise UnknownNameError(f"variable of {population}", variable, known)
        process = self.populations[population]
        if isinstance(process, LavaLIF):
            return process.s_out
        if isinstance(process, Source):
            return process.value_out
        return getattr(process, f"{variable}_out")

    @property
    def output(self) -> OutPort:
        """Port of the output population: its spikes, or a readout's membrane."""
        form = self.network.population(self.network.output)
        return self.out_port(form.name, form.output_variable)

    def connect_input(self, source: OutPort) -> None:
        """Let another Lava process send the samples.

        The integers of step t must leave it at chip step ``t · schedule.period`` (counted from
        0), zeros in between.

        Raises:
            InvalidValueError: if the network was built with samples of its own.
        """
        name = self.network.input.name
        if name in self.populations:
            raise InvalidValueError(f"input {name}", "built with samples", "none of its own")
        for projection, chain in zip(self.network.projections, self.connections, strict=True):
            if projection.source == name:
                connect(source, chain[0].s_in)

    def run_config(self, *, recorded: bool = False) -> Loihi2SimCfg:
        """Lava's fixed-point run configuration; ``recorded``: LIF records as our models do."""
        models: dict[type[AbstractProcess], type[object]] = {LavaConv: WideConvModel}
        if recorded:
            models[LavaLIF] = RecordedLIFModel
        return Loihi2SimCfg(select_tag=FIXED_POINT, exception_proc_model_map=models)


def build_network(network: FixedNetwork, feed: Feed | None = None) -> LavaNetwork:
    """Create and connect the Lava processes of a network.

    Without ``feed`` the processes run without end and the samples come through
    :meth:`LavaNetwork.connect_input`.

    Raises:
        UnsupportedError: for words or delays that Lava cannot hold; names where.
    """
    check_expressible(network)
    schedule = make_schedule(network)
    with _root_handlers_kept():
        populations = {
            population.name: recipe[0](**recipe[1])
            for population in network.populations
            if (recipe := population_recipe(network, population, schedule, feed)) is not None
        }
        connections = tuple(
            tuple(kind(**options) for kind, options in connection_recipes(network, *waiting))
            for waiting in zip(network.projections, schedule.delays, strict=True)
        )
    built = LavaNetwork(network, schedule, populations, connections)
    for projection, chain in zip(network.projections, connections, strict=True):
        if projection.source in populations:
            connect(built.out_port(projection.source, projection.variable), chain[0].s_in)
        for first, second in pairwise(chain):
            connect(first.a_out, second.s_in)
        connect(chain[-1].a_out, built.in_port(projection.target, projection.port))
    return built


def population_recipe(
    network: FixedNetwork, population: FixedPopulation, schedule: Schedule, feed: Feed | None
) -> Recipe | None:
    """Class and arguments of a population's process; None for an input without samples."""
    name = population.name
    timing = _timing(schedule, name, feed)
    run = Run() if feed is None else feed.runs.get(name, Run())
    neurons = programmed(population)
    if neurons is None:
        if feed is None:
            return None
        data = feed.samples.transpose(1, 0, 2).astype(np.int32)
        return Source, {"data": data, "timing": timing, "run": run, "name": name}
    if suits_lava_lif(neurons, schedule.period, schedule.skew(name)):
        return lava_lif_recipe(neurons, timing, run)
    return neurons_recipe(neurons, timing, run)


def _timing(schedule: Schedule, name: str, feed: Feed | None) -> Timing:
    current, update = schedule.offsets[name, "early"], schedule.offsets[name, "late"]
    if feed is None:
        return Timing(schedule.period, current, update)
    steps, samples, _ = feed.samples.shape
    return Timing(schedule.period, current, update, steps, feed.lead, samples)


@contextlib.contextmanager
def _root_handlers_kept() -> Iterator[None]:
    """Undo what every Lava process does when it is made: add a handler to the root logger."""
    root = logging.getLogger()
    before = list(root.handlers)
    try:
        yield
    finally:
        root.handlers[:] = before
