"""What of a network a rule changes, and what it holds as it is, and why."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.reverse import ONE
from ltc2hw.errors import UnknownNameError, UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.structure import Connection, Population
from ltc2hw.learning.backwards import enters, passes, remembers
from ltc2hw.learning.front_end import front_end, has_kernels_alone, is_held
from ltc2hw.learning.learned import Learned
from ltc2hw.learning.neurons import learnable_at, learnable_of, neurons_of
from ltc2hw.learning.rule import (
    WEIGHTS,
    Crosses,
    FPTTRule,
    Parameter,
    event_driven,
    learning_populations,
    parameter_name,
    plastic_parameters,
)
from ltc2hw.learning.values import read_parameter
from ltc2hw.numbers.convolution import Conv
from ltc2hw.quantization.report import KEY as REPORT

AnyNetwork = TypeVar("AnyNetwork", Network, FixedNetwork)

PARTIAL = "partial-learning"
"""Name by which a caller allows that the weights of the samples are held."""

CHANGES: tuple[str, ...] = (PARTIAL,)
"""What a caller may allow."""

NO_TERM = "the rule has no term for it"
NOT_NAMED = "not named in the rule's ports"
KERNEL = "a kernel's change is a sum over all its places, which no synapse knows"


@dataclass(frozen=True)
class Scope:
    """What a rule changes in a network.

    ``learns``: readable names of the arrays that learn; ``held``: those that stay, and why;
    ``unreached``: projections of the input, or of a convolutional front end, among the held ones
    that lead to the output, but that no error reaches.
    """

    learns: tuple[str, ...]
    held: Mapping[str, str]
    unreached: tuple[str, ...]

    @property
    def held_text(self) -> str:
        """What is held, grouped by reason: ``a, b (why); c (why)``."""
        reasons: dict[str, list[str]] = {}
        for name, reason in self.held.items():
            reasons.setdefault(reason, []).append(name)
        return "; ".join(f"{', '.join(names)} ({why})" for why, names in reasons.items())


def reached_populations(network: Network | FixedNetwork, rule: FPTTRule) -> tuple[str, ...]:
    """Populations that an error reaches, the output first; integers send it through spikes alone.

    With eligibility it also reaches those whose ports it finds in their past alone; it ends there.

    Raises:
        InvalidValueError: if the output is read by its spikes.
    """
    if rule.descent == "instantaneous":
        return learning_populations(network, passes, crossing(network))
    return learning_populations(network, remembers, crossing(network), enters)


def readouts(network: Network | FixedNetwork) -> tuple[str, ...]:
    """Populations that something leads to and nothing leaves: the output, and others like it."""
    entered = {connection.target for connection in network.projections}
    left = {c.source for c in network.projections if c.target != c.source}
    return tuple(p.name for p in network.populations if p.name in entered - left)


def crossing(network: Network | FixedNetwork) -> Crosses:
    """Which variables errors cross in a network."""
    return crosses_all if isinstance(network, Network) else crosses_spikes


def crosses_spikes(variable: str) -> bool:
    """Errors of integers cross spikes: one of a graded message would need a product per synapse."""
    return variable == SPIKES


def crosses_all(variable: str) -> bool:
    """Errors of real numbers cross whatever is sent."""
    return True


def scope_of(network: Network | FixedNetwork, rule: FPTTRule) -> Scope:
    """Name everything that can be learned in a network as learning or held by a rule.

    Raises:
        UnknownNameError, InvalidValueError: as
            :func:`~ltc2hw.learning.rule.plastic_parameters`, if nothing learns.
    """
    reached = reached_populations(network, rule)
    parameters = plastic_parameters(network, rule, reached)
    reasons = _Reasons(network, rule, reached)
    held: dict[str, str] = {}
    unreached = []
    leading = leading_to(network, network.output)
    entering = (network.input.name, *front_end(network))
    connections: Sequence[Connection] = network.projections
    for index, connection in enumerate(connections):
        parameter = Parameter(connection.target, connection.port, WEIGHTS, index)
        if parameter in parameters:
            continue
        name = parameter_name(network, parameter)
        if isinstance(connection.weights, Conv):
            held[name] = KERNEL
            continue
        held[name] = reasons.port(connection.target, connection.port)
        useful = connection.source in entering and connection.target in leading
        if useful and connection.target not in reached:
            unreached.append(name)
    for population in network.populations:
        for parameter in _constants(network, population):
            if parameter not in parameters:
                held[parameter_name(network, parameter)] = reasons.constant(parameter)
        for constant in _others(population):
            held[f"{population.name}.{constant}"] = reasons.fixed(population)
    learns = tuple(parameter_name(network, parameter) for parameter in parameters)
    return Scope(learns, held, tuple(unreached))


def require_reach(scope: Scope, rule: FPTTRule, allow: Collection[str] = ()) -> None:
    """Raise where weights of the samples are out of reach and the caller did not ask for that.

    Raises:
        UnsupportedError: if a projection of the input is held because no error reaches it, unless
            the rule names its ports or ``allow`` holds ``partial-learning``.
        UnknownNameError: for anything else in ``allow``.
    """
    names = [allow] if isinstance(allow, str) else list(allow)
    for name in names:
        if name not in CHANGES:
            raise UnknownNameError("change to allow", name, CHANGES)
    if not scope.unreached or rule.ports is not None or PARTIAL in names:
        return
    first = scope.unreached[0]
    learning = dict.fromkeys(name.rpartition("->")[2].partition(".")[0] for name in scope.learns)
    raise UnsupportedError(
        "on-chip FPTT",
        f"learning in {first}",
        f"no error reaches these weights of the samples: {scope.held[first]}; only"
        f" {', '.join(learning)} would learn",
        f"name {', '.join(learning)} as what shall learn, or allow {PARTIAL}",
    )


def with_scope(learned: Learned[AnyNetwork], scope: Scope) -> Learned[AnyNetwork]:
    """Record what was held, in the result and in the provenance of its network."""
    return replace(learned, network=told(learned.network, scope), held=scope.held)


def told(network: AnyNetwork, scope: Scope) -> AnyNetwork:
    """Return an adapted network whose provenance says what learned, and what was held and why.

    It goes on from what earlier learning left there. What quantization made of the weights that
    were before is no longer true of this network, and goes.
    """
    text: str = network.provenance.get("learns", "")
    before: list[str] = [name for name in text.split(", ") if name]
    learns = tuple(dict.fromkeys((*before, *scope.learns)))
    ever = replace(scope, held={n: why for n, why in scope.held.items() if n not in learns})
    kept = {key: text for key, text in network.provenance.items() if key != REPORT}
    provenance = {**kept, "learns": ", ".join(learns), "held": ever.held_text}
    result: AnyNetwork = replace(network, provenance=provenance)
    return result


def leading_to(network: Network | FixedNetwork, name: str) -> set[str]:
    """A population, and all from which any way leads to it."""
    found, waiting = {name}, [name]
    while waiting:
        target = waiting.pop()
        new = {c.source for c in network.projections if c.target == target} - found
        found |= new
        waiting += new
    return found


def _constants(network: Network | FixedNetwork, population: Population) -> list[Parameter]:
    """Biases of a population, and those self terms that are not zero."""
    parameters = (
        (own, Parameter(population.name, own.port, own.term)) for own in learnable_of(population)
    )
    return [
        parameter
        for own, parameter in parameters
        if own.message == ONE or np.any(read_parameter(network, parameter))
    ]


def _others(population: Population) -> tuple[str, ...]:
    """Constants of a population's model that no rule changes."""
    neurons = neurons_of(population)
    if neurons is None:
        return ()
    learnable = {own.constant for own in learnable_of(population)}
    return tuple(c.name for c in neurons.model.constants if c.name not in learnable)


class _Reasons:
    """Says why something is held."""

    def __init__(
        self, network: Network | FixedNetwork, rule: FPTTRule, reached: Sequence[str]
    ) -> None:
        self.network: Any = network
        self.rule = rule
        self.reached = reached
        self.crosses = crossing(network)

    def port(self, name: str, port: str) -> str:
        """Why the weights that land on a port are held."""
        if name not in self.reached:
            return self.population(name)
        assert self.rule.ports is not None
        return NOT_NAMED

    def constant(self, parameter: Parameter) -> str:
        """Why a bias or self term is held."""
        if parameter.population not in self.reached:
            return self.population(parameter.population)
        if is_held(self.network, parameter.population, parameter.port):
            return f"kernels alone lead to {parameter.population}.{parameter.port}"
        if self.rule.ports is not None and parameter.port not in self.rule.ports.get(
            parameter.population, ()
        ):
            return NOT_NAMED
        population = self.network.population(parameter.population)
        if learnable_at(population, parameter.port, parameter.term).message == ONE:
            return "the rule holds biases"
        if not self.rule.self_terms:
            return "the rule holds self terms"
        assert not event_driven(self.network, parameter.population, parameter.port)
        return "self terms learn only in gates that events steer"

    def fixed(self, population: Population) -> str:
        """Why a constant that no rule changes is held."""
        return NO_TERM if population.name in self.reached else self.population(population.name)

    def population(self, name: str) -> str:
        """Why no error reaches a population."""
        if has_kernels_alone(self.network, name):
            return f"kernels alone lead to {name}"
        population = self.network.population(name)
        leaving: list[Connection] = [
            connection
            for connection in self.network.projections
            if connection.source == name and connection.target != name
        ]
        ending = [connection for connection in leaving if connection.target in self.reached]
        if ending:
            return f"no error enters {name}: {self.edge(population, ending[0])}"
        if leaving and name in leading_to(self.network, self.network.output):
            targets = ", ".join(dict.fromkeys(connection.target for connection in leaving))
            return f"no error comes back to {name} through {targets}"
        if name in readouts(self.network):
            return f"it is read out beside {self.network.output}, whose errors these are"
        return f"nothing leads from {name} to the output"

    def edge(self, population: Population, connection: Connection) -> str:
        """Why an error does not cross a projection into a population."""
        if isinstance(connection.weights, Conv):
            return f"its way to {connection.target} is a kernel, and errors end there"
        if connection.delay:
            return f"its way to {connection.target} has a delay, and the past is held fixed"
        if not self.crosses(connection.variable):
            return (
                f"{connection.target} reads its {connection.variable}, and integers send errors"
                " back through spikes alone"
            )
        target = self.network.population(connection.target)
        model, variable = self.model(population), connection.variable
        if not remembers(population, variable):
            return f"in the model {model}, nothing that arrives changes its {variable}"
        if self.rule.descent != "instantaneous":
            return (
                f"errors end at {target.name}: in the model {self.model(target)}, what arrives at"
                f" {connection.port} changes what it sends only in a later step"
            )
        return (
            f"in the model {model}, what arrives changes its {variable} only in a later step,"
            " as the descent by eligibility follows it"
        )

    def model(self, population: Population) -> str:
        """Name of a population's model."""
        neurons = neurons_of(population)
        assert neurons is not None
        return neurons.model.name
