"""The layers of a netx file as integers, between its HDF5 and our networks.

Source: lava-dl 0.6.0, ``slayer/block/base.py`` (``export_hdf5``) and ``netx/hdf5.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from ltc2hw.converters.conversion import Conversion
from ltc2hw.errors import DamagedFileError
from ltc2hw.files.foreign_hdf5 import Foreign, ForeignTree
from ltc2hw.numbers.fields import ArrayFields
from ltc2hw.numbers.words import IntArray

BIAS_EXPONENT = 6
"""netx gives Lava ``bias_exp = 6``."""

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
    "conv": "convolution",
    "convT": "convolution",
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


def read_layers(tree: ForeignTree, path: object, conversion: Conversion) -> tuple[Layer, ...]:
    """Parse all layers of a file, refusing what our networks cannot keep.

    Raises:
        UnsupportedError: naming layer, feature and remedy.
        DamagedFileError: for a file without layers, or with numbers that make no sense.
    """
    reader = _Parser(path, conversion)
    group = tree.get("layer")
    if not isinstance(group, Mapping) or set(group) != {str(i) for i in range(len(group))}:
        raise DamagedFileError(path, "it has no layers numbered from 0")
    layers: list[Layer] = []
    for index in range(len(group)):
        node, layer = f"layer {index}", group[str(index)]
        if not isinstance(layer, Mapping):
            raise DamagedFileError(path, f"{node} is no group")
        kind = reader.text(layer, "type", node)
        if kind == "input" and "neuron" in layer:
            conversion.meet("input-neuron", node)
        if kind in ("input", "flatten"):
            continue
        if kind not in ("dense", "dense_rec"):
            conversion.meet(LAYER_FEATURES.get(kind, "other-node"), f"{node} ({kind})")
        layers.append(reader.layer(layer, node, recurrent=kind == "dense_rec"))
    if not layers:
        raise DamagedFileError(path, "it has no dense layer")
    return tuple(layers)


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
        if weights.min() < LOWEST_WEIGHT or weights.max() > HIGHEST_WEIGHT or np.any(weights % 2):
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


def lava_clips(weights: IntArray) -> bool:
    """Whether Lava takes a matrix for purely inhibitory and cuts its -256 to -255."""
    return bool(weights.max() <= 0 and weights.min() == LOWEST_WEIGHT)


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
    neuron = group.create_group("neuron")
    write_text(neuron, "type", "CUBA", shape=())
    neuron.create_dataset("iDecay", data=shared(layer.current_decay))
    neuron.create_dataset("vDecay", data=shared(layer.membrane_decay))
    neuron.create_dataset("vThMant", data=shared(layer.threshold))
    neuron.create_dataset("refDelay", data=1)
    neuron.create_dataset("gradedSpike", data=False)


def write_input(group: h5py.Group, size: int) -> None:
    """Write the layer that only says how many inputs there are."""
    write_text(group, "type", "input")
    group.create_dataset("shape", data=np.array([size]))


def write_text(group: h5py.Group, name: str, text: str, shape: tuple[int, ...] = (1,)) -> None:
    """Write a fixed-size ASCII text, in an array of one where slayer does so."""
    group.create_dataset(name, data=np.full(shape, text.encode("ascii"), dtype="S10"))


def shared(values: IntArray) -> IntArray | int:
    """A vector of equal numbers as that one number, as slayer's ``shared_param`` writes it."""
    return int(values[0]) if np.all(values == values[0]) else values
