"""Populations by the names of the numbers that papers and chips have: what tests recompute from."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from ltc2hw.converters.populations import (
    Factor,
    FixedGate,
    FixedLIF,
    FixedLTC,
    FixedReadout,
    Gate,
    gate_of,
)
from ltc2hw.graph.fixed import FixedInput
from ltc2hw.graph.network import Input
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.numbers.words import Word


def kind(population: Any) -> str:
    """Name of a population's model; ``input`` for inputs."""
    return "input" if isinstance(population, (Input, FixedInput)) else str(population.model.name)


def view(population: Any) -> Any:
    """A population's numbers as attributes, gates and factors as objects."""
    if isinstance(population, Neurons):
        return _real(population)
    return _integer(population) if isinstance(population, FixedNeurons) else population


def rebuilt(population: FixedNeurons, **changes: Any) -> FixedNeurons:
    """The population with some of its view's numbers replaced."""
    make = {"ltc": FixedLTC, "lif": FixedLIF, "readout": FixedReadout}[kind(population)]
    fields = {**vars(view(population)), **changes}
    if make is FixedLIF:
        del fields["messages"]
    return make(**fields)


def _real(population: Neurons) -> Any:
    numbers: dict[str, Any] = {k: v for k, v in population.constants.items() if "." not in k}
    gates: dict[str, Gate] = {gate: gate_of(population, gate) for gate in population.model.gates}
    return SimpleNamespace(name=population.name, size=population.size, **numbers, **gates)


def _integer(population: FixedNeurons) -> Any:
    formats, constants = population.formats, population.constants
    common = {"name": population.name, "size": population.size, "messages": population.messages}
    fraction = formats.held["membrane"].fraction
    if kind(population) == "lif":
        return SimpleNamespace(
            **common,
            fraction=fraction,
            state=Word(formats.held["current"].numbers[0]),
            decay_fraction=formats.constants["current_decay"],
            alignment=fraction - formats.ports["current"],
            current_decay=constants["current_decay"],
            membrane_decay=constants["membrane_decay"],
            threshold=constants["threshold"],
            bias_mantissa=constants["bias"],
            bias_exponent=fraction - formats.constants["bias"],
        )
    own: dict[str, Any] = {
        "fraction": fraction,
        "state": Word(formats.held["current"].numbers[1].bit_length() + 1),
        "bias_current": constants["bias_current"],
    }
    if kind(population) == "ltc":
        adaptation = formats.held["adaptation"].fraction
        own |= {
            "adaptation_fraction": adaptation,
            "threshold": constants["threshold"],
            "adaptation_strength": _factor(population, "adaptation_strength", adaptation, fraction),
            "tau_adp": _gate(population, "tau_adp", adaptation, fraction),
        }
    return SimpleNamespace(
        **common, **own, tau_mem=_gate(population, "tau_mem", fraction, fraction)
    )


def _factor(population: FixedNeurons, name: str, operand: int, result: int) -> Factor:
    shift = population.formats.constants[name] + operand - result
    return Factor(population.constants[name], shift)


def _gate(population: FixedNeurons, name: str, steered: int, current: int) -> FixedGate:
    form, fraction = population.formats.gates[name], population.formats.held[name].fraction
    return FixedGate(
        population.constants[f"{name}.bias"],
        _factor(population, f"{name}.from_state", steered, fraction),
        _factor(population, f"{name}.from_current", current, fraction),
        fraction,
        form.output_fraction,
        form.function,
        population.tables[name],
    )
