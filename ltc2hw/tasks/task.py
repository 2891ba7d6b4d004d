"""What a task is: its data, time first, and how outputs become decisions and a score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.data import DETECTED, DataOptions, Prepared, Source, prepare
from ltc2hw.data.objects import dataset_source, plain_part
from ltc2hw.data.options import KINDS, Kind
from ltc2hw.data.parts import PartName
from ltc2hw.data.prepared import CHECKSUM, Samples
from ltc2hw.data.source import Part
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.decision import (
    Classification,
    Decision,
    Regression,
    head_choices,
    several_at_steps,
)
from ltc2hw.graph.labels import TIME_FIRST, Labels, head_sizes, plain_goals
from ltc2hw.graph.sequences import read_out, sample_lengths
from ltc2hw.numbers.fields import require_finite, require_size, set_field
from ltc2hw.numbers.scalars import is_integer, require_type, shown
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.showing import Shown
from ltc2hw.tasks.split import Split

PART_FORM = "(x, y) or (x, y, lengths)"

Augmentation = Callable[[Split, np.random.Generator], Split]
"""The training samples of one epoch, made from the training split with an explicit generator."""


@dataclass(frozen=True, eq=False)
class Task(Shown):
    """A named problem with fixed training, validation and test splits.

    ``augment`` makes each epoch's training samples; validation and test are never touched by it.
    ``decision_steps`` is how many of a sample's last steps of the readout are averaged into a
    decision; with ``every_step`` each labelled step is one. Labels of the splits become classes
    (B,) or (T, B), or targets (B, N_out) or (T, B, N_out). ``heads``, of samples with several
    labels (B, H), are the numbers of classes of each; together they are the outputs. ``classes``
    names the classes, one per output, if they have names; ``provenance`` says where the samples
    come from and how they were read. ``shape`` is what the inputs of a step are: (channels, height,
    width) of an image or of events, (N_in,) where nothing is said; input (c·H + y)·W + x is channel
    c, row y, column x.

    Raises:
        UnknownNameError: for an unknown kind.
        ShapeError: for samples that are not (T, B, N_in), labels that are not one per sample.
        InvalidValueError: for sizes below one, more decision steps than steps, labels without an
            output, samples other than 0 and 1 unless ``graded``, heads of a regression, a shape
            that is not as many inputs.
        UnsupportedError: for heads with labels at every step.
    """

    name: str
    kind: Kind
    steps: int
    inputs: int
    outputs: int
    train: Split
    validation: Split
    test: Split
    augment: Augmentation | None = None
    decision_steps: int = 1
    graded: bool = True
    every_step: bool = False
    classes: tuple[str, ...] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    heads: tuple[int, ...] = ()
    shape: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownNameError("kind of task", self.kind, KINDS)
        for size in ("steps", "inputs", "outputs", "decision_steps"):
            require_size(f"task {self.name}: {size}", getattr(self, size))
        if self.decision_steps > self.steps:
            raise InvalidValueError("decision_steps", self.decision_steps, f"1 to {self.steps}")
        if self.every_step and self.decision_steps != 1:
            remedy = "each step is a decision of its own"
            raise InvalidValueError(
                "decision_steps", self.decision_steps, "1 with every_step", remedy
            )
        if self.classes and len(self.classes) != self.outputs:
            limit = f"{self.outputs}, one per output"
            raise InvalidValueError(f"names of classes of {self.name}", len(self.classes), limit)
        self._check_heads()
        set_field(self, "shape", _shape(self.shape, self.inputs, self.name))
        for part in ("train", "validation", "test"):
            require_type(f"{part} samples of task {self.name}", getattr(self, part), Split)
            set_field(self, part, self.fitted(getattr(self, part), part))
        if self.augment is not None and not callable(self.augment):
            given, limit = shown(self.augment), "a function of a split and a generator"
            raise InvalidValueError("augment", given, limit)

    def _check_heads(self) -> None:
        set_field(self, "heads", head_sizes(self.heads, self.outputs))
        if self.heads and self.kind == "regression":
            remedy = "a regression has a target for each output already"
            raise InvalidValueError("heads of a regression", self.heads, "none", remedy)
        if self.heads and self.every_step:
            raise several_at_steps()

    @classmethod
    def from_data(cls, data: Prepared, name: str) -> Task:
        """A task of data that :mod:`ltc2hw.data` has read and arranged."""

        def split(samples: Samples) -> Split:
            return Split(samples.x, samples.labels, samples.lengths, data.every_step)

        return cls(
            name=name,
            kind=data.kind,
            steps=data.train.x.shape[0],
            inputs=data.train.x.shape[2],
            outputs=data.outputs,
            train=split(data.train),
            validation=split(data.validation),
            test=split(data.test),
            decision_steps=data.decision_steps,
            graded=data.graded,
            every_step=data.every_step,
            classes=data.classes,
            provenance=data.provenance,
            heads=data.heads,
            shape=data.shape,
        )

    @classmethod
    def from_arrays(
        cls,
        x: Any,
        y: Any,
        options: DataOptions = DETECTED,
        *,
        lengths: Any = None,
        validation: tuple[Any, ...] | None = None,
        test: tuple[Any, ...] | None = None,
        name: str = "arrays",
    ) -> Task:
        """A task of samples and labels: arrays, tensors or lists.

        ``x`` is (B, T, N) or (T, B, N), told apart by the labels or by ``options.layout``, or a
        list of samples (T_i, N). ``y`` are classes of any name, or targets; one per sample, or at
        every step. ``lengths`` (B,) are steps of samples that end before T. ``validation`` and
        ``test`` are (x, y) or (x, y, lengths); without them samples are set apart as the options
        say.

        Raises:
            ShapeError, InvalidValueError: for arrays that do not belong together or have several
                readings; says which option decides.

        >>> task = Task.from_arrays(np.ones((30, 5, 2)), ["a", "b", "c"] * 10)
        >>> task.steps, task.inputs, task.classes, task.test.samples
        (5, 2, ('a', 'b', 'c'), 6)
        """
        _require_no_files(options)
        parts: dict[PartName, Part] = {"train": plain_part(x, y, lengths)}
        for part, given in _named(validation, test).items():
            parts[part] = plain_part(*_arrays(part, given))
        return cls.from_data(prepare(Source(parts), options, name), name)

    @classmethod
    def from_dataset(
        cls,
        train: Any,
        options: DataOptions = DETECTED,
        *,
        validation: Any = None,
        test: Any = None,
        name: str = "dataset",
    ) -> Task:
        """A task of data sets as torch and tonic have them, or of loaders of such.

        Items are pairs (sample, label); a sample is (T, N), or frames (T, ...), whose axes become
        one, or a structured array of events, which ``options.binning`` counts into steps.

        Raises:
            ShapeError, InvalidValueError: as :meth:`from_arrays`, and for what is no data set.

        >>> pairs = [(np.ones((5 + n % 2, 2)), n % 3) for n in range(30)]
        >>> sorted(set(Task.from_dataset(pairs).train.lengths.tolist()))
        [5, 6]
        """
        _require_no_files(options)
        sets: dict[PartName, Any] = {"train": train, **_named(validation, test)}
        return cls.from_data(prepare(dataset_source(sets, options), options, name), name)

    @classmethod
    def from_events(
        cls,
        recordings: Sequence[Any],
        labels: Any,
        options: DataOptions,
        *,
        validation: tuple[Sequence[Any], Any] | None = None,
        test: tuple[Sequence[Any], Any] | None = None,
        name: str = "events",
    ) -> Task:
        """A task of recordings, structured arrays with x, y, t and p, and their labels.

        ``options.binning`` says how events become steps and channels, ``options.sensor`` is
        (width, height). ``validation`` and ``test`` are (recordings, labels).

        Raises:
            InvalidValueError: as :meth:`from_arrays`, and for events that make no sense.

        >>> fields = [("x", "i2"), ("y", "i2"), ("t", "i8"), ("p", "?")]
        >>> clip = np.array([(0, 1, 0, True), (1, 1, 25_000, False)], fields)
        >>> task = Task.from_events([clip] * 20, [0, 1] * 10, DataOptions(sensor=(2, 2)))
        >>> task.steps, task.inputs
        (3, 8)
        """
        pairs = {
            part: _pairs(part, *_arrays(part, given)[:2])
            for part, given in {"train": (recordings, labels), **_named(validation, test)}.items()
        }
        return cls.from_dataset(
            pairs["train"],
            options,
            validation=pairs.get("validation"),
            test=pairs.get("test"),
            name=name,
        )

    @property
    def checksum(self) -> str | None:
        """SHA-256 of the data that the task was made of; None for tasks that have none."""
        return self.provenance.get(CHECKSUM)

    @property
    def decision(self) -> Decision:
        """How outputs are judged."""
        if self.kind == "regression":
            return Regression(self.decision_steps, self.every_step)
        return Classification(self.decision_steps, self.every_step, self.heads)

    def __repr__(self) -> str:
        splits = ((part, getattr(self, part).samples) for part in ("train", "validation", "test"))
        sizes = ", ".join(f"{samples:,} {part}" for part, samples in splits)
        shape = f"{self.steps:,} steps, {self.inputs:,} inputs, {self.outputs:,} outputs"
        return f"<Task {self.name}: {self.kind}; {shape}; {sizes} samples>"

    @property
    def metric(self) -> str:
        """Name of the score: ``accuracy`` (higher is better) or ``mse`` (lower is better)."""
        return self.decision.metric

    def fitted(self, split: Split, part: str) -> Split:
        """A split with the labels of this kind of task; the split itself where they are.

        Raises:
            ShapeError, InvalidValueError: unless samples and labels are this task's.
        """
        steps, samples, inputs = split.shape
        if (steps, inputs) != (self.steps, self.inputs):
            exchanged = (samples, inputs) == (self.steps, self.inputs)
            raise ShapeError(
                f"{part} samples of task {self.name}",
                split.shape,
                f"({self.steps}, samples, {self.inputs})",
                TIME_FIRST if exchanged else "time first",
            )
        if split.every_step != self.every_step:
            limit = f"{self.every_step}, as for task {self.name}"
            raise InvalidValueError(f"every_step of the {part} samples", split.every_step, limit)
        if not self.graded:
            split.require_spikes()
        labels = self.targets(split.labels, samples, split.lengths)
        same = np.array_equal(labels, split.labels, equal_nan=labels.dtype.kind == "f")
        if labels.dtype == split.labels.dtype and same:
            return split
        return split.labelled(labels)

    def targets(self, labels: object, samples: int, lengths: IntArray | None = None) -> Labels:
        """Labels of any accepted form as this task's: classes (B,), targets (B, N_out).

        With ``heads`` classes (B, H). With ``every_step`` classes (T, B), targets (T, B, N_out);
        ``lengths`` says which of them come after a sample's end.

        Raises:
            ShapeError, InvalidValueError: as :mod:`ltc2hw.graph.labels`.
        """
        steps = self.steps if self.every_step else None
        classes = self.kind == "classification"
        return plain_goals(labels, classes, samples, self.outputs, steps, lengths, self.heads)

    def epoch(self, rng: np.random.Generator) -> Split:
        """The training samples of one epoch."""
        if self.augment is None:
            return self.train
        return self.fitted(self.augment(self.train, rng), "augmented")

    def read(self, outputs: npt.NDArray[Any], lengths: object = None) -> FloatArray:
        """Average each sample's last ``decision_steps`` steps: (T, B, N_out) -> (B, N_out).

        With ``every_step``, the outputs themselves.
        """
        if outputs.ndim != 3 or outputs.shape[0] != self.steps or outputs.shape[2] != self.outputs:
            raise ShapeError(
                f"outputs for task {self.name}",
                outputs.shape,
                f"({self.steps}, samples, {self.outputs})",
            )
        own = sample_lengths(lengths, self.steps, outputs.shape[1])
        if lengths is None:
            self._require_even(outputs.shape[1])
        values: FloatArray = outputs.astype(np.float64)
        if not self.every_step:
            values = read_out(values, self.decision_steps, own)
        require_finite(f"outputs for task {self.name}", values)
        return values

    def _require_even(self, samples: int) -> None:
        """Raise if outputs without lengths must be those of samples that end early.

        Raises:
            InvalidValueError: if every split of so many samples has lengths.
        """
        splits = (self.train, self.validation, self.test)
        own = [split for split in splits if split.samples == samples]
        if own and all(split.lengths is not None for split in own):
            limit = f"the steps of each sample, which end early in task {self.name}"
            raise InvalidValueError(
                "lengths", None, limit, "pass those of the split: split.lengths"
            )

    def decide(self, outputs: npt.NDArray[Any], lengths: object = None) -> npt.NDArray[Any]:
        """Decisions from readout membranes (T, B, N_out), floats or integers of one scale.

        Classification: the class of the largest averaged output, (B,); the first of equals.
        Regression: the averaged output itself, (B, N_out). With ``every_step``, of each step;
        with ``heads``, of each group of outputs, (B, H).
        """
        values = self.read(outputs, lengths)
        if self.heads:
            return head_choices(values, self.heads)
        return values.argmax(axis=-1) if self.kind == "classification" else values

    def judge(
        self, outputs: npt.NDArray[Any], labels: object, lengths: object = None
    ) -> FloatArray:
        """What the score is the mean of: a number for each sample, (B,).

        Raises:
            ShapeError, InvalidValueError: for outputs or labels that are not this task's.
        """
        self.read(outputs, lengths)
        samples = outputs.shape[1]
        if samples == 0:
            raise InvalidValueError("number of samples", 0, "at least one")
        targets = self.targets(labels, samples, sample_lengths(lengths, self.steps, samples))
        return self.decision.judge(outputs.astype(np.float64), targets, lengths)

    def score(self, outputs: npt.NDArray[Any], labels: object, lengths: object = None) -> float:
        """Accuracy in [0, 1], or the mean squared error, of readout membranes (T, B, N_out).

        The mean over samples; with ``every_step``, of each sample's mean over its labelled steps.
        For a regression the outputs must be in real units.

        Raises:
            ShapeError, InvalidValueError: for outputs or labels that are not this task's.
        """
        return float(np.mean(self.judge(outputs, labels, lengths)))

    def better(self, score: float, than: float) -> bool:
        """Whether one score beats another."""
        return score > than if self.decision.higher_is_better else score < than


def _shape(shape: object, inputs: int, name: str) -> tuple[int, ...]:
    """Sizes that together are the inputs; (N_in,) for ().

    Raises:
        ShapeError: for others.
    """
    given = tuple(shape) if isinstance(shape, (tuple, list)) else None
    if given == ():
        return (inputs,)
    whole = given is not None and all(is_integer(size) and size > 0 for size in given)
    if given is None or not whole or math.prod(given) != inputs:
        limit = f"sizes whose product is {inputs}, the inputs"
        remedy = "(channels, height, width) of an image"
        raise ShapeError(f"shape of task {name}", shown(shape), limit, remedy)
    return tuple(int(size) for size in given)


def _require_no_files(options: DataOptions) -> None:
    """Raise for options that name files, beside data that are none.

    Raises:
        InvalidValueError: naming the argument that takes such samples.
    """
    require_type("options of data", options, DataOptions)
    for name in ("test", "validation"):
        if getattr(options, name) is not None:
            given = shown(getattr(options, name))
            limit = "none beside data of Python's own"
            remedy = f"give the samples themselves as an argument of their own, {name}=..."
            raise InvalidValueError(f"{name} of the options of data", given, limit, remedy)


def class_names(task: Task) -> tuple[str, ...]:
    """Names of the classes, one per output; their numbers where they have none."""
    sizes = task.heads or (task.outputs,)
    return task.classes or tuple(str(index) for size in sizes for index in range(size))


def _named(validation: Any, test: Any) -> dict[PartName, Any]:
    """The parts that are given."""
    given: dict[PartName, Any] = {"validation": validation, "test": test}
    return {name: part for name, part in given.items() if part is not None}


def _arrays(part: str, given: Any) -> tuple[Any, ...]:
    """Samples and labels of a part, and perhaps lengths.

    Raises:
        InvalidValueError: for anything else.
    """
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        raise InvalidValueError(f"{part} samples", f"a {type(given).__name__}", PART_FORM)
    return tuple(given)


def _pairs(part: str, recordings: Sequence[Any], labels: Any) -> list[tuple[Any, Any]]:
    """Recordings with their labels.

    Raises:
        ShapeError: unless there is a label for each.
    """
    if len(recordings) != len(labels):
        raise ShapeError(f"number of {part} labels", len(labels), f"{len(recordings)}, one each")
    return list(zip(recordings, labels, strict=True))
