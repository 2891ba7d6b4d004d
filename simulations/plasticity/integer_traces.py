"""Eligibility in integers: what every synapse left in its neuron's states, in words of its own.

The equations are those of :class:`~ltc2hw.learning.eligible.EligibilityFormat`; the page
``docs/on-chip-learning.md`` has them with their programs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.formats import SURROGATE_TABLE
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.past import PAST
from ltc2hw.dynamics.reverse import CREDIT
from ltc2hw.dynamics.tangent import carry, enter
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.trace import Array, State
from ltc2hw.learning.eligible import ELIGIBLE, EligibilityFormat, turned
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.learned import Eligibility, Learning
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.learning.rule import Parameter, parameter_name
from ltc2hw.learning.values import read_parameter
from ltc2hw.numbers.counter import draw, step_key
from ltc2hw.numbers.words import IntArray, shift_toward_zero
from ltc2hw.simulations.driver import Step, Values, add_counts
from ltc2hw.simulations.plasticity.credit import Credits, Targets, met
from ltc2hw.simulations.plasticity.integer_factors import counted_as
from ltc2hw.simulations.plasticity.integer_update import round_down
from ltc2hw.simulations.plasticity.stream import Misfits

Entries = Mapping[str, Mapping[str, IntArray]]
"""Entries of a population's tangent in a step, or factors of its past, an integer per neuron."""


@dataclass(frozen=True)
class Met:
    """A parameter's values in a step: their neurons, the messages that they met, their words."""

    targets: Targets
    message: IntArray
    kept: Mapping[str, IntArray]


class IntegerTraces:
    """What the values of every parameter keep, and what errors find in it."""

    def __init__(self, chip: IntegerRule, indices: Mapping[Parameter, IntArray]) -> None:
        self.chip = chip
        self.indices = indices
        forms = {parameter: form.eligibility for parameter, form in chip.formats.items()}
        self.forms = {parameter: form for parameter, form in forms.items() if form is not None}

    def start(self) -> Eligibility:
        """Nothing, of every value."""
        found = {}
        for parameter, form in self.forms.items():
            nothing = np.zeros_like(read_parameter(self.chip.network, parameter))
            found[parameter] = dict.fromkeys(form.states, nothing)
        return found

    def moved(
        self, network: FixedNetwork, registers: State, step: Step, counts: Misfits
    ) -> Entries:
        """How populations move in a step; ``registers`` are those before it."""
        result: dict[str, Mapping[str, IntArray]] = {}
        for name, found in self.chip.tangents.items():
            neurons = fixed_of(network.population(name))
            tables = {**neurons.tables, SURROGATE_TABLE: self.chip.slopes}
            forward, _ = evaluate_integer(
                found.forward, neurons.constants, tables, step.ports[name], registers[name],
                known=step.produced[name],
            )  # fmt: skip
            entries, misfits = evaluate_integer(found.jacobian, neurons.constants, {}, forward, {})
            add_counts(counts, {name: misfits})
            result[name] = _per_neuron(entries, neurons.size)
        return result

    def past(self, credits: Credits, moved: Entries, counts: Misfits) -> Entries:
        """Factors of the states before the step, from the credit of what populations send."""
        result: dict[str, Mapping[str, IntArray]] = {}
        for name, found in self.chip.tangents.items():
            size = fixed_of(self.chip.network.population(name)).size
            own: Values = {f"{CREDIT}.{v}": credit for v, credit in credits[name].items()}
            silent = {port: np.zeros(size, np.int64) for port in found.past.ports}
            given = {**silent, **moved[name], **own}
            factors, misfits = evaluate_integer(found.past, {}, {}, given, {})
            add_counts(counts, {name: {counted_as(word): n for word, n in misfits.items()}})
            result[name] = _per_neuron(factors, size)
        return result

    def met(
        self,
        network: FixedNetwork,
        parameters: Iterable[Parameter],
        learning: Learning,
        step: Step,
    ) -> dict[Parameter, Met]:
        """What the values of some parameters meet in a step; ``learning`` is that before it."""
        found = {}
        for parameter in parameters:
            targets, message = met(network, parameter, learning.registers, step)
            cut = shift_toward_zero(message, self.chip.formats[parameter].word.message_shift)
            found[parameter] = Met(targets, cut, learning.eligibility.get(parameter, {}))
        return found

    def descent(self, parameter: Parameter, own: Met, factor: Array, past: Entries) -> IntArray:
        """``(F x << P-E-p) + (Σ K_i ε_i << P-E-h)``, or F x alone; ``factor`` (N,) is F."""
        product: IntArray = factor[own.targets] * own.message
        form = self.forms.get(parameter)
        if form is None:
            return product
        factors, found = past[parameter.population], np.zeros_like(product)
        for state, word in own.kept.items():
            if f"{PAST}.{state}" in factors:
                found = found + factors[f"{PAST}.{state}"][own.targets] * word
        total: IntArray = (product << form.entering_up) + (found << form.kept_up)
        return total

    def following(
        self, parameter: Parameter, own: Met, moved: Entries, moves: int, counts: Misfits
    ) -> Mapping[str, IntArray]:
        """Words after a step, which is the one after ``moves`` others."""
        form = self.forms[parameter]
        bits = None
        if self.chip.words.rounding == "stochastic":
            key = step_key(self.chip.words.seed ^ ELIGIBLE, moves)
            bits = draw(key, self.indices[parameter])
        entries, lost, result = moved[parameter.population], 0, {}
        for number, state in enumerate(form.states):
            total = _followed(form, entries, own, state, parameter.port)
            dither = None if bits is None else turned(bits, number)
            result[state], misfits = form.word.fit(round_down(total, form.down, dither))
            lost += misfits
        name = parameter_name(self.chip.network, parameter)
        add_counts(counts, {name: {"eligibility": lost}})
        return result


def _followed(
    form: EligibilityFormat, entries: Mapping[str, IntArray], own: Met, state: str, port: str
) -> IntArray:
    """``(Σ_j A_ij ε_j << P-E-h) + (b_i x << P-E-p)`` of a state."""
    total = np.zeros_like(own.message)
    for old, word in own.kept.items():
        if carry(state, old) in entries:
            total = total + entries[carry(state, old)][own.targets] * word
    total = total << form.kept_up
    if enter(state, port) in entries:
        entering = entries[enter(state, port)][own.targets] * own.message
        total = total + (entering << form.entering_up)
    return total


def _per_neuron(entries: Values, size: int) -> dict[str, IntArray]:
    """Those of constants alone, too, as an integer per neuron."""
    return {name: np.broadcast_to(own, (1, size))[0] for name, own in entries.items()}
