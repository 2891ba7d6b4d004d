"""Recipe files: the same recipe there and back, and what is wrong with one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from ltc2hw.errors import DamagedFileError, InvalidValueError, Ltc2hwError, UnknownNameError
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, load_recipe, save_recipe
from ltc2hw.training.recipes import RECIPES
from tests.zoo import gated_and_tired

OTHERS = (
    Recipe(),
    Recipe(
        ModelOptions(
            (4, 5),
            neuron="alif",
            constants={"threshold": 0.1 + 0.2},
            spreads={"jump": 0.1},
            fixed=("bias", "jump"),
            recurrent=False,
        ),
        TrainingOptions(weight_limit=1 / 3, weight_bits=None, augment=False, seed=2**64 - 1),
    ),
)


@pytest.mark.parametrize("recipe", [*RECIPES.values(), *OTHERS])
def test_a_recipe_comes_back_whatever_it_changes(recipe: Recipe, tmp_path: Path) -> None:
    save_recipe(recipe, tmp_path / "recipe.toml")
    for base in (None, *RECIPES.values(), *OTHERS):
        assert load_recipe(tmp_path / "recipe.toml", base) == recipe


def test_a_file_may_say_a_part_alone(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text('[training]\nepochs = 3\nlearning_rate = 1\n[model]\nneuron = "lif"\n')
    base = RECIPES["digits-rows"]
    found = load_recipe(path, base)
    assert found == base.with_model(neuron="lif").with_training(epochs=3, learning_rate=1.0)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("x = 1", UnknownNameError, "table of .* is 'x'; expected one of model, training"),
        ("[model]\nsize = 1", UnknownNameError, r"key of \[model\] .* is 'size'; .*hidden, neuron"),
        ("[training]\nepochs = '3'", InvalidValueError, "epochs of .* is '3'; expected an integer"),
        ("[training]\nepochs = true", InvalidValueError, "expected an integer"),
        ("[training]\nepochs = 0", InvalidValueError, "epochs is 0"),
        ("[training]\nbeta = 'x'", InvalidValueError, "expected a number"),
        ("[training]\nlearning_rate = nan", InvalidValueError, "learning_rate is nan"),
        ("[training]\naugment = 1", InvalidValueError, "expected true or false"),
        ("[training]\nmethod = 'x'", UnknownNameError, "one of fptt, bptt"),
        ("[training]\nweight_bits = 'all'", InvalidValueError, "weight_bits is 'all'"),
        ("[training]\nepochs = 2026-01-01", InvalidValueError, "expected an integer"),
        ("[model]\nhidden = 3", InvalidValueError, "expected a list"),
        ("[model]\nhidden = ['a']", InvalidValueError, "hidden is a"),
        ("[model]\nconstants = 3", InvalidValueError, "expected a table of numbers"),
        ("[model.constants]\na = 'b'", InvalidValueError, "a is b"),
        ("[model]\ngate = ['a']", InvalidValueError, "expected a text"),
        ("model = 3", InvalidValueError, r"expected a table \[model\]"),
        ("[[model]]\nhidden = [3]", InvalidValueError, r"expected a table \[model\]"),
        ("[training", DamagedFileError, "no TOML"),
        ("[training]\nepochs = 1\nepochs = 2", DamagedFileError, "no TOML"),
        ("\0", DamagedFileError, "no TOML"),
    ],
)
def test_what_is_wrong_is_named(
    text: str, kind: type[Ltc2hwError], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    with pytest.raises(kind, match=message):
        load_recipe(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(DamagedFileError, match="no TOML"):
        load_recipe(path)


def test_a_model_of_ones_own_has_no_name_in_a_file(tmp_path: Path) -> None:
    recipe = Recipe(ModelOptions(neuron=gated_and_tired))
    with pytest.raises(InvalidValueError, match="gated_and_tired; expected a model of the package"):
        save_recipe(recipe, tmp_path / "recipe.toml")
    assert list(tmp_path.iterdir()) == []
