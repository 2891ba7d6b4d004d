"""The integer engine: the bit specification of ``docs/numerics.md`` in readable NumPy.

The arithmetic of neurons is the interpreter of their programs, :mod:`ltc2hw.dynamics.integer`.

Every other engine must give the same bits as this one. All numbers are int64 of shape (B, N).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.integer import IntegerStep
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    FixedPopulation,
    FixedProjection,
    message_format,
    recorded_dtype,
)
from ltc2hw.graph.fixed_state import starting_state
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Array, State, Trace
from ltc2hw.numbers.words import shift_toward_zero
from ltc2hw.simulations.driver import StageResult, Values, broadcast, run, stage_results


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
    """Integers in words: shifts round toward zero, sums saturate, every misfit is counted.

    One object serves one network.
    """

    dtype: npt.DTypeLike = np.int64

    def __init__(self) -> None:
        self._steps: dict[tuple[str, bool], IntegerStep] = {}

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

    def stage(
        self, population: FixedPopulation, registers: Values, ports: Values, known: Values
    ) -> StageResult:
        """Interpret the population's program."""
        assert isinstance(population, FixedNeurons)
        key = (population.name, bool(known))
        if key not in self._steps:
            results = stage_results(population, known)
            self._steps[key] = IntegerStep(population.program, results, tuple(known))
        values, misfits = self._steps[key](
            population.constants, population.tables, ports, registers, known
        )
        return StageResult(broadcast(values, population.size, registers, ports), misfits)
