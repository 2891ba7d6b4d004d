"""``module:function``: the user's code runs in this form alone, and fails in one line."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.data import DataOptions
from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.tasks import load_task

CODE = """
import numpy as np
from ltc2hw.tasks import load_task

X, Y = np.arange(420.0).reshape(20, 7, 3), np.arange(20) % 2

def pair(): return X, Y
def named(): return {"x_train": X, "y_train": Y, "x_test": X[:4], "y_test": Y[:4]}
def pairs(): return list(zip(X, Y))
def whole(): return load_task("add-8")
def failing(): return {}["gone"]
def nothing(): return None
number = 3
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module of the user in the current folder."""
    name = f"mine_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.chdir(tmp_path)
    # Imported modules stay imported; each test has its own.
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


@pytest.mark.parametrize("function", ["pair", "named", "pairs"])
def test_data_become_a_task(mine: str, function: str) -> None:
    path = list(sys.path)
    task = load_task(f"{mine}:{function}")
    assert (task.name, task.steps, task.inputs, task.outputs) == (function, 7, 3, 2)
    assert task.provenance["source"] == f"{mine}:{function}"
    assert sys.path == path
    by_file = load_task(f"./{mine}.py:{function}")
    assert by_file.checksum == task.checksum


def test_options_go_along(mine: str) -> None:
    assert load_task(f"{mine}:pair", DataOptions(classes=4)).outputs == 4
    with pytest.raises(InvalidValueError, match="leave them out"):
        load_task(f"{mine}:whole", DataOptions(classes=4))


def test_files_go_along(mine: str) -> None:
    np.savez("test.npz", x=np.ones((9, 7, 3)), y=np.arange(9) % 2)
    task = load_task(f"{mine}:pair", DataOptions(test="test.npz"))
    assert (task.test.samples, task.test.x.min(), task.train.samples) == (9, 1.0, 18)
    assert task.provenance["test samples"] == "test.npz"


def test_a_whole_task_gets_a_checksum(mine: str) -> None:
    task = load_task(f"{mine}:whole")
    assert task.name == "add-8"
    assert task.checksum is not None
    np.testing.assert_array_equal(task.test.x, load_task("add-8").test.x)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        ("{}:gone", "gone of .* is not there; expected a function"),
        ("{}:number", "number of .* is a int; expected a function"),
        ("{}:failing", "failing with KeyError: 'gone', in failing, line 11 of"),
        ("{}:nothing", "data is a NoneType; expected arrays"),
        ("nowhere_at_all:f", "nowhere_at_all, not found; expected one in the current folder"),
        ("nowhere.py:f", r"file of the function is nowhere\.py"),
    ],
)
def test_what_fails_is_told_in_one_line(mine: str, function: str, message: str) -> None:
    with pytest.raises(InvalidValueError, match=message) as caught:
        load_task(function.format(mine))
    assert "\n" not in str(caught.value)


def test_neither_a_name_nor_a_file() -> None:
    with pytest.raises(UnknownNameError, match=r"digits-rows.*a path that exists, module:function"):
        load_task("digit-rows")
    with pytest.raises(InvalidValueError, match="options of data is given; expected none for task"):
        load_task("digits-rows", DataOptions(classes=3))


def test_a_name_goes_before_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("add-8").write_text("a file")
    assert load_task("add-8").steps == 8
    with pytest.raises(UnknownNameError, match="end of the name"):
        load_task("./add-8")
