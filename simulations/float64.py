"""The float64 engine: what is correct for a float :class:`~ltc2hw.graph.network.Network`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.real import RealStep
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import FloatPopulation, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.samples import check_samples
from ltc2hw.graph.structure import Variable
from ltc2hw.graph.trace import Array, State, Trace
from ltc2hw.simulations.driver import StageResult, Values, broadcast, run, stage_results

if TYPE_CHECKING:
    from ltc2hw.vectors.step import VectorStep

WORTH_CODE = 1 << 23
"""Steps of single neurons that take the readable meaning of programs as long as loading the
compiler takes: half a second."""


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
        arithmetic = FloatArithmetic(compiled=worth_code(network, samples))
        trace = run(arithmetic, network, samples, record, np.float64, state)
    _require_finite(network, trace)
    return trace


def worth_code(network: Network, samples: Array) -> bool:
    """Whether compiled programs pay: where the run is long, or the compiler is loaded already.

    The bits are the same, so that nothing else depends on it.
    """
    steps, batch, _ = samples.shape
    neurons = sum(population.size for population in network.populations)
    return steps * batch * neurons >= WORTH_CODE or "llvmlite" in sys.modules


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
    """Real numbers: no rounding, no saturation. One object serves one network.

    ``compiled``: whether programs run as vector instructions, with the same bits.
    """

    dtype: npt.DTypeLike = np.float64

    def __init__(self, *, compiled: bool = False) -> None:
        self._compiled = compiled
        self._steps: dict[tuple[str, bool], RealStep | VectorStep] = {}

    def encode(self, population: FloatPopulation, x: npt.NDArray[np.float64]) -> StageResult:
        """Pass samples on as they are."""
        return StageResult({population.variables[0]: x}, {})

    def arriving(self, connection: Projection, message: Array) -> Array:
        """``message @ weights^T``."""
        return connection.weights.apply(message)

    def message(self, population: FloatPopulation, variable: Variable, value: Array) -> StageResult:
        """Graded variables are sent unrounded."""
        return StageResult({variable: value}, {})

    def stage(
        self, population: FloatPopulation, registers: Values, ports: Values, known: Values
    ) -> StageResult:
        """Run the model's program."""
        assert isinstance(population, Neurons)
        key = (population.name, bool(known))
        if key not in self._steps:
            self._steps[key] = self._step(population, known)
        values = self._steps[key](population.constants, ports, registers, known)
        return StageResult(broadcast(values, population.size, registers, ports), {})

    def _step(self, population: Neurons, known: Values) -> RealStep | VectorStep:
        program, results = population.model.program, stage_results(population, known)
        if not self._compiled:
            return RealStep(program, population.functions, results, tuple(known))
        from ltc2hw.vectors.step import VectorStep

        return VectorStep(program, population.functions, results, tuple(known))
