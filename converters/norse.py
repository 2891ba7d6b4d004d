"""Norse modules in and out, with the exact meaning of Norse's explicit Euler steps.

Import takes the layers that :mod:`~ltc2hw.converters.norse_layers` finds; every neuron keeps its
own ``dt``. Export writes chains. Spikes and voltages are those of Norse, step by step; voltages of
spiking neurons count from their reset potential, because ours reset to zero (those of adaptive ones
from their resting potential).

Source: Norse 1.1.0, ``norse/torch/functional/{lif,lif_box,iaf,lsnn,leaky_integrator}.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import norse.torch as snn
import numpy as np
from norse.torch.functional.reset import reset_value
from norse.torch.module.iaf import IAF, IAFCell
from norse.torch.module.leaky_integrator_box import LIBoxCell
from norse.torch.module.lif_box import LIFBoxCell
from torch import nn

from ltc2hw.converters.assembly import Assembly
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.convolutions import Sizes, per_channel, pooling, same_padding
from ltc2hw.converters.euler import (
    Leaky,
    Placed,
    leaky,
    place_adaptive,
    place_integrator,
    place_spiking,
)
from ltc2hw.converters.norse_export import to_module
from ltc2hw.converters.norse_layers import Layer, layers_of, require_own_functions
from ltc2hw.converters.plain_modules import exact_array
from ltc2hw.converters.sample_shape import checked_shape
from ltc2hw.converters.signals import Signal
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.network import Input, Network
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.words import FloatArray

__all__ = ["from_module", "to_module"]


def from_module(
    module: nn.Module,
    *,
    input_shape: int | Sequence[int] | None = None,
    graded_input: bool = False,
    allow: Collection[str] = (),
) -> Network:
    """Turn a Norse module into a float network with the same spikes and voltages.

    A chain over time takes samples (T, B, ...), one of cells a step of them, (B, ...).
    ``input_shape`` is the size of a sample at one step, for instance (2, 34, 34); None where the
    first layer says it. ``graded_input`` lets samples be any real number. ``allow`` names
    changes that may be made; those that were are in ``provenance["changes"]``.

    Raises:
        UnsupportedError: naming the layer, what of it cannot be kept, and what to do.
        InvalidValueError: if the size of the input is needed and missing, or a tensor is not made
            of plain, finite numbers.
        ShapeError: if a layer does not fit the one before it.
    """
    walk = _Walk(Conversion("norse-in", allow))
    layers = layers_of(module, walk.conversion)
    shape = _input_shape(input_shape, layers)
    size = int(np.prod(shape))
    walk.conversion.meet("graded-input" if graded_input else "spiking-input", "input")
    signal = walk.assembly.add(Input("input", size, graded_input))
    walk.shapes["input"] = shape
    # What overflows is refused by the populations and projections that it reaches.
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in layers:
            signal, shape = walk.step(layer, signal, shape)
        provenance = walk.conversion.provenance("Norse module")
        return walk.assembly.network(signal, provenance, walk.shapes)


def _input_shape(given: int | Sequence[int] | None, layers: Sequence[Layer]) -> Shape:
    first = layers[0].module if layers else None
    size = getattr(first, "in_features", getattr(first, "input_size", None))
    if given is None and isinstance(first, nn.Unflatten):
        sizes: Any = first.unflattened_size
        size = math.prod(int(part) for part in sizes)
    if given is None:
        given = size
    if given is None:
        raise InvalidValueError(
            "input_shape", None, "the size of a sample at one step", "pass input_shape=..."
        )
    return checked_shape(given)


class _Walk:
    """Goes through the layers of one module and builds the network."""

    def __init__(self, conversion: Conversion) -> None:
        self.conversion = conversion
        self.assembly = Assembly()
        self.shapes: dict[str, Shape] = {}
        """What populations are images of."""

    def step(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """Append one layer; returns what it answers and in what shape."""
        kind = type(layer.module)
        if kind in STATELESS:
            return STATELESS[kind](self, layer, signal, shape)
        if kind not in NEURONS:
            self.conversion.meet(FEATURES_BY_NAME.get(kind.__name__, "other-node"), layer.node)
        require_own_functions(layer, self.conversion)
        if hasattr(layer.module, "input_weights"):
            signal = signal.through(_array(layer, "input_weights"))
            shape = (signal.size,)
        known = set(self.assembly.populations)
        placed = NEURONS[kind](self, layer, shape)
        self.shapes |= dict.fromkeys(set(self.assembly.populations) - known, shape)
        placed.drive(self.assembly, signal)
        if hasattr(layer.module, "recurrent_weights"):
            self.conversion.meet("recurrence", layer.node)
            own = placed.output.delayed(1).through(_array(layer, "recurrent_weights"))
            placed.drive(self.assembly, own)
        return placed.output, shape

    # Layers without state

    def keep(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """Dropout and identity do nothing once a module is trained."""
        if layer.module.training and not isinstance(layer.module, nn.Identity):
            self.conversion.meet("training-mode", layer.node)
        return signal, shape

    def linear(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """``W x + b`` on samples of one dimension."""
        self.conversion.meet("linear", layer.node)
        if len(shape) != 1:
            raise ShapeError(f"shape before {layer.node}", shape, "(N,)", "flatten first")
        signal = signal.through(_array(layer, "weight"))
        if layer.module.bias is not None:
            signal = signal.plus_constant(_array(layer, "bias"))
        return signal, (signal.size,)

    def conv(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """Cross-correlation with zero padding."""
        conv = layer.module
        axes = len(conv.kernel_size)
        self.conversion.meet("convolution" if axes == 2 else "convolution-1d", layer.node)
        if conv.padding_mode != "zeros":
            self.conversion.meet("padding", layer.node)
        _require_image(layer, shape, axes)
        padding = conv.padding
        if isinstance(padding, str):
            same = same_padding(conv.kernel_size, conv.dilation)
            padding = same if padding == "same" else 0
        weight = _array(layer, "weight")
        made = Conv(weight, shape, conv.stride, padding, conv.dilation, conv.groups)
        signal = self.assembly.through(signal, made)
        if conv.bias is not None:
            signal = signal.plus_constant(per_channel(_array(layer, "bias"), made.targets))
        return signal, made.targets

    def pool(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """Mean of a window; ``LPPool2d`` of norm 1 is its sum."""
        self.conversion.meet("sum-pooling", layer.node)
        pool = layer.module
        mean, axes = isinstance(pool, AVERAGES), 1 if isinstance(pool, ONE_DIMENSION) else 2
        counts = getattr(pool, "count_include_pad", True)
        if pool.ceil_mode or not counts or getattr(pool, "divisor_override", None):
            self.conversion.meet("padding", layer.node)
        if not mean and pool.norm_type != 1:
            self.conversion.meet("other-node", layer.node)
        _require_image(layer, shape, axes)
        made = pooling(
            shape,
            _each_axis(pool.kernel_size, axes),
            _each_axis(pool.stride or pool.kernel_size, axes),
            _each_axis(pool.padding if mean else 0, axes),
            mean=mean,
        )
        return self.assembly.through(signal, made), made.targets

    def flatten(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """Join dimensions; the order of the numbers stays."""
        self.conversion.meet("flatten", layer.node)
        # The dimensions of time (unless it sees one step) and batch come first.
        before = 1 if layer.one_step else 2
        dimensions = before + len(shape)
        given = layer.module.start_dim, layer.module.end_dim
        if not all(-dimensions <= dimension < dimensions for dimension in given):
            raise ShapeError(f"dimensions of {layer.node}", given, f"within {dimensions}")
        start, end = (dimension % dimensions - before for dimension in given)
        if start < 0:
            raise ShapeError(f"start_dim of {layer.node}", start + before, f"at least {before}")
        if start > end:
            raise ShapeError(f"dimensions of {layer.node}", given, "the first before the last")
        joined = int(np.prod(shape[start : end + 1]))
        return signal, (*shape[:start], joined, *shape[end + 1 :])

    def unflatten(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """Split a dimension; the order of the numbers stays."""
        self.conversion.meet("flatten", layer.node)
        before = 1 if layer.one_step else 2
        dimensions = before + len(shape)
        split, sizes = layer.module.dim, layer.module.unflattened_size
        if not isinstance(split, int) or not -dimensions <= split < dimensions:
            raise ShapeError(f"dimension of {layer.node}", split, f"within {dimensions}")
        place = split % dimensions - before
        if place < 0:
            raise ShapeError(f"dimension of {layer.node}", split, f"at least {before}")
        parts = tuple(int(size) for size in sizes)
        if min(parts) < 1 or math.prod(parts) != shape[place]:
            raise ShapeError(f"sizes of {layer.node}", parts, f"{shape[place]} numbers together")
        return signal, (*shape[:place], *parts, *shape[place + 1 :])

    def batch_norm(self, layer: Layer, signal: Signal, shape: Shape) -> tuple[Signal, Shape]:
        """``(x - mean) / sqrt(var + eps) · weight + bias`` with the trained statistics."""
        self.conversion.meet("batch-norm", layer.node)
        norm = layer.module
        if norm.training or norm.running_mean is None or not layer.one_step:
            self.conversion.meet("training-mode", layer.node)
        scale = 1.0 / np.sqrt(_array(layer, "running_var") + norm.eps)
        shift = -_array(layer, "running_mean") * scale
        if norm.weight is not None:
            weight = _array(layer, "weight")
            scale, shift = scale * weight, shift * weight
        if norm.bias is not None:
            shift = shift + _array(layer, "bias")
        signal = signal.scaled(per_channel(scale, shape))
        return signal.plus_constant(per_channel(shift, shape)), shape

    # Neurons

    def lif(self, layer: Layer, shape: Shape) -> Placed:
        """``lif_feed_forward_step`` and ``lif_step``."""
        self.conversion.meet("lif", layer.node)
        dt = _dt(layer)
        neurons = self.leaky(layer, shape, dt * _spread(layer, "tau_syn_inv", shape))
        return self.spiking(layer, shape, neurons)

    def lif_box(self, layer: Layer, shape: Shape) -> Placed:
        """``lif_box_feed_forward_step``: the input itself is the current."""
        self.conversion.meet("lif-box", layer.node)
        if layer.module.p.reset_method is not reset_value:
            self.conversion.meet("soft-reset", layer.node)
        return self.spiking(layer, shape, self.leaky(layer, shape, np.ones(1)))

    def iaf(self, layer: Layer, shape: Shape) -> Placed:
        """``iaf_feed_forward_step``: no leak, no time step; starts at the reset potential."""
        self.conversion.meet("if", layer.node)
        size = int(np.prod(shape))
        reset = _spread(layer, "v_reset", shape)
        neurons = leaky(
            self.conversion, layer.name, size,
            synapse=1.0, leak=0.0, membrane_gain=1.0, rest=reset,
        )  # fmt: skip
        return place_spiking(self.assembly, neurons, _spread(layer, "v_th", shape), reset)

    def lsnn(self, layer: Layer, shape: Shape) -> Placed:
        """``lsnn_feed_forward_step`` and ``lsnn_step``."""
        self.conversion.meet("alif", layer.node)
        dt = _dt(layer)
        return place_adaptive(
            self.assembly,
            self.conversion,
            self.leaky(layer, shape, dt * _spread(layer, "tau_syn_inv", shape)),
            _spread(layer, "v_th", shape),
            _spread(layer, "v_reset", shape),
            dt * _spread(layer, "tau_adapt_inv", shape),
            _spread(layer, "beta", shape),
        )

    def li(self, layer: Layer, shape: Shape) -> Placed:
        """``li_feed_forward_step`` and ``li_step``: a synaptic current, no spikes."""
        self.conversion.meet("li-current", layer.node)
        dt = _dt(layer)
        return self.integrator(layer, shape, dt * _spread(layer, "tau_syn_inv", shape))

    def li_box(self, layer: Layer, shape: Shape) -> Placed:
        """``li_box_feed_forward_step``: the input itself is the current."""
        self.conversion.meet("readout", layer.node)
        return self.integrator(layer, shape, np.ones(1))

    def leaky(self, layer: Layer, shape: Shape, synapse: FloatArray) -> Leaky:
        leak = _dt(layer) * _spread(layer, "tau_mem_inv", shape)
        return leaky(
            self.conversion, layer.name, int(np.prod(shape)),
            synapse=synapse[0] if synapse.shape == (1,) else synapse,
            leak=leak, membrane_gain=leak, rest=_spread(layer, "v_leak", shape),
        )  # fmt: skip

    def spiking(self, layer: Layer, shape: Shape, neurons: Leaky) -> Placed:
        reset = _spread(layer, "v_reset", shape)
        self.start(layer, neurons.rest, reset)
        return place_spiking(self.assembly, neurons, _spread(layer, "v_th", shape), reset)

    def integrator(self, layer: Layer, shape: Shape, synapse: FloatArray) -> Placed:
        neurons = self.leaky(layer, shape, synapse)
        self.start(layer, neurons.rest, np.zeros(1))
        return place_integrator(self.assembly, self.conversion, neurons)

    def start(self, layer: Layer, rest: FloatArray, zero: FloatArray) -> None:
        """Norse starts at rest, we start where membranes are reset to."""
        if np.any(rest != zero):
            self.conversion.meet("initial-membrane", layer.node)


def _array(layer: Layer, name: str) -> FloatArray:
    """A tensor of a layer in float64."""
    return exact_array(getattr(layer.module, name), f"{name} of {layer.node}")


def _spread(layer: Layer, name: str, shape: Shape) -> FloatArray:
    """A constant of neurons, one for all or one per neuron, as a vector of their number."""
    values = exact_array(getattr(layer.module.p, name), f"{name} of {layer.node}")
    try:
        return np.array(np.broadcast_to(values, shape)).ravel()
    except ValueError as error:
        limit = f"one that {shape} neurons share"
        raise ShapeError(f"shape of {name} of {layer.node}", values.shape, limit) from error


def _dt(layer: Layer) -> float:
    """The time step of a layer, in seconds."""
    value = exact_array(layer.module.dt, f"dt of {layer.node}")
    if value.shape != () or value <= 0.0:
        raise InvalidValueError(f"dt of {layer.node}", layer.module.dt, "one number above 0")
    return float(value)


def _each_axis(value: int | Sequence[int], axes: int) -> Sizes:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values


def _require_image(layer: Layer, shape: Shape, axes: int) -> None:
    if len(shape) != axes + 1:
        wanted = "(channels, height, width)" if axes == 2 else "(channels, length)"
        raise ShapeError(f"shape before {layer.node}", shape, wanted, "pass input_shape=...")


AVERAGES = (nn.AvgPool1d, nn.AvgPool2d)
ONE_DIMENSION = (nn.AvgPool1d, nn.LPPool1d)

STATELESS: Mapping[type, Callable[[_Walk, Layer, Signal, Shape], tuple[Signal, Shape]]] = {
    nn.Linear: _Walk.linear,
    nn.Conv1d: _Walk.conv,
    nn.Conv2d: _Walk.conv,
    nn.AvgPool1d: _Walk.pool,
    nn.AvgPool2d: _Walk.pool,
    nn.LPPool1d: _Walk.pool,
    nn.LPPool2d: _Walk.pool,
    nn.Flatten: _Walk.flatten,
    nn.Unflatten: _Walk.unflatten,
    nn.BatchNorm1d: _Walk.batch_norm,
    nn.BatchNorm2d: _Walk.batch_norm,
    nn.Dropout: _Walk.keep,
    nn.Dropout2d: _Walk.keep,
    nn.Identity: _Walk.keep,
}

NEURONS: Mapping[type, Callable[[_Walk, Layer, Shape], Placed]] = {
    snn.LIF: _Walk.lif,
    snn.LIFCell: _Walk.lif,
    snn.LIFRecurrent: _Walk.lif,
    snn.LIFRecurrentCell: _Walk.lif,
    LIFBoxCell: _Walk.lif_box,
    IAF: _Walk.iaf,
    IAFCell: _Walk.iaf,
    snn.LSNN: _Walk.lsnn,
    snn.LSNNCell: _Walk.lsnn,
    snn.LSNNRecurrent: _Walk.lsnn,
    snn.LSNNRecurrentCell: _Walk.lsnn,
    snn.LI: _Walk.li,
    snn.LICell: _Walk.li,
    snn.LILinearCell: _Walk.li,
    LIBoxCell: _Walk.li_box,
}

FEATURES_BY_NAME: Mapping[str, str] = {
    "LIFRefracCell": "refractory",
    "LIFRefracRecurrentCell": "refractory",
    "RecurrentSequential": "topology",
    "MaxPool2d": "max-pooling",
}
"""Features of layers that are refused, by the name of their class."""
