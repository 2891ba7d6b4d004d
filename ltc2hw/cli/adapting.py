"""A network adapts to a task's stream, burst by burst: its curve, its checkpoint, its end."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.cli.console import Console
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.comparison.tables import score_text
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.hdf5 import digest
from ltc2hw.files.learning_file import (
    REMEDY,
    Checkpoint,
    load_checkpoint,
    require_same_plan,
    save_checkpoint,
)
from ltc2hw.files.schema import encode
from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.labels import Labels, labelled_steps
from ltc2hw.graph.sequences import own_steps
from ltc2hw.learning.fixed import IntegerRule
from ltc2hw.learning.learn import learn
from ltc2hw.learning.learned import Counts, Learning
from ltc2hw.learning.neurons import fixed_of
from ltc2hw.learning.scope import scope_of, told
from ltc2hw.numbers.capacity import require_capacity
from ltc2hw.simulate import simulate
from ltc2hw.tasks import LazySplit, Split, Task

PIECES = 20
"""The stream is told in this many pieces at most."""

BURST = 4096
"""Updates learned by one call: what an interrupt can lose."""

SAVE_AFTER = 10.0
"""Seconds between checkpoints."""


@dataclass(frozen=True)
class Stream:
    """Samples of a task's training split, in the order in which they come, pass after pass.

    ``reset``: whether registers are cleared before each. Where they go on, samples are pieces of
    one stream and keep their order.
    """

    train: Split
    order: npt.NDArray[np.int64]
    reset: bool = True

    @classmethod
    def of(
        cls, task: Task, samples: int | None, passes: int, seed: int, *, reset: bool = True
    ) -> Stream:
        """Draw the order of every pass.

        Raises:
            TooLargeError: for more samples than a run is meant for.
        """
        count = task.train.samples
        length = count if samples is None else min(samples, count)
        remedy = "fewer passes or samples; go on from the adapted network"
        require_capacity("samples of all passes", length * passes, remedy=remedy)
        rng = np.random.default_rng(seed)
        every = [rng.permutation(count) if reset else np.arange(count) for _ in range(passes)]
        return cls(task.train, np.concatenate([order[:length] for order in every]), reset)

    @property
    def samples(self) -> int:
        """Samples of all passes."""
        return self.order.size

    def part(self, first: int, last: int) -> Split:
        """Samples ``first`` to ``last - 1``."""
        return self.train.take(self.order[first:last])

    def updates(self, samples: int) -> int:
        """Updates that the first samples make."""
        return int(updates_of(self.train)[self.order[:samples]].sum())

    def ends(self) -> Iterator[int]:
        """Where the pieces that are told end: sizes differ by at most one, larger ones first."""
        pieces = min(PIECES, self.samples)
        each, more = divmod(self.samples, pieces)
        for piece in range(1, pieces + 1):
            yield each * piece + min(piece, more)


@dataclass(frozen=True)
class Progress:
    """What is known after some whole sample.

    ``curve``: one record per finished piece; ``judged``: scores of the samples of the piece that
    is not finished; ``lost``: saturations so far.
    """

    samples: int
    curve: tuple[Mapping[str, Any], ...]
    judged: tuple[float, ...]
    lost: Counts


NOTHING = Progress(0, (), (), {})


class Adaptation:
    """Learns a stream with an engine; can be interrupted and resumed, to the same bits."""

    def __init__(
        self, chip: IntegerRule, network: FixedNetwork, task: Task, stream: Stream, engine: str
    ) -> None:
        self.chip = chip
        self.network = network
        self.task = task
        self.stream = stream
        self.engine = engine
        self.decision = task.decision
        self.adapted = network
        self.learning: Learning | None = None
        self.progress = NOTHING

    def run(self, console: Console, checkpoint: Path | None, allow: Collection[str]) -> None:
        """Learn to the end of the stream; keep a checkpoint in a file, if one is named.

        After an interrupt the checkpoint holds what was learned before it.
        """
        console.progress("sample", self.progress.samples, self.stream.samples)
        saved, last = self.progress, time.monotonic()
        try:
            for end in self.stream.ends():
                while self.progress.samples < end:
                    self.learn(end, console, allow)
                    if checkpoint is not None and time.monotonic() - last > SAVE_AFTER:
                        self.save(checkpoint)
                        saved, last = self.progress, time.monotonic()
        finally:
            if checkpoint is not None and saved is not self.progress:
                self.save(checkpoint)

    def learn(self, end: int, console: Console, allow: Collection[str]) -> None:
        """Learn a burst of the piece that ends at ``end``; at its end, add to the curve."""
        before = self.progress
        last = min(before.samples + max(1, BURST // self.task.steps), end)
        part = self.stream.part(before.samples, last)
        chip, wanted = self.chip, goals(self.task, part)
        done = learn(
            self.network, part.x, wanted, chip.rule, chip.words, self.engine, self.learning,
            reset=self.stream.reset, allow=allow, lengths=part.lengths,
        )  # fmt: skip
        outputs = done.outputs * 2.0 ** -output_fraction(done.network)
        scores = self.decision.judge(outputs, part.labels, part.lengths)
        judged = before.judged + tuple(scores.tolist())
        progress = replace(
            before, samples=last, judged=judged, lost=added(before.lost, done.saturations)
        )
        if last == end:
            validation = score(done.network, self.task.validation, self.decision)
            stream = float(np.mean(judged))
            record = {"samples": last, "stream": stream, "validation": validation}
            progress = replace(progress, curve=(*before.curve, record), judged=())
            note = f"validation {score_text(self.decision.metric, validation)}"
            console.progress("sample", last, self.stream.samples, note)
        # Together, so that an interrupt finds what belongs together.
        self.adapted, self.learning, self.progress = done.network, done.learning, progress

    def measured(self) -> tuple[FixedNetwork, dict[str, Any]]:
        """The adapted network, and what was measured as plain values."""
        learned = f"{self.stream.samples} samples of {self.task.name}"
        history = {**self.adapted.provenance, "learned": learned}
        adapted = replace(self.adapted, provenance=history)
        ends = {
            "before": score(self.network, self.task.test, self.decision),
            "after": score(adapted, self.task.test, self.decision),
        }
        return adapted, {
            "samples": self.stream.samples,
            "updates": self.stream.updates(self.stream.samples),
            self.decision.metric: ends,
            "curve": list(self.progress.curve),
            "saturations": self.progress.lost,
        }

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What a checkpoint must have in common with the run that continues it."""
        train = self.stream.train
        x: npt.NDArray[Any] = (
            np.frombuffer(train.sequences.digest(), np.uint8)
            if isinstance(train, LazySplit)
            else train.x
        )
        data = {"x": x, "labels": train.labels, "order": self.stream.order}
        if train.lengths is not None:
            data["lengths"] = train.lengths
        plan = {
            "network": digest(encode(self.network)),
            "task": self.task.name,
            "stream": digest(data),
            "rule": asdict(self.chip.rule),
            "words": asdict(self.chip.words),
        }
        return plan if self.stream.reset else {**plan, "registers": "go on"}

    def save(self, path: Path) -> None:
        """Write a checkpoint."""
        assert self.learning is not None
        save_checkpoint(Checkpoint(self.plan, asdict(self.progress), self.learning), path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            DamagedFileError: if the file is damaged or does not fit its own plan.
            InvalidValueError: if it is one of another plan.
        """
        checkpoint = load_checkpoint(path)
        require_same_plan(checkpoint.plan, self.plan, path)
        self.learning = self.checked(checkpoint.learning, path)
        try:
            self.progress = read_progress(checkpoint.progress)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise DamagedFileError(path, "what it measured is damaged", REMEDY) from error
        self.check(path)
        adapted: FixedNetwork = self.learner().adapted(self.learning.memories)
        self.adapted = told(adapted, scope_of(self.network, self.chip.rule))

    def learner(self) -> Any:
        """The specification's learner, which checks and reads states."""
        from ltc2hw.simulations.plasticity.integer import IntegerLearner

        return IntegerLearner(self.chip)

    def checked(self, learning: Learning, path: Path) -> Learning:
        """A state that fits the network."""
        try:
            fitting: Learning = self.learner().continued(learning)
        except InvalidValueError as error:
            raise DamagedFileError(path, str(error), REMEDY) from error
        return fitting

    def check(self, path: Path) -> None:
        """Raise unless progress and state tell of the same number of samples.

        Raises:
            DamagedFileError: if they do not.
        """
        assert self.learning is not None
        done, ends = self.progress.samples, tuple(self.stream.ends())
        finished = [end for end in ends if end <= done]
        ended = [record["samples"] for record in self.progress.curve]
        open_samples = done - max(finished, default=0)
        right = (
            0 < done <= self.stream.samples
            and self.learning.step == self.stream.updates(done)
            and ended == finished
            and len(self.progress.judged) == open_samples
        )
        if not right:
            raise DamagedFileError(path, "its parts tell of different samples", REMEDY)


def read_progress(plain: Mapping[str, Any]) -> Progress:
    """Progress from plain values of a file; whatever is wrong with them raises."""
    curve = tuple(
        {
            "samples": whole(record["samples"]),
            "stream": float(record["stream"]),
            "validation": float(record["validation"]),
        }
        for record in plain["curve"]
    )
    lost = {
        str(name): {str(variable): whole(number) for variable, number in own.items()}
        for name, own in plain["lost"].items()
    }
    judged = tuple(float(number) for number in plain["judged"])
    return Progress(whole(plain["samples"]), curve, judged, lost)


def whole(value: Any) -> int:
    """A count; anything else raises."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(value)
    return value


def goals(task: Task, samples: Split) -> Labels:
    """Labels or targets as ``learn`` takes them: those of steps cannot be taken for others."""
    single = task.every_step and task.kind == "classification"
    return samples.labels[:, :, None] if single else samples.labels


def updates_of(samples: Split) -> npt.NDArray[np.int64]:
    """Updates that each sample makes (S,): its steps, or those of them that have a label."""
    if samples.every_step:
        labelled: npt.NDArray[np.int64] = labelled_steps(samples.labels).sum(axis=0)
        return labelled
    steps = own_steps(samples.lengths, *samples.shape[:2])
    own: npt.NDArray[np.int64] = steps.sum(axis=0)
    return own


def output_fraction(network: FixedNetwork) -> int:
    """Fractional bits of what is read."""
    output = fixed_of(network.population(network.output))
    return output.fractions[output.output_variable]


def score(network: FixedNetwork, split: Split, decision: Decision) -> float:
    """Score of a network as it is."""
    judged = []
    for piece in split.pieces():
        outputs = real_outputs(network, simulate(network, piece.x, "fast", record=()))
        judged.append(decision.judge(outputs, piece.labels, piece.lengths))
    return float(np.mean(np.concatenate(judged)))


def added(total: Counts, counts: Counts) -> dict[str, dict[str, int]]:
    """Sums of counts by name and variable; zeros leave no entry."""
    result = {name: dict(own) for name, own in total.items()}
    for name, variables in counts.items():
        for variable, number in variables.items():
            if number:
                own = result.setdefault(name, {})
                own[variable] = own.get(variable, 0) + number
    return result
