"""The integer engine: the bit specification of ``docs/numerics.md`` in readable NumPy.

Every other engine must give the same bits as this one. All numbers are int64 of shape (B, N).
"""

from __future__ import annotations

from collections.abc import Sequence

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
    message_format,
    recorded_dtype,
)
from ltc2hw.graph.fixed_state import starting_state
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Array, State, Trace
from ltc2hw.numbers.nonlinearity import lookup_integer, plan_integer
from ltc2hw.numbers.words import IntArray, Overflow, Word, shift_toward_zero, wrap_once
from ltc2hw.simulations.driver import StageResult, Values, run


def simulate(
    network: FixedNetwork,
    x: npt.ArrayLike,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
) -> Trace:
    """Run float samples x (T, B, N_in) through the integer network, bit by specified bit.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError: for samples, a state or names to record
            that do not fit the network.
    """
    samples = check_samples(x, network.input.size, network.input.graded)
    start = starting_state(network, state, samples.shape[1])
    return run(IntegerArithmetic(), network, samples, record, recorded_dtype(network), start)


class IntegerArithmetic:
    """Integers in words: shifts round toward zero, sums saturate, every misfit is counted."""

    dtype: npt.DTypeLike = np.int64

    def encode(self, population: FixedPopulation, x: npt.NDArray[np.float64]) -> StageResult:
        """``word.fit(round_half_even(x * 2^fraction))``."""
        assert isinstance(population, FixedInput)
        variable = population.variables[0]
        values, misfits = population.word.encode(x, population.fraction)
        return StageResult({variable: values}, {variable: misfits})

    def arriving(self, connection: FixedProjection, message: Array) -> Array:
        """``(mantissas @ message) << exponent``."""
        return connection.weights.apply(message) << connection.exponent

    def message(self, population: FixedPopulation, variable: Variable, value: Array) -> StageResult:
        """``word.fit(rsz(value, shift))`` for graded variables; spikes and inputs as they are."""
        form = message_format(population, variable)
        if form is None:
            return StageResult({variable: value}, {})
        sent, misfits = form.word.fit(shift_toward_zero(value, form.shift))
        return StageResult({variable: sent}, {f"message {variable}": misfits})

    def current(self, population: FixedPopulation, registers: Values, ports: Values) -> StageResult:
        """``sat(Σ + bias)``; for LIF neurons Lava's decaying, once-wrapping current."""
        if isinstance(population, FixedLIF):
            current, misfits = lif_current(population, registers["current"], ports["current"])
        else:
            assert not isinstance(population, FixedInput)
            current, misfits = population.state.fit(ports["current"] + population.bias_current)
        return StageResult({"current": current}, {"current": misfits})

    def update(
        self, population: FixedPopulation, registers: Values, current: Array, ports: Values
    ) -> StageResult:
        """Gates, membrane, adaptation, threshold, spikes, reset."""
        if isinstance(population, FixedLTC):
            return ltc_update(population, registers, current, ports)
        if isinstance(population, FixedLIF):
            return lif_update(population, registers, current)
        assert isinstance(population, FixedReadout)
        membrane = registers["membrane"]
        tau, misfits = gate(
            population.tau_mem, population.state, ports["tau_mem"], membrane, current
        )
        membrane = leak(membrane, current, tau, population.tau_mem.output_fraction)
        return StageResult({"tau_mem": tau, "membrane": membrane}, {"tau_mem": misfits})


def product(factor: Factor, x: IntArray) -> IntArray:
    """``rsz(values * x, shift)``."""
    return shift_toward_zero(factor.values * x, factor.shift)


def gate_argument(
    parameters: FixedGate, word: Word, arriving: IntArray, state: IntArray, current: IntArray
) -> tuple[IntArray, int]:
    """``sat(arriving + bias + rsz(from_state·x) + rsz(from_current·I))``, and the misfits."""
    return word.fit(
        arriving
        + parameters.bias
        + product(parameters.from_state, state)
        + product(parameters.from_current, current)
    )


def gate(
    parameters: FixedGate, word: Word, arriving: IntArray, state: IntArray, current: IntArray
) -> tuple[IntArray, int]:
    """Gate value in ``0 .. 2^output_fraction``, and how many arguments saturated."""
    argument, misfits = gate_argument(parameters, word, arriving, state, current)
    if parameters.function == "plan":
        return plan_integer(argument, parameters.fraction, parameters.output_fraction), misfits
    table, function = parameters.table, parameters.function
    return lookup_integer(argument, parameters.fraction, table, function), misfits


def leak(membrane: IntArray, current: IntArray, tau: IntArray, fraction: int) -> IntArray:
    """``u + rsz(τ (I - u), fraction)``: stays between u and I, so it cannot overflow."""
    return membrane + shift_toward_zero(tau * (current - membrane), fraction)


def ltc_update(
    population: FixedLTC, registers: Values, current: IntArray, ports: Values
) -> StageResult:
    """One step of :class:`~ltc2hw.graph.fixed.FixedLTC` after its current is known."""
    membrane, adaptation = registers["membrane"], registers["adaptation"]
    word = population.state
    tau_mem, tau_mem_misfits = gate(population.tau_mem, word, ports["tau_mem"], membrane, current)
    tau_adp, tau_adp_misfits = gate(population.tau_adp, word, ports["tau_adp"], adaptation, current)
    membrane = leak(membrane, current, tau_mem, population.tau_mem.output_fraction)
    fraction = population.tau_adp.output_fraction
    gained = ((1 << fraction) - tau_adp) << (population.adaptation_fraction - fraction)
    adaptation = shift_toward_zero(tau_adp * adaptation, fraction) + gained * registers["spikes"]
    threshold, threshold_misfits = word.fit(
        population.threshold + product(population.adaptation_strength, adaptation)
    )
    spikes = (membrane > threshold).astype(np.int64)
    values = {
        "tau_mem": tau_mem,
        "tau_adp": tau_adp,
        "membrane": membrane * (1 - spikes),
        "adaptation": adaptation,
        "threshold": threshold,
        "spikes": spikes,
    }
    saturations = {
        "tau_mem": tau_mem_misfits,
        "tau_adp": tau_adp_misfits,
        "threshold": threshold_misfits,
    }
    return StageResult(values, saturations)


def lif_current(
    population: FixedLIF, current: IntArray, arriving: IntArray
) -> tuple[IntArray, int]:
    """``wrap_once(wrap(rsz(i (2^d - current_decay), d) + (arriving << alignment)))``.

    The inner wrap is that of Lava's 32-bit register, two's complement.
    """
    full = 1 << population.decay_fraction
    decayed = shift_toward_zero(
        current * (full - population.current_decay), population.decay_fraction
    )
    total = decayed + (arriving << population.alignment)
    held, _ = Word(population.current_bits, overflow=Overflow.WRAP).fit(total)
    wrapped, _ = wrap_once(held, population.state.bits)
    return wrapped, int(np.count_nonzero(wrapped != total))


def lif_update(population: FixedLIF, registers: Values, current: IntArray) -> StageResult:
    """One step of :class:`~ltc2hw.graph.fixed.FixedLIF` after its current is known.

    The membrane saturates at ±(2^(bits-1) - 1), as in Lava.
    """
    full = 1 << population.decay_fraction
    decayed = shift_toward_zero(
        registers["membrane"] * (full - population.membrane_decay), population.decay_fraction
    )
    bias = population.bias_mantissa << population.bias_exponent
    total = decayed + current + bias
    limit = population.state.maximum
    membrane = np.clip(total, -limit, limit)
    misfits = int(np.count_nonzero(membrane != total))
    spikes = (membrane > (population.threshold << population.alignment)).astype(np.int64)
    values = {"membrane": membrane * (1 - spikes), "spikes": spikes}
    return StageResult(values, {"membrane": misfits})
