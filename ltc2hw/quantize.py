"""Network -> FixedNetwork: choose every scale, round every number, check every rule.

All scales are powers of two. A population's fraction is the largest with which no message,
however extreme, can overflow its accumulators; LTC and readout membranes then cannot overflow
either, because they only move toward the current. Only LIF neurons, which integrate, need
calibration data for their scale, as do graded inputs and graded messages between populations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt

from ltc2hw.fixed import (
    Factor,
    FixedGate,
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    FixedReadout,
    Message,
)
from ltc2hw.graph import Port
from ltc2hw.network import LIF, LTC, FloatPopulation, Gate, Input, Network, Projection, Readout
from ltc2hw.nonlinearity import sigmoid_table
from ltc2hw.registry import find_target
from ltc2hw.rules import check_fixed, check_network
from ltc2hw.scaling import (
    ProjectionScale,
    QuantizeOptions,
    Scales,
    check_options,
    choose_scales,
    measure,
)
from ltc2hw.target import Target
from ltc2hw.words import FloatArray, IntArray, Word, decompose, largest_fraction

MAXIMUM_SHIFT = 62
"""Shifts beyond the widest word would only say zero."""


def quantize(
    network: Network,
    target: str | Target = "loihi2",
    calibration: npt.ArrayLike | None = None,
    options: QuantizeOptions | None = None,
) -> FixedNetwork:
    """Turn a float network into the integers of a chip, or refuse with every broken rule.

    ``calibration``: samples (T, B, N_in), float, time first; needed for graded inputs, graded
    messages between populations, and LIF neurons. Constants beyond their word (say a threshold
    that no membrane can reach) saturate and are listed in ``provenance["saturated_constants"]``.

    Raises:
        HardwareRuleError: with all rules of the target that the network breaks.
        InvalidValueError: if calibration data are needed and missing, or hold NaN.
        UnknownNameError: for an unknown target, gate function or projection.
    """
    chip = find_target(target)
    chosen = options or QuantizeOptions()
    check_options(chosen, network)
    check_network(network, chip)
    scales = choose_scales(network, chip, measure(network, calibration), chosen)
    fixed = _Builder(chip, chosen, scales).network(network)
    check_fixed(fixed, chip)
    return fixed


class _Builder:
    """Rounds every number of a network at scales already chosen; remembers what saturated."""

    def __init__(self, chip: Target, options: QuantizeOptions, scales: Scales) -> None:
        self.chip = chip
        self.options = options
        self.scales = scales
        self.state = Word(chip.words.state)
        self.saturated: list[str] = []

    def network(self, network: Network) -> FixedNetwork:
        populations = tuple(self.population(p) for p in network.populations)
        projections = tuple(
            self.projection(projection, scale)
            for projection, scale in zip(network.projections, self.scales.projections, strict=True)
        )
        provenance = dict(network.provenance)
        if self.saturated:
            provenance["saturated_constants"] = "; ".join(self.saturated)
        return FixedNetwork(populations, projections, network.output, self.chip.name, provenance)

    def population(self, population: FloatPopulation) -> FixedPopulation:
        build = cast(
            Callable[[FloatPopulation], FixedPopulation],
            {
                Input: self.input,
                LTC: self.ltc,
                LIF: self.lif,
                Readout: self.readout,
            }[type(population)],
        )
        return build(population)

    def input(self, population: Input) -> FixedInput:
        word, fraction = self.scales.messages[population.name, population.variables[0]]
        return FixedInput(population.name, population.size, population.graded, word, fraction)

    def ltc(self, population: LTC) -> FixedLTC:
        name, fraction = population.name, self.scales.ports[population.name, "current"]
        adaptation = self.chip.words.adaptation
        return FixedLTC(
            name=name,
            size=population.size,
            state=self.state,
            fraction=fraction,
            adaptation_fraction=adaptation,
            threshold=self.constant(f"{name}.threshold", population.threshold, fraction),
            adaptation_strength=self.factor(
                f"{name}.adaptation_strength",
                population.adaptation_strength,
                adaptation,
                fraction,
            ),
            bias_current=self.constant(f"{name}.bias_current", population.bias_current, fraction),
            tau_mem=self.gate(name, "tau_mem", population.tau_mem, fraction, fraction),
            tau_adp=self.gate(name, "tau_adp", population.tau_adp, adaptation, fraction),
            messages=self.messages(name, {"adaptation": adaptation}, fraction),
        )

    def readout(self, population: Readout) -> FixedReadout:
        name, fraction = population.name, self.scales.ports[population.name, "current"]
        return FixedReadout(
            name=name,
            size=population.size,
            state=self.state,
            fraction=fraction,
            bias_current=self.constant(f"{name}.bias_current", population.bias_current, fraction),
            tau_mem=self.gate(name, "tau_mem", population.tau_mem, fraction, fraction),
            messages=self.messages(name, {}, fraction),
        )

    def lif(self, population: LIF) -> FixedLIF:
        name, words = population.name, self.chip.lif
        fraction = self.scales.ports[name, "current"] + words.alignment
        decay = Word(words.decay + 1, signed=False)
        threshold, _ = self.state.encode(population.threshold, fraction - words.alignment)
        bias, _ = self.state.encode(population.bias, fraction)
        largest = int(np.max(np.abs(bias)))
        _, exponent = decompose(largest, words.bias_mantissa, (1 << words.bias_exponent) - 1)
        mantissa, _ = self.state.encode(population.bias, fraction - exponent)
        return FixedLIF(
            name=name,
            size=population.size,
            state=self.state,
            fraction=fraction,
            decay_fraction=words.decay,
            alignment=words.alignment,
            current_decay=decay.encode(population.current_decay, words.decay)[0],
            membrane_decay=decay.encode(population.membrane_decay, words.decay)[0],
            threshold=threshold,
            bias_mantissa=mantissa,
            bias_exponent=exponent,
        )

    def projection(self, projection: Projection, scale: ProjectionScale) -> FixedProjection:
        mantissas, _ = Word(scale.bits).encode(projection.weights.values, scale.weight_fraction)
        return FixedProjection(
            source=projection.source,
            variable=projection.variable,
            target=projection.target,
            port=projection.port,
            weights=projection.weights.with_values(mantissas),
            bits=scale.bits,
            exponent=scale.exponent,
            weight_fraction=scale.weight_fraction,
            delay=projection.delay,
        )

    def gate(
        self, name: str, port: Port, gate: Gate, state_fraction: int, current_fraction: int
    ) -> FixedGate:
        where = f"{name}.{port}"
        fraction = self.scales.ports[name, port]
        output = self.chip.words.gate
        function = self.options.function_of(gate.nonlinearity, self.chip)
        table: IntArray = np.zeros(0, dtype=np.int64)
        if function != "plan":
            table = sigmoid_table(
                self.options.table_index_bits or self.chip.gates.table_index,
                output,
                interpolated=function == "interpolated",
                nonlinearity=gate.nonlinearity,
            )
        return FixedGate(
            bias=self.constant(f"{where}.bias", np.asarray(gate.bias), fraction),
            from_state=self.factor(
                f"{where}.from_state", np.asarray(gate.from_state), state_fraction, fraction
            ),
            from_current=self.factor(
                f"{where}.from_current", np.asarray(gate.from_current), current_fraction, fraction
            ),
            fraction=fraction,
            output_fraction=output,
            function=function,
            table=table,
        )

    def constant(self, where: str, values: FloatArray, fraction: int) -> IntArray:
        encoded, misfits = self.state.encode(values, fraction)
        self.remember(where, misfits)
        return encoded

    def factor(self, where: str, values: FloatArray, source: int, result: int) -> Factor:
        """Constant multiplier from a state with ``source`` to one with ``result`` bits."""
        word = Word(self.chip.words.factor)
        largest = float(np.max(np.abs(values)))
        if largest == 0.0:
            return Factor(np.zeros(values.shape, dtype=np.int64), 0)
        # The product is shifted right only; a multiplier too large for that saturates.
        fraction = max(largest_fraction(largest, word), result - source)
        fraction = min(fraction, result - source + MAXIMUM_SHIFT)
        encoded, misfits = word.encode(values, fraction)
        self.remember(where, misfits)
        return Factor(encoded, fraction + source - result)

    def messages(self, name: str, fractions: dict[str, int], default: int) -> tuple[Message, ...]:
        """Formats of the graded variables that some projection sends."""
        return tuple(
            Message(variable, word, fractions.get(variable, default) - fraction)
            for (source, variable), (word, fraction) in self.scales.messages.items()
            if source == name and variable != "spikes"
        )

    def remember(self, where: str, misfits: int) -> None:
        if misfits:
            self.saturated.append(f"{where}: {misfits}")
