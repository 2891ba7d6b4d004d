"""What descents with a memory keep for every synapse, and where they would not be local.

Each value of a parameter keeps what it left in the states of its own neuron, as long as these can
still show it in what the neuron sends. Sources: as of :mod:`ltc2hw.learning.rule`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.tangent import carry, enter
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.learning.backwards import credited, tangent_of
from ltc2hw.learning.leak import common_entries
from ltc2hw.learning.neurons import neurons_of
from ltc2hw.learning.rule import FPTTRule, Parameter

LEARNER = "on-chip learning"
"""Who cannot express what is refused here."""


@dataclass(frozen=True)
class Filter:
    """What a readout remembers of a variable that lands at a port of it, in one of its states."""

    variable: str
    port: str
    state: str

    @property
    def name(self) -> str:
        """Its name in a state of learning: ``spikes.current.membrane``."""
        return f"{self.variable}.{self.port}.{self.state}"


@dataclass(frozen=True)
class Kept:
    """What every value of a parameter keeps: a number for each of these.

    ``states``: of its own neuron; ``filters``: of the readout, through what the neuron sends.
    """

    states: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its numbers."""
        return (*self.states, *(own.name for own in self.filters))


def kept(
    network: Network | FixedNetwork,
    rule: FPTTRule,
    parameters: Sequence[Parameter],
    crossed: Collection[int],
) -> Mapping[Parameter, Kept]:
    """What a rule keeps for the values of every parameter, nothing where it is instantaneous.

    ``crossed``: indices of the projections that carry errors back.

    Raises:
        UnsupportedError: naming the population, where the rule would not be local or not exact.
    """
    if rule.descent == "instantaneous":
        return {}
    learning = dict.fromkeys(parameter.population for parameter in parameters)
    for name in learning:
        _require_own(network, name)
    filters: dict[str, tuple[Filter, ...]] = {}
    if rule.descent == "filtered" and isinstance(network, Network):
        hidden = tuple(name for name in learning if name != network.output)
        filters = {name: _filters(network, crossed, name) for name in hidden}
        _require_one_leak(network, parameters, [own for f in filters.values() for own in f])
    return {
        parameter: Kept(
            tangent_of(model_of(network, parameter.population)).remembered(
                parameter.port, credited(network, crossed, parameter.population)
            ),
            filters.get(parameter.population, ()),
        )
        for parameter in parameters
    }


def model_of(network: Network | FixedNetwork, name: str) -> Model:
    """The model of a population of neurons."""
    neurons = neurons_of(network.population(name))
    assert neurons is not None
    return neurons.model


def _require_own(network: Network | FixedNetwork, name: str) -> None:
    """Refuse neurons whose memory is that of the whole population, as with dense gates."""
    for connection in network.projections:
        if connection.source == connection.target == name and connection.delay == 0:
            raise UnsupportedError(
                LEARNER,
                f"eligibility in {name}",
                f"each neuron's {connection.variable} enters {connection.port} of all others"
                " within the step, so that what a synapse leaves is in all of them",
                "use event or static gates, or the instantaneous descent",
            )


def _filters(network: Network, crossed: Collection[int], name: str) -> tuple[Filter, ...]:
    """What the readout remembers of a population that errors enter from it alone."""
    output = network.population(network.output)
    found: dict[tuple[str, str], None] = {}
    for index in sorted(crossed):
        connection = network.projections[index]
        if connection.source != name:
            continue
        if connection.target != network.output:
            raise UnsupportedError(
                LEARNER,
                f"a descent filtered by the readout's leak in {name}",
                f"its errors come through {connection.target}, and change there from step to step",
                "use the descent by eligibility",
            )
        found[connection.variable, connection.port] = None
    readout = tangent_of(model_of(network, network.output))
    return tuple(
        Filter(variable, port, state)
        for variable, port in found
        for state in readout.remembered(port, (output.output_variable,))
    )


def _require_one_leak(
    network: Network, parameters: Sequence[Parameter], filters: Sequence[Filter]
) -> None:
    """Refuse outputs that forget in different ways: a synapse would need a number for each."""
    output = network.population(network.output)
    if output.size == 1:
        return
    readout = tangent_of(model_of(network, output.name))
    same = common_entries(network, parameters, output.name)
    for own in filters:
        entries = [carry(own.state, old) for old in readout.carried(own.state)]
        entries += [enter(own.state, own.port)] * readout.has(enter(own.state, own.port))
        for entry in entries:
            if entry not in same:
                raise UnsupportedError(
                    LEARNER,
                    f"a descent filtered by the leak of {output.name}",
                    f"its {output.size} outputs do not share one that stays ({entry})",
                    "use static gates with one bias that the rule does not change (name the ports"
                    " that learn, without the gate's), or the descent by eligibility",
                )
