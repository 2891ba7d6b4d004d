"""Training checkpoints that are not what training wrote are refused by name."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw.errors import DamagedFileError, InvalidValueError, Ltc2hwError
from ltc2hw.tasks import load_task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, train
from ltc2hw.training.options import Backend, OptimizerName
from ltc2hw.training.trainer import Trainer
from tests.mutation import mutants

Arrays = dict[str, Any]

EPOCHS = 2


def recipe(backend: Backend = "compiled", optimizer: OptimizerName = "adam") -> Recipe:
    options = TrainingOptions(
        updates=2, epochs=EPOCHS, backend=backend, optimizer=optimizer, batch_size=512
    )
    return Recipe(ModelOptions(hidden=(5,)), options)


def resume(path: Path, recipe: Recipe) -> Any:
    return train(load_task("add-4"), recipe, checkpoint=path)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Arrays:
    """The arrays of a finished run's checkpoint."""
    path = tmp_path_factory.mktemp("run") / "run.npz"
    resume(path, recipe())
    with np.load(path, allow_pickle=False) as content:
        return dict(content)


def test_no_array_may_be_missing(whole: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    names = sorted(set(whole) - {"meta"})
    assert names == ["best"] + [
        f"learner.{name}" for name in ("first", "mean", "memory", "second", "updates", "values")
    ]
    for name in names:
        np.savez(path, **{other: value for other, value in whole.items() if other != name})
        with pytest.raises(DamagedFileError, match=f"array {name} is missing"):
            resume(path, recipe())


@pytest.mark.parametrize(
    ("name", "change", "problem"),
    [
        ("learner.values", lambda a: a[:1], r"float32 \(1,\), not float32 \("),
        ("learner.memory", lambda a: a[None], r"float32 \(1, "),
        ("learner.mean", lambda a: a.astype(np.float64), "is float64 .*, not float32"),
        ("best", lambda a: np.where(np.arange(len(a)) == 3, np.nan, a), "best is not finite"),
        ("learner.updates", lambda a: a * 0 - 1, "counts below 0"),
        ("learner.updates", lambda a: a * 0 + ((1 << 63) - 1), "counts beyond"),
        ("learner.updates", lambda a: np.array("text"), "is a text"),
        ("learner.more", lambda a: np.zeros(3), "which its plan does not make"),
        ("learner.first", lambda a: np.zeros((0, 1 << 40)), r"float64 \(0, 1099511627776\)"),
    ],
)
def test_arrays_are_those_of_the_plan(
    name: str, change: Callable[[Any], Any], problem: str, whole: Arrays, tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, **{**whole, name: change(whole.get(name))})
    with pytest.raises(DamagedFileError, match=problem):
        resume(path, recipe())


def edited(meta: str, **changes: Any) -> str:
    return json.dumps({**json.loads(meta), **changes})


RECORD = {
    "epoch": 0,
    "loss": 0.5,
    "validation_loss": 0.5,
    "validation": 0.5,
    "learning_rate": 0.1,
}


@pytest.mark.parametrize(
    ("meta", "problem"),
    [
        (lambda meta: "[" * 100_000, "no training checkpoint"),
        (lambda meta: "7", "no training checkpoint"),
        (lambda meta: "{", "no training checkpoint"),
        (lambda meta: edited(meta, kind="other"), "no training checkpoint"),
        (lambda meta: edited(meta, schema=99), "unknown schema 99"),
        (lambda meta: edited(meta, plan=[1]), "what was trained"),
        (lambda meta: edited(meta, plan={"model": 3}), "what was trained"),
        (lambda meta: edited(meta, history=3), "no history"),
        (lambda meta: edited(meta, history=[3]), "no history"),
        (lambda meta: edited(meta, history=[{"epoch": 0}]), "no record of epoch 0"),
        (lambda meta: edited(meta, history=[RECORD, RECORD]), "no record of epoch 1"),
        (lambda meta: edited(meta, history=[{**RECORD, "loss": "0.5"}]), "finite numbers"),
        (lambda meta: edited(meta, history=[{**RECORD, "loss": float("nan")}]), "finite numbers"),
    ],
)
def test_what_a_checkpoint_says_is_checked(
    meta: Callable[[str], str], problem: str, whole: Arrays, tmp_path: Path
) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, **{**whole, "meta": np.array(meta(str(whole["meta"])))})
    with pytest.raises(DamagedFileError, match=problem):
        resume(path, recipe())


def test_a_plan_without_its_parts_is_another_one(whole: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    np.savez(path, **{**whole, "meta": np.array(edited(str(whole["meta"]), plan={}))})
    with pytest.raises(InvalidValueError, match="name of checkpoint"):
        resume(path, recipe())


@pytest.mark.parametrize("optimizer", ["adam", "adamax", "sgd"])
def test_entries_of_optimizers_are_checked_too(optimizer: OptimizerName, tmp_path: Path) -> None:
    path, options = tmp_path / "run.npz", recipe("autograd", optimizer)
    resume(path, options)
    with np.load(path, allow_pickle=False) as content:
        arrays = dict(content)
    names = [name for name in arrays if name.startswith("optimizer.")]
    assert len(names) == {"adam": 3, "adamax": 3, "sgd": 0}[optimizer]
    # Before the first update there are the same, so that a run can tell what is missing.
    blank = Trainer(load_task("add-4"), options).learner.state()
    assert {name: value.shape for name, value in blank.items()} == {
        name: value.shape for name, value in arrays.items() if name not in ("meta", "best")
    }
    for name in [*names, "fptt.memory", "parameters"]:
        np.savez(path, **{other: value for other, value in arrays.items() if other != name})
        with pytest.raises(DamagedFileError, match=f"array {name} is missing"):
            resume(path, options)


def test_a_small_checkpoint_cannot_unfold_to_a_large_one(whole: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (500000000,), }"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("learner.values.npy", "w", force_zip64=True) as member,
    ):
        member.write(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)
        for _ in range(200):
            member.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 20
    with pytest.raises(DamagedFileError, match="it unfolds to 209715"):
        resume(path, recipe())


def test_mutated_checkpoints_are_read_or_refused(whole: Arrays, tmp_path: Path) -> None:
    path, image = tmp_path / "run.npz", BytesIO()
    np.savez(image, **whole)
    refused = 0
    for content in mutants(image.getvalue(), np.random.default_rng(0), 150):
        path.write_bytes(content)
        try:
            resume(path, recipe())
        except Ltc2hwError:
            refused += 1
    assert refused > 75
