"""Network -> FixedNetwork: choose every scale, round every number, check every rule.

All scales are powers of two. A population's fraction is the largest with which no message,
however extreme, can overflow its accumulators; LTC and readout membranes then cannot overflow
either, because they only move toward the current. Only LIF neurons, which integrate, need
calibration data for their scale, as do graded inputs and graded messages between populations.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import cast

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.fixed import (
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
from ltc2hw.graph.network import (
    LIF,
    LTC,
    FloatPopulation,
    Gate,
    Input,
    Network,
    Projection,
    Readout,
)
from ltc2hw.graph.structure import Port
from ltc2hw.graph.target import Target
from ltc2hw.numbers.nonlinearity import sigmoid_table
from ltc2hw.numbers.words import FloatArray, IntArray, Word, decompose, largest_fraction
from ltc2hw.quantization.account import bands, leaks, messages, tensor_changes
from ltc2hw.quantization.calibration import measure
from ltc2hw.quantization.limits import COARSE_BITS, exceeded
from ltc2hw.quantization.mixing import WEIGHTS, Tensor, tensor_of
from ltc2hw.quantization.report import KEY, bounded
from ltc2hw.quantization.rules import check_network, fixed_violations, raise_violations
from ltc2hw.quantization.scaling import (
    ProjectionScale,
    QuantizeOptions,
    Scales,
    check_options,
    choose_scales,
)
from ltc2hw.registry import find_target

SATURATED = "saturated_constants"
"""Entry of the provenance that lists the constants beyond their words."""

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
    messages between populations, and LIF neurons. What was made of every number is in
    ``provenance["quantization"]`` (:func:`ltc2hw.quantization.report.read_report`); constants
    beyond their word (say a threshold that no membrane can reach) saturate and are also listed in
    ``provenance["saturated_constants"]``. Integers that no longer mean the float network break a
    limit of :mod:`ltc2hw.quantization.limits`, which ``options.allow`` may allow by name.

    Raises:
        HardwareRuleError: with all rules of the target that the network breaks, and all limits.
        InvalidValueError: if calibration data are needed and missing, or hold NaN.
        UnknownNameError: for an unknown target, gate function, projection or limit.
    """
    chip = find_target(target)
    chosen = options or QuantizeOptions()
    check_options(chosen, network, chip)
    check_network(network, chip)
    ranges = measure(network, calibration)
    builder = _Builder(chip, chosen, choose_scales(network, chip, ranges, chosen))
    fixed = builder.network(network)
    over = tuple(
        exceeded(
            network,
            fixed,
            ranges,
            builder.clipped,
            learns=chosen.weight_reach is not None,
            coarse_messages=(chosen.message_bits or COARSE_BITS + 1) <= COARSE_BITS,
            function_chosen=(chosen.gate_function, chosen.table_index_bits) != (None, None),
        )
    )
    refused = (violation for violation in over if violation.rule not in chosen.allow)
    raise_violations(chip, chain(fixed_violations(fixed, chip), refused))
    report = bounded(
        tuple(tensor_changes(network, fixed, builder.clipped)),
        tuple(leak.row() for leak in leaks(network, fixed)),
        tuple(band.row() for band in bands(network, fixed, ranges)),
        tuple(sent.row() for sent in messages(fixed, ranges)),
        ranges.steps,
        tuple(str(violation) for violation in over),
    )
    return replace(fixed, provenance={**fixed.provenance, KEY: report.to_text()})


class _Builder:
    """Rounds every number of a network at scales already chosen; remembers what saturated."""

    def __init__(self, chip: Target, options: QuantizeOptions, scales: Scales) -> None:
        self.chip = chip
        self.options = options
        self.scales = scales
        self.state = Word(chip.words.state)
        self.clipped: dict[Tensor, int] = {}

    def network(self, network: Network) -> FixedNetwork:
        populations = tuple(self.population(p) for p in network.populations)
        projections = tuple(
            self.projection(projection, scale)
            for projection, scale in zip(network.projections, self.scales.projections, strict=True)
        )
        # A network that was quantized before may still carry what was said then.
        stale = (KEY, SATURATED)
        provenance = {key: text for key, text in network.provenance.items() if key not in stale}
        saturated = [
            f"{tensor.owner}.{tensor.field}: {count}"
            for tensor, count in self.clipped.items()
            if tensor.field != WEIGHTS
        ]
        if saturated:
            provenance[SATURATED] = "; ".join(saturated)
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
            threshold=self.constant(name, "threshold", population.threshold, fraction),
            adaptation_strength=self.factor(
                name,
                "adaptation_strength",
                population.adaptation_strength,
                adaptation,
                fraction,
            ),
            bias_current=self.constant(name, "bias_current", population.bias_current, fraction),
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
            bias_current=self.constant(name, "bias_current", population.bias_current, fraction),
            tau_mem=self.gate(name, "tau_mem", population.tau_mem, fraction, fraction),
            messages=self.messages(name, {}, fraction),
        )

    def lif(self, population: LIF) -> FixedLIF:
        name, words = population.name, self.chip.lif
        fraction = self.scales.ports[name, "current"] + words.alignment
        decay = Word(words.decay + 1, signed=False)
        threshold = self.encode(
            name,
            "threshold",
            population.threshold,
            fraction - words.alignment,
            # Signed, so that the rule on thresholds sees those below zero.
            Word(words.threshold_mantissa + 1),
        )
        exponent = self.bias_exponent(population.bias, fraction)
        bias = Word(words.bias_mantissa)
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
            bias_mantissa=self.encode(name, "bias", population.bias, fraction - exponent, bias),
            bias_exponent=exponent,
        )

    def bias_exponent(self, bias: FloatArray, fraction: int) -> int:
        """Smallest exponent with which every rounded bias fits its mantissa, or the largest."""
        words = self.chip.lif
        limit, highest = Word(words.bias_mantissa).maximum, (1 << words.bias_exponent) - 1
        scaled = np.ldexp(np.max(np.abs(bias)), fraction)
        largest = int(min(np.rint(scaled), limit << highest))
        _, exponent = decompose(largest, words.bias_mantissa, highest)
        rounds_up = np.rint(np.ldexp(scaled, -exponent)) > limit
        return min(exponent + int(rounds_up), highest)

    def projection(self, projection: Projection, scale: ProjectionScale) -> FixedProjection:
        tensor, values = tensor_of(projection), projection.weights.values
        word = Word(scale.bits)
        mantissas = self.encode(tensor.owner, WEIGHTS, values, scale.weight_fraction, word)
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
            bias=self.constant(name, f"{port}.bias", np.asarray(gate.bias), fraction),
            from_state=self.factor(
                name,
                f"{port}.from_state",
                np.asarray(gate.from_state),
                state_fraction,
                fraction,
            ),
            from_current=self.factor(
                name,
                f"{port}.from_current",
                np.asarray(gate.from_current),
                current_fraction,
                fraction,
            ),
            fraction=fraction,
            output_fraction=output,
            function=function,
            table=table,
        )

    def constant(self, owner: str, field: str, values: FloatArray, fraction: int) -> IntArray:
        return self.encode(owner, field, values, fraction, self.state)

    def encode(
        self, owner: str, field: str, values: FloatArray, fraction: int, word: Word
    ) -> IntArray:
        """Round reals into a word and remember how many did not fit."""
        encoded, misfits = word.encode(values, fraction)
        if misfits:
            self.clipped[Tensor(owner, field)] = misfits
        return encoded

    def factor(
        self, owner: str, field: str, values: FloatArray, source: int, result: int
    ) -> Factor:
        """Constant multiplier from a state with ``source`` to one with ``result`` bits."""
        word = Word(self.chip.words.factor)
        largest = float(np.max(np.abs(values)))
        if largest == 0.0:
            return Factor(np.zeros(values.shape, dtype=np.int64), 0)
        # The product is shifted right only; a multiplier too large for that saturates.
        fraction = max(largest_fraction(largest, word), result - source)
        fraction = min(fraction, result - source + MAXIMUM_SHIFT)
        encoded = self.encode(owner, field, values, fraction, word)
        return Factor(encoded, fraction + source - result)

    def messages(self, name: str, fractions: dict[str, int], default: int) -> tuple[Message, ...]:
        """Formats of the graded variables that some projection sends."""
        return tuple(
            Message(variable, word, fractions.get(variable, default) - fraction)
            for (source, variable), (word, fraction) in self.scales.messages.items()
            if source == name and variable != "spikes"
        )
