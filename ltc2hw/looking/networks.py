"""Networks as tables: populations, their constants and formats, projections, resources."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ltc2hw.comparison.tally import register_limits
from ltc2hw.errors import UnknownNameError
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedPopulation, variable_fraction
from ltc2hw.graph.network import FloatPopulation, Input, Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import size_of, summary_of
from ltc2hw.looking.view import View, ends, span
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import padding_texts, same, times
from ltc2hw.quantization.report import KEY, read_report
from ltc2hw.quantization.rules import utilization
from ltc2hw.registry import find_target

Facts = dict[str, Any]


def view(network: Network | FixedNetwork) -> View:
    """Everything about a network but its single numbers."""
    facts: Facts = {
        "populations": [population_row(network, p) for p in network.populations],
        "constants": [row for p in network.populations for row in constant_rows(p)],
    }
    if isinstance(network, FixedNetwork):
        facts["formats"] = [row for p in network.populations for row in format_rows(p)]
        facts["projections"] = [
            {
                **projection_row(p),
                "bits": p.bits,
                "weight_fraction": p.weight_fraction,
                "exponent": p.exponent,
            }
            for p in network.projections
        ]
        facts["resources"] = resource_rows(network)
        facts["rounding"] = rounding(network)
    else:
        facts["projections"] = [projection_row(p) for p in network.projections]
    facts["provenance"] = {k: text for k, text in network.provenance.items() if k != KEY}
    return View(title_of(network), facts)


def title_of(network: Network | FixedNetwork) -> str:
    """What it is, in a line."""
    is_fixed = isinstance(network, FixedNetwork)
    kind = f"integer network for {network.target}" if is_fixed else "float network"  # type: ignore[union-attr]
    return f"{kind}: {summary_of(network)}"


def population_row(
    network: Network | FixedNetwork, population: FloatPopulation | FixedPopulation
) -> Facts:
    """Model, size and what is sent."""
    sent = {p.variable for p in network.projections if p.source == population.name}
    return {
        "name": population.name,
        "model": population.model.name
        if isinstance(population, (Neurons, FixedNeurons))
        else input_kind(population),
        "size": population.size,
        **({"shape": size_of(population)} if len(population.shape) > 1 else {}),
        "sends": [variable for variable in population.variables if variable in sent],
        "output": population.output_variable if population.name == network.output else None,
    }


def input_kind(population: Input | FixedInput) -> str:
    """What an input takes."""
    return "graded input" if population.graded else "spiking input"


def constant_rows(population: FloatPopulation | FixedPopulation) -> Iterator[Facts]:
    """Smallest and largest value of every constant, in real units, and its integers."""
    if isinstance(population, Neurons):
        for name, values in population.constants.items():
            yield {"population": population.name, "constant": name, "range": ends(values)}
    if isinstance(population, FixedNeurons):
        for name, integers in population.constants.items():
            fraction = population.formats.constants[name]
            yield {
                "population": population.name,
                "constant": name,
                "range": ends(np.ldexp(integers.astype(np.float64), -fraction)),
                "integers": ends(integers),
                "fraction": fraction,
            }


def format_rows(population: FixedPopulation) -> Iterator[Facts]:
    """Fraction, word and reach of everything that the population computes or sends."""
    for variable in population.recordable:
        low, high = register_limits(population, variable)
        fraction = variable_fraction(population, variable)
        yield format_row(population.name, variable, fraction, low, high)
    if isinstance(population, FixedInput):
        return
    for message in population.messages:
        fraction = variable_fraction(population, message.variable) - message.shift
        word = message.word
        yield format_row(
            population.name, f"message {message.variable}", fraction, word.minimum, word.maximum
        )


def format_row(population: str, value: str, fraction: int, low: int, high: int) -> Facts:
    """A format: real = integer / 2^fraction, of the narrowest word that holds its ends."""
    return {
        "population": population,
        "value": value,
        "bits": word_bits(low, high),
        "signed": low < 0,
        "fraction": fraction,
        "step": float(np.ldexp(1.0, -fraction)),
        "reach": span(*(float(np.ldexp(float(end), -fraction)) for end in (low, high))),
    }


def word_bits(low: int, high: int) -> int:
    """Bits of the narrowest word with these ends.

    >>> word_bits(0, 1), word_bits(-128, 127), word_bits(-127, 127), word_bits(0, 4096)
    (1, 8, 8, 13)
    """
    return max(high.bit_length(), (-low - 1).bit_length() if low < 0 else 0) + int(low < 0) or 1


def projection_row(projection: Any) -> Facts:
    """From where to where, how many synapses, and their weights in real units."""
    weights = projection.weights
    fraction = 0 if isinstance(projection, Projection) else projection.weight_fraction
    values = np.ldexp(weights.values.astype(np.float64), -fraction)
    return {
        "from": f"{projection.source}.{projection.variable}",
        "to": f"{projection.target}.{projection.port}",
        "kind": type(weights).__name__.lower(),
        "shape": " x ".join(map(str, weights.shape)),
        **(kernel_facts(weights) if isinstance(weights, Conv) else {}),
        "synapses": weights.synapses,
        "weights": ends(values),
        "delay": projection.delay,
    }


def kernel_facts(weights: Conv) -> Facts:
    """What a convolution is beside its numbers."""
    return {
        "kernel": times(weights.kernel.shape),
        "stride": same(weights.stride),
        "padding": same(padding_texts(weights)),
        "dilation": same(weights.dilation),
        "groups": weights.groups,
    }


def resource_rows(network: FixedNetwork) -> list[Facts]:
    """Used and available resources of the network's own target; none for one that is not ours."""
    try:
        chip = find_target(network.target)
    except UnknownNameError:
        return []
    return [
        {
            "resource": name,
            "used": used,
            "limit": limit or None,
            "share": f"{100 * used / limit:.3g} %" if limit else None,
        }
        for name, (used, limit) in utilization(network, chip).items()
    ]


def rounding(network: FixedNetwork) -> Facts:
    """What quantization made of the numbers, if it made them."""
    made = read_report(network.provenance)
    if made is None or not made.tensors:
        return {}
    worst = max(made.tensors, key=lambda row: row.worst_error)
    return {
        "values_clipped": made.clipped,
        "values_that_became_0": made.zeroed,
        "worst_tensor": worst.name,
        "its_worst_neuron": worst.worst,
        "off_by": f"{100 * worst.worst_error:.3g} %",
        "calibrated_on_steps": made.steps,
        **({"limits_allowed": list(made.allowed)} if made.allowed else {}),
    }
