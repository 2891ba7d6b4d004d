"""Networks, rules and budgets of :mod:`experiments.rules`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch

from ltc2hw.data import DataOptions
from ltc2hw.dynamics.models import find_model
from ltc2hw.neurons import Cell, ProgramCell, ReadFrom, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import Task, load_task
from ltc2hw.tasks.named import IMAGES
from ltc2hw.training import Recipe
from ltc2hw.training.model import hidden_layer
from ltc2hw.training.options import LossWeighting
from ltc2hw.training.recipes import recipe_for

RULES: Mapping[str, Mapping[str, Any]] = {
    "fptt-every": {"method": "fptt"},
    "fptt-eligibility": {"method": "fptt", "descent": "eligibility"},
    "fptt": {"method": "fptt"},
    "eprop": {"method": "eprop"},
    "ostl": {"method": "ostl"},
    "hypr": {"method": "hypr"},
    "bptt": {"method": "bptt"},
}
"""Rules by name; the first two make an update at every step, ``fptt`` the budget's K."""

EVERY_STEP = ("fptt-every", "fptt-eligibility")

Range = tuple[float, float]
"""Least and largest of what single neurons start with."""


@dataclass(frozen=True)
class Neurons:
    """A model other than the LTC: where its constants start, and which of them learn.

    Constants that are not named start at the model's defaults. Those that are times or decays are
    held: a rate that suits synapses would throw them from one end to the other.
    """

    starts: Mapping[str, Range]
    learned: tuple[str, ...]
    gain: float


NEURONS: Mapping[str, Neurons] = {
    "alif": Neurons(
        {
            "current_decay": (0.5, 0.5),
            "membrane_decay": (0.04, 0.16),
            "adaptation_decay": (0.005, 0.015),
        },
        ("jump",),
        5.0,
    ),
    "adlif": Neurons(
        {
            "membrane_decay": (0.04, 0.18),
            "adaptation_decay": (0.0033, 0.0165),
            "coupling": (0.0, 120.0),
            "jump": (0.0, 120.0),
        },
        ("coupling", "jump", "bias"),
        5.0,
    ),
    "brf": Neurons({"omega": (15.0, 50.0), "damping": (0.1, 1.0)}, ("omega", "damping"), 40.0),
}
"""Ranges of Baronig et al. (arXiv 2408.07517, 2506.14464); gains at which neurons spike."""

MODELS = ("ltc", *NEURONS)


@dataclass(frozen=True)
class Budget:
    """How a task is learned by every rule alike; None is what the task's recipe has."""

    epochs: int
    hidden: int = 64
    batch: int = 32
    updates: int | None = None
    weighting: LossWeighting | None = None
    samples: int | None = None
    """Training samples, the first ones; None for all."""
    validation: int | None = None
    test: int | None = None
    starts: Mapping[str, Mapping[str, Range]] = field(default_factory=dict)
    """Of a model's constants, in place of its own."""
    readout_bias: float | None = None
    piece: int = 32
    decision_steps: int | None = None
    """Last steps that decide together, of images read pixel by pixel; None for the last one."""


def budget_of(task: str) -> Budget:
    """The budget of a task by its name.

    >>> budget_of("cue-1000").weighting
    'last'
    """
    if task.startswith("cue-"):
        # Oscillations have to last: an e-th of one is left at the end, at least.
        fades = {"omega": (5.0, 20.0), "damping": (0.0, 100.0 / int(task.removeprefix("cue-")))}
        return Budget(10, weighting="last", starts={"brf": fades}, readout_bias=-2.0)
    if task.startswith("add-"):
        return Budget(10, batch=64)
    return BUDGETS[task]


BUDGETS: Mapping[str, Budget] = {
    "digits-rows": Budget(12, batch=64, updates=2),
    "digits-pixels": Budget(8),
    "mnist-rows": Budget(
        8,
        batch=64,
        weighting="second-half",
        samples=10_000,
        readout_bias=1.2,
        decision_steps=14,
    ),
    "mnist-pixels": Budget(
        4,
        batch=16,
        weighting="second-half",
        samples=3_000,
        validation=1_000,
        test=2_500,
        piece=98,
        readout_bias=1.2,
        decision_steps=284,
    ),
    "mackey-glass-15": Budget(15, updates=4, weighting="uniform", readout_bias=-1.0),
}


def rule_task(name: str, budget: Budget, root: str | None = None) -> Task:
    """The task, cut to its budget."""
    images = DataOptions(root=root, decision_steps=budget.decision_steps)
    options = images if IMAGES.fullmatch(name) else DataOptions()
    task = load_task(name, options)
    counts = {"train": budget.samples, "validation": budget.validation, "test": budget.test}
    if name.startswith("add-"):
        # Generated samples are plenty; a fourth of them chooses the epoch.
        counts["validation"] = 256
    cut = {
        part: getattr(task, part).take(np.arange(count))
        for part, count in counts.items()
        if count is not None
    }
    return dataclasses.replace(task, **cut) if cut else task


def rule_recipe(task: Task, model: str, rule: str, budget: Budget) -> Recipe:
    """How a network of a model learns a task by a rule, but for rate and seed.

    The readout forgets alike in all its outputs, which is what e-prop can filter.
    """
    recipe = recipe_for(task)
    own = RULES[rule]
    updates = task.steps if rule in EVERY_STEP else budget.updates or recipe.training.updates
    model_changes: dict[str, Any] = {"hidden": (budget.hidden,), "readout_gate": "static"}
    if budget.readout_bias is not None:
        model_changes["readout_bias"] = budget.readout_bias
    weighting = budget.weighting or recipe.training.loss_weighting
    return recipe.with_model(neuron=model, **model_changes).with_training(
        **own,
        updates=updates,
        epochs=budget.epochs,
        batch_size=budget.batch,
        loss_weighting=weighting,
        piece=budget.piece,
        weight_bits=None,
    )


def starts_of(model: str, budget: Budget) -> dict[str, Range]:
    """Where the constants of a model start on a task; nothing for the LTC, whose recipe says it."""
    if model not in NEURONS:
        return {}
    return {**NEURONS[model].starts, **budget.starts.get(model, {})}


def rule_network(task: Task, model: str, recipe: Recipe, budget: Budget) -> SpikingNetwork:
    """A new network of one hidden layer, by the recipe's seed."""
    generator = torch.Generator().manual_seed(recipe.training.seed)
    options = recipe.model
    readout = ReadoutCell(
        budget.hidden,
        task.outputs,
        gate="static",
        nonlinearity=options.nonlinearity,
        tau_mem_bias=options.readout_bias,
        generator=generator,
    )
    return SpikingNetwork(
        [_layer(task, model, recipe, budget, generator)],
        readout,
        read_from=cast(ReadFrom, options.read_from),
        graded_input=task.graded,
    )


def _layer(
    task: Task, model: str, recipe: Recipe, budget: Budget, generator: torch.Generator
) -> Cell:
    size = budget.hidden
    if model not in NEURONS:
        return hidden_layer(recipe.model, task.inputs, size, generator)
    neurons, program = NEURONS[model], find_model(model)
    ranges = starts_of(model, budget)
    return ProgramCell(
        program,
        task.inputs,
        size,
        constants={name: (low + high) / 2 for name, (low, high) in ranges.items()},
        spreads={name: (high - low) / 2 for name, (low, high) in ranges.items()},
        fixed=tuple(c.name for c in program.constants if c.name not in neurons.learned),
        gain=neurons.gain,
        generator=generator,
    )
