"""What the integers of a network can be, from its weights, words and constants alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ltc2hw.converters.c.text import interval_of
from ltc2hw.dynamics.intervals import Interval, transfer
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.graph.fixed import FixedNetwork, FixedProjection, message_word
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.words import IntArray

Intervals = Mapping[str, Interval]

ROUNDS = 4
"""Steps for which states may grow before they are taken to fill their words."""


def message_interval(network: FixedNetwork, projection: FixedProjection) -> Interval:
    """What a projection carries."""
    word = message_word(network.population(projection.source), projection.variable)
    return Interval(word.minimum, word.maximum)


def arriving_rows(network: FixedNetwork, projection: FixedProjection) -> tuple[IntArray, IntArray]:
    """Smallest and largest contribution to every target, and to its sum at any time."""
    message = message_interval(network, projection)
    weights = projection.weights
    positive, negative = (
        weights.with_values(part).apply(np.ones((1, weights.shape[1]), np.int64))[0]
        for part in (np.maximum(weights.values, 0), np.minimum(weights.values, 0))
    )
    low = positive * message.low + negative * message.high
    high = positive * message.high + negative * message.low
    return low << projection.exponent, high << projection.exponent


def has_weights(projection: FixedProjection) -> bool:
    """Whether anything can arrive through a projection."""
    return bool(np.any(projection.weights.values))


def port_intervals(network: FixedNetwork) -> dict[tuple[str, str], Interval]:
    """What can arrive, by population and port; ports that nothing reaches have no entry."""
    totals: dict[tuple[str, str], list[IntArray]] = {}
    for projection in network.projections:
        if has_weights(projection):
            rows = np.stack(arriving_rows(network, projection))
            totals.setdefault((projection.target, projection.port), []).append(rows)
    found = {}
    for place, parts in totals.items():
        low, high = np.sum(parts, axis=0)
        found[place] = Interval(min(0, int(low.min())), max(0, int(high.max())))
    return found


def value_intervals(
    program: Program, neurons: FixedNeurons, ports: Intervals, states: Intervals
) -> list[Interval]:
    """Interval of every value of a step."""
    found: list[Interval] = []
    for value in program.values:
        if value.operation is Operation.PARAMETER:
            found.append(interval_of(np.asarray(neurons.constants[value.name])))
        elif value.operation is Operation.PORT:
            found.append(ports.get(value.name, Interval(0, 0)))
        elif value.operation is Operation.STATE:
            found.append(states[value.name])
        else:
            arguments = [found[argument] for argument in value.arguments]
            found.append(transfer(value, arguments, neurons.tables))
    return found


def reached_states(
    neurons: FixedNeurons, ports: Intervals, words: Intervals
) -> dict[str, Interval]:
    """What registers can become from zero on, within what ``words`` say that they hold."""
    reached = {name: Interval(0, 0) for name in neurons.registers}
    rounds = 0
    while True:
        values = value_intervals(neurons.program, neurons, ports, reached)
        following = {
            name: old.hull(values[neurons.program.results[name]].meet(words[name]))
            for name, old in reached.items()
        }
        grown = [name for name, interval in following.items() if interval != reached[name]]
        if not grown:
            return reached
        rounds += 1
        if rounds >= ROUNDS:
            following |= {name: words[name] for name in grown}
        reached = following
