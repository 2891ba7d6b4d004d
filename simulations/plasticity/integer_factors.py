"""Errors and post-synaptic factors in integers, all in one word; misfits are counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.populations import FixedGate, FixedLTC, FixedReadout
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.fixed import FixedPopulation, FixedProjection
from ltc2hw.graph.structure import Port
from ltc2hw.graph.trace import Array
from ltc2hw.learning.fixed import IntegerRule, rescale
from ltc2hw.learning.rule import FEEDBACK_BITS, feedback_mantissas
from ltc2hw.learning.words import EXPONENT_FRACTION, LOG2_E, SURROGATE_SPAN_BITS, WEIGHT_FRACTION
from ltc2hw.numbers.nonlinearity import slope_integer
from ltc2hw.numbers.words import IntArray, Word, shift_toward_zero
from ltc2hw.simulations.driver import Step, Values, add_counts
from ltc2hw.simulations.integer import gate_argument, leak


def output_error(
    chip: IntegerRule, output: IntArray, goal: Array, weight: int
) -> tuple[IntArray, int]:
    """``sat(rsz(weight e, 8))`` at the readout (N_out,), in the word of factors, and its misfits.

    Linear: ``e = rescale(goal - u)`` from the readout's fraction to that of factors. Softmax:
    ``e = 2^E [k = goal] - p_k`` with :func:`softmax`.
    """
    population = chip.network.population(chip.network.output)
    assert isinstance(population, FixedReadout)
    if chip.rule.error == "softmax":
        error = -softmax(chip, output, population.fraction)
        error[goal] += 1 << chip.words.factor_fraction
    else:
        error = rescale(goal - output, population.fraction - chip.words.factor_fraction)
    return chip.factor.fit(shift_toward_zero(error * weight, WEIGHT_FRACTION))


def softmax(chip: IntegerRule, output: IntArray, fraction: int) -> IntArray:
    """Probabilities with ``E = factor_fraction`` bits, from membranes (N_out,).

    ``y_k = ((max u - u_k) L) >> (fraction + 20 - n)`` with ``L = round(2^20 log2 e)``; ``e_k =
    powers[y_k mod 2^n] >> (y_k >> n)``; ``p_k = (e_k << E) // Σ e``.
    """
    bits = chip.words.softmax_index
    below = rescale((output.max() - output) * LOG2_E, fraction + EXPONENT_FRACTION - bits)
    halvings = np.minimum(below >> bits, chip.words.factor_fraction + 1)
    powers = chip.powers[below & ((1 << bits) - 1)] >> halvings
    probabilities: IntArray = (powers << chip.words.factor_fraction) // powers.sum()
    return probabilities


class IntegerCredit:
    """Post-synaptic factors in integers, all in one word; misfits are counted."""

    dtype: npt.DTypeLike = np.int64

    def __init__(self, chip: IntegerRule) -> None:
        self.chip = chip
        self.counts: dict[str, dict[str, int]] = {}

    def factors(
        self, population: FixedPopulation, registers: Values, step: Step, credit: Values
    ) -> Mapping[Port, Array]:
        """``F``, ``F_m``, ``F_ρ`` of an LTC population, ``F``, ``F_m`` of a readout."""
        produced, ports = step.produced[population.name], step.ports[population.name]
        if isinstance(population, FixedLTC):
            result = ltc_factors(
                self.chip, population, registers, produced, ports, credit["spikes"]
            )
        else:
            assert isinstance(population, FixedReadout)
            result = readout_factors(
                self.chip, population, registers, produced, ports, credit["membrane"]
            )
        factors, misfits = result
        add_counts(self.counts, {population.name: misfits})
        return factors

    def current_factor(self, factor: Array, credit: Array) -> Array:
        """Never asked for: errors do not cross graded projections."""
        raise UnsupportedError("the integer rule", "graded current", "errors", "send spikes")

    def feedback(self, index: int, connection: FixedProjection, factor: Array) -> Array:
        """``rescale(factor @ B, fraction of B)``, B the weights or fixed random mantissas."""
        if self.chip.rule.feedback == "random":
            shape = connection.weights.shape
            matrix = feedback_mantissas(self.chip.rule.feedback_seed, index, shape)
            return rescale(np.asarray(factor @ matrix), FEEDBACK_BITS)
        matrix = connection.weights.to_array()
        return rescale(np.asarray(factor @ matrix), connection.weight_fraction)


PortFactors = Mapping[Port, Array]
Misfits = Mapping[str, int]


def ltc_factors(
    chip: IntegerRule,
    population: FixedLTC,
    registers: Values,
    produced: Values,
    ports: Values,
    credit: IntArray,
) -> tuple[PortFactors, Misfits]:
    """Factors of LTC neurons (B, N), from the credit L of their spikes, and the misfits.

    With ``f``, ``G``, ``A`` the fractions of membrane, gates and adaptation, ``g_m``, ``g_ρ`` the
    gates' arguments with fractions ``γ_m``, ``γ_ρ``, and ``κ`` the shift of ``strength``::

        L   = sat(L);   u' = u[t-1] + rsz(τ (I - u[t-1]), G);   d = u' - θ
        D   = rsz(ψ(d) L, fraction of ψ);   H = -rescale(strength D, κ + f - A)
        F_m = sat(rsz(D rsz((I - u[t-1]) σ'(g_m), G), f))
        F_ρ = sat(rsz(H rsz((η[t-1] - (s[t-1] << A)) σ'(g_ρ), G), A))
        F   = sat(rsz(D τ, G) + a_I F_m + c_I F_ρ)
    """
    membrane, adaptation = registers["membrane"], registers["adaptation"]
    current, fraction = produced["current"], population.fraction
    gain, bits = population.adaptation_fraction, population.tau_mem.output_fraction
    fed_back, credit_misfits = chip.factor.fit(credit)
    charged = leak(membrane, current, produced["tau_mem"], bits)
    distance = slope_product(chip, charged - produced["threshold"], fraction, fed_back)
    slope = gate_slope(population.tau_mem, population.state, ports["tau_mem"], membrane, current)
    fall = shift_toward_zero((current - membrane) * slope, bits)
    tau_mem, tau_mem_misfits = chip.factor.fit(shift_toward_zero(distance * fall, fraction))

    strength = population.adaptation_strength
    lifted = -rescale(strength.values * distance, strength.shift + fraction - gain)
    slope = gate_slope(population.tau_adp, population.state, ports["tau_adp"], adaptation, current)
    fade = (adaptation - (registers["spikes"] << gain)) * slope
    fade = shift_toward_zero(fade, population.tau_adp.output_fraction)
    tau_adp, tau_adp_misfits = chip.factor.fit(shift_toward_zero(lifted * fade, gain))

    through = through_gate(population.tau_mem, tau_mem, fraction)
    through = through + through_gate(population.tau_adp, tau_adp, fraction)
    direct = shift_toward_zero(distance * produced["tau_mem"], bits)
    total, misfits = chip.factor.fit(direct + through)
    return {"current": total, "tau_mem": tau_mem, "tau_adp": tau_adp}, {
        "credit": credit_misfits,
        "factor current": misfits,
        "factor tau_mem": tau_mem_misfits,
        "factor tau_adp": tau_adp_misfits,
    }


def readout_factors(
    chip: IntegerRule,
    population: FixedReadout,
    registers: Values,
    produced: Values,
    ports: Values,
    credit: IntArray,
) -> tuple[PortFactors, Misfits]:
    """``F_m = sat(rsz(e rsz((I - u[t-1]) σ'(g_m), G), f))``, ``F = sat(rsz(e τ, G) + a_I F_m)``."""
    membrane, current = registers["membrane"], produced["current"]
    bits = population.tau_mem.output_fraction
    slope = gate_slope(population.tau_mem, population.state, ports["tau_mem"], membrane, current)
    fall = shift_toward_zero((current - membrane) * slope, bits)
    tau_mem, misfits = chip.factor.fit(shift_toward_zero(credit * fall, population.fraction))
    direct = shift_toward_zero(credit * produced["tau_mem"], bits)
    through = through_gate(population.tau_mem, tau_mem, population.fraction)
    total, current_misfits = chip.factor.fit(direct + through)
    return {"current": total, "tau_mem": tau_mem}, {
        "factor current": current_misfits,
        "factor tau_mem": misfits,
    }


def through_gate(gate: FixedGate, factor: IntArray, fraction: int) -> IntArray:
    """Credit of the current through a gate: ``rescale(a_I F, shift + γ - f)``."""
    own = gate.from_current
    return rescale(own.values * factor, own.shift + gate.fraction - fraction)


def gate_slope(
    gate: FixedGate, word: Word, arriving: IntArray, state: IntArray, current: IntArray
) -> IntArray:
    """``σ'`` of a gate's saturated argument, with the gate's ``output_fraction`` bits."""
    argument, _ = gate_argument(gate, word, arriving, state, current)
    return slope_integer(argument, gate.fraction, gate.output_fraction, gate.function, gate.table)


def slope_product(
    chip: IntegerRule, distance: IntArray, fraction: int, credit: IntArray
) -> IntArray:
    """``rsz(ψ(d) L, fraction of ψ)`` at a distance d with ``fraction`` bits.

    Triangle: ``ψ = max(0, 2^fraction - |d|)``. Table: entry ``rescale(|d|, fraction + 2 - n)`` of
    2^n with ``factor_fraction`` bits; 0 beyond its end.
    """
    magnitude = np.abs(distance)
    if chip.rule.surrogate == "triangle":
        slope = np.maximum((1 << fraction) - magnitude, 0)
        return shift_toward_zero(slope * credit, fraction)
    cell = rescale(magnitude, fraction + SURROGATE_SPAN_BITS - chip.words.surrogate_index)
    last = chip.slopes.size - 1
    slope = np.where(cell <= last, chip.slopes[np.minimum(cell, last)], 0)
    return shift_toward_zero(slope * credit, chip.words.factor_fraction)
