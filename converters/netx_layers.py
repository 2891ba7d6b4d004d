"""The layers of a netx file as integers, between its HDF5 and our networks.

Source: lava-dl 0.6.0, ``slayer/block/base.py`` (``export_hdf5``) and ``netx/hdf5.py``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.netx_images import per_channel
from ltc2hw.errors import DamagedFileError, InvalidValueError, ShapeError
from ltc2hw.files.foreign_hdf5 import Foreign, ForeignTree
from ltc2hw.numbers.convolution import Conv, Shape
from ltc2hw.numbers.fields import ArrayFields
from ltc2hw.numbers.words import IntArray

BIAS_EXPONENT = 6
"""netx gives Lava ``bias_exp = 6``."""

IMAGE_DIMENSIONS = 3
"""Channels, height, width."""

DECAY_BITS = 12
"""Fractional bits of ``iDecay`` and ``vDecay``."""

LONGEST_DELAY = 62
"""netx cuts longer delays off."""

LOWEST_WEIGHT, HIGHEST_WEIGHT = -256, 254
"""Range of the weights, which are even; slayer's ``quantize_8bit``."""

AFFINE_THRESHOLD = (1 << 18) - 1
"""Threshold that slayer writes for blocks that answer their voltage instead of spikes."""

LAYER_ENTRIES = frozenset(
    ("type", "shape", "inFeatures", "outFeatures", "weight", "weight_rec", "bias", "delay")
)
CONV_ENTRIES = frozenset(
    (
        "type", "shape", "inChannels", "outChannels", "kernelSize", "stride", "padding", "dilation",
        "groups", "weight", "bias", "delay",
    )
)  # fmt: skip
NEURON_ENTRIES = frozenset(
    ("type", "iDecay", "vDecay", "vThMant", "refDelay", "gradedSpike", "weight_exp", "wgtExp")
)

TRAINING_ENTRIES = frozenset(("scaleRho", "tauRho", "theta"))
"""Entries of neurons of type LOIHI that shape gradients; netx's own reader ignores them."""

NEURON_FEATURES: Mapping[str, str] = {
    "ALIF": "alif",
    "SDNN": "sigma-delta",
    "RF_PHASE": "resonate-and-fire",
    "RF_IZHIKEVICH": "resonate-and-fire",
    "ADRF_PHASE": "resonate-and-fire",
    "ADRF_IZHIKEVICH": "resonate-and-fire",
}

UNUSUAL: tuple[tuple[str, int, str], ...] = (
    ("gradedSpike", 0, "graded-spikes"),
    ("refDelay", 1, "refractory"),
    ("weight_exp", 0, "norm-scale"),
)
"""Entries of neurons, the only value that we keep, and the feature that another one is."""

LAYER_FEATURES: Mapping[str, str] = {
    "convT": "other-node",
    "pool": "sum-pooling",
    "unpool": "other-node",
    "average": "other-node",
    "concat": "topology",
    "dense_comp": "resonate-and-fire",
}


@dataclass(frozen=True, eq=False)
class Layer(ArrayFields):
    """A dense layer of N CUBA neurons with M inputs, all int64.

    ``weights`` (N, M) and ``recurrent`` (N, N) are even, in [-256, 254]; ``delay`` (N, M) counts
    steps beyond the one that every layer takes, 0 where the weight is 0; ``bias`` is shifted left
    by 6 when it is added.
    """

    weights: IntArray
    recurrent: IntArray | None
    delay: IntArray
    bias: IntArray
    current_decay: IntArray
    membrane_decay: IntArray
    threshold: IntArray

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.weights.shape[0]

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.weights.shape[1]


@dataclass(frozen=True, eq=False)
class ConvLayer(ArrayFields):
    """A convolution, in two dimensions, to CUBA neurons; all int64.

    Weights are even, in [-256, 254], and padding is the same before and after. Constants are one
    number per neuron, equal within a channel; ``bias`` is shifted left by 6 when it is added.
    """

    conv: Conv
    bias: IntArray
    current_decay: IntArray
    membrane_decay: IntArray
    threshold: IntArray

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.conv.shape[0]

    @property
    def inputs(self) -> int:
        """Number of inputs."""
        return self.conv.shape[1]


AnyLayer = Layer | ConvLayer


def read_layers(
    tree: ForeignTree, path: object, conversion: Conversion, input_shape: Shape = ()
) -> tuple[AnyLayer, ...]:
    """Parse all layers of a file, refusing what our networks cannot keep.

    ``input_shape`` is (channels, height, width) of the samples, where no layer says it.

    Raises:
        ShapeError: if a layer says another one.
        InvalidValueError: for one that no layer has a use for.
        UnsupportedError: naming layer, feature and remedy.
        DamagedFileError: for a file without layers, or with numbers that make no sense.
    """
    reader = _Parser(path, conversion)
    layers: list[AnyLayer] = []
    image = input_shape
    for node, layer in _numbered(tree, path):
        kind = reader.text(layer, "type", node)
        if kind == "input" and "neuron" in layer:
            conversion.meet("input-neuron", node)
        if kind in ("input", "flatten"):
            image = reader.first_image(layer, node, input_shape) if kind == "input" else ()
        elif kind == "conv":
            found = reader.convolution(layer, node, image, first=not layers)
            layers.append(found)
            image = found.conv.targets
        else:
            if kind not in ("dense", "dense_rec"):
                conversion.meet(LAYER_FEATURES.get(kind, "other-node"), f"{node} ({kind})")
            if image and layers:
                raise DamagedFileError(path, f"no flatten layer stands before {node}")
            layers.append(reader.layer(layer, node, recurrent=kind == "dense_rec"))
    if not layers:
        raise DamagedFileError(path, "it has no dense or conv layer")
    if input_shape and not isinstance(layers[0], ConvLayer):
        limit = "none, as no convolution comes first"
        raise InvalidValueError("input_shape", input_shape, limit, "leave it out")
    return tuple(layers)


def _numbered(tree: ForeignTree, path: object) -> Iterator[tuple[str, ForeignTree]]:
    """What messages call each layer, and its entries, in order.

    Raises:
        DamagedFileError: where they are not numbered from 0, or one has no entries.
    """
    group = tree.get("layer")
    if not isinstance(group, Mapping) or set(group) != {str(i) for i in range(len(group))}:
        raise DamagedFileError(path, "it has no layers numbered from 0")
    for index in range(len(group)):
        node, layer = f"layer {index}", group[str(index)]
        if not isinstance(layer, Mapping):
            raise DamagedFileError(path, f"{node} is no group")
        yield node, layer


class _Parser:
    """Reads the entries of one file; every problem names the layer."""

    def __init__(self, path: object, conversion: Conversion) -> None:
        self.path = path
        self.conversion = conversion

    def layer(self, entries: ForeignTree, node: str, *, recurrent: bool) -> Layer:
        meet = self.conversion.meet
        unknown = sorted(set(entries) - LAYER_ENTRIES - {"neuron"})
        if unknown:
            meet("other-node", f"{node} entry {unknown[0]}")
        if isinstance(entries.get("weight"), Mapping):
            meet("resonate-and-fire", f"{node} (complex weights)")
        size = self.size(entries, node)
        weights = self.matrix(entries, "weight", node, size)
        neuron = self.neuron(entries, node, size)
        if recurrent:
            meet("recurrence", node)
        bias: IntArray = np.zeros(size, dtype=np.int64)
        if "bias" in entries:
            meet("membrane-bias", node)
            bias = self.vector(entries, "bias", node, size)
        delay = np.where(weights != 0, self.delay(entries, node, weights.shape), 0)
        if np.any(delay):
            meet("delay", node)
            if recurrent:
                meet("delay-recurrent", node)
            if np.any(bias):
                meet("delay-with-bias", node)
        own = self.square(entries, node, size) if recurrent else None
        return Layer(weights, own, delay, bias, *neuron)

    def image(self, entries: ForeignTree, node: str) -> Shape:
        """(channels, height, width) of a layer; nothing where it has another shape."""
        shape = self.sizes(entries, "shape", node) if "shape" in entries else ()
        return shape if len(shape) == IMAGE_DIMENSIONS else ()

    def first_image(self, entries: ForeignTree, node: str, given: Shape) -> Shape:
        """Shape of the samples: what an input layer says, or else what was given.

        Raises:
            ShapeError: if both are there and differ.
        """
        said = self.image(entries, node)
        if said and given and said != given:
            raise ShapeError("input_shape", given, f"{said}, as {node} says", "leave it out")
        return said or given

    def convolution(
        self, entries: ForeignTree, node: str, image: Shape, *, first: bool
    ) -> ConvLayer:
        """A convolution over an image, as :func:`write_convolution` writes it."""
        meet = self.conversion.meet
        unknown = sorted(set(entries) - CONV_ENTRIES - {"neuron"})
        if unknown:
            meet("other-node", f"{node} entry {unknown[0]}")
        meet("convolution", node)
        conv = self.kernel(entries, node, image, first=first)
        if self.image(entries, node) != conv.targets:
            given = f"which images of shape {conv.sources} before it give"
            raise self.damaged(f"{node} is not of shape {conv.targets}, {given}")
        if "delay" in entries and np.any(self.integers(entries, "delay", node)):
            meet("convolution-other", f"{node} with delays")
        neuron = self.neuron(entries, node, conv.targets[0])
        bias: IntArray = np.zeros(conv.targets[0], dtype=np.int64)
        if "bias" in entries:
            meet("membrane-bias", node)
            bias = self.vector(entries, "bias", node, conv.targets[0])
        places = math.prod(conv.targets[1:])
        spread = [np.repeat(values, places) for values in (bias, *neuron)]
        return ConvLayer(conv, *spread)

    def kernel(self, entries: ForeignTree, node: str, image: Shape, *, first: bool) -> Conv:
        """The kernel and its geometry; without an image before it, the one that it must be."""
        if isinstance(entries.get("weight"), Mapping):
            self.conversion.meet("resonate-and-fire", f"{node} (complex weights)")
        weights = self.integers(entries, "weight", node)
        if weights.ndim == IMAGE_DIMENSIONS + 2 and weights.shape[-1] == 1:
            weights = weights[..., 0]
        if weights.ndim != IMAGE_DIMENSIONS + 1 or 0 in weights.shape:
            raise self.damaged(f"{node} weight has shape {weights.shape}")
        if out_of_range(weights):
            self.conversion.meet("weight-range", node)
        stride, padding, dilation = (
            self.pair(entries, name, node, low)
            for name, low in (("stride", 1), ("padding", 0), ("dilation", 1))
        )
        (groups,) = self.sizes(entries, "groups", node)
        if not image:
            if not first:
                raise self.damaged(f"{node} has no image before it")
            if stride != (1, 1):
                raise self.conversion.refusal(
                    "convolution",
                    f"{node} of samples of unknown size",
                    "write an input layer with the shape (channels, height, width) before it,"
                    " or pass input_shape=...",
                )
            targets = self.image(entries, node)[1:]
            image = (
                weights.shape[1] * groups,
                *(
                    target + spacing * (width - 1) - 2 * pad
                    for target, width, pad, spacing in zip(
                        targets, weights.shape[2:], padding, dilation, strict=True
                    )
                ),
            )
        try:
            return Conv(weights, image, stride, padding, dilation, groups)
        except (ShapeError, InvalidValueError) as error:
            raise self.damaged(f"{node}: {error}") from error

    def pair(self, entries: ForeignTree, name: str, node: str, smallest: int) -> Shape:
        """One number for both dimensions, or one for each."""
        found = self.sizes(entries, name, node, smallest)
        if len(found) == 1:
            found *= 2
        if len(found) != IMAGE_DIMENSIONS - 1:
            raise self.damaged(f"{node} {name} has {len(found)} numbers")
        return found

    def sizes(self, entries: ForeignTree, name: str, node: str, smallest: int = 1) -> Shape:
        """Integers that are sizes."""
        found = self.integers(entries, name, node).ravel()
        if np.any(found < smallest):
            raise self.damaged(f"{node} {name} is below {smallest}")
        return tuple(found.tolist())

    def size(self, entries: ForeignTree, node: str) -> int:
        """Number of neurons."""
        size: int = math.prod(self.integers(entries, "shape", node).ravel().tolist())
        if size < 1:
            raise self.damaged(f"{node} has {size} neurons")
        return size

    def square(self, entries: ForeignTree, node: str, size: int) -> IntArray:
        """Recurrent weights."""
        weights = self.matrix(entries, "weight_rec", node, size)
        if weights.shape[1] != size:
            raise self.damaged(f"{node} weight_rec is not square")
        return weights

    def neuron(
        self, entries: ForeignTree, node: str, size: int
    ) -> tuple[IntArray, IntArray, IntArray]:
        meet = self.conversion.meet
        neuron = entries.get("neuron")
        if not isinstance(neuron, Mapping):
            remedy = "give the block a CUBA neuron"
            raise self.conversion.refusal("other-node", f"{node} without neurons", remedy)
        kind = self.text(neuron, "type", node)
        if kind not in ("CUBA", "LOIHI"):
            meet(NEURON_FEATURES.get(kind, "other-node"), f"{node} ({kind})")
        unknown = sorted(set(neuron) - NEURON_ENTRIES - TRAINING_ENTRIES)
        if unknown:
            meet("other-node", f"{node} neuron entry {unknown[0]}")
        meet("lif", node)
        self.inspect_unusual(neuron, node)
        current = self.vector(neuron, "iDecay", node, size)
        membrane = self.vector(neuron, "vDecay", node, size)
        threshold = self.vector(neuron, "vThMant", node, size)
        if np.any(current == 0):
            meet("no-current-decay", node)
        if np.any(threshold == AFFINE_THRESHOLD):
            meet("voltage-output", node)
        for name, decay in (("iDecay", current), ("vDecay", membrane)):
            if np.any((decay < 0) | (decay > 1 << DECAY_BITS)):
                raise self.damaged(f"{node} {name} is outside 0 to {1 << DECAY_BITS}")
        return current, membrane, threshold

    def inspect_unusual(self, neuron: ForeignTree, node: str) -> None:
        """Refuse entries of neurons that change something, unless they say what is usual."""
        for name, usual, feature in UNUSUAL:
            if name in neuron and np.any(self.numbers(neuron, name, node) != usual):
                self.conversion.meet(feature, node)
        if "wgtExp" in neuron and np.any(self.numbers(neuron, "wgtExp", node) != 0):
            what = f"{node} neuron entry wgtExp, which is not 0"
            remedy = "netx's own reader drops it; train with wgtExp 0"
            raise self.conversion.refusal("weight-range", what, remedy)

    def matrix(self, entries: ForeignTree, name: str, node: str, size: int) -> IntArray:
        """Weights (size, inputs), even and within range."""
        weights = self.integers(entries, name, node)
        if weights.size == 0 or weights.size % size:
            raise self.damaged(f"{node} {name} has shape {weights.shape} for {size} neurons")
        if weights.ndim != 2:
            weights = weights.reshape(size, -1)
        if weights.shape[0] != size:
            raise self.damaged(f"{node} {name} has shape {weights.shape} for {size} neurons")
        if out_of_range(weights):
            self.conversion.meet("weight-range", node)
        if lava_clips(weights):
            self.conversion.meet("inhibitory-limit", node)
        return weights

    def delay(self, entries: ForeignTree, node: str, shape: tuple[int, ...]) -> IntArray:
        """Steps per synapse: one for all, one per neuron, one per input, or all of them."""
        if "delay" not in entries:
            return np.zeros(shape, dtype=np.int64)
        delay = self.integers(entries, "delay", node)
        if np.any(delay < 0):
            raise self.damaged(f"{node} has a negative delay")
        if np.any(delay > LONGEST_DELAY):
            self.conversion.meet("delay-long", node)
        if delay.shape == (shape[0],):
            delay = delay[:, None]
        elif delay.shape not in {(), (1,), (shape[1],), shape}:
            raise self.damaged(f"{node} delay has shape {delay.shape}")
        return np.array(np.broadcast_to(delay, shape))

    def vector(self, entries: ForeignTree, name: str, node: str, size: int) -> IntArray:
        """One number per neuron; a single one is repeated."""
        values = self.integers(entries, name, node).ravel()
        if values.size not in (1, size):
            raise self.damaged(f"{node} {name} has {values.size} numbers for {size} neurons")
        return np.array(np.broadcast_to(values, (size,)))

    def integers(self, entries: ForeignTree, name: str, node: str) -> IntArray:
        """Integers, whatever type they are stored as."""
        values = self.numbers(entries, name, node)
        if not np.all(np.isfinite(values)) or np.any(values != np.trunc(values)):
            raise self.damaged(f"{node} {name} are not integers")
        if values.size and np.max(np.abs(values)) >= 1 << 31:
            raise self.damaged(f"{node} {name} are beyond 32 bits")
        return values.astype(np.int64)

    def numbers(self, entries: ForeignTree, name: str, node: str) -> npt.NDArray[Any]:
        value: Foreign | ForeignTree | None = entries.get(name)
        if not isinstance(value, np.ndarray):
            raise self.damaged(f"{node} has no numbers {name}")
        return value.astype(np.float64)

    def text(self, entries: ForeignTree, name: str, node: str) -> str:
        value = entries.get(name)
        if isinstance(value, tuple) and len(value) == 1:
            value = value[0]
        if not isinstance(value, str):
            raise self.damaged(f"{node} has no text {name}")
        return value

    def damaged(self, problem: str) -> DamagedFileError:
        return DamagedFileError(self.path, problem)


def out_of_range(weights: IntArray) -> bool:
    """Whether weights are anything but even numbers in [-256, 254]."""
    low, high = weights.min(initial=0), weights.max(initial=0)
    return bool(low < LOWEST_WEIGHT or high > HIGHEST_WEIGHT or np.any(weights % 2))


def lava_clips(weights: IntArray) -> bool:
    """Whether Lava takes a matrix for purely inhibitory and cuts its -256 to -255."""
    return bool(weights.max() <= 0 and weights.min() == LOWEST_WEIGHT)


def write_layers(file: h5py.Group, layers: Sequence[AnyLayer]) -> None:
    """Write the input, all layers, and what turns an image into a row of neurons."""
    image = isinstance(layers[0], ConvLayer)
    write_input(
        file.create_group("layer/0"),
        layers[0].conv.sources if isinstance(layers[0], ConvLayer) else (layers[0].inputs,),
    )
    for layer in layers:
        if image and isinstance(layer, Layer):
            write_text(file.create_group(f"layer/{len(file['layer'])}"), "type", "flatten")
        image = isinstance(layer, ConvLayer)
        group = file.create_group(f"layer/{len(file['layer'])}")
        if isinstance(layer, ConvLayer):
            write_convolution(group, layer)
        else:
            write_layer(group, layer)


def write_convolution(group: h5py.Group, layer: ConvLayer) -> None:
    """Write a convolution the way slayer's blocks do."""
    conv, channels = layer.conv, layer.conv.targets[0]
    write_text(group, "type", "conv")
    for name, values in {
        "shape": conv.targets,
        "inChannels": conv.sources[0],
        "outChannels": channels,
        "kernelSize": conv.kernel.shape[2:],
        "stride": conv.stride,
        "padding": [before for before, _ in conv.padding],
        "dilation": conv.dilation,
        "groups": conv.groups,
    }.items():
        group.create_dataset(name, data=np.array(values))
    group.create_dataset("weight", data=conv.kernel.astype(np.float32))
    if np.any(layer.bias):
        group.create_dataset("bias", data=_of_channels(layer.bias, channels).astype(np.float32))
    decays = (layer.current_decay, layer.membrane_decay, layer.threshold)
    _write_neuron(group, *(_of_channels(values, channels) for values in decays))


def _of_channels(values: IntArray, channels: int) -> IntArray:
    found = per_channel(values, channels)
    assert found is not None
    return found


def write_layer(group: h5py.Group, layer: Layer) -> None:
    """Write a dense layer the way slayer's blocks do."""
    write_text(group, "type", "dense" if layer.recurrent is None else "dense_rec")
    group.create_dataset("shape", data=np.array([layer.size]))
    group.create_dataset("inFeatures", data=layer.inputs)
    group.create_dataset("outFeatures", data=layer.size)
    group.create_dataset("weight", data=layer.weights.astype(np.float32))
    if layer.recurrent is not None:
        group.create_dataset("weight_rec", data=layer.recurrent.astype(np.float32))
    if np.any(layer.bias):
        group.create_dataset("bias", data=layer.bias.astype(np.float32))
    if np.any(layer.delay):
        group.create_dataset("delay", data=layer.delay)
    _write_neuron(group, layer.current_decay, layer.membrane_decay, layer.threshold)


def _write_neuron(
    group: h5py.Group, current_decay: IntArray, membrane_decay: IntArray, threshold: IntArray
) -> None:
    neuron = group.create_group("neuron")
    write_text(neuron, "type", "CUBA", shape=())
    neuron.create_dataset("iDecay", data=shared(current_decay))
    neuron.create_dataset("vDecay", data=shared(membrane_decay))
    neuron.create_dataset("vThMant", data=shared(threshold))
    neuron.create_dataset("refDelay", data=1)
    neuron.create_dataset("gradedSpike", data=False)


def write_input(group: h5py.Group, shape: Shape) -> None:
    """Write the layer that only says how many inputs there are."""
    write_text(group, "type", "input")
    group.create_dataset("shape", data=np.array(shape))


def write_text(group: h5py.Group, name: str, text: str, shape: tuple[int, ...] = (1,)) -> None:
    """Write a fixed-size ASCII text, in an array of one where slayer does so."""
    group.create_dataset(name, data=np.full(shape, text.encode("ascii"), dtype="S10"))


def shared(values: IntArray) -> IntArray | int:
    """A vector of equal numbers as that one number, as slayer's ``shared_param`` writes it."""
    return int(values[0]) if np.all(values == values[0]) else values
