"""On-chip FPTT on integers: the bit specification of ``docs/on-chip-learning.md`` in NumPy.

It learns on the state of the integer engine itself; the compiled engine and the Lava processes
must give the same bits, update after update. All numbers are int64. ``rsz`` is a right shift
toward zero, ``sat`` saturates to a word and counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ltc2hw.counter import draw, step_key
from ltc2hw.errors import UnsupportedError
from ltc2hw.fixed import (
    FixedGate,
    FixedLTC,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    FixedReadout,
    recorded_dtype,
)
from ltc2hw.graph import Port
from ltc2hw.learned import Learned, Learning, Memories
from ltc2hw.nonlinearity import slope_integer
from ltc2hw.plastic_values import read_parameter, write_parameters
from ltc2hw.plasticity import (
    FEEDBACK_BITS,
    FPTTRule,
    Memory,
    Parameter,
    check_labels,
    check_targets,
    feedback_mantissas,
    parameter_name,
)
from ltc2hw.plasticity_fixed import (
    IntegerRule,
    UpdateFormat,
    draw_indices,
    first_memory,
    integer_rule,
    network_value,
    rescale,
)
from ltc2hw.plasticity_words import (
    DRAW_BITS,
    EXPONENT_FRACTION,
    GRADIENT_DITHER,
    LOG2_E,
    MEAN_DITHER,
    SURROGATE_SPAN_BITS,
    WEIGHT_FRACTION,
    PlasticWords,
    time_weight,
)
from ltc2hw.simulations.driver import Plan, Step, Values, add_counts, step
from ltc2hw.simulations.integer import IntegerArithmetic, gate_argument, leak
from ltc2hw.simulations.plasticity.credit import Factors, backward, meeting
from ltc2hw.simulations.plasticity.stream import Update, stream
from ltc2hw.state import zero_state
from ltc2hw.trace import Array, State
from ltc2hw.words import IntArray, Word, shift_toward_zero


def learn(
    network: FixedNetwork,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    words: PlasticWords | None = None,
    learning: Learning | None = None,
    *,
    reset: bool = True,
) -> Learned[FixedNetwork]:
    """Learn from a stream: S samples x (T, S, N_in), one after the other, an update every step.

    ``targets``: labels (S,) for the softmax error, reals (S, N_out) for the linear one.
    ``reset`` sets the registers to zero before each sample. ``learning`` continues an earlier run.

    Raises:
        ShapeError, InvalidValueError: for samples, labels or targets that do not fit, or a rule
            that integers cannot run (see :func:`~ltc2hw.plasticity_fixed.integer_rule`).
    """
    learner = IntegerLearner(integer_rule(network, rule, words))
    return stream(learner, x, targets, learning, reset=reset)


class Observation(NamedTuple):
    """A step before anything is learned from it.

    ``registers``: after the step; ``output``: the readout's membranes (N_out,); ``factors``:
    post-synaptic factors by population and port; ``counts``: misfits so far.
    """

    step: Step
    registers: State
    output: Array
    factors: Factors
    counts: dict[str, dict[str, int]]


class IntegerLearner:
    """On-chip FPTT on integers for one network, rule and set of words."""

    def __init__(self, chip: IntegerRule) -> None:
        self.chip = chip
        self.network = chip.network
        self.dtype = recorded_dtype(chip.network)
        self.plan = Plan.of(chip.network)
        self.arithmetic = IntegerArithmetic()
        self.credit = IntegerCredit(chip)
        self.indices = {
            parameter: draw_indices(chip.network, parameter, form.first)
            for parameter, form in chip.formats.items()
        }

    def start(self) -> Learning:
        """Memories whose top bits are the network as it is (``Φ̄ = Φ``, ``λ = 0``)."""
        memories = {
            parameter: first_memory(form, read_parameter(self.network, parameter))
            for parameter, form in self.chip.formats.items()
        }
        return Learning(memories, self.rest(), 0)

    def rest(self) -> State:
        """Registers (1, N) at zero."""
        return zero_state(self.network, 1, np.int64)

    def adapted(self, memories: Memories) -> FixedNetwork:
        """The network that computes with the top bits of the memories' values."""
        return write_parameters(
            self.network,
            {
                parameter: network_value(self.chip.formats[parameter], memory.value)
                for parameter, memory in memories.items()
            },
        )

    def encode(self, x: npt.NDArray[np.float64]) -> Array:
        """Samples as integers of the input's word."""
        population = self.network.input
        return self.arithmetic.encode(population, x).values[population.variables[0]]

    def goals(self, targets: npt.ArrayLike, samples: int) -> Array:
        """Labels (S,), or targets (S, N_out) with the readout's fraction."""
        output = self.network.population(self.network.output)
        assert isinstance(output, FixedReadout)
        if self.chip.rule.error == "softmax":
            return check_labels(targets, samples, output.size)
        reals = check_targets(targets, (samples, output.size))
        return output.state.encode(reals, output.fraction)[0]

    def step(
        self, learning: Learning, x: Array, goal: Array, t: int, steps: int
    ) -> tuple[Update, Learning]:
        """Run one step on x (N_in,), compare with the goal, learn."""
        network = self.adapted(learning.memories)
        weight = time_weight(self.chip.rule, t, steps)
        seen = self.observe(network, learning.registers, x, goal, weight)
        counts = seen.counts
        descent, memories = {}, {}
        for parameter, memory in learning.memories.items():
            form = self.chip.formats[parameter]
            factor, message = meeting(
                network, parameter, seen.factors, learning.registers, seen.step
            )
            met = shift_toward_zero(message, form.word.message_shift)
            descent[parameter] = factor * met
            rounding = self.rounding(parameter, learning.step)
            memories[parameter], lost = update(form, memory, descent[parameter], rounding)
            add_counts(counts, {parameter_name(network, parameter): lost})
        following = Learning(memories, seen.registers, learning.step + 1)
        return Update(seen.output, descent, counts), following

    def observe(
        self, network: FixedNetwork, registers: State, x: Array, goal: Array, weight: int
    ) -> Observation:
        """Run a network one step on x (N_in,), compare with the goal, send the errors back."""
        sample: Values = {str(network.input.variables[0]): x[None]}
        done, following = step(self.arithmetic, network, self.plan, sample, registers)
        counts: dict[str, dict[str, int]] = {}
        add_counts(counts, done.saturations)
        output = done.produced[network.output]["membrane"]
        error, misfits = output_error(self.chip, output[0], goal, weight)
        add_counts(counts, {network.output: {"error": misfits}})
        self.credit.counts = counts
        crossed = self.chip.crossed
        factors = backward(self.credit, network, self.plan, crossed, registers, done, error[None])
        return Observation(done, following, output[0], factors, counts)

    def rounding(self, parameter: Parameter, update_number: int) -> IntArray | None:
        """The 32 random bits of every value of a parameter; None to round to nearest."""
        if self.chip.words.rounding == "nearest":
            return None
        key = step_key(self.chip.words.seed, update_number)
        return draw(key, self.indices[parameter])

    def check(self, learning: Learning) -> None:
        """Integers cannot leave their words: misfits saturate and are counted."""


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


def update(
    form: UpdateFormat, memory: Memory, descent: IntArray, bits: IntArray | None
) -> tuple[Memory, Mapping[str, int]]:
    """One FPTT update of a parameter and its misfits; equations in ``update_format``."""
    word = form.word
    departure = (memory.value << form.value_up) - (memory.mean << form.mean_up)
    pull = (
        (descent << form.product_up)
        + (memory.gradient << form.gradient_up)
        - (departure << form.departure_up)
    )
    dither = dithers(bits)
    moved = memory.value + round_down(pull, form.value_down, dither.value)
    value, value_misfits = word.value.fit(moved)

    departure = (value << form.value_up) - (memory.mean << form.mean_up)
    back = round_down(-(departure << form.back_up), form.gradient_down, dither.gradient)
    gradient, gradient_misfits = word.gradient.fit(memory.gradient + back)

    drift = (departure << form.mean_departure_up) - (gradient << form.mean_gradient_up)
    pulled = memory.mean + round_down(drift, form.mean_down, dither.mean)
    mean, mean_misfits = word.mean.fit(pulled)
    misfits = {"value": value_misfits, "gradient": gradient_misfits, "mean": mean_misfits}
    return Memory(value, mean, gradient), misfits


class Dithers(NamedTuple):
    """32-bit numbers that round Φ, Φ̄ and λ; None rounds to nearest."""

    value: IntArray | None
    mean: IntArray | None
    gradient: IntArray | None


def dithers(bits: IntArray | None) -> Dithers:
    """Three numbers from one draw: itself, and its lower bits brought to the top."""
    if bits is None:
        return Dithers(None, None, None)
    mask = (1 << DRAW_BITS) - 1
    return Dithers(bits, (bits << MEAN_DITHER) & mask, (bits << GRADIENT_DITHER) & mask)


def round_down(values: IntArray, bits: int, dither: IntArray | None) -> IntArray:
    """``(x + r) >> bits``, bits >= 1: nearest with ``r = 2^(bits-1)``, stochastic with random r.

    ``r`` are the top ``bits`` bits of a 32-bit number, or that number shifted left to ``bits``.

    >>> round_down(np.array([5, 6]), 2, None)
    array([1, 2])
    """
    if dither is None:
        return (values + (1 << (bits - 1))) >> bits
    aligned = dither >> (DRAW_BITS - bits) if bits <= DRAW_BITS else dither << (bits - DRAW_BITS)
    return (values + aligned) >> bits


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
