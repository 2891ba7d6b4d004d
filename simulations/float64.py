"""The float64 engine: what is correct for a float :class:`~ltc2hw.graph.network.Network`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
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
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Array, State, Trace
from ltc2hw.simulations.driver import StageResult, Values, run


def simulate(
    network: Network,
    x: npt.ArrayLike,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
) -> Trace:
    """Run samples x (T, B, N_in), float64, through the equations of ``docs/numerics.md``.

    Raises:
        ShapeError, InvalidValueError, UnknownNameError: for samples, a state or names to record
            that do not fit the network, or numbers beyond double precision on the way.
    """
    samples = check_samples(x, network.input.size, network.input.graded)
    with np.errstate(over="ignore", invalid="ignore"):
        trace = run(FloatArithmetic(), network, samples, record, np.float64, state)
    _require_finite(network, trace)
    return trace


def _require_finite(network: Network, trace: Trace) -> None:
    """Raise where numbers left double precision: what is not finite stays in outputs or registers.

    The processor's own flags would not do: some matrix products raise them for nothing.
    """
    values = {f"output of {network.output}": trace.outputs}
    for name, registers in trace.state.items():
        values |= {f"{register} of {name}": array for register, array in registers.items()}
    for name, array in values.items():
        if not np.all(np.isfinite(array)):
            raise InvalidValueError(
                name, "beyond double precision", "finite numbers",
                "bring weights, constants and samples closer to 1",
            )  # fmt: skip


class FloatArithmetic:
    """Real numbers: no rounding, no saturation."""

    dtype: npt.DTypeLike = np.float64

    def encode(self, population: FloatPopulation, x: npt.NDArray[np.float64]) -> StageResult:
        """Pass samples on as they are."""
        return StageResult({population.variables[0]: x}, {})

    def arriving(self, connection: Projection, message: Array) -> Array:
        """``message @ weights^T``."""
        return connection.weights.apply(message)

    def message(self, population: FloatPopulation, variable: Variable, value: Array) -> StageResult:
        """Graded variables are sent unrounded."""
        return StageResult({variable: value}, {})

    def current(self, population: FloatPopulation, registers: Values, ports: Values) -> StageResult:
        """Arriving current plus bias; for LIF neurons the decaying current."""
        if isinstance(population, LIF):
            current = (1.0 - population.current_decay) * registers["current"] + ports["current"]
        else:
            assert not isinstance(population, Input)
            current = ports["current"] + population.bias_current
        return StageResult({"current": current}, {})

    def update(
        self, population: FloatPopulation, registers: Values, current: Array, ports: Values
    ) -> StageResult:
        """Gates, membrane, adaptation, threshold, spikes, reset."""
        if isinstance(population, LTC):
            return StageResult(ltc_update(population, registers, current, ports), {})
        if isinstance(population, LIF):
            return StageResult(lif_update(population, registers, current), {})
        assert isinstance(population, Readout)
        tau = gate(population.tau_mem, ports["tau_mem"], registers["membrane"], current)
        membrane = registers["membrane"] + tau * (current - registers["membrane"])
        return StageResult({"tau_mem": tau, "membrane": membrane}, {})


def gate_argument(parameters: Gate, arriving: Array, state: Array, current: Array) -> Array:
    """``arriving + bias + from_state·state + from_current·current``, all (B, N)."""
    argument: Array = (
        arriving
        + parameters.bias
        + parameters.from_state * state
        + parameters.from_current * current
    )
    return argument


def gate(parameters: Gate, arriving: Array, state: Array, current: Array) -> Array:
    """``σ`` of the :func:`gate_argument`."""
    argument = gate_argument(parameters, arriving, state, current)
    return parameters.evaluate(argument)


def ltc_update(population: LTC, registers: Values, current: Array, ports: Values) -> Values:
    """One step of :class:`~ltc2hw.graph.network.LTC` after its current is known."""
    membrane, adaptation = registers["membrane"], registers["adaptation"]
    tau_mem = gate(population.tau_mem, ports["tau_mem"], membrane, current)
    tau_adp = gate(population.tau_adp, ports["tau_adp"], adaptation, current)
    membrane = membrane + tau_mem * (current - membrane)
    adaptation = tau_adp * adaptation + (1.0 - tau_adp) * registers["spikes"]
    threshold = population.threshold + population.adaptation_strength * adaptation
    spikes = (membrane > threshold).astype(np.float64)
    return {
        "tau_mem": tau_mem,
        "tau_adp": tau_adp,
        "membrane": membrane * (1.0 - spikes),
        "adaptation": adaptation,
        "threshold": threshold,
        "spikes": spikes,
    }


def lif_update(population: LIF, registers: Values, current: Array) -> Values:
    """One step of :class:`~ltc2hw.graph.network.LIF` after its current is known."""
    decayed = (1.0 - population.membrane_decay) * registers["membrane"]
    membrane = decayed + current + population.bias
    spikes = (membrane > population.threshold).astype(np.float64)
    return {"membrane": membrane * (1.0 - spikes), "spikes": spikes}
