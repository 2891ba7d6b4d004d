"""What the float and the integer graph share: ports, variables, stages, checks and order.

A population is computed in two stages per algorithmic step. Stage ``early`` needs what arrives at
the first port, and produces the model's early results (an LTC neuron's current); stage ``late``
needs the other ports and produces everything else. Projections with delay 0 therefore order stages,
not populations, which is what lets a population gate itself with its own current within one step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.convolution import Conv, Shape, integers
from ltc2hw.numbers.fields import require_name, require_size
from ltc2hw.numbers.operators import Weights, times
from ltc2hw.numbers.scalars import COUNTABLE, require_range, require_type, shown
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.showing import listed

Variable = str
"""Name of what a population sends."""
Port = str
"""Name of where a projection lands."""
Stage = Literal["early", "late"]
Node = tuple[str, Stage]


class Population(Protocol):
    """What every population of either graph has."""

    @property
    def ports(self) -> tuple[Port, ...]:
        """Where projections may land."""
        ...

    @property
    def early(self) -> tuple[str, ...]:
        """Results that are known before anything arrives at the ports after the first."""
        ...

    @property
    def registers(self) -> tuple[str, ...]:
        """States that a step takes over from the one before."""
        ...

    @property
    def output_variable(self) -> str:
        """What is read where the population is the network's output."""
        ...

    @property
    def name(self) -> str:
        """Unique name, a plain identifier."""
        ...

    @property
    def size(self) -> int:
        """Number of neurons."""
        ...

    @property
    def shape(self) -> Shape:
        """(channels, height, width), (channels, length), or (size,) where it is no image."""
        ...

    @property
    def recordable(self) -> tuple[str, ...]:
        """Variables that an engine can record."""
        ...

    @property
    def variables(self) -> tuple[Variable, ...]:
        """Variables that projections may send."""
        ...


class InputNames:
    """What the inputs of both graphs say of themselves: they send one variable and hear nothing."""

    graded: bool

    ports: ClassVar[tuple[Port, ...]] = ()
    early: ClassVar[tuple[str, ...]] = ()
    registers: ClassVar[tuple[str, ...]] = ()
    output_variable: ClassVar[str] = ""

    @property
    def variables(self) -> tuple[Variable, ...]:
        """The one variable that it sends."""
        return ("value",) if self.graded else ("spikes",)

    @property
    def recordable(self) -> tuple[str, ...]:
        """What an engine can record of it."""
        return self.variables


class Connection(Protocol):
    """What every projection of either graph has."""

    @property
    def source(self) -> str:
        """Name of the sending population."""
        ...

    @property
    def variable(self) -> Variable:
        """What is sent."""
        ...

    @property
    def target(self) -> str:
        """Name of the receiving population."""
        ...

    @property
    def port(self) -> Port:
        """Where it lands."""
        ...

    @property
    def weights(self) -> Weights:
        """Operator of shape (N_target, N_source)."""
        ...

    @property
    def delay(self) -> int:
        """Algorithmic steps, 0 meaning the same step."""
        ...


P_co = TypeVar("P_co", bound=Population, covariant=True)
C_co = TypeVar("C_co", bound=Connection, covariant=True)


class Graph(Protocol[P_co, C_co]):
    """What both networks have."""

    @property
    def populations(self) -> tuple[P_co, ...]:
        """All populations, the input among them."""
        ...

    @property
    def projections(self) -> tuple[C_co, ...]:
        """All projections."""
        ...

    @property
    def output(self) -> str:
        """Name of the population that is read out."""
        ...

    @property
    def input(self) -> P_co:
        """The population where samples enter."""
        ...

    def population(self, name: str) -> P_co:
        """Return the population of that name."""
        ...


PopulationType = TypeVar("PopulationType", bound=Population)


def named(populations: Sequence[PopulationType], name: str) -> PopulationType:
    """Return the population of that name.

    Raises:
        UnknownNameError: if there is none.
    """
    for population in populations:
        if population.name == name:
            return population
    raise UnknownNameError("population", name, [population.name for population in populations])


def connection_name(connection: Connection) -> str:
    """Readable identity of a projection, for example ``hidden.spikes->hidden.tau_mem``."""
    return f"{connection.source}.{connection.variable}->{connection.target}.{connection.port}"


ConnectionKey = tuple[str, str, str, str, int]
"""Source, variable, target, port and delay of a projection."""


def connection_key(connection: Connection) -> ConnectionKey:
    """What tells a projection of a network from all others."""
    return (
        connection.source,
        connection.variable,
        connection.target,
        connection.port,
        connection.delay,
    )


def check_population(kind: str, name: str, size: int) -> None:
    """Check what every population has: a name, and a size that can be allocated.

    Raises:
        InvalidValueError: for any other name or size.
        TooLargeError: for more neurons than :data:`ltc2hw.numbers.capacity.MAXIMUM_NUMBERS`.
    """
    require_name(kind, name)
    require_size(name, size)
    require_capacity(f"size of {name}", size)


def population_shape(name: str, size: int, shape: Sequence[int]) -> Shape:
    """Shape of a population of ``size`` neurons: what was given, or (size,) for ().

    Raises:
        ShapeError: for more than three dimensions, or another number of neurons.
        InvalidValueError: for anything but integers >= 1.

    >>> population_shape("hidden", 8, (2, 2, 2)), population_shape("hidden", 8, ())
    ((2, 2, 2), (8,))
    """
    given = integers(f"shape of {name}", shape, 1) or (size,)
    if len(given) > 3 or math.prod(given) != size:
        raise ShapeError(
            f"shape of {name}", given,
            f"(channels, height, width) or (channels, length) of its {size} neurons",
        )  # fmt: skip
    return given


def check_connection(connection: Connection) -> None:
    """Check what a projection can check alone: its names, its delay, what its weights are."""
    require_type("source of a projection", connection.source, str)
    require_type("target of a projection", connection.target, str)
    require_type("variable of a projection", connection.variable, str)
    require_type("port of a projection", connection.port, str)
    require_type(
        f"weights of {connection_name(connection)}", connection.weights, Dense, Sparse, Conv
    )
    delay: Any = connection.delay
    if not isinstance(delay, int) or isinstance(delay, bool) or delay < 0:
        raise InvalidValueError(
            f"delay of {connection_name(connection)}", shown(delay), "an integer >= 0 (steps)"
        )
    require_range(f"delay of {connection_name(connection)}", delay, 0, COUNTABLE)


def check_graph(
    populations: Sequence[Population],
    connections: Sequence[Connection],
    inputs: Sequence[Population],
    output: str,
) -> None:
    """Check that the parts make one network.

    Raises:
        InvalidValueError: duplicate names, not exactly one input, parallel projections with the
            same ends, or a cycle of projections without delay.
        UnknownNameError: a projection from or to something that does not exist.
        ShapeError: weights that do not fit their ends.
        TooLargeError: a population too large, or delays that would need too many past messages.
    """
    require_type("output population", output, str)
    by_name = {population.name: population for population in populations}
    names = tuple(by_name)
    if len(by_name) != len(populations):
        listed = [population.name for population in populations]
        raise InvalidValueError("population names", listed, "distinct names")
    if len(inputs) != 1:
        raise InvalidValueError("number of inputs", len(inputs), "exactly one Input population")
    if output not in by_name or output == inputs[0].name:
        others = [name for name in names if name != inputs[0].name]
        raise UnknownNameError("output population", output, others)
    for population in populations:
        require_capacity(f"size of {population.name}", population.size)
    seen = set()
    for connection in connections:
        check_ends(connection, by_name)
        identity = (connection_name(connection), connection.delay)
        if identity in seen:
            raise InvalidValueError(
                f"projection {identity[0]}", "given twice", "one projection", "add the weights up"
            )
        seen.add(identity)
    evaluation_order(populations, connections)
    check_histories(by_name, connections)


def check_histories(by_name: Mapping[str, Population], connections: Sequence[Connection]) -> None:
    """Check that the past messages which delays need can be kept.

    Raises:
        TooLargeError: naming the population whose messages are most.
    """
    longest: dict[tuple[str, Variable], int] = {}
    for connection in connections:
        sent = connection.source, connection.variable
        longest[sent] = max(longest.get(sent, 0), connection.delay)
    kept = {sent: length * by_name[sent[0]].size for sent, length in longest.items()}
    if kept:
        name, variable = max(kept, key=lambda sent: kept[sent])
        require_capacity(
            f"past {variable} of {name}", sum(kept.values()), remedy="use shorter delays"
        )


def check_ends(connection: Connection, by_name: Mapping[str, Population]) -> None:
    """Check that a projection's ends exist, have its variable and port, and fit its weights.

    Raises:
        UnknownNameError, ShapeError: naming the projection and what is wrong with it.
    """
    label = connection_name(connection)
    for end in (connection.source, connection.target):
        if end not in by_name:
            raise UnknownNameError(f"end of projection {label}", end, tuple(by_name))
    source, target = by_name[connection.source], by_name[connection.target]
    if connection.variable not in source.variables:
        remedy = "a model's sends says what it sends"
        raise UnknownNameError(
            f"variable of projection {label}", connection.variable, source.variables, remedy
        )
    if connection.port not in target.ports:
        ports = target.ports or ("no port at all (an input)",)
        raise UnknownNameError(f"port of projection {label}", connection.port, ports)
    if isinstance(connection.weights, Conv):
        check_images(label, connection.weights, source, target)
    elif connection.weights.shape != (target.size, source.size):
        raise ShapeError(
            f"weights of {label}",
            connection.weights.shape,
            f"(targets, sources) = ({target.size}, {source.size})",
        )


def check_images(label: str, weights: Conv, source: Population, target: Population) -> None:
    """Check that the ends of a convolution are the images that it joins.

    Raises:
        ShapeError: naming the projection and the end.
    """
    for end, wanted in ((source, weights.sources), (target, weights.targets)):
        if end.shape != wanted:
            raise ShapeError(
                f"shape of {end.name}", end.shape, f"{wanted} for the convolution {label}"
            )


def port_stage(population: Population, port: Port) -> Stage:
    """Stage that consumes what arrives at a port: the first port has one of its own."""
    return "early" if port == population.ports[0] else "late"


def variable_stage(population: Population, variable: Variable) -> Stage:
    """Stage that produces a variable."""
    return "early" if variable in population.early else "late"


def connection_nodes(
    populations: Mapping[str, Population], connection: Connection
) -> tuple[Node, Node]:
    """Stage that produces what a projection sends, and stage that consumes it."""
    source, target = populations[connection.source], populations[connection.target]
    sends = variable_stage(source, connection.variable)
    return (source.name, sends), (target.name, port_stage(target, connection.port))


def evaluation_order(
    populations: Sequence[Population], connections: Sequence[Connection]
) -> tuple[Node, ...]:
    """Order in which the stages of one algorithmic step are computed.

    Raises:
        InvalidValueError: if projections with delay 0 form a cycle; names the cycle.
    """
    by_name = {population.name: population for population in populations}
    needs: dict[Node, set[Node]] = {}
    for population in populations:
        needs[population.name, "early"] = set()
        needs[population.name, "late"] = {(population.name, "early")}
    for connection in connections:
        if connection.delay == 0:
            sender, receiver = connection_nodes(by_name, connection)
            needs[receiver].add(sender)
    try:
        return tuple(TopologicalSorter(needs).static_order())
    except CycleError as error:
        cycle = " -> ".join(f"{name}.{stage}" for name, stage in error.args[1])
        raise InvalidValueError(
            "cycle of projections without delay", cycle, "a delay >= 1 in every cycle"
        ) from error


def history_length(connections: Sequence[Connection], source: str, variable: Variable) -> int:
    """Largest delay with which a variable of a population is read: past messages to keep."""
    delays = [c.delay for c in connections if (c.source, c.variable) == (source, variable)]
    return max(delays, default=0)


def neuron_of(population: Population, index: int) -> str:
    """A neuron in words, with its place in an image or a row.

    >>> from ltc2hw.graph.network import Input
    >>> neuron_of(Input("x", 24, shape=(2, 3, 4)), 17), neuron_of(Input("x", 24), 17)
    ('neuron 17 (channel 1, row 1, column 1)', 'neuron 17')
    """
    if len(population.shape) == 1:
        return f"neuron {index}"
    names = ("channel", "row", "column") if len(population.shape) == 3 else ("channel", "place")
    where: list[str] = []
    rest = index
    for name, size in zip(reversed(names), reversed(population.shape), strict=True):
        rest, at = divmod(rest, size)
        where.insert(0, f"{name} {at}")
    return f"neuron {index} ({', '.join(where)})"


def size_of(population: Population) -> str:
    """Neurons of a population in a word: ``128``, or ``16x34x34`` for an image."""
    return times(population.shape)


def summary_of(network: Any) -> str:
    """Populations, projections and synapses of either graph, in a line."""
    populations = [
        f"{p.name} ({size_of(p)}{' ' + p.model.name if hasattr(p, 'model') else ''})"
        for p in network.populations
    ]
    synapses = sum(p.weights.synapses for p in network.projections)
    count = len(network.projections)
    links = "1 projection" if count == 1 else f"{count} projections"
    return f"{listed(populations)}; {links}, {synapses:,} synapses"
