"""Chains of our populations as Norse modules: the inverse of what import does to them.

Norse scales currents of LIF and LI by the decay of the membrane, so weights are divided by it here.
Their membranes, and those of ``ltc``, reset to zero, hence ``v_reset = 0``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
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
from ltc2hw.converters.convolutions import symmetric
from ltc2hw.converters.norse_units import Unit, dense, units_of
from ltc2hw.converters.populations import gate_of, is_model
from ltc2hw.converters.products import product
from ltc2hw.dynamics.models.alif import alif
from ltc2hw.dynamics.models.ltc import ltc
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.words import FloatArray


def to_module(
    network: Network, *, dt: float = 0.001, allow: Collection[str] = ()
) -> tuple[nn.Module, tuple[Change, ...]]:
    """Write a chain of ``lif``, ``alif``, ``readout`` and static ``ltc`` as a ``SequentialState``.

    The module computes in float64 and takes samples (T, B, N_in), images as rows;
    ``dt`` (seconds) only sets the unit of its time constants. Returns it with the changes that
    were made.

    Raises:
        InvalidValueError: for a ``dt`` that is no number above 0.
        UnsupportedError: naming the population and what Norse cannot hold of it.
        TooLargeError: if sparse weights, which Norse has not, would be too many as dense ones.
    """
    conversion = Conversion("norse-out", allow)
    if not isinstance(dt, (int, float)) or not 0.0 < dt < float("inf"):
        raise InvalidValueError("dt", dt, "a finite number above 0")
    populations, arriving = disassemble(network)
    units = units_of(populations, arriving, conversion)
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


def _modules(unit: Unit, dt: float, conversion: Conversion) -> list[nn.Module]:
    if is_model(unit.population, alif):
        return _alif(unit, unit.population, dt, conversion)
    if is_model(unit.population, ltc):
        return _static_ltc(unit, unit.population, dt, conversion)
    if is_model(unit.population, readout):
        return _readout(unit, unit.population, dt, conversion)
    return _lif(unit, unit.population, dt, conversion)


def _readout(unit: Unit, population: Neurons, dt: float, conversion: Conversion) -> list[nn.Module]:
    conversion.meet("readout", unit.node)
    leak = _static(population, "tau_mem", "gated-readout", unit.node, conversion)
    p = snn.LIParameters(_tensor(1.0 / dt), _tensor(leak / dt), _tensor(0.0))
    bias = population.constants["bias_current"]
    return [_linear(unit, np.ones(population.size), bias, conversion), snn.LI(p, dt=dt)]


def _lif(unit: Unit, population: Neurons, dt: float, conversion: Conversion) -> list[nn.Module]:
    constants = population.constants
    synapse, leak, bias = (constants[n] for n in ("current_decay", "membrane_decay", "bias"))
    direct = bool(np.all(synapse == 1.0))
    if direct and not np.any(leak):
        conversion.meet("if", unit.node)
        if unit.recurrent is not None:
            conversion.meet("if-recurrent", unit.node)
        integrate = IAF(IAFParameters(_tensor(constants["threshold"]), _tensor(0.0)), dt=dt)
        return [_linear(unit, np.ones(population.size), bias, conversion), integrate]
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
        v_th=_tensor(constants["threshold"]),
        v_reset=_tensor(0.0),
    )
    linear = _linear(unit, 1.0 / leak, bias, conversion)
    if unit.recurrent is None:
        return [linear, snn.LIF(p, dt=dt)]
    return [linear, snn.LIFRecurrent(p=p, dt=dt, **_own_weights(unit, 1.0 / leak))]


def _alif(unit: Unit, population: Neurons, dt: float, conversion: Conversion) -> list[nn.Module]:
    conversion.meet("alif", unit.node)
    constants, one = population.constants, np.ones(population.size)
    p = snn.LSNNParameters(
        tau_syn_inv=_tensor(constants["current_decay"] / dt),
        tau_mem_inv=_tensor(constants["membrane_decay"] / dt),
        tau_adapt_inv=_tensor(constants["adaptation_decay"] / dt),
        v_leak=_tensor(0.0),
        v_th=_tensor(_uniform(constants["threshold"], unit, conversion)),
        v_reset=_tensor(constants["reset"]),
        beta=_tensor(constants["jump"]),
    )
    return _lsnn(unit, p, one, 0.0 * one, dt, conversion)


def _static_ltc(
    unit: Unit, population: Neurons, dt: float, conversion: Conversion
) -> list[nn.Module]:
    conversion.meet("alif", unit.node)
    constants = population.constants
    leak = _static(population, "tau_mem", "ltc", unit.node, conversion)
    kept = _static(population, "tau_adp", "ltc", unit.node, conversion)
    if np.any(kept == 0.0) or np.any(kept == 1.0):
        conversion.meet("integrator", unit.node)
    synapse: FloatArray = np.ones(population.size)
    gain: FloatArray = np.ones(population.size)
    bias: FloatArray = np.zeros(population.size)
    if unit.synapse is not None:
        # The current is what the readout holds, times the weights from it to the neurons.
        synapse = _static(unit.synapse, "tau_mem", "ltc", unit.node, conversion)
        gain, bias = synapse * unit.gain, unit.synapse.constants["bias_current"]
    if np.any(constants["bias_current"]):
        conversion.meet("initial-membrane", unit.node)
    p = snn.LSNNParameters(
        tau_syn_inv=_tensor(synapse / dt),
        tau_mem_inv=_tensor(leak / dt),
        tau_adapt_inv=_tensor((1.0 - kept) / dt),
        v_leak=_tensor(_uniform(constants["bias_current"], unit, conversion)),
        v_th=_tensor(_uniform(constants["threshold"], unit, conversion)),
        v_reset=_tensor(0.0),
        beta=_tensor(constants["adaptation_strength"] * (1.0 - kept) / kept),
    )
    return _lsnn(unit, p, gain, bias, dt, conversion)


def _lsnn(
    unit: Unit, p: Any, gain: FloatArray, bias: FloatArray, dt: float, conversion: Conversion
) -> list[nn.Module]:
    linear = _linear(unit, gain, bias, conversion)
    if unit.recurrent is None:
        return [linear, snn.LSNN(p, dt=dt)]
    return [linear, snn.LSNNRecurrent(p=p, dt=dt, **_own_weights(unit, gain))]


def _linear(unit: Unit, factors: FloatArray, bias: FloatArray, conversion: Conversion) -> nn.Module:
    """Weights and all constants (``bias`` in our units besides the unit's own), times factors."""
    constant = (unit.bias + bias) * factors
    if isinstance(unit.weights, Conv):
        scaled = product(sparse.diags(factors, format="csr"), unit.weights)
        each = constant.reshape(unit.weights.targets[0], -1)
        if isinstance(scaled, Conv) and np.all(each == each[:, :1]):
            two = len(scaled.stride) == 2
            conversion.meet("convolution" if two else "convolution-1d", unit.node)
            return _lifted(_convolution(scaled, each[:, 0]))
        weights = dense(scaled)
    else:
        weights = unit.weights * factors[:, None]
    rows, columns = weights.shape
    layer = nn.Linear(columns, rows, bias=bool(np.any(constant)), dtype=torch.float64)
    _fill(layer, weights, constant)
    return _lifted(layer)


def _lifted(layer: nn.Module) -> nn.Module:
    lifted: nn.Module = snn.Lift(layer)
    return lifted


def _convolution(weights: Conv, bias: FloatArray) -> nn.Module:
    """A convolution of rows of numbers, which answers a row."""
    made = symmetric(weights)
    axes = len(made.stride)
    kind: Any = nn.Conv2d if axes == 2 else nn.Conv1d
    layer = kind(
        made.sources[0],
        made.targets[0],
        made.kernel.shape[2:],
        stride=made.stride,
        padding=tuple(before for before, _ in made.padding),
        dilation=made.dilation,
        groups=made.groups,
        bias=bool(np.any(bias)),
        dtype=torch.float64,
    )
    _fill(layer, made.kernel, bias)
    return nn.Sequential(nn.Unflatten(1, made.sources), layer, nn.Flatten(1))


def _fill(layer: Any, weights: FloatArray, bias: FloatArray) -> None:
    with torch.no_grad():
        layer.weight.copy_(_tensor(weights))
        if layer.bias is not None:
            layer.bias.copy_(_tensor(bias))


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


def _static(
    population: Neurons, name: str, feature: str, node: str, conversion: Conversion
) -> FloatArray:
    """The value of a gate that nothing moves."""
    gate = gate_of(population, name)
    if np.any(gate.from_state) or np.any(gate.from_current):
        conversion.meet(feature, node)
    return evaluate(gate.nonlinearity, np.asarray(gate.bias, dtype=np.float64))


def _uniform(values: FloatArray, unit: Unit, conversion: Conversion) -> float:
    """The one value that all neurons share, because Norse's initial state takes no more."""
    if np.ptp(values):
        conversion.meet("own-constants", unit.node)
    return float(values[0])


def _tensor(value: npt.ArrayLike) -> torch.Tensor:
    return torch.as_tensor(np.array(value, dtype=np.float64))
