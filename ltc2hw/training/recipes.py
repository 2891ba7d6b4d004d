"""The recipe of each task: what ``ltc2hw train TASK`` does when nothing else is said.

Data of one's own have the recipe that :mod:`ltc2hw.training.choosing` chooses.

Figures that these reach, and the runs behind them, are in ``docs/training.md``.
"""

from __future__ import annotations

import math
import re

from ltc2hw.tasks import Task
from ltc2hw.training.choosing import EVERY_STEP, LONGEST_WINDOW, Choice, Chosen, chosen_recipe
from ltc2hw.training.options import ModelOptions, Recipe, TrainingOptions

ADD, ADD_NAME = "add-T", re.compile("add-(running-)?[0-9]+")
IMAGE, IMAGE_NAME = "fashion-image-T", re.compile("(mnist|fashion)-image-[0-9]+")
RATE, RATE_NAME = "mnist-rate-T", re.compile("(mnist|fashion)-rate-[0-9]+")


def _over_images(*conv: str) -> ModelOptions:
    """Convolutions without a hidden layer: open gates, as images say much in every step."""
    return ModelOptions(
        conv=conv,
        hidden=(),
        readout_gate="event",
        tau_mem_bias=0.0,
        tau_adp_bias=2.0,
        readout_bias=-1.0,
        gain=2.0,
    )


RECIPES: dict[str, Recipe] = {
    "digits-rows": Recipe(
        # Few samples near a boundary, many spikes each: rounded only afterwards, weights of 8 bits
        # move up to five decisions in 359; trained rounded, none or one.
        ModelOptions(
            hidden=(128,),
            readout_gate="event",
            tau_mem_bias=0.0,
            tau_adp_bias=2.0,
            readout_bias=-1.0,
        ),
        TrainingOptions(
            updates=8,
            epochs=100,
            batch_size=64,
            learning_rate=5e-3,
            alpha=0.02,
            weight_bits=8,
        ),
    ),
    "digits-pixels": Recipe(
        # Slow gates carry a pixel over many steps; a loss at every step keeps the credit near.
        ModelOptions(
            hidden=(128,),
            readout_gate="event",
            tau_mem_bias=-1.5,
            tau_adp_bias=2.0,
            readout_bias=-2.0,
            gain=2.0,
        ),
        TrainingOptions(
            updates=2,
            epochs=100,
            batch_size=32,
            learning_rate=5e-3,
            alpha=0.02,
            loss_weighting="ramp",
            augment=True,
        ),
    ),
    "nmnist": Recipe(
        # Frames hold up to a dozen events in a place; open gates pass most of a frame on.
        _over_images("16k5s2", "32k3s2", "32k3s2"),
        TrainingOptions(
            updates=15,
            epochs=40,
            batch_size=32,
            learning_rate=2e-3,
            alpha=0.02,
            shift=2,
            weight_bits=8,
        ),
    ),
    IMAGE: Recipe(
        # The image is there in every step: open gates, and a loss at each of the few steps.
        _over_images("24k3s2p1", "48k3s2p1"),
        TrainingOptions(
            updates=5,
            epochs=22,
            batch_size=128,
            learning_rate=2e-3,
            alpha=0.02,
            shift=1,
            weight_bits=8,
        ),
    ),
    ADD: Recipe(
        # The readout reads membranes: a gate that shuts holds a marked number there, unspent.
        ModelOptions(
            hidden=(64,),
            tau_mem_bias=-4.0,
            tau_adp_bias=2.0,
            readout_bias=-1.0,
            threshold=0.5,
            read_from="membrane",
        ),
        TrainingOptions(
            updates=10, epochs=40, batch_size=64, learning_rate=5e-3, alpha=0.02, augment=True
        ),
    ),
    "mnist-rows": Recipe(
        ModelOptions(
            hidden=(256,),
            readout_gate="event",
            tau_mem_bias=-1.0,
            tau_adp_bias=2.0,
            readout_bias=-1.5,
        ),
        TrainingOptions(updates=4, epochs=20, batch_size=128, learning_rate=3e-3, alpha=0.02),
    ),
    RATE: Recipe(
        ModelOptions(
            hidden=(256,),
            readout_gate="event",
            tau_mem_bias=-1.0,
            tau_adp_bias=2.0,
            readout_bias=-1.5,
        ),
        TrainingOptions(updates=4, epochs=10, batch_size=128, learning_rate=3e-3, alpha=0.02),
    ),
    "mnist-pixels": Recipe(
        # Membranes from fast to slow from the start, and an adaptation that lasts for hundreds of
        # steps: by PLAN a bias of 4.6 ± 0.35 is a leak of 1/600 to 1/40.
        ModelOptions(
            hidden=(128,),
            readout_gate="event",
            tau_mem_bias=-2.5,
            tau_mem_spread=2.0,
            tau_adp_bias=4.6,
            tau_adp_spread=0.35,
            readout_bias=-3.0,
            gain=3.0,
        ),
        TrainingOptions(updates=16, epochs=20, batch_size=32, learning_rate=1e-3, alpha=0.02),
    ),
}
"""Recipes by task; ``add-T`` serves every length, ``mnist-rate-T`` every number of steps."""

GENTLE = 0.2
"""Part of a recipe's rate at which a trained network learns through all rounding: weights of 2 bits
on digits-rows ended at validation scores of 96.0 % in the last five epochs, at the whole rate of
94.5 % (five seeds)."""

LIKE = {
    "digits-permuted": "digits-pixels",
    "mnist-permuted": "mnist-pixels",
    "fashion-rows": "mnist-rows",
    "fashion-pixels": "mnist-pixels",
    "fashion-permuted": "mnist-pixels",
}
"""Tasks that are trained as another one is."""


def chosen_for(task: Task) -> Chosen:
    """The recipe of a task, and why: its own, or one chosen from what its samples are.

    A task's own recipe makes an update every LONGEST_WINDOW steps at least, every step at most.

    >>> from ltc2hw.tasks import load_task
    >>> print(chosen_for(load_task("digits-rows")).choices[0])
    recipe = digits-rows: made for this task
    """
    name = LIKE.get(task.name, task.name)
    for one, pattern in ((ADD, ADD_NAME), (RATE, RATE_NAME), (IMAGE, IMAGE_NAME)):
        name = one if pattern.fullmatch(task.name) else name
    recipe = RECIPES.get(name)
    if recipe is None:
        return chosen_recipe(task)
    if name == ADD:
        # A membrane should still hold at the end what it saw at the start.
        bias = min(recipe.model.tau_mem_bias, 1.2 - math.log(task.steps))
        recipe = recipe.with_model(tau_mem_bias=bias)
    if task.every_step:
        recipe = recipe.with_training(loss_weighting=EVERY_STEP.value)
    updates = max(recipe.training.updates, -(-task.steps // LONGEST_WINDOW))
    recipe = recipe.with_training(updates=min(updates, task.steps))
    return Chosen(recipe, (Choice("recipe", name, "made for this task"),))


def recipe_for(task: Task) -> Recipe:
    """The recipe of a task (see :func:`chosen_for`).

    >>> from ltc2hw.tasks import load_task
    >>> [recipe_for(load_task(name)).training.updates for name in ("add-6", "add-1000")]
    [6, 20]
    """
    return chosen_for(task).recipe


def gentle(recipe: Recipe) -> Recipe:
    """A recipe for a trained network that learns further through all rounding.

    At :data:`GENTLE` of the rate; at the whole of it a trained network unlearns first.

    >>> from ltc2hw.tasks import load_task
    >>> gentle(recipe_for(load_task("digits-rows"))).training.learning_rate
    0.001
    """
    return recipe.with_training(learning_rate=GENTLE * recipe.training.learning_rate)
