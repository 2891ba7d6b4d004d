"""What to train and how, as values; everything is checked before any work is done."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from numbers import Integral, Real
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import Model
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.learning.rule import Descent
from ltc2hw.numbers.fields import set_field
from ltc2hw.numbers.scalars import LARGEST_SEED, shown
from ltc2hw.numbers.words import TERNARY, IntArray, Width
from ltc2hw.quantization.calibration import TRAINING_SAMPLES
from ltc2hw.training.image_layers import image_layer

Method = Literal["fptt", "bptt", "eprop", "ostl", "hypr"]
OptimizerName = Literal["adam", "adamax", "sgd"]
Schedule = Literal["constant", "cosine"]
LossWeighting = Literal["ramp", "second-half", "last", "uniform"]
Backend = Literal["auto", "compiled", "autograd"]
Device = Literal["cpu", "cuda"]
RoundingOf = Literal["weights", "all"]

METHODS: tuple[Method, ...] = ("fptt", "bptt", "eprop", "ostl", "hypr")
BY_ELIGIBILITY: tuple[Method, ...] = ("eprop", "ostl", "hypr")
"""Methods that carry the past in eligibility, and make one update per sequence."""
OPTIMIZERS: tuple[OptimizerName, ...] = ("adam", "adamax", "sgd")
SCHEDULES: tuple[Schedule, ...] = ("constant", "cosine")
LOSS_WEIGHTINGS: tuple[LossWeighting, ...] = ("ramp", "second-half", "last", "uniform")
BACKENDS: tuple[Backend, ...] = ("auto", "compiled", "autograd")
DEVICES: tuple[Device, ...] = ("cpu", "cuda")
DESCENTS: tuple[Descent, ...] = get_args(Descent)
ROUNDINGS: tuple[RoundingOf, ...] = ("weights", "all")


MOST_EPOCHS, MOST_THREADS, MOST_BATCH = 1_000_000, 256, 1 << 30
SMALLEST, LARGEST = 1e-30, 1e30


def _require_name(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise UnknownNameError(name, value, known)


def _require_bool(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidValueError(name, repr(value), "True or False")


def _whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """An integer in a range as Python's own, which files can hold."""
    limit = f"an integer >= {least}" if most is None else f"an integer from {least} to {most}"
    if not isinstance(value, Integral) or isinstance(value, bool):
        raise InvalidValueError(name, value, limit)
    number = int(value)
    if number < least or (most is not None and number > most):
        raise InvalidValueError(name, number, limit)
    return number


def _real(name: str, value: object, limit: str = "a finite number") -> float:
    """A finite number as Python's own."""
    if not isinstance(value, Real) or isinstance(value, bool) or not math.isfinite(value):
        raise InvalidValueError(name, value, limit)
    return float(value)


def _positive(name: str, value: object) -> float:
    """A number above 0 whose size and inverse float32 holds."""
    limit = f"a number from {SMALLEST} to {LARGEST}"
    number = _real(name, value, limit)
    if not SMALLEST <= number <= LARGEST:
        raise InvalidValueError(name, value, limit)
    return number


def _fraction(name: str, value: object) -> float:
    """A number above 0 and at most 1."""
    number = _real(name, value, "above 0, at most 1")
    if not 0.0 < number <= 1.0:
        raise InvalidValueError(name, value, "above 0, at most 1")
    return number


def _width(name: str, value: object) -> Width:
    """Bits of weights, or ``"ternary"``."""
    if isinstance(value, str):
        if value != TERNARY:
            raise InvalidValueError(name, repr(value), f"an integer from 2 to 24, or {TERNARY}")
        return TERNARY
    return _whole(name, value, 2, 24)


LTC_OPTIONS = (
    "gate",
    "threshold",
    "adaptation_strength",
    "tau_mem_bias",
    "tau_adp_bias",
    "tau_mem_spread",
    "tau_adp_spread",
)
"""Options that other neurons do not have."""


@dataclass(frozen=True)
class ModelOptions:
    """The network: hidden layers of neurons of one model, and a leaky readout.

    ``conv`` are layers over images or rows, below the hidden layers, as texts: channels, kernel,
    stride and padding such as ``16k5s2p1``, or averages over windows, ``pool2``
    (:func:`~ltc2hw.training.image_layers.image_layer`); with them ``hidden`` may be empty.
    ``dropout`` leaves out a share of the messages between layers at each step of training.
    ``batch_norm`` normalizes what arrives at layers' ports ``current``, channel by channel, by one
    set of statistics for all steps, which is folded into weights and biases afterwards. With any of
    these three, networks are those of :mod:`~ltc2hw.training.convolutional`.
    ``neuron`` is the name of a model of this package or a model itself; ``constants`` set where the
    constants of another than the LTC start, with ``spreads`` each neuron's uniform that far to
    either side; those in ``fixed`` are not learned. Gate, threshold, adaptation and the biases with
    their spreads are the LTC's alone. The biases are those of the gates before the first update:
    ``σ(tau_mem_bias)`` is how much of the current enters the membrane per step; single neurons' are
    uniform in ``bias ± spread``. Cells check names and sizes.

    Raises:
        InvalidValueError: without a layer, for sizes below one, numbers that are not finite, and
            options of another neuron than the one chosen.
    """

    hidden: tuple[int, ...] = (64,)
    neuron: str | Model = "ltc"
    constants: Mapping[str, float] = field(default_factory=dict)
    spreads: Mapping[str, float] = field(default_factory=dict)
    fixed: tuple[str, ...] = ()
    gate: str = "event"
    recurrent: bool = True
    readout_gate: str = "static"
    read_from: str = "spikes"
    nonlinearity: str = "plan"
    surrogate: str = "multi_gaussian"
    threshold: float = 0.1
    adaptation_strength: float = 1.8
    tau_mem_bias: float = -1.5
    tau_adp_bias: float = 2.0
    tau_mem_spread: float = 0.0
    tau_adp_spread: float = 0.0
    readout_bias: float = -2.0
    gain: float = 1.0
    conv: tuple[str, ...] = ()
    dropout: float = 0.0
    batch_norm: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.conv, (tuple, list)):
            raise InvalidValueError("conv", shown(self.conv), "a list of layers, e.g. ('16k5s2',)")
        set_field(self, "conv", tuple(str(image_layer(layer)) for layer in self.conv))
        if not isinstance(self.hidden, (tuple, list)) or not (self.hidden or self.conv):
            raise InvalidValueError("hidden", self.hidden, "at least one layer size, e.g. (64,)")
        set_field(self, "hidden", tuple(_whole("hidden", size, 1) for size in self.hidden))
        _require_bool("recurrent", self.recurrent)
        _require_bool("batch_norm", self.batch_norm)
        for option in dataclasses.fields(self):
            if isinstance(option.default, float):
                set_field(self, option.name, _real(option.name, getattr(self, option.name)))
        if not 0.0 <= self.dropout < 1.0:
            raise InvalidValueError("dropout", self.dropout, "0 to below 1")
        if not isinstance(self.neuron, (str, Model)):
            limit = "the name of a model, or a model"
            raise InvalidValueError("neuron", type(self.neuron).__name__, limit)
        self._check_constants()
        self._require_own_options()

    def _check_constants(self) -> None:
        """Raise unless what is said of constants is numbers by name, and names."""
        for option in ("constants", "spreads"):
            given = getattr(self, option)
            if not isinstance(given, Mapping):
                raise InvalidValueError(option, shown(given), "numbers by name of a constant")
            set_field(self, option, {name: _real(name, value) for name, value in given.items()})
        if not isinstance(self.fixed, (tuple, list)):
            raise InvalidValueError("fixed", shown(self.fixed), "a list of names of constants")
        set_field(self, "fixed", tuple(str(name) for name in self.fixed))

    @property
    def is_graph(self) -> bool:
        """Whether networks are made as graphs, which learn by autograd."""
        return bool(self.conv) or self.dropout > 0.0 or self.batch_norm

    @property
    def is_ltc(self) -> bool:
        """Whether the hidden neurons are this package's LTC."""
        return self.neuron == "ltc"

    def _require_own_options(self) -> None:
        """Raise unless what is set belongs to the chosen neuron."""
        if self.is_ltc:
            remedy = "set threshold, adaptation_strength and the biases with their spreads"
            for name in ("constants", "spreads", "fixed"):
                if value := getattr(self, name):
                    raise InvalidValueError(name, value, "none for the LTC", remedy)
            return
        for option in dataclasses.fields(self):
            value = getattr(self, option.name)
            if option.name in LTC_OPTIONS and value != option.default:
                limit, remedy = "an option of the LTC alone", "use constants"
                raise InvalidValueError(option.name, value, limit, remedy)


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    ``updates`` is K, the number of parameter updates per sequence (FPTT; the others make one): the
    sequence is cut into K windows of nearly equal length, T for one update every step. A batch of
    shorter samples is cut into K windows of its longest one's steps, or one of each step.
    ``eprop``, ``ostl`` and ``hypr`` learn from each neuron's own memory
    (:class:`~ltc2hw.training.eligible.EligibleLearner`). ``descent`` is FPTT's, with the names of
    :class:`~ltc2hw.learning.rule.FPTTRule`: the gradient of a window alone (``instantaneous``), or
    with what earlier windows left in each neuron (``eligibility``), or in the readout's memory, too
    (``filtered``); ``piece`` is how many steps learning by eligibility takes at a time, which
    changes time and memory, not the gradient (OSTL takes one). ``alpha`` and ``beta`` are FPTT's.
    ``final_rate`` is the fraction of the learning rate that a cosine schedule ends at.
    ``loss_weighting`` weighs the loss of step t of a sample's T: ``ramp`` (t+1)/T, ``second-half``,
    ``last`` or ``uniform``, where the step has a label. ``augment`` allows the task's own
    augmentation of the training samples. ``shift`` moves images or rows of training samples by up
    to that many places in each direction, anew in every epoch (:mod:`ltc2hw.tasks.moving`).
    ``auxiliary`` weighs a second loss, not that of FPTT's authors
    (:func:`~ltc2hw.training.loss.auxiliary_loss`; classification, by autograd only); 0 is without.
    ``weight_limit`` clips every synaptic weight to ± that value after
    each update, so that a few outliers do not set the scale of all mantissas; None leaves weights
    free. ``weight_bits`` trains through weights rounded to mantissas of that width at power-of-two
    scales (2 to 24, or ``"ternary"``: -1, 0 and 1; a chip holds 8); None trains without rounding.
    ``rounding``: of ``weights`` alone, or of ``all`` that the chip ``target`` rounds: weights,
    constants, gates, samples, messages, states and their ends
    (:mod:`~ltc2hw.training.rounding`); then ``weight_bits`` of None is what the target holds,
    ``bits`` are widths by the names of :mod:`ltc2hw.quantization.widths`, ``fine_states``
    gives them all bits of their words (:class:`~ltc2hw.quantization.scaling.QuantizeOptions`), and
    scales are those of the first ``calibration`` training samples, chosen anew after every epoch.
    ``backend``:
    ``compiled`` learns without autograd and only networks of this package's cells; ``autograd``
    learns any module; ``auto`` takes the first where it can. ``threads`` share the samples of a
    batch (compiled only);
    the result depends on their number by float rounding. ``device``: ``cuda`` learns by autograd,
    each batch a captured CUDA graph (:class:`~ltc2hw.training.graphed.GraphedLearner`).

    Raises:
        InvalidValueError: for a number out of range.
        UnknownNameError: for an unknown choice.
    """

    method: Method = "fptt"
    updates: int = 8
    descent: Descent = "instantaneous"
    piece: int = 32
    epochs: int = 30
    batch_size: int = 64
    optimizer: OptimizerName = "adam"
    learning_rate: float = 3e-3
    schedule: Schedule = "cosine"
    final_rate: float = 0.05
    clip: float = 1.0
    alpha: float = 0.1
    beta: float = 0.5
    loss_weighting: LossWeighting = "ramp"
    augment: bool = True
    shift: int = 0
    auxiliary: float = 0.0
    weight_limit: float | None = None
    weight_bits: Width | None = None
    rounding: RoundingOf = "weights"
    target: str = "loihi2"
    bits: Mapping[str, Width] = field(default_factory=dict)
    fine_states: bool = False
    calibration: int = TRAINING_SAMPLES
    seed: int = 0
    backend: Backend = "auto"
    threads: int = 1
    device: Device = "cpu"

    def __post_init__(self) -> None:
        _require_name("method", self.method, METHODS)
        _require_name("optimizer", self.optimizer, OPTIMIZERS)
        _require_name("schedule", self.schedule, SCHEDULES)
        _require_name("loss_weighting", self.loss_weighting, LOSS_WEIGHTINGS)
        _require_name("backend", self.backend, BACKENDS)
        _require_name("device", self.device, DEVICES)
        _require_bool("augment", self.augment)
        self._check_descent()
        _require_bool("fine_states", self.fine_states)
        checked: dict[str, object] = {
            "updates": _whole("updates", self.updates, 1),
            "piece": _whole("piece", self.piece, 1),
            "epochs": _whole("epochs", self.epochs, 1, MOST_EPOCHS),
            "batch_size": _whole("batch_size", self.batch_size, 1, MOST_BATCH),
            "shift": _whole("shift", self.shift, 0, MOST_BATCH),
            "threads": _whole("threads", self.threads, 1, MOST_THREADS),
            "seed": _whole("seed", self.seed, 0, LARGEST_SEED),
            "auxiliary": _real("auxiliary", self.auxiliary, "a finite number of at least 0"),
        }
        for name in ("learning_rate", "clip", "alpha"):
            checked[name] = _positive(name, getattr(self, name))
        for name in ("beta", "final_rate"):
            checked[name] = _fraction(name, getattr(self, name))
        if self.auxiliary < 0.0:
            raise InvalidValueError("auxiliary", self.auxiliary, "a finite number of at least 0")
        if self.weight_limit is not None:
            checked["weight_limit"] = _positive("weight_limit", self.weight_limit)
        if self.weight_bits is not None:
            checked["weight_bits"] = _width("weight_bits", self.weight_bits)
        checked["calibration"] = _whole("calibration", self.calibration, 1)
        checked["bits"] = self._checked_bits()
        for name, value in checked.items():
            set_field(self, name, value)

    def _check_descent(self) -> None:
        """Raise unless another descent is asked for where it is something else than the method."""
        _require_name("descent", self.descent, DESCENTS)
        if self.descent != "instantaneous" and self.method != "fptt":
            has = "has its own" if self.method in BY_ELIGIBILITY else "has the whole past"
            limit = f"instantaneous for method {self.method}, which {has}"
            raise InvalidValueError("descent", self.descent, limit, "leave it out, or use fptt")

    @property
    def by_eligibility(self) -> bool:
        """Whether gradients come from what each neuron carries of its own past."""
        return self.descent != "instantaneous" or self.method in BY_ELIGIBILITY

    @property
    def filters(self) -> bool:
        """Whether gradients know what the readout remembers of earlier messages."""
        return self.descent == "filtered" or self.method == "eprop"

    def _checked_bits(self) -> dict[str, Width]:
        """Widths by name, which networks have to have."""
        _require_name("rounding", self.rounding, ROUNDINGS)
        if not isinstance(self.target, str):
            raise InvalidValueError("target", shown(self.target), "the name of a target")
        if not isinstance(self.bits, Mapping):
            raise InvalidValueError("bits", shown(self.bits), "widths by name")
        if self.rounding != "all":
            remedy = "set rounding to 'all'"
            if self.bits:
                raise InvalidValueError("bits", shown(dict(self.bits)), "none", remedy)
            if self.fine_states:
                raise InvalidValueError("fine_states", True, "False", remedy)
        # States may be wider than weights; what a name allows is asked with the network.
        return {
            str(name): width if width == TERNARY else _whole(f"bits of {name}", width, 1, 62)
            for name, width in self.bits.items()
        }


@dataclass(frozen=True)
class Recipe:
    """A network and the way to train it; what a task trains with when nothing else is said."""

    model: ModelOptions = field(default_factory=ModelOptions)
    training: TrainingOptions = field(default_factory=TrainingOptions)

    def with_model(self, **changes: Any) -> Recipe:
        """The same recipe with other fields of :class:`ModelOptions`.

        Another neuron than the LTC comes without what was chosen for the LTC.

        >>> recipe = Recipe(ModelOptions(threshold=0.5)).with_model(neuron="alif")
        >>> recipe.model.threshold
        0.1
        """
        if changes.get("neuron", "ltc") != "ltc":
            defaults = {option.name: option.default for option in dataclasses.fields(ModelOptions)}
            changes = {name: defaults[name] for name in LTC_OPTIONS} | changes
        return dataclasses.replace(self, model=dataclasses.replace(self.model, **changes))

    def with_training(self, **changes: Any) -> Recipe:
        """The same recipe with other fields of :class:`TrainingOptions`.

        >>> Recipe().with_training(method="bptt").training.method
        'bptt'
        """
        return dataclasses.replace(self, training=dataclasses.replace(self.training, **changes))

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Plain values, for records and checkpoints."""
        return {name: dataclasses.asdict(getattr(self, name)) for name in ("model", "training")}


def complete(plan: Mapping[str, Any]) -> dict[str, Any]:
    """A plan as a file holds it, with the options that came after it was written.

    Those have their defaults, which are what was done before.

    >>> complete({"training": {"epochs": 3}})["training"]["device"]
    'cpu'
    """
    filled = {part: {**known, **plan.get(part, {})} for part, known in Recipe().to_dict().items()}
    # Through JSON, so that tuples and lists compare as what a file holds.
    result: dict[str, Any] = json.loads(json.dumps({**plan, **filled}))
    return result


def updates_of(options: TrainingOptions) -> int:
    """K: one update per sequence without FPTT."""
    return options.updates if options.method == "fptt" else 1


def windows(steps: int, updates: int) -> tuple[slice, ...]:
    """Cut T steps into K windows whose lengths differ by at most one.

    Raises:
        InvalidValueError: if K is not between 1 and T.

    >>> windows(10, 3)
    (slice(0, 3, None), slice(3, 7, None), slice(7, 10, None))
    """
    if not 1 <= updates <= steps:
        raise InvalidValueError(
            "updates per sequence", updates, f"1 to {steps}", "one update per step at most"
        )
    edges = [round(index * steps / updates) for index in range(updates + 1)]
    return tuple(slice(start, end) for start, end in pairwise(edges))


def loss_weights(
    weighting: LossWeighting, steps: int, lengths: IntArray | None = None
) -> npt.NDArray[np.float64]:
    """Weight of the loss of each step, (T,); with ``lengths`` (B,) of each sample's, (T, B).

    A sample of L steps has the weights of a sequence of L steps, and after its end none.

    >>> loss_weights("ramp", 4).tolist()
    [0.25, 0.5, 0.75, 1.0]
    >>> loss_weights("ramp", 4, np.array([2]))[:, 0].tolist()
    [0.5, 1.0, 0.0, 0.0]
    """
    step: npt.NDArray[Any] = np.arange(1, steps + 1)
    end: int | IntArray = steps
    if lengths is not None:
        step, end = step[:, None], lengths
    choices: dict[LossWeighting, npt.NDArray[Any]] = {
        "ramp": step / end,
        "second-half": 2 * step > end,
        "last": step == end,
        "uniform": step <= end,
    }
    weights: npt.NDArray[np.float64] = np.where(step <= end, choices[weighting], 0.0)
    return weights


def learning_rate(options: TrainingOptions, epoch: int) -> float:
    """Learning rate of an epoch, counted from 0.

    Cosine: from ``learning_rate`` down to ``final_rate`` times that.
    """
    if options.schedule == "constant":
        return options.learning_rate
    progress = epoch / max(1, options.epochs - 1)
    fall = 0.5 * (1.0 + float(np.cos(np.pi * progress)))
    return options.learning_rate * (options.final_rate + (1.0 - options.final_rate) * fall)
