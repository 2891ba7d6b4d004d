"""A recipe for data that have none of their own: chosen from what the training samples are.

Each choice says what it was chosen from. How far the recipes reach is measured in
``docs/results/own-data.json`` (``python -m experiments.own_data``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from ltc2hw.tasks import Task
from ltc2hw.training.options import ModelOptions, Recipe, TrainingOptions

FEW_SAMPLES, MANY_INPUTS, MANY_CLASSES = 100, 1000, 20

SHORT, WINDOWS, LONGEST_WINDOW = 8, 4, 50
"""Steps with an update at each, updates of longer samples, and steps between two of them that are
not too many: on the Add task at T = 1000 windows of 100 left an error of 0.03; of 50, 0.0001,
0.0003 and 0.02 (three seeds)."""

SMALLEST_BATCH, LARGEST_BATCH, BATCHES = 8, 64, 16
"""A batch is a power of two between the first two, so that an epoch has some ``BATCHES``."""

ALL_BATCHES, FEWEST_EPOCHS, MOST_EPOCHS = 1000, 20, 100
"""Batches to learn from in all, and epochs at least and at most."""

RATE = 5e-3
"""Learning rate of the largest batch; others' falls with the root of their size."""

LEVEL, WEAKEST, STRONGEST = 0.5, 0.1, 4.0
"""Root mean square of inputs that a gain of 1 is for, and the range of gains."""

OPEN, READ = 0.5, 0.27
"""How much of its current a membrane passes on in a step at most, and a readout."""

HELD, SHUT = 3.3, 0.018
"""Where numbers are read, a membrane passes on ``HELD / steps``, at most SHUT: the Add task of 20
steps then has an error of 0.02, else of 0.05."""


@dataclass(frozen=True)
class Facts:
    """What is known of a task from its shapes and its training samples.

    ``length`` is the median of the samples' own steps, ``level`` the root mean square of the
    inputs in these steps.
    """

    kind: str
    steps: int
    length: float
    inputs: int
    outputs: int
    samples: int
    level: float
    every_step: bool


@dataclass(frozen=True)
class Choice:
    """A field of a recipe, its value, and in a few words what it was chosen from."""

    field: str
    value: Any
    reason: str

    def __str__(self) -> str:
        return f"{self.field} = {self.value}: {self.reason}"


@dataclass(frozen=True)
class Chosen:
    """A recipe, and why it is as it is."""

    recipe: Recipe
    choices: tuple[Choice, ...]


def facts_of(task: Task) -> Facts:
    """Look at the shapes and the training samples of a task.

    >>> from ltc2hw.tasks import load_task
    >>> facts = facts_of(load_task("add-20"))
    >>> facts.samples, facts.length, round(facts.level, 2)
    (1280, 20.0, 0.47)
    """
    split = task.train
    steps = split.samples * task.steps if split.lengths is None else int(split.lengths.sum())
    length = task.steps if split.lengths is None else float(np.median(split.lengths))
    # Step by step, so that no copy of all samples is made; what is past an end is zero.
    energy = sum(float(np.square(step).sum()) for piece in split.pieces() for step in piece.x)
    level = math.sqrt(energy / (steps * task.inputs))
    return Facts(
        task.kind,
        task.steps,
        float(length),
        task.inputs,
        task.outputs,
        split.samples,
        level,
        task.every_step,
    )


def chosen_recipe(task: Task) -> Chosen:
    """A recipe for any task, from its shapes, lengths, kind, number of samples and inputs' level.

    >>> from ltc2hw.tasks import load_task
    >>> for choice in chosen_recipe(load_task("digits-rows")).choices[:4]:
    ...     print(choice)
    hidden = (128,): 8 inputs, 10 outputs, 1258 samples
    tau_mem_bias = 0.0: 8 steps: membranes pass on 0.5 of their current
    readout_bias = -0.99: the readout 0.27
    tau_adp_bias = 2.0: thresholds follow spikes within a step or two
    """
    facts = facts_of(task)
    hold = _regression(facts) if facts.kind == "regression" else _classification(facts)
    model = (_hidden(facts), *hold, _gain(facts))
    weighting = (EVERY_STEP,) if facts.every_step else ()
    training = (_updates(facts), *_batches(facts), *weighting, *USUAL)
    recipe = Recipe(ModelOptions(**_values(model)), TrainingOptions(**_values(training)))
    return Chosen(recipe, (*model, *training))


def _values(choices: tuple[Choice, ...]) -> dict[str, Any]:
    return {choice.field: choice.value for choice in choices}


def _hidden(facts: Facts) -> Choice:
    size = 128
    if facts.samples < FEW_SAMPLES:
        size = 64
    elif facts.inputs > MANY_INPUTS or facts.outputs > MANY_CLASSES:
        size = 256
    what = f"{facts.inputs} inputs, {facts.outputs} outputs, {facts.samples} samples"
    return Choice("hidden", (size,), what)


def _classification(facts: Facts) -> tuple[Choice, ...]:
    """Gates that decide how long a layer remembers.

    A membrane passes on σ(bias) of its current in a step, ``½ (8 / steps)^¾``: of short samples
    much, of long ones little, so that the last steps do not erase the first.
    """
    passed = OPEN * min(1.0, SHORT / facts.length) ** 0.75
    read = min(READ, OPEN * math.sqrt(passed))
    share = f"{facts.length:g} steps: membranes pass on {passed:.2g} of their current"
    return (
        Choice("tau_mem_bias", _logit(passed), share),
        Choice("readout_bias", _logit(read), f"the readout {read:.2g}"),
        Choice("tau_adp_bias", 2.0, "thresholds follow spikes within a step or two"),
        Choice("readout_gate", "event", "the readout holds what it has seen"),
    )


def _regression(facts: Facts) -> tuple[Choice, ...]:
    """A membrane that is read should still hold at the end what it saw at the start."""
    passed = min(SHUT, HELD / facts.length)
    share = f"{facts.length:g} steps: membranes pass on {passed:.2g} of their current"
    return (
        Choice("read_from", "membrane", "numbers are read, not spikes"),
        Choice("threshold", 0.5, "a membrane holds numbers below it"),
        Choice("tau_mem_bias", _logit(passed), share),
        Choice("readout_bias", -1.0, "the readout follows within a few steps"),
        Choice("tau_adp_bias", 2.0, "thresholds follow spikes within a step or two"),
    )


def _logit(share: float) -> float:
    """The bias whose sigmoid is ``share``."""
    return round(math.log(share / (1.0 - share)), 2)


def _gain(facts: Facts) -> Choice:
    gain = LEVEL / facts.level if facts.level > 0 else 1.0
    gain = float(f"{min(max(gain, WEAKEST), STRONGEST):.2g}")
    return Choice("gain", gain, f"inputs of level {facts.level:.2g}")


def _updates(facts: Facts) -> Choice:
    if facts.steps <= SHORT:
        return Choice("updates", facts.steps, f"{facts.steps} steps: one update at each")
    updates = max(WINDOWS, -(-facts.steps // LONGEST_WINDOW))
    window = facts.steps / updates
    return Choice("updates", updates, f"{facts.steps} steps: one update in {window:.2g}")


def _batches(facts: Facts) -> tuple[Choice, ...]:
    wanted = max(1, facts.samples // BATCHES)
    size = min(max(1 << (wanted.bit_length() - 1), SMALLEST_BATCH), LARGEST_BATCH)
    batches = -(-facts.samples // size)
    epochs = min(max(-(-ALL_BATCHES // batches), FEWEST_EPOCHS), MOST_EPOCHS)
    rate = float(f"{RATE * math.sqrt(size / LARGEST_BATCH):.2g}")
    return (
        Choice("batch_size", size, f"{facts.samples} samples: {batches} batches an epoch"),
        Choice("epochs", epochs, f"{epochs * batches} batches to learn from in all"),
        Choice("learning_rate", rate, f"{RATE:g} for batches of {LARGEST_BATCH}, less for smaller"),
    )


EVERY_STEP = Choice("loss_weighting", "uniform", "each step with a label is an answer of its own")

USUAL = (
    Choice("alpha", 0.02, "usual for FPTT with event gates"),
    Choice("weight_bits", 8, "trained through the weights that a chip holds"),
)
"""What does not depend on the data."""
