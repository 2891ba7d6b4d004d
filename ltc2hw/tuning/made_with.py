"""The options that an integer network was quantized with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ltc2hw.dynamics.roles import registers, signals, unit_port
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import Width
from ltc2hw.quantization.history import read_options
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.quantization.widths import INPUT, message_name, table_name


def made_with(network: Network, fixed: FixedNetwork, chip: Target) -> QuantizeOptions:
    """The options in the provenance; without any, those that the integers show.

    Widths of messages and tables come by name, as a command says them. What moved a scale, and how
    weights were rounded, no integer tells: of a network without a history, nothing is known of it.
    """
    told = read_options(fixed.provenance, network, chip)
    if told is None:
        return shown_by(network, fixed, chip)
    if told.message_bits is None and told.table_index_bits is None:
        return told
    bits: dict[str, Width] = {name: width for name, width in _others(fixed, chip) if name != INPUT}
    return replace(told, message_bits=None, table_index_bits=None, bits={**bits, **told.bits})


def shown_by(network: Network, fixed: FixedNetwork, chip: Target) -> QuantizeOptions:
    """Widths of weights, messages, tables and input, and whether states are fine."""
    usual = QuantizeOptions()
    widths = {
        connection_name(integer): (integer.bits, usual.width_of(real, chip))
        for real, integer in zip(network.projections, fixed.projections, strict=True)
    }
    common = {bits for bits, _ in widths.values()}
    every = common.pop() if len(common) == 1 else None
    bits: dict[str, Width] = dict(_others(fixed, chip))
    if every is None:
        bits |= {name: own for name, (own, default) in widths.items() if own != default}
    default = all(own == first for own, first in widths.values())
    return QuantizeOptions(
        weight_bits=None if default else every, bits=bits, fine_states=has_fine_states(fixed)
    )


def _others(fixed: FixedNetwork, chip: Target) -> Iterator[tuple[str, int]]:
    """Widths of input, messages and tables that are not the chip's own."""
    if fixed.input.graded and fixed.input.word.bits != chip.words.input:
        yield INPUT, fixed.input.word.bits
    for population in fixed.populations:
        if isinstance(population, FixedNeurons):
            for message in population.messages:
                if message.word.bits != chip.words.message_default:
                    yield message_name(population.name, message.variable), message.word.bits
            for gate, form in population.formats.gates.items():
                if form.index_bits and form.index_bits != chip.gates.table_index:
                    yield table_name(population.name, gate), form.index_bits


def has_fine_states(fixed: FixedNetwork) -> bool:
    """Whether states that are in no register are finer than what they move toward."""
    return any(
        population.formats.held[word].fraction
        > population.formats.ports[unit_port(population.model)]
        for population in fixed.populations
        if isinstance(population, FixedNeurons)
        for word in set(signals(population.model)) - set(registers(population.model))
        if word in population.model.states
    )
