"""State dicts of the FPTT authors' models (byin-cwi/sFPTT) into float networks.

Every entry is looked up by its name in an explicit mapping; one that the mapping does not know is
refused, so nothing is dropped. Constants that the authors' code does not store are arguments.

=====================================  ============================================================
entries                                meaning here
=====================================  ============================================================
``layerK_x``                           current of layer K: from what comes before and, where there
                                       is no ``layerK_r``, from its own spikes
``layerK_r``                           recurrent current; both layers' comes from layer 1
``layerK_tauM``, ``layerK_tauAdp``     dense gates of [current, membrane], [current, adaptation]
``layerK_tauM``, ... (vectors)         static gates: the adaptive ASRNN neuron; also as ``tau_m``
``layer3_x``, ``layer3_tauM``          readout and its gate; ``tau_m_o`` where it is static
``lin``                                readout of the membranes, without memory (Add task)
``actN.alpha``                         slopes of the gates' sigmoids
``bn...``                              batch normalization, one set of statistics or one per step
=====================================  ============================================================

Source: arXiv 2112.11231 and its code, ``fptt/fptt_mnist`` and ``fptt/fptt_AddTask``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from math import isfinite
from typing import Literal

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.assembly import Assembly, static_gate
from ltc2hw.converters.checkpoint import load_arrays
from ltc2hw.converters.conversion import Conversion
from ltc2hw.converters.populations import LTC, Gate, Readout
from ltc2hw.converters.signals import Signal
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.files.archive import shown
from ltc2hw.graph.network import Input, Network
from ltc2hw.graph.state import zero_state
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.graph.trace import State
from ltc2hw.numbers.words import FloatArray

THRESHOLD, ADAPTATION_STRENGTH = 0.1, 1.8
"""``b_j0`` and ``beta`` of the authors' code."""

ADD_TASK_THRESHOLD, ADD_TASK_STRENGTH = 0.5, 0.0
"""What ``fptt_AddTask/snn_models_LIF4.py`` has instead: a threshold that does not adapt."""

ADAPTATION_START = 0.1
"""Where the adaptation starts in the authors' ``init_hidden``."""

BATCH_NORM_EPSILON = 1e-5
"""torch's default, which the authors keep."""

PREFIXES = re.compile(r"^(module\.)?(network\.)?")
"""What DataParallel and the authors' ``SeqModel`` put before every name."""

STATIC_GATES: Mapping[str, str] = {
    "tau_m": "layer1_tauM",
    "tau_adp": "layer1_tauAdp",
    "tau_m_r1": "layer1_tauM",
    "tau_adp_r1": "layer1_tauAdp",
    "tau_m_r2": "layer2_tauM",
    "tau_adp_r2": "layer2_tauAdp",
    "tau_m_o": "layer3_tauM",
}
"""Older names of gates that are vectors."""

SLOPES: Mapping[int, Mapping[str, str]] = {
    1: {"layer1_tauM": "act1", "layer1_tauAdp": "act2", "layer3_tauM": "act3"},
    2: {
        "layer1_tauM": "act1m",
        "layer1_tauAdp": "act1a",
        "layer2_tauM": "act2m",
        "layer2_tauAdp": "act2a",
        "layer3_tauM": "act3",
    },
}
"""Name of the slope of each gate, by the number of layers."""

NORMS: Mapping[str, str] = {
    "layer1_x": "bn1a",
    "layer1_r": "bn1b",
    "layer2_x": "bn2a",
    "layer2_r": "bn2b",
    "layer3_x": "bn2",
}
"""Name of the batch normalization behind each linear layer."""

Recurrence = Literal["layer1", "layer2"]
RECURRENCES: tuple[Recurrence, ...] = ("layer1", "layer2")


def read(
    path: str | os.PathLike[str],
    *,
    input_size: int | None = None,
    threshold: float | None = None,
    adaptation_strength: float | None = None,
    graded_input: bool = True,
    second_recurrence: Recurrence = "layer1",
    batch_norm_step: int | None = None,
    allow: Collection[str] = (),
) -> Network:
    """Read a checkpoint, ``.npz`` or torch's, as :func:`from_state_dict` does.

    torch files are read without torch, and nothing in them is run.

    Raises:
        DamagedFileError: if the file holds anything but arrays by name, or cannot be read.
        TooLargeError: if it unfolds to more than it holds and than a stated limit.
        UnsupportedError, InvalidValueError, ShapeError: as :func:`from_state_dict`.
    """
    return from_state_dict(
        load_arrays(path),
        input_size=input_size,
        threshold=threshold,
        adaptation_strength=adaptation_strength,
        graded_input=graded_input,
        second_recurrence=second_recurrence,
        batch_norm_step=batch_norm_step,
        allow=allow,
    )


def from_state_dict(
    state: Mapping[str, npt.ArrayLike],
    *,
    input_size: int | None = None,
    threshold: float | None = None,
    adaptation_strength: float | None = None,
    graded_input: bool = True,
    second_recurrence: Recurrence = "layer1",
    batch_norm_step: int | None = None,
    allow: Collection[str] = (),
) -> Network:
    """Turn a state dict (arrays by name) of the authors' LTC or ASRNN models into a network.

    ``threshold`` and ``adaptation_strength``, which the authors' code does not store, are for None
    what it has for such a model, and are noted in ``provenance["constants"]``.
    ``input_size`` tells whether ``layer1_x`` also takes the layer's own spikes; None assumes so
    where it has more columns than the layer has neurons. ``second_recurrence`` is where
    ``layer2_r`` takes its spikes from: from layer 1 in the authors' code. ``batch_norm_step``
    is the step whose statistics are taken where they differ (allow ``batch-norm-step``).
    The log-softmax of their outputs belongs to the loss and is no part of the network.

    Raises:
        UnsupportedError: naming the entry and what of it cannot be kept.
        InvalidValueError: if an entry is missing, or no number.
        ShapeError: if entries do not fit each other.
    """
    conversion = Conversion("sfptt-in", allow)
    if second_recurrence not in RECURRENCES:
        raise UnknownNameError("second_recurrence", str(second_recurrence), RECURRENCES)
    entries = _Entries(state, conversion)
    model = _Model(entries, conversion, batch_norm_step)
    model.input(input_size, graded=graded_input)
    usual = entries.usual_constants()
    constants = (
        usual[0] if threshold is None else _number("threshold", threshold),
        usual[1]
        if adaptation_strength is None
        else _number("adaptation_strength", adaptation_strength),
    )
    # What overflows is refused by the populations and projections that it reaches.
    with np.errstate(over="ignore", invalid="ignore"):
        for layer in range(1, entries.layers + 1):
            own = "layer1" if layer == 2 and second_recurrence == "layer1" else f"layer{layer}"
            model.spiking(f"layer{layer}", own, *constants)
        output = model.readout()
        entries.finish()
        provenance = conversion.provenance("sFPTT state dict")
        provenance["constants"] = "threshold {}, adaptation strength {}".format(*constants)
        return model.assembly.network(output, provenance)


def initial_state(network: Network, batch: int, rng: np.random.Generator) -> State:
    """A state as the authors' ``init_hidden`` draws it: membranes in [0, 1), adaptation 0.1.

    >>> rng = np.random.default_rng(0)
    >>> net = Network((Input("input", 1), LTC("l", 1, 0.1, 1.8, 0.0, Gate(), Gate())), (), "l")
    >>> float(initial_state(net, 1, rng)["l"]["adaptation"][0, 0])
    0.1
    """
    zero = zero_state(network, batch, np.float64)
    state = {name: dict(registers) for name, registers in zero.items()}
    for population in network.populations:
        if isinstance(population, LTC):
            registers = state[population.name]
            start = {
                "membrane": rng.random((batch, population.size)),
                "adaptation": np.full((batch, population.size), ADAPTATION_START),
            }
            for variable, value in start.items():
                registers[variable] = value
                if f"sent:{variable}" in registers:
                    registers[f"sent:{variable}"] = value[None]
    return state


def _number(name: str, value: object) -> float:
    """A constant of the authors' code."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not isfinite(value):
        raise InvalidValueError(name, value, "a finite number")
    return float(value)


def _numbers(name: str, value: object) -> FloatArray:
    """An entry in float64: an array of numbers, or a tensor."""
    if hasattr(value, "detach"):
        from ltc2hw.converters.plain_modules import exact_array

        return exact_array(value, name, stored=True)
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise InvalidValueError(name, "ragged", "numbers") from error
    if array.dtype.kind not in "biuf":
        kind = type(value).__name__ if array.dtype.kind == "O" else str(array.dtype)
        raise InvalidValueError(name, kind, "numbers")
    with np.errstate(over="ignore"):
        values = array.astype(np.float64)
    if not np.all(np.isfinite(values)):
        raise InvalidValueError(name, "NaN or infinite", "finite numbers")
    return values


class _Entries:
    """The arrays of a state dict by name, and which of them were used."""

    def __init__(self, state: Mapping[str, npt.ArrayLike], conversion: Conversion) -> None:
        self.conversion = conversion
        self.arrays: dict[str, FloatArray] = {}
        if not isinstance(state, Mapping) or not all(isinstance(name, str) for name in state):
            kind = type(state).__name__
            raise InvalidValueError("state", kind, "arrays by name", "pass module.state_dict()")
        for name, value in state.items():
            short = PREFIXES.sub("", name)
            short = STATIC_GATES.get(short, short)
            if short in self.arrays:
                raise InvalidValueError(f"entry {shown(name)}", f"a second {short}", "one of them")
            self.arrays[short] = _numbers(f"entry {shown(name)}", value)
        self.unused = set(self.arrays)
        self.layers = 2 if "layer2_x.weight" in self.arrays else 1

    def usual_constants(self) -> tuple[float, float]:
        """Threshold and adaptation strength of the authors' model with these entries."""
        together = "layer1_r.weight" not in self
        dense = "layer1_tauM.weight" in self
        if together and dense and ("lin.weight" in self or "layer3_x.weight" in self):
            return ADD_TASK_THRESHOLD, ADD_TASK_STRENGTH
        return THRESHOLD, ADAPTATION_STRENGTH

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def take(self, name: str, shape: tuple[int | None, ...]) -> FloatArray:
        """An entry of the given shape (None for any number)."""
        if name not in self.arrays:
            raise InvalidValueError(f"entry {name}", "missing", "an array of the state dict")
        array = self.arrays[name]
        wanted = tuple("any" if number is None else number for number in shape)
        fits = len(shape) == array.ndim and all(
            number is None or number == given
            for number, given in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise ShapeError(f"shape of {name}", array.shape, str(wanted))
        self.unused.discard(name)
        return array

    def finish(self) -> None:
        """Refuse what nobody asked for."""
        for name in sorted(self.unused):
            feature = "convolution" if re.match(r"conv", name) else "other-node"
            self.conversion.meet(feature, f"entry {name!r}")


class _Model:
    """The network of one state dict, layer by layer."""

    def __init__(
        self, entries: _Entries, conversion: Conversion, batch_norm_step: int | None
    ) -> None:
        self.entries = entries
        self.conversion = conversion
        self.batch_norm_step = batch_norm_step
        self.assembly = Assembly()
        self.sent: dict[str, Signal] = {}
        self.before = "input"

    def input(self, given: int | None, *, graded: bool) -> None:
        """The input; its size is what ``layer1_x`` has more columns than the layer has neurons."""
        self.conversion.meet("graded-input" if graded else "spiking-input", "input")
        hidden, columns = self.entries.take("layer1_x.weight", (None, None)).shape
        together = "layer1_r.weight" not in self.entries and columns > hidden
        size = columns - hidden * int(together) if given is None else given
        if type(size) is not int or columns not in (size, size + hidden):
            limit = f"{columns} or {columns - hidden}, from layer1_x"
            raise InvalidValueError("input_size", size, limit)
        self.sent["input"] = self.assembly.add(Input("input", size, graded))

    def spiking(self, name: str, own: str, threshold: float, strength: float) -> None:
        """A layer of LTC neurons, with dense or static gates; ``own`` sends its recurrence."""
        weight = self.entries.take(f"{name}_x.weight", (None, None))
        size, before = weight.shape[0], self.sent[self.before]
        self.conversion.meet("alif" if f"{name}_tauM" in self.entries else "ltc", name)
        self.sent[name] = self.assembly.add(
            LTC(
                name,
                size,
                np.full(size, threshold),
                np.full(size, strength),
                np.zeros(size),
                self.gate(f"{name}_tauM", name, "tau_mem", "membrane", size),
                self.gate(f"{name}_tauAdp", name, "tau_adp", "adaptation", size),
            )
        )
        if "lin.weight" not in self.entries:
            self.conversion.meet("initial-state", name)
        together = f"{name}_r.weight" not in self.entries and weight.shape[1] > before.size
        current = before.through(weight[:, : before.size] if together else weight)
        if together:
            self.conversion.meet("recurrence", name)
            spikes = self.sent[name].delayed(1)
            current = current.plus(spikes.through(weight[:, before.size :]))
        current = self.linear(f"{name}_x", current)
        if f"{name}_r.weight" in self.entries:
            self.conversion.meet("recurrence" if own == name else "topology", name)
            spikes = self.sent[own].delayed(1)
            weight = self.entries.take(f"{name}_r.weight", (size, spikes.size))
            current = current.plus(self.linear(f"{name}_r", spikes.through(weight)))
        self.assembly.connect(current, name)
        self.before = name

    def readout(self) -> Signal:
        """The leaky integrators, or the linear layer on membranes, that the model answers with.

        A cell without either answers its spikes.
        """
        last = self.sent[self.before]
        if not {"lin.weight", "layer3_x.weight"} & set(self.entries.arrays):
            return last
        if "lin.weight" in self.entries:
            self.conversion.meet("linear", "lin")
            weight = self.entries.take("lin.weight", (None, last.size))
            membrane = Signal.of(self.before, last.size, "membrane")
            signal = self.linear("lin", membrane.through(weight))
            gate = static_gate(1.0)
        else:
            weight = self.entries.take("layer3_x.weight", (None, last.size))
            signal = self.linear("layer3_x", last.through(weight))
            static = "layer3_tauM" in self.entries
            self.conversion.meet("readout" if static else "gated-readout", "layer3")
            gate = self.gate("layer3_tauM", "readout", "tau_mem", "membrane", signal.size)
        output = self.assembly.add(Readout("readout", signal.size, np.zeros(signal.size), gate))
        self.assembly.connect(signal, "readout")
        return output

    def gate(self, entry: str, name: str, port: Port, state: Variable, size: int) -> Gate:
        """A gate of [current, state at the step before], or a static one."""
        if entry in self.entries:
            return Gate(self.entries.take(entry, (size,)))
        slope = self.slope(entry)
        weight = slope * self.entries.take(f"{entry}.weight", (size, 2 * size))
        bias = slope * self.entries.take(f"{entry}.bias", (size,))
        self.assembly.connect(
            Signal.of(name, size, "current").through(weight[:, :size]), name, port
        )
        before = Signal.of(name, size, state).delayed(1)
        self.assembly.connect(before.through(weight[:, size:]), name, port)
        return Gate(bias)

    def slope(self, entry: str) -> float:
        """Slope of a gate's sigmoid."""
        name = f"{SLOPES[self.entries.layers].get(entry)}.alpha"
        if name not in self.entries:
            return 1.0
        value = float(self.entries.take(name, ()))
        self.conversion.meet("gate-slope" if value else "gate-identity", f"entry {name!r}")
        return value

    def linear(self, name: str, signal: Signal) -> Signal:
        """Add the bias of a linear layer, and apply the normalization behind it."""
        if f"{name}.bias" in self.entries:
            signal = signal.plus_constant(self.entries.take(f"{name}.bias", (signal.size,)))
        norm = NORMS.get(name, "")
        if not any(entry.startswith(f"{norm}.") for entry in self.entries.arrays):
            return signal
        mean, variance = (self.statistic(norm, kind, signal.size) for kind in ("mean", "var"))
        if np.any(variance < 0.0):
            limit = "at least 0"
            raise InvalidValueError(f"variance of {norm}", float(variance.min()), limit)
        scale = 1.0 / np.sqrt(variance + BATCH_NORM_EPSILON)
        shift = -mean * scale
        if f"{norm}.weight" in self.entries:
            weight = self.entries.take(f"{norm}.weight", (signal.size,))
            scale, shift = scale * weight, shift * weight
            shift = shift + self.entries.take(f"{norm}.bias", (signal.size,))
        return signal.scaled(scale).plus_constant(shift)

    def statistic(self, norm: str, kind: str, size: int) -> FloatArray:
        """Running mean or variance; one for all steps, or the one of the chosen step."""
        self.entries.unused.discard(f"{norm}.num_batches_tracked")
        name = f"{norm}.running_{kind}"
        if name in self.entries:
            self.conversion.meet("batch-norm", f"entries {norm!r}")
            return self.entries.take(name, (size,))
        steps = sum(entry.startswith(f"{name}_") for entry in self.entries.arrays)
        values = np.stack([self.entries.take(f"{name}_{t}", (size,)) for t in range(max(steps, 1))])
        if not np.any(values != values[0]):
            self.conversion.meet("batch-norm", f"entries {norm!r}")
            return np.array(values[0])
        self.conversion.meet("batch-norm-per-step", f"entries {norm!r}")
        step = self.batch_norm_step
        if type(step) is not int or not 0 <= step < len(values):
            raise InvalidValueError("batch_norm_step", step, f"0 to {len(values) - 1}")
        return np.array(values[step])
