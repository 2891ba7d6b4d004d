"""Recipes as TOML files: tables ``model`` and ``training``, keys as in their options.

A file may say a part alone: the rest is that of the recipe that it changes. An option that is
unset, a None in Python, is ``"none"``.
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Mapping
from typing import Any

import tomli_w

from ltc2hw.dynamics.model import Model
from ltc2hw.errors import DamagedFileError, InvalidValueError, UnknownNameError
from ltc2hw.files.archive import one_line, read_bytes
from ltc2hw.files.atomic import write_text
from ltc2hw.numbers.scalars import shown
from ltc2hw.training.options import ModelOptions, Recipe, TrainingOptions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

StrPath = str | os.PathLike[str]

UNSET = "none"
"""What stands for None, which TOML has not."""

TABLES: Mapping[str, type] = {"model": ModelOptions, "training": TrainingOptions}
"""The tables of a file, and the options that each holds."""


def recipe_text(recipe: Recipe) -> str:
    """A recipe as the text of a file, whole.

    Raises:
        InvalidValueError: for a neuron model of one's own, which no file names.

    >>> print(recipe_text(Recipe()).splitlines()[:2])
    ['[model]', 'hidden = [']
    """
    if isinstance(recipe.model.neuron, Model):
        limit, remedy = "a model of the package", "leave it out, and name it with the recipe again"
        raise InvalidValueError("neuron of a recipe file", recipe.model.neuron.name, limit, remedy)
    content = {
        table: {name: UNSET if value is None else value for name, value in options.items()}
        for table, options in recipe.to_dict().items()
    }
    return tomli_w.dumps(content)


def save_recipe(recipe: Recipe, path: StrPath) -> None:
    """Write a recipe whole, or not at all.

    Raises:
        InvalidValueError: for a neuron model of one's own, which no file names.
        OSError: if the file cannot be written.
    """
    write_text(path, recipe_text(recipe))


IN_TABLE = "write key = value below [model] or [training]"


def load_recipe(path: StrPath, recipe: Recipe | None = None) -> Recipe:
    """A recipe with what a file says of it; without one, the defaults.

    Raises:
        DamagedFileError: for what is no TOML.
        UnknownNameError: for a table or key that there is not; names those that there are.
        InvalidValueError: for a value of another kind, or out of range.
        OSError: if the file cannot be opened.
    """
    try:
        content = tomllib.loads(read_bytes(path).decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(path, f"no TOML: {one_line(error)}", IN_TABLE) from error
    recipe = Recipe() if recipe is None else recipe
    for table, values in content.items():
        if table not in TABLES:
            remedy = "" if isinstance(values, dict) else IN_TABLE
            raise UnknownNameError(f"table of {path}", table, tuple(TABLES), remedy)
        changes = _options(path, table, values)
        if table == "model":
            recipe = recipe.with_model(**changes)
        else:
            recipe = recipe.with_training(**changes)
    return recipe


def _options(path: StrPath, table: str, values: Any) -> dict[str, Any]:
    """The options of a table, each of the kind that it is in Python."""
    if not isinstance(values, dict):
        raise InvalidValueError(f"{table} of {path}", shown(values), f"a table [{table}]")
    known = {option.name: option for option in dataclasses.fields(TABLES[table])}
    defaults = TABLES[table]()
    found: dict[str, Any] = {}
    for name, value in values.items():
        if name not in known:
            raise UnknownNameError(f"key of [{table}] in {path}", name, tuple(known))
        optional = "None" in str(known[name].type)
        label = f"{name} of [{table}] in {path}"
        found[name] = None if optional and value == UNSET else value
        if not optional:
            _require_kind(label, value, getattr(defaults, name))
    return found


def _require_kind(label: str, value: Any, default: Any) -> None:
    """Refuse a value of another kind than the option's default."""
    for kind, accepted, limit in KINDS:
        if isinstance(default, kind):
            numeric = isinstance(value, bool) and kind is not bool
            if not isinstance(value, accepted) or numeric:
                raise InvalidValueError(label, shown(value), limit)
            return


KINDS: tuple[tuple[type, tuple[type, ...], str], ...] = (
    (bool, (bool,), "true or false"),
    (int, (int,), "an integer"),
    (float, (int, float), "a number"),
    (str, (str,), "a text"),
    (tuple, (list,), "a list, [64, 32] for instance"),
    (Mapping, (dict,), "a table of numbers by name"),
)
"""Kinds of options, what a file may have for them, and how that is called."""
