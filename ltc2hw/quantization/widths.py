"""Names by which widths and scales are asked for: ``QuantizeOptions(bits=..., scale=...)``.

====================================  ======================================  ==================
name                                  width                                   scale
====================================  ======================================  ==================
``hidden.spikes->readout.current``    mantissas of a projection's weights     their fraction
``message:hidden.membrane``           a graded message between populations    its fraction
``input``                             graded input                            its fraction
``state:hidden.membrane``             word of a state, register or argument   its fraction
``table:hidden.tau_mem``              index of a gate's table                 (none)
====================================  ======================================  ==================
"""

from __future__ import annotations

from collections.abc import Iterator

from ltc2hw.dynamics.model import LIF_WORDS, SPIKES, Model
from ltc2hw.dynamics.roles import MEMBRANE, binary_states, registers, signals
from ltc2hw.graph.network import Input, Network
from ltc2hw.graph.structure import connection_name

INPUT = "input"
"""Name of a graded input's word."""

MESSAGE, STATE, TABLE = "message:", "state:", "table:"
"""What names of messages, of states and of tables begin with."""


def message_name(population: str, variable: str) -> str:
    """Name of a graded message.

    >>> message_name("hidden", "membrane")
    'message:hidden.membrane'
    """
    return f"{MESSAGE}{population}.{variable}"


def state_name(population: str, word: str) -> str:
    """Name of a state, of a register, or of the word of a gate's argument.

    >>> state_name("hidden", "tau_mem")
    'state:hidden.tau_mem'
    """
    return f"{STATE}{population}.{word}"


def table_name(population: str, gate: str) -> str:
    """Name of a gate's table.

    >>> table_name("hidden", "tau_mem")
    'table:hidden.tau_mem'
    """
    return f"{TABLE}{population}.{gate}"


def words_of(model: Model) -> tuple[str, ...]:
    """Registers and states of a model that hold numbers, arguments of its gates among them."""
    words = dict.fromkeys((*registers(model), *model.states))
    return tuple(word for word in words if word not in binary_states(model))


def scaled_words(model: Model) -> tuple[str, ...]:
    """Words whose fraction can be moved: those in the unit of what arrives.

    Lava's LIF has one scale for all that it holds, which goes by its membrane.
    """
    return (MEMBRANE,) if model.words == LIF_WORDS else signals(model)


def width_names(network: Network) -> tuple[str, ...]:
    """Every name that ``bits`` may have.

    >>> from ltc2hw.graph.network import Projection
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "value", "out", "current", Dense([[0.5, 1.0]]))
    >>> net = Network((Input("input", 2, True), Neurons("out", 1, "readout")), (link,), "out")
    >>> width_names(net)[:3], width_names(net)[-1]
    (('input.value->out.current', 'input', 'state:out.current'), 'table:out.tau_mem')
    """
    return (*_carried(network), *_of_populations(network, tables=True))


def scale_names(network: Network) -> tuple[str, ...]:
    """Every name that ``scale`` may have."""
    return (*_carried(network), *_of_populations(network, tables=False))


def _carried(network: Network) -> Iterator[str]:
    """Projections, the graded input and graded messages."""
    yield from dict.fromkeys(connection_name(projection) for projection in network.projections)
    if network.input.graded:
        yield INPUT
    yield from dict.fromkeys(
        message_name(projection.source, projection.variable)
        for projection in network.projections
        if projection.variable != SPIKES and projection.source != network.input.name
    )


def _of_populations(network: Network, *, tables: bool) -> Iterator[str]:
    """States, and with ``tables`` those of all gates; else states that have a scale to move."""
    for population in network.populations:
        if isinstance(population, Input):
            continue
        model = population.model
        for word in words_of(model) if tables else scaled_words(model):
            yield state_name(population.name, word)
        for gate in model.gates if tables else ():
            yield table_name(population.name, gate)
