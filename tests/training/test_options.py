"""Options: refused before any work, windows, weights and schedules by their definitions."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.tasks import load_task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions
from ltc2hw.training.loss import step_losses, window_loss
from ltc2hw.training.options import learning_rate, loss_weights, windows
from ltc2hw.training.recipes import RECIPES, recipe_for


@given(steps=st.integers(1, 300), data=st.data())
def test_windows_cut_the_sequence_evenly(steps: int, data: st.DataObject) -> None:
    updates = data.draw(st.integers(1, steps))
    cuts = windows(steps, updates)
    covered = [t for cut in cuts for t in range(steps)[cut]]
    assert covered == list(range(steps))
    lengths = {cut.stop - cut.start for cut in cuts}
    assert len(cuts) == updates
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("updates", [0, -1, 9])
def test_more_updates_than_steps_are_refused(updates: int) -> None:
    with pytest.raises(InvalidValueError, match="1 to 8"):
        windows(8, updates)


def test_loss_weights() -> None:
    assert loss_weights("ramp", 5).tolist() == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert loss_weights("second-half", 5).tolist() == [0.0, 0.0, 1.0, 1.0, 1.0]
    assert loss_weights("second-half", 4).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert loss_weights("last", 3).tolist() == [0.0, 0.0, 1.0]
    assert loss_weights("uniform", 3).tolist() == [1.0, 1.0, 1.0]


def test_cosine_schedule_runs_from_the_rate_to_its_fraction() -> None:
    options = TrainingOptions(learning_rate=0.1, final_rate=0.2, epochs=5, schedule="cosine")
    found = [learning_rate(options, epoch) for epoch in range(5)]
    wanted = [0.02 + 0.04 * (1.0 + math.cos(math.pi * k / 4)) for k in range(5)]
    assert found == pytest.approx(wanted)
    constant = TrainingOptions(learning_rate=0.1, epochs=5, schedule="constant")
    assert {learning_rate(constant, epoch) for epoch in range(5)} == {0.1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"updates": 0},
        {"epochs": 0},
        {"batch_size": 0},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"learning_rate": math.nan},
        {"clip": -1.0},
        {"alpha": 0.0},
        {"weight_limit": 0.0},
        {"weight_bits": 1},
        {"weight_bits": 25},
        {"beta": 1.5},
        {"final_rate": 0.0},
        {"epochs": 2.5},
        {"epochs": math.nan},
        {"epochs": True},
        {"epochs": "3"},
        {"epochs": 10**7},
        {"threads": 10**8},
        {"batch_size": 10**12},
        {"seed": 2**64},
        {"seed": None},
        {"alpha": 1e-40},
        {"learning_rate": 1e39},
        {"learning_rate": "fast"},
        {"beta": None},
        {"auxiliary": math.nan},
        {"weight_limit": math.inf},
        {"weight_bits": 8.5},
        {"augment": "no"},
    ],
)
def test_numbers_out_of_range_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        TrainingOptions(**wrong)


@pytest.mark.parametrize("name", ["method", "optimizer", "schedule", "loss_weighting"])
def test_unknown_choices_are_named(name: str) -> None:
    wrong: dict[str, Any] = {name: "nonsense"}
    with pytest.raises(UnknownNameError, match=f"{name} is 'nonsense'; expected one of"):
        TrainingOptions(**wrong)


@pytest.mark.parametrize("hidden", [(), 64, (0,), (2.5,), ("64",), (8, -1), None])
def test_a_network_needs_a_hidden_layer(hidden: Any) -> None:
    with pytest.raises(InvalidValueError, match="hidden"):
        ModelOptions(hidden=hidden)


@pytest.mark.parametrize("wrong", [{"threshold": math.nan}, {"gain": "1"}, {"recurrent": "no"}])
def test_numbers_of_a_network_are_finite(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidValueError, match=next(iter(wrong))):
        ModelOptions(**wrong)


def test_options_become_plain_numbers() -> None:
    options = TrainingOptions(epochs=np.int64(3), learning_rate=np.float32(0.5), seed=2**64 - 1)  # type: ignore[arg-type]
    model = ModelOptions(hidden=[np.int32(4)])  # type: ignore[arg-type]
    assert json.loads(json.dumps(Recipe(model, options).to_dict()))["training"]["epochs"] == 3
    assert model == ModelOptions(hidden=(4,))


def test_recipes_change_by_value() -> None:
    recipe = Recipe()
    other = recipe.with_model(gate="dense").with_training(epochs=1)
    assert (other.model.gate, other.training.epochs) == ("dense", 1)
    assert recipe == Recipe()
    assert other.to_dict()["model"]["gate"] == "dense"


@pytest.mark.parametrize("name", ["digits-rows", "digits-pixels", "add-2", "add-100"])
def test_every_task_has_a_recipe_with_event_gates_and_fptt(name: str) -> None:
    task = load_task(name)
    recipe = recipe_for(task)
    assert (recipe.model.gate, recipe.training.method) == ("event", "fptt")
    assert recipe.training.updates <= task.steps
    assert name.startswith("add-") or recipe == RECIPES[name]


def test_step_losses_of_a_classification() -> None:
    task = load_task("digits-rows")
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(3, 4, 10, generator=generator, dtype=torch.float64)
    labels = torch.tensor([1, 0, 9, 3])
    logits = outputs.numpy()
    normalised = np.log(np.exp(logits).sum(axis=2))
    wanted = (normalised - logits[:, np.arange(4), labels.numpy()]).mean(axis=1)
    np.testing.assert_allclose(step_losses(task, outputs, labels), wanted, rtol=1e-12)
    weights = torch.tensor([0.0, 0.5, 1.0])
    found = window_loss(task, outputs, labels, weights)
    assert float(found) == pytest.approx(float(wanted @ weights.numpy()) / 3)


def test_step_losses_of_a_regression() -> None:
    task = load_task("add-4")
    outputs = torch.tensor([[[1.0], [2.0]], [[0.0], [0.5]]])
    labels = torch.tensor([[1.0], [1.0]])
    assert step_losses(task, outputs, labels).tolist() == [0.5, 0.625]
