"""Errors and post-synaptic factors in integers, all in one word; misfits are counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.formats import SURROGATE_TABLE
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.past import PAST
from ltc2hw.dynamics.reverse import CREDIT, FACTOR
from ltc2hw.graph.fixed import FixedPopulation, FixedProjection
from ltc2hw.graph.trace import Array
from ltc2hw.learning.fixed import IntegerRule, rescale
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.learning.rule import FEEDBACK_BITS, feedback_mantissas
from ltc2hw.learning.words import EXPONENT_FRACTION, LOG2_E, WEIGHT_FRACTION
from ltc2hw.numbers.words import IntArray, shift_toward_zero
from ltc2hw.simulations.driver import Step, Values, add_counts


def output_error(
    chip: IntegerRule, output: IntArray, goal: Array, weight: int
) -> tuple[IntArray, int]:
    """``sat(rsz(weight e, 8))`` at the readout (N_out,), in the word of factors, and its misfits.

    Linear: ``e = rescale(goal - u)`` from the readout's fraction to that of factors. Softmax:
    ``e = 2^E [k = goal] - p_k`` with :func:`softmax`.
    """
    fraction = chip.output.fractions[chip.output.output_variable]
    if chip.rule.error == "softmax":
        error = -softmax(chip, output, fraction)
        error[goal] += 1 << chip.words.factor_fraction
    else:
        error = rescale(goal - output, fraction - chip.words.factor_fraction)
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
    ) -> Mapping[str, Array]:
        """Factors of the ports that the credit finds its way to: the step, reversed."""
        name = population.name
        if name not in self.chip.reverses:
            return {}
        neurons, found = fixed_of(population), self.chip.reverses[name]
        tables = {**neurons.tables, SURROGATE_TABLE: self.chip.slopes}
        forward, _ = evaluate_integer(
            found.forward, neurons.constants, tables, step.ports[name], registers,
            known=step.produced[name],
        )  # fmt: skip
        given = {f"{CREDIT}.{variable}": own for variable, own in credit.items()}
        factors, misfits = evaluate_integer(
            found.backward, neurons.constants, {}, {**forward, **given}, {}
        )
        add_counts(self.counts, {name: {counted_as(word): n for word, n in misfits.items()}})
        return {word.removeprefix(f"{FACTOR}."): factor for word, factor in factors.items()}

    def feedback(self, index: int, connection: FixedProjection, factor: Array) -> Array:
        """``rescale(factor @ B, fraction of B)``, B the weights or fixed random mantissas."""
        if self.chip.rule.feedback == "random":
            shape = connection.weights.shape
            matrix = feedback_mantissas(self.chip.rule.feedback_seed, index, shape)
            return rescale(np.asarray(factor @ matrix), FEEDBACK_BITS)
        matrix = connection.weights.to_array()
        return rescale(np.asarray(factor @ matrix), connection.weight_fraction)


def counted_as(word: str) -> str:
    """Name under which misfits of a word are counted: ``factor current`` of ``factor.current``."""
    first, dot, rest = word.partition(".")
    return f"{first} {rest}" if dot and first in (FACTOR, PAST) else word
