"""Recipes for data of one's own: what each choice follows from, and that any task gets one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.tasks import Split, Task, load_task
from ltc2hw.training import Recipe
from ltc2hw.training.choosing import Chosen, chosen_recipe, facts_of
from ltc2hw.training.recipes import RECIPES, chosen_for, recipe_for
from ltc2hw.training.trainer import Trainer

USUAL = Recipe().to_dict()


def own_task(
    *,
    steps: int = 20,
    inputs: int = 3,
    outputs: int = 4,
    samples: int = 40,
    scale: float = 1.0,
    lengths: Any = None,
    kind: Any = "classification",
) -> Task:
    rng = np.random.default_rng(0)
    x = scale * rng.choice([-1.0, 1.0], (steps, samples, inputs))
    labels = (
        np.arange(samples) % outputs if kind == "classification" else rng.random((samples, outputs))
    )
    split = Split(x, labels, lengths)
    return Task("mine", kind, steps, inputs, outputs, split, split, split)


def value(chosen: Chosen, field: str) -> Any:
    (found,) = (choice.value for choice in chosen.choices if choice.field == field)
    return found


@settings(max_examples=40)
@given(
    steps=st.integers(1, 400),
    inputs=st.integers(1, 3),
    outputs=st.integers(1, 30),
    samples=st.integers(1, 60),
    scale=st.sampled_from([0.0, 1e-9, 1e-3, 1.0, 40.0, 1e9]),
    kind=st.sampled_from(["classification", "regression"]),
)
def test_any_task_has_a_recipe_and_every_field_of_it_a_reason(
    steps: int, inputs: int, outputs: int, samples: int, scale: float, kind: str
) -> None:
    task = own_task(
        steps=steps, inputs=inputs, outputs=outputs, samples=samples, scale=scale, kind=kind
    )
    chosen = chosen_recipe(task)
    assert recipe_for(task) == chosen.recipe
    whole, usual = (
        {**plan["model"], **plan["training"]} for plan in (chosen.recipe.to_dict(), USUAL)
    )
    told = {choice.field: choice.value for choice in chosen.choices}
    assert len(told) == len(chosen.choices)
    assert whole == {**usual, **told}
    assert all(choice.reason for choice in chosen.choices)
    assert 1 <= chosen.recipe.training.updates <= steps
    Trainer(task, chosen.recipe)


def test_long_samples_have_slow_membranes_and_short_windows() -> None:
    biases, windows = [], []
    for steps in (4, 8, 30, 100, 1000):
        chosen = chosen_recipe(own_task(steps=steps))
        biases.append(value(chosen, "tau_mem_bias"))
        windows.append(steps / value(chosen, "updates"))
    assert biases == sorted(biases, reverse=True)
    assert biases[0] == biases[1] == 0.0
    assert windows[:2] == [1.0, 1.0]
    assert max(windows) <= 50


def test_lengths_count_not_the_padded_steps() -> None:
    lengths = np.full(40, 8)
    lengths[0] = 100
    padded = chosen_recipe(own_task(steps=100, lengths=lengths))
    short = chosen_recipe(own_task(steps=8))
    assert value(padded, "tau_mem_bias") == value(short, "tau_mem_bias")


@pytest.mark.parametrize("scale", [0.5, 1.0, 5.0])
def test_the_gain_undoes_the_level_of_the_inputs(scale: float) -> None:
    """Of the samples' own steps: zeros behind an end are no inputs."""
    whole = own_task(scale=scale)
    ends = own_task(scale=scale, lengths=np.resize([20, 5], 40))
    assert facts_of(whole).level == pytest.approx(scale)
    assert facts_of(ends).level == pytest.approx(scale)
    assert value(chosen_recipe(whole), "gain") == pytest.approx(0.5 / scale)


@pytest.mark.parametrize(("scale", "gain"), [(0.0, 1.0), (1e-6, 4.0), (1e6, 0.1)])
def test_a_gain_has_bounds(scale: float, gain: float) -> None:
    assert value(chosen_recipe(own_task(scale=scale)), "gain") == gain


def test_many_samples_are_seen_less_often_in_larger_batches() -> None:
    few, many = (chosen_recipe(own_task(samples=count)) for count in (40, 5000))
    assert value(few, "batch_size") < value(many, "batch_size")
    assert value(few, "epochs") > value(many, "epochs")
    assert value(few, "hidden") < value(many, "hidden")


def test_numbers_are_read_from_membranes() -> None:
    chosen = chosen_recipe(own_task(kind="regression"))
    assert value(chosen, "read_from") == "membrane"
    assert chosen.recipe.model.read_from == "membrane"


def test_tasks_with_a_recipe_of_their_own_keep_it() -> None:
    task = load_task("digits-rows")
    assert chosen_for(task).recipe == RECIPES["digits-rows"]
    assert str(chosen_for(task).choices[0]) == "recipe = digits-rows: made for this task"
    other = replace(task, name="mine")
    assert recipe_for(other) == chosen_recipe(other).recipe != recipe_for(task)


def test_a_name_that_only_looks_like_the_add_task_has_no_recipe_of_its_own() -> None:
    task = load_task("add-20")
    assert recipe_for(task).model.threshold == 0.5
    named = replace(task, name="add-on")
    assert recipe_for(named) == chosen_recipe(named).recipe
