"""Eligibility in real numbers: what every synapse left in the states of its neuron.

The recursion and what an error finds in it are those of :class:`~ltc2hw.learning.rule.FPTTRule`,
and ``docs/learning-rules.md`` derives them. With the readout's states r, credit e of its output and
feedback weights B, the filtered traces f of a variable v are::

    ∂v/∂w = ∂v/∂h[t-1] ε[t-1] + ∂v/∂port x[t]
    f[t] = ∂r[t]/∂r[t-1] f[t-1] + ∂r[t]/∂port ∂v/∂w
    g = -Σ_v L_v ∂v/∂w - Σ_r B (e ∂output/∂r[t-1]) f[t-1]
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.dynamics.real import Surrogate, evaluate_real
from ltc2hw.dynamics.tangent import carry, cross, enter, show
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.backwards import tangent_of
from ltc2hw.learning.descent import Filter, Kept, kept
from ltc2hw.learning.learned import Eligibility
from ltc2hw.learning.neurons import neurons_of
from ltc2hw.learning.rule import FPTTRule, Parameter
from ltc2hw.learning.values import read_parameter
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.driver import Step, Values
from ltc2hw.simulations.plasticity.credit import CreditArithmetic, Credits, Targets, met

Moves = Mapping[str, FloatArray]
"""Entries of a population's tangent in a step, a number (N,) per neuron, those that are not 0."""


def moves_of(neurons: Neurons, registers: Values, step: Step, slope: Surrogate) -> Moves:
    """How a population moves in a step; ``registers`` are those before it."""
    found = tangent_of(neurons.model)
    produced, ports = step.produced[neurons.name], step.ports[neurons.name]
    forward = evaluate_real(
        found.forward, neurons.constants, ports, registers, neurons.functions, known=produced,
        surrogate=slope,
    )  # fmt: skip
    entries = evaluate_real(found.jacobian, neurons.constants, forward, {}, neurons.functions)
    return {name: np.broadcast_to(own, (1, neurons.size))[0] for name, own in entries.items()}


@dataclass(frozen=True)
class Moved:
    """A step of a network as eligibility needs it, with what it was before the step."""

    network: Network
    registers: State
    step: Step
    moves: Mapping[str, Moves]


class Traces:
    """What a rule keeps for the values of every parameter of a network; none may be kept.

    Raises:
        UnsupportedError: as :func:`~ltc2hw.learning.descent.kept`.
    """

    def __init__(
        self,
        network: Network,
        rule: FPTTRule,
        parameters: Sequence[Parameter],
        crossed: Sequence[int],
    ) -> None:
        self.crossed = crossed
        self.kept = kept(network, rule, parameters, crossed)
        learning = dict.fromkeys(parameter.population for parameter in self.kept)
        self.moving = tuple(dict.fromkeys((*learning, *((network.output,) if learning else ()))))

    def start(self, network: Network) -> Eligibility:
        """Nothing, of every value."""
        return {
            parameter: {
                name: np.zeros(read_parameter(network, parameter).shape) for name in own.names
            }
            for parameter, own in self.kept.items()
        }

    def moved(self, network: Network, registers: State, step: Step, slope: Surrogate) -> Moved:
        """How the populations that learn move in a step."""
        moves = {}
        for name in self.moving:
            neurons = neurons_of(network.population(name))
            assert isinstance(neurons, Neurons)
            moves[name] = moves_of(neurons, registers[name], step, slope)
        return Moved(network, registers, step, moves)

    def following(self, moved: Moved, eligibility: Eligibility) -> Eligibility:
        """Eligibility after a step."""
        result = {}
        for parameter, before in eligibility.items():
            found = _Values(parameter, self.kept[parameter], moved, before)
            own = {state: found.carried(state) for state in found.kept.states}
            readout = moved.moves[moved.network.output]
            own |= {f.name: found.filtered(f, readout) for f in found.kept.filters}
            result[parameter] = own
        return result

    def past(
        self,
        arithmetic: CreditArithmetic[Any, Any],
        moved: Moved,
        credit: Credits,
        eligibility: Eligibility,
    ) -> dict[Parameter, Array]:
        """The part of the descent that an error finds in the past, of every parameter."""
        result: dict[Parameter, Array] = {}
        signals: dict[tuple[str, Filter], Array] = {}
        for parameter, before in eligibility.items():
            name = parameter.population
            found = _Values(parameter, self.kept[parameter], moved, before)
            total = np.zeros_like(found.message)
            for variable, own in credit[name].items():
                total = total + own[0][found.targets] * found.shown(variable)
            for own_filter in found.kept.filters:
                key = name, own_filter
                if key not in signals:
                    signals[key] = self.signal(arithmetic, moved, credit, *key)
                total = total + signals[key][found.targets] * before[own_filter.name]
            result[parameter] = total
        return result

    def signal(
        self,
        arithmetic: CreditArithmetic[Any, Any],
        moved: Moved,
        credit: Credits,
        name: str,
        own: Filter,
    ) -> Array:
        """Credit (N,) of what the readout remembers of a population, sent back to it."""
        network = moved.network
        output = network.population(network.output)
        read = output.output_variable
        nothing = np.zeros(output.size)
        shown = moved.moves[output.name].get(show(read, own.state), nothing)
        total: Array = np.zeros(network.population(name).size)
        for index in self.crossed:
            connection = network.projections[index]
            ends = connection.source, connection.variable, connection.target, connection.port
            if ends == (name, own.variable, output.name, own.port):
                sent = arithmetic.feedback(index, connection, credit[output.name][read] * shown)
                total = total + sent[0]
        return total


class _Values:
    """The values of a parameter in a step, with what they kept before it."""

    def __init__(self, parameter: Parameter, kept: Kept, moved: Moved, before: Values) -> None:
        self.port = parameter.port
        self.kept = kept
        self.before = before
        self.moves = moved.moves[parameter.population]
        self.targets: Targets
        self.targets, self.message = met(moved.network, parameter, moved.registers, moved.step)

    def carried(self, state: str) -> Array:
        """``Σ A ε[t-1] + b x``: of a state after the step."""
        return self.follows(
            [(carry(state, old), old) for old in self.kept.states], enter(state, self.port)
        )

    def shown(self, variable: str) -> Array:
        """``Σ ∂v/∂h[t-1] ε[t-1]``: what a variable shows of the past."""
        return self.follows([(show(variable, old), old) for old in self.kept.states], "")

    def filtered(self, own: Filter, readout: Moves) -> Array:
        """``Σ ∂r/∂r[t-1] f[t-1] + ∂r/∂port ∂v/∂w``: the same of all outputs, so of the first."""
        sent = self.shown(own.variable)
        direct = self.moves.get(cross(own.variable, self.port))
        if direct is not None:
            sent = sent + direct[self.targets] * self.message
        total = np.zeros_like(self.message)
        for other in self.kept.filters:
            entry = carry(own.state, other.state)
            if (other.variable, other.port) == (own.variable, own.port) and entry in readout:
                total = total + readout[entry][0] * self.before[other.name]
        if enter(own.state, own.port) in readout:
            total = total + readout[enter(own.state, own.port)][0] * sent
        return total

    def follows(self, terms: Sequence[tuple[str, str]], entering: str) -> Array:
        total: Array = np.zeros_like(self.message)
        for entry, old in terms:
            if entry in self.moves:
                total = total + self.moves[entry][self.targets] * self.before[old]
        if entering in self.moves:
            total = total + self.moves[entering][self.targets] * self.message
        return total
