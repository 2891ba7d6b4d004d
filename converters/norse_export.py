"""Chains of our populations as Norse modules: the inverse of what import does to them.

Norse scales currents by the decay of the membrane, so weights are divided by it here. Our
membranes reset to zero, hence ``v_reset = 0``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import norse.torch as snn
import numpy as np
import numpy.typing as npt
import torch
from norse.torch.module.iaf import IAF, IAFParameters
from scipy import sparse
from torch import nn

from ltc2hw.converters.assembly import disassemble
from ltc2hw.converters.conversion import Change, Conversion
from ltc2hw.converters.populations import LIF, LTC, Gate, Readout
from ltc2hw.converters.signals import CONSTANT, Matrix, Signal, Source
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import FloatPopulation, Input, Network
from ltc2hw.graph.structure import Port
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.words import FloatArray

Arriving = Mapping[tuple[str, Port], Signal]


@dataclass(frozen=True)
class Unit:
    """One neuron module of a chain: a population, what comes before it, and its weights.

    ``weights`` (N, M), ``recurrent`` (N, N) or None, ``bias`` (N,): what arrives, in our units.
    An LTC population may have a synapse, the readout that holds its current, and then ``gain``
    (N,) are the weights from there.
    """

    population: LIF | LTC | Readout
    synapse: Readout | None
    source: str
    weights: FloatArray
    recurrent: FloatArray | None
    bias: FloatArray
    gain: FloatArray

    @property
    def node(self) -> str:
        """What errors call it."""
        return f"population {self.population.name!r}"


def to_module(
    network: Network, *, dt: float = 0.001, allow: Collection[str] = ()
) -> tuple[nn.Module, tuple[Change, ...]]:
    """Write a chain of LIF, static LTC and readout populations as a ``SequentialState``.

    The module computes in float64 and takes samples (T, B, N_in); ``dt`` (seconds) only sets the
    unit of its time constants. Returns it with the changes that were made.

    Raises:
        InvalidValueError: for a ``dt`` that is no number above 0.
        UnsupportedError: naming the population and what Norse cannot hold of it.
        TooLargeError: if sparse weights, which Norse has not, would be too many as dense ones.
    """
    conversion = Conversion("norse-out", allow)
    if not isinstance(dt, (int, float)) or not 0.0 < dt < float("inf"):
        raise InvalidValueError("dt", dt, "a finite number above 0")
    populations, arriving = disassemble(network)
    units = _units(populations, arriving, conversion)
    modules: list[nn.Module] = []
    name = network.input.name
    while name in units:
        unit = units.pop(name)
        with np.errstate(over="ignore", invalid="ignore"):
            made = _modules(unit, dt, conversion)
        if not all(torch.isfinite(tensor).all() for tensor in _tensors(made)):
            conversion.meet("overflow", unit.node)
        modules += made
        name = unit.population.name
    if units or name != network.output:
        conversion.meet("topology", f"output {network.output!r}")
    return snn.SequentialState(*modules).eval(), tuple(conversion.changes)


def _units(
    populations: Mapping[str, FloatPopulation], arriving: Arriving, conversion: Conversion
) -> dict[str, Unit]:
    """All units by the population before them."""
    synapses = _synapses(populations, arriving)
    units: dict[str, Unit] = {}
    for name, population in populations.items():
        node = f"population {name!r}"
        if isinstance(population, Input):
            conversion.meet("graded-input" if population.graded else "spiking-input", node)
            continue
        for port in ("tau_mem", "tau_adp"):
            if (name, port) in arriving:
                conversion.meet("ltc" if isinstance(population, LTC) else "gated-readout", node)
        if name in synapses.values():
            continue
        unit = _unit(population, populations, synapses, arriving, conversion)
        if unit.source in units:
            conversion.meet("topology", node)
        units[unit.source] = unit
    return units


def _synapses(populations: Mapping[str, FloatPopulation], arriving: Arriving) -> dict[str, str]:
    """Readouts that hold the synaptic current of an LTC population, by that population."""
    senders = [s.population for signal in arriving.values() for s in signal.terms]
    found = {}
    for (target, port), signal in arriving.items():
        source = next(iter(signal.terms))
        if (
            port == "current"
            and isinstance(populations[target], LTC)
            and isinstance(populations.get(source.population), Readout)
            and set(signal.terms) == {Source(source.population, "membrane", 1)}
            and senders.count(source.population) == 1
            and _is_diagonal(_dense(signal.terms[source]))
        ):
            found[target] = source.population
    return found


def _unit(
    population: LIF | LTC | Readout,
    populations: Mapping[str, FloatPopulation],
    synapses: Mapping[str, str],
    arriving: Arriving,
    conversion: Conversion,
) -> Unit:
    name, node = population.name, f"population {population.name!r}"
    receiver = synapses.get(name, name)
    signal = arriving.get((receiver, "current"), Signal(population.size, {}))
    # Norse's LSNN uses the current of the step before, whatever its synapse.
    late = int(isinstance(population, LTC) and receiver == name)
    weights: dict[str, FloatArray] = {}
    bias: FloatArray = np.zeros(population.size)
    for source, matrix in signal.terms.items():
        expected = 0 if source.population == CONSTANT else late + int(source.population == name)
        if source.delay != expected:
            conversion.meet("delay", f"{source.population or 'constant'} to {name}")
        if source.population == CONSTANT:
            bias = _dense(matrix)[:, 0]
        else:
            weights[source.population] = _dense(matrix)
    recurrent = weights.pop(name, None)
    if recurrent is not None:
        conversion.meet("recurrence", node)
    if len(weights) != 1:
        conversion.meet("topology", node)
    (source_name, forward), *_ = weights.items()
    synapse: FloatPopulation | None = None
    gain: FloatArray = np.ones(population.size)
    if receiver != name:
        synapse = populations[receiver]
        gain = np.diag(_dense(next(iter(arriving[name, "current"].terms.values()))))
    assert synapse is None or isinstance(synapse, Readout)
    return Unit(population, synapse, source_name, forward, recurrent, bias, gain)


def _modules(unit: Unit, dt: float, conversion: Conversion) -> list[nn.Module]:
    if isinstance(unit.population, LTC):
        return _adaptive(unit, unit.population, dt, conversion)
    if isinstance(unit.population, Readout):
        return _readout(unit, unit.population, dt, conversion)
    return _lif(unit, unit.population, dt, conversion)


def _readout(unit: Unit, population: Readout, dt: float, conversion: Conversion) -> list[nn.Module]:
    conversion.meet("readout", unit.node)
    leak = _static(population.tau_mem, "gated-readout", unit.node, conversion)
    p = snn.LIParameters(_tensor(1.0 / dt), _tensor(leak / dt), _tensor(0.0))
    return [_linear(unit, np.ones(population.size), population.bias_current), snn.LI(p, dt=dt)]


def _lif(unit: Unit, population: LIF, dt: float, conversion: Conversion) -> list[nn.Module]:
    synapse, leak, bias = population.current_decay, population.membrane_decay, population.bias
    direct = bool(np.all(synapse == 1.0))
    if direct and not np.any(leak):
        conversion.meet("if", unit.node)
        if unit.recurrent is not None:
            conversion.meet("if-recurrent", unit.node)
        integrate = IAF(IAFParameters(_tensor(population.threshold), _tensor(0.0)), dt=dt)
        return [_linear(unit, np.ones(population.size), bias), integrate]
    conversion.meet("lif-box" if direct else "lif", unit.node)
    if np.any(leak == 0.0):
        conversion.meet("no-leak-with-current", unit.node)
    rest: FloatArray = np.zeros(population.size)
    if np.any(bias):
        conversion.meet("membrane-bias" if direct else "initial-membrane", unit.node)
    if not direct:
        bias, rest = rest, bias / leak
    p = snn.LIFParameters(
        tau_syn_inv=_tensor(synapse / dt),
        tau_mem_inv=_tensor(leak / dt),
        v_leak=_tensor(_uniform(rest, unit, conversion)),
        v_th=_tensor(population.threshold),
        v_reset=_tensor(0.0),
    )
    linear = _linear(unit, 1.0 / leak, bias)
    if unit.recurrent is None:
        return [linear, snn.LIF(p, dt=dt)]
    return [linear, snn.LIFRecurrent(p=p, dt=dt, **_own_weights(unit, 1.0 / leak))]


def _adaptive(unit: Unit, population: LTC, dt: float, conversion: Conversion) -> list[nn.Module]:
    conversion.meet("alif", unit.node)
    leak = _static(population.tau_mem, "ltc", unit.node, conversion)
    kept = _static(population.tau_adp, "ltc", unit.node, conversion)
    if np.any(kept == 0.0) or np.any(kept == 1.0):
        conversion.meet("integrator", unit.node)
    synapse: FloatArray = np.ones(population.size)
    gain: FloatArray = np.ones(population.size)
    bias: FloatArray = np.zeros(population.size)
    if unit.synapse is not None:
        # The current is what the readout holds, times the weights from it to the neurons.
        synapse = _static(unit.synapse.tau_mem, "ltc", unit.node, conversion)
        gain, bias = synapse * unit.gain, unit.synapse.bias_current
    if np.any(population.bias_current):
        conversion.meet("initial-membrane", unit.node)
    p = snn.LSNNParameters(
        tau_syn_inv=_tensor(synapse / dt),
        tau_mem_inv=_tensor(leak / dt),
        tau_adapt_inv=_tensor((1.0 - kept) / dt),
        v_leak=_tensor(_uniform(population.bias_current, unit, conversion)),
        v_th=_tensor(_uniform(population.threshold, unit, conversion)),
        v_reset=_tensor(0.0),
        beta=_tensor(population.adaptation_strength * (1.0 - kept) / kept),
    )
    linear = _linear(unit, gain, bias)
    if unit.recurrent is None:
        return [linear, snn.LSNN(p, dt=dt)]
    return [linear, snn.LSNNRecurrent(p=p, dt=dt, **_own_weights(unit, gain))]


def _linear(unit: Unit, factors: FloatArray, bias: FloatArray) -> nn.Module:
    """Weights and all constants (``bias`` in our units besides the unit's own), times factors."""
    constant = (unit.bias + bias) * factors
    rows, columns = unit.weights.shape
    layer = nn.Linear(columns, rows, bias=bool(np.any(constant)), dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(_tensor(unit.weights * factors[:, None]))
        if np.any(constant):
            layer.bias.copy_(_tensor(constant))
    lifted: nn.Module = snn.Lift(layer)
    return lifted


def _own_weights(unit: Unit, factors: FloatArray) -> dict[str, Any]:
    """Arguments of a recurrent module behind a linear one."""
    size = unit.population.size
    assert unit.recurrent is not None
    return {
        "input_size": size,
        "hidden_size": size,
        "input_weights": torch.eye(size, dtype=torch.float64),
        "recurrent_weights": _tensor(unit.recurrent * factors[:, None]),
        "autapses": True,
    }


def _tensors(modules: Iterable[nn.Module]) -> Iterator[torch.Tensor]:
    """All constants of modules: parameters, weights that are none, and Norse's named tuples."""
    for module in modules:
        yield from module.parameters()
        for held in (*vars(module).values(), *getattr(module, "p", ())):
            if isinstance(held, torch.Tensor):
                yield held


def _static(gate: Gate, feature: str, node: str, conversion: Conversion) -> FloatArray:
    """The value of a gate that nothing moves."""
    if np.any(gate.from_state) or np.any(gate.from_current):
        conversion.meet(feature, node)
    return evaluate(gate.nonlinearity, np.asarray(gate.bias, dtype=np.float64))


def _uniform(values: FloatArray, unit: Unit, conversion: Conversion) -> float:
    """The one value that all neurons share, because Norse's initial state takes no more."""
    if np.ptp(values):
        conversion.meet("own-constants", unit.node)
    return float(values[0])


def _dense(matrix: Matrix) -> FloatArray:
    if sparse.issparse(matrix):
        rows, columns = matrix.shape
        remedy = "Norse has no sparse weights; export to nir"
        require_capacity("a dense matrix of sparse weights", rows * columns, remedy=remedy)
    return np.asarray(sparse.csr_matrix(matrix).toarray())


def _is_diagonal(matrix: FloatArray) -> bool:
    return matrix.shape[0] == matrix.shape[1] and not np.any(matrix - np.diag(np.diag(matrix)))


def _tensor(value: npt.ArrayLike) -> torch.Tensor:
    return torch.as_tensor(np.array(value, dtype=np.float64))
