"""Learning without labels: a layer says what it will hear in the next step.

A *predictor* is a small readout of one layer, as wide as what that layer hears from below. Its
target in step t is what arrives in step t + 1, which the stream itself brings: no labels. The error
stays within the layer and its predictor (a layer-local loss), so no credit crosses layers, and
layers can learn one after the other, from below. The rule is any
:class:`~ltc2hw.learning.rule.FPTTRule` with the linear error; only the target is new, in real
numbers and on integers.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.models.readout import readout
from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork, variable_fraction
from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.samples import real_array
from ltc2hw.graph.sequences import own_steps
from ltc2hw.graph.structure import Connection, Population, named
from ltc2hw.graph.trace import State
from ltc2hw.learning.checks import require_seed
from ltc2hw.learning.goals import Course, samples_of
from ltc2hw.learning.learn import learn
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import FPTTRule
from ltc2hw.learning.scope import leading_to
from ltc2hw.learning.words import PlasticWords
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulate import simulate

Net = TypeVar("Net", Network, FixedNetwork)

SUFFIX = "_next"
"""The predictor of the layer ``hidden`` is ``hidden_next``."""

LEAK_BIAS = 1.0
"""Argument of a predictor's leak at the start, before it learns: ``τ = 0.75`` by PLAN."""


class Heard(NamedTuple):
    """What a layer hears from below: a variable of one population."""

    source: str
    variable: str


def heard_by(network: Network | FixedNetwork, layer: str) -> Heard:
    """What lands on a layer, apart from what it sends itself.

    Raises:
        UnknownNameError: for a layer that does not exist.
        UnsupportedError: if nothing lands on it, more than one thing, the same one late, or what
            its own spikes change.
    """
    population: Population = named(network.populations, layer)
    connections: list[Connection] = [
        c for c in network.projections if c.target == layer and c.source != layer
    ]
    heard = list(dict.fromkeys(Heard(c.source, c.variable) for c in connections))
    if len(heard) != 1:
        names = ", ".join(".".join(own) for own in heard) or "nothing"
        raise UnsupportedError(
            "next-step prediction", f"layer {population.name}", f"it hears {names}",
            "choose a layer that hears one population",
        )  # fmt: skip
    late = [c.delay for c in connections if c.delay]
    if late:
        raise UnsupportedError(
            "next-step prediction", f"layer {layer}", f"it hears {heard[0].source} {late[0]} late",
            "choose a layer that hears without delay",
        )  # fmt: skip
    if layer in leading_to(network, heard[0].source):
        raise UnsupportedError(
            "next-step prediction", f"layer {layer}", f"what it sends changes {heard[0].source}",
            "choose a layer that hears nothing of itself through others",
        )  # fmt: skip
    return heard[0]


def predictor_of(network: Network | FixedNetwork, layer: str) -> str:
    """Name of a layer's predictor.

    Raises:
        UnknownNameError: for a layer that does not exist.
        UnsupportedError: as :func:`heard_by`.
        InvalidValueError: if the network has no predictor of it, or one of another size.
    """
    size = network.population(heard_by(network, layer).source).size
    names = [population.name for population in network.populations]
    name = layer + SUFFIX
    if name not in names:
        remedy = "add it before quantizing: with_predictor, on the command line --predictor"
        raise InvalidValueError(f"predictor of {layer}", "absent", f"a readout {name}", remedy)
    if network.population(name).size != size:
        given = network.population(name).size
        raise InvalidValueError(f"size of {name}", given, f"{size}, what {layer} hears")
    return name


def with_predictor(network: Network, layer: str, seed: int = 0) -> Network:
    """The network with a predictor of a layer: leaky readouts of its spikes, its output unchanged.

    ``p[t] = p[t-1] + σ(a) (W s[t] + b - p[t-1])``, one for each thing that the layer hears, W
    uniform with a standard deviation of 1/√N, drawn from ``seed``; a begins at 1, b at 0.

    Raises:
        UnknownNameError: for a layer that does not exist.
        UnsupportedError: for one that sends no spikes, or as :func:`heard_by`.
        InvalidValueError: for one that has a predictor, or a seed beyond 64 bits.

    >>> from ltc2hw.graph.network import Input
    >>> wire = Projection("x", "value", "hidden", "current", Dense(np.ones((4, 2))))
    >>> neurons = Input("x", 2, graded=True), Neurons("hidden", 4, "ltc")
    >>> with_predictor(Network(neurons, (wire,), "hidden"), "hidden").population("hidden_next").size
    2
    """
    heard = heard_by(network, layer)
    population = network.population(layer)
    if "spikes" not in population.variables:
        raise UnsupportedError(
            "next-step prediction", f"layer {layer}", "it sends no spikes",
            "choose a layer of spiking neurons",
        )  # fmt: skip
    name = layer + SUFFIX
    if name in [other.name for other in network.populations]:
        raise InvalidValueError(f"predictor of {layer}", "there already", "a layer without one")
    size = network.population(heard.source).size
    limit = np.sqrt(3.0 / population.size)
    rng = np.random.default_rng(require_seed("seed", seed))
    weights = Dense(rng.uniform(-limit, limit, (size, population.size)))
    neurons = Neurons(name, size, readout, {"tau_mem.bias": LEAK_BIAS}, {"tau_mem": "plan"})
    wire = Projection(layer, "spikes", name, "current", weights)
    return replace(
        network,
        populations=(*network.populations, neurons),
        projections=(*network.projections, wire),
    )


def next_step(x: npt.ArrayLike, lengths: object = None, *, reset: bool = True) -> FloatArray:
    """Targets (T, S, N) of samples x (T, S, N): in each step the next one, NaN where there is none.

    There is none in the last step of a sample. Where registers go on (``reset=False``) samples are
    pieces of one stream, and the last step of each has the first of the next one.

    Raises:
        ShapeError, InvalidValueError: for samples or lengths that do not fit, and samples of one
            step.

    >>> next_step([[[1.0]], [[2.0]], [[3.0]]])[:, 0, 0]
    array([ 2.,  3., nan])
    """
    samples = real_array("samples", x)
    size = samples.shape[-1] if samples.ndim else 0
    return _following(*samples_of(samples, size, True, lengths, reset=reset))


def _following(samples: FloatArray, course: Course) -> FloatArray:
    """In each step of a stream the samples of the next one."""
    lasts = course.lengths - 1
    if course.reset and not lasts.min():
        limit, remedy = "at least 2", "one step has no next one; join steps to longer samples"
        raise InvalidValueError("steps of a sample", 1, limit, remedy)
    targets = np.full(samples.shape, np.nan)
    known = own_steps(lasts, course.steps, course.samples)[:-1]
    targets[:-1][known] = samples[1:][known]
    if not course.reset:
        targets[lasts[:-1], np.arange(course.samples - 1)] = samples[0, 1:]
    return targets


def next_heard(
    network: Network | FixedNetwork,
    layer: str,
    x: npt.ArrayLike,
    lengths: object = None,
    *,
    reset: bool = True,
    learning: Learning | None = None,
) -> FloatArray:
    """Targets (T, S, N) of a layer's predictor: what it hears in the next step, NaN where unknown.

    For the first layer these are the samples x (T, S, N_in); for a deeper one what the layer below
    sends when the network runs on them, as it is. ``learning``: the state whose registers the
    stream goes on from, with ``reset=False``.

    Raises:
        UnknownNameError, UnsupportedError: as :func:`heard_by`.
        ShapeError, InvalidValueError: as :func:`next_step` and :func:`~ltc2hw.simulate`.
    """
    heard = heard_by(network, layer)
    size, graded = network.input.size, network.input.graded
    samples, course = samples_of(x, size, graded, lengths, reset=reset)
    if heard.source != network.input.name:
        start = None if reset or learning is None else learning.registers
        samples = _sent(network, heard, samples, course, start)
    return _following(samples, course)


def _sent(
    network: Network | FixedNetwork,
    heard: Heard,
    samples: FloatArray,
    course: Course,
    start: State | None,
) -> FloatArray:
    """What a population sends while the network runs on a stream, in real numbers."""
    record, own = (heard.variable,), course.own.T
    if course.reset:
        trace = simulate(network, samples, record=record, lengths=course.ends)
    else:
        joined = samples.transpose(1, 0, 2)[own][:, None]
        trace = simulate(network, joined, record=record, state=start)
    sent: FloatArray = trace.recorded()[heard].astype(np.float64)
    if isinstance(network, FixedNetwork):
        fraction = variable_fraction(network.population(heard.source), heard.variable)
        sent = np.ldexp(sent, -fraction)
    if course.reset:
        return sent
    cut = np.zeros((course.samples, course.steps, sent.shape[2]))
    cut[own] = sent[:, 0]
    return cut.transpose(1, 0, 2)


def prediction_rule(
    network: Network | FixedNetwork, layer: str, rule: FPTTRule | None = None
) -> FPTTRule:
    """The rule with the linear error, in which a layer and its predictor learn and nothing else.

    Ports that the rule names stay those that learn. Every step counts alike where no rule is given.

    Raises:
        UnknownNameError, UnsupportedError, InvalidValueError: as :func:`predictor_of`.
    """
    name = predictor_of(network, layer)
    chosen = FPTTRule(weighting="uniform") if rule is None else rule
    ports = chosen.ports
    if ports is None:
        ports = {own: tuple(network.population(own).ports) for own in (name, layer)}
    return replace(chosen, error="linear", ports=ports)


def learn_to_predict(
    network: Net,
    layer: str,
    x: npt.ArrayLike,
    rule: FPTTRule | None = None,
    words: PlasticWords | None = None,
    engine: str | None = None,
    learning: Learning | None = None,
    *,
    reset: bool = True,
    allow: Collection[str] = (),
    lengths: npt.ArrayLike | None = None,
) -> Learned[Net]:
    """Learn to predict what a layer hears next, on a stream without labels.

    ``learn`` with the targets of :func:`next_heard` and the rule of :func:`prediction_rule`; all
    other arguments are those of :func:`ltc2hw.learn`. ``learned.outputs`` are the predictions, and
    ``learned.network`` has the output that the network had.

    Raises:
        UnknownNameError, UnsupportedError, InvalidValueError: as :func:`predictor_of`.
        ShapeError, TrainingError: as :func:`ltc2hw.learn`.
    """
    predicting = network.with_output(predictor_of(network, layer))
    targets = next_heard(network, layer, x, lengths, reset=reset, learning=learning)
    own = prediction_rule(network, layer, rule)
    learned: Learned[Net] = learn(
        predicting, x, targets, own, words, engine, learning,
        reset=reset, allow=allow, lengths=lengths,
    )  # fmt: skip
    return replace(learned, network=learned.network.with_output(network.output))
