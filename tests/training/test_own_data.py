"""What the recipes for data of one's own reach, and that the figures are of today's recipes."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from experiments.own_data import DATA
from ltc2hw.training.choosing import chosen_recipe
from ltc2hw.training.options import complete
from tests.shared_data import shared_data, sktime_data

FOUND: dict[str, Any] = json.loads(
    Path(__file__).parents[2].joinpath("docs/results/own-data.json").read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", list(DATA))
@pytest.mark.parametrize("score", ["test", "test int8"])
def test_a_chosen_recipe_reaches_what_the_best_by_hand_does(name: str, score: str) -> None:
    chosen, hand = (
        [run[score] for run in FOUND["data"][name][how]["runs"]] for how in ("chosen", "hand")
    )
    assert len(chosen) == len(hand) == FOUND["seeds"] >= 5
    assert median(chosen) >= median(hand) - 0.02


@pytest.mark.parametrize("name", list(DATA))
def test_the_figures_are_of_the_recipe_that_is_chosen_now(name: str) -> None:
    if name == "N-MNIST":
        shared_data("nmnist")
    elif name != "digits-rows":
        sktime_data(name)
    chosen = chosen_recipe(DATA[name]())
    stored = FOUND["data"][name]["chosen"]["recipe"]
    assert complete(chosen.recipe.to_dict()) == complete(stored)
    told = FOUND["data"][name]["choices"]
    assert json.loads(json.dumps({c.field: [c.value, c.reason] for c in chosen.choices})) == told
