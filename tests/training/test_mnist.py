"""The MNIST experiments: their images, a run from start to table, and the page of results."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import mnist_memory, mnist_table
from experiments.cells import run_cell, so_far
from experiments.mnist import TASKS, ImageCell, main
from experiments.shifted import shifted_images, shifted_task
from ltc2hw.errors import InvalidValueError
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import EpochRecord
from ltc2hw.training.recipes import RECIPES, recipe_for
from tests.shared_data import REPOSITORY, shared_data

PAGE = REPOSITORY / "docs" / "results.md"


@pytest.fixture(autouse=True)
def data_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LTC2HW_DATA", str(shared_data("mnist").parent))


def small(name: str, samples: int = 300) -> Task:
    """A task with a few samples."""
    task = load_task(name)
    parts = {
        part: getattr(task, part).take(np.arange(samples))
        for part in ("train", "validation", "test")
    }
    return replace(task, **parts)


def test_images_move_as_an_array_that_is_cut_does() -> None:
    rng = np.random.default_rng(3)
    images = rng.integers(1, 256, (400, 784), dtype=np.uint8)
    moved = shifted_images(images, 1, rng)
    found = set()
    for before, after in zip(images.reshape(-1, 28, 28), moved.reshape(-1, 28, 28), strict=True):
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                expected = np.zeros((28, 28), np.uint8)
                for y in range(max(0, down), 28 + min(0, down)):
                    source = before[y - down]
                    expected[y, max(0, right) : 28 + min(0, right)] = source[
                        max(0, -right) : 28 + min(0, -right)
                    ]
                if np.array_equal(after, expected):
                    found.add((down, right))
                    break
            else:
                continue
            break
        else:
            pytest.fail("an image is none of the nine that a pixel's move makes")
    assert len(found) == 9


def test_every_epoch_has_its_own_moves_and_the_tests_images_none() -> None:
    task = shifted_task(small("mnist-rate-4"), 2)
    plain, one, two, again = (
        task.train.x,
        *(task.epoch(np.random.default_rng(seed)).x for seed in (1, 2, 1)),
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, plain)
    assert set(np.unique(one)) == {0.0, 1.0}
    assert np.array_equal(task.test.x, small("mnist-rate-4").test.x)


@pytest.mark.parametrize("most", [-1, 28])
def test_a_shift_beyond_the_image_is_refused(most: int) -> None:
    with pytest.raises(InvalidValueError, match="shift of images"):
        shifted_task(small("mnist-rows"), most)


@pytest.mark.parametrize("name", [name for name, _ in TASKS.values()])
def test_every_task_has_a_recipe_of_its_own(name: str) -> None:
    assert recipe_for(load_task(name)) in RECIPES.values()


def tiny_cell(task: Task, seed: int = 0) -> ImageCell:
    recipe = recipe_for(task).with_model(hidden=(12,))
    return ImageCell(task.name, "event", recipe.with_training(epochs=2, batch_size=50, seed=seed))


def test_a_stopped_run_goes_on_to_the_same_figures_and_into_the_table(tmp_path: Path) -> None:
    def stop(name: str, record: EpochRecord) -> None:
        raise KeyboardInterrupt

    for folder in ("whole", "runs"):
        (tmp_path / folder).mkdir()
    task = shifted_task(small("mnist-rows"))
    whole = dict(run_cell(tiny_cell(task), tmp_path / "whole", None, task))
    with pytest.raises(KeyboardInterrupt):
        run_cell(tiny_cell(task), tmp_path / "runs", stop, task)
    first = so_far(tiny_cell(task), tmp_path / "runs", task)
    assert [run["name"] for run in mnist_table.finished(tmp_path / "runs")] == [first["name"]]
    assert "| 1 of 2 | 24 | 1 |" in mnist_table.markdown([first])
    resumed = dict(run_cell(tiny_cell(task), tmp_path / "runs", None, task))
    assert whole["seconds"] > 0 < resumed["seconds"]
    times = {"seconds", "fast_seconds"}
    assert resumed.keys() == whole.keys() >= times
    assert all(resumed[name] == whole[name] for name in resumed.keys() - times)
    run_cell(tiny_cell(task, seed=1), tmp_path / "runs", None, task)

    page = tmp_path / "page.md"
    page.write_text(f"before\n{mnist_table.BEGIN}old\n{mnist_table.END}after\n")
    for _ in range(2):
        main(["table", str(tmp_path / "runs"), "--page", str(page)])
        text = page.read_text()
        assert text.startswith("before\n")
        assert text.endswith("after\n")
        assert "old" not in text
        rows = [line for line in text.splitlines() if line.startswith("| row-MNIST |")]
        assert len(rows) == 1
        assert "| event | 12 | FPTT, K = 4 | 2 | 48 | 2 |" in rows[0]
    kept = json.loads((tmp_path / "results" / "mnist.json").read_text())["runs"]
    assert [run["plan"]["training"]["seed"] for run in kept] == [0, 1]
    assert kept[0]["float"] == resumed["float"]


def test_the_command_reads_a_finished_run_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["rows", "--hidden", "4", "--epochs", "1", "--updates", "1", "--out", str(tmp_path)]
    main(command)
    epoch, first = capsys.readouterr().out.splitlines()
    assert "1/1 loss" in epoch
    assert re.search(r"float \d+\.\d\d %, int8 \d+\.\d\d %", first)
    main(command)
    assert capsys.readouterr().out.splitlines() == [first]


def test_what_is_not_there_is_said_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (
        ["rows", "--data-root", str(tmp_path), "--out", str(tmp_path)],
        ["table", str(tmp_path)],
        ["rate", "--epochs", "0", "--out", str(tmp_path)],
    ):
        with pytest.raises(SystemExit) as stopped:
            main(command)
        assert stopped.value.code == 2
        said = capsys.readouterr().err
        assert said.startswith("python -m experiments.mnist: error: ")
        assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    task = small("mnist-rows", 60)
    run_cell(tiny_cell(task), tmp_path, None, task)
    page = tmp_path / "page.md"
    page.write_text("no marks\n")
    with pytest.raises(InvalidValueError, match="without marks"):
        mnist_table.write(tmp_path, page)
    assert page.read_text() == "no marks\n"


def test_memory_of_fptt_is_that_of_its_windows(tmp_path: Path) -> None:
    batch = mnist_memory.some_images(tmp_path)
    windows = next(iter(mnist_memory.METHODS))
    grown = {}
    for method in (windows, "BPTT"):
        short, long = (
            mnist_memory.measure_apart(method, steps, batch)["megabytes"] for steps in (28, 392)
        )
        grown[method] = long - short
    # The record of 364 more steps of 128 samples is 13 registers of 128 neurons and more.
    assert grown["BPTT"] > 100 > 10 > grown[windows]


def test_the_page_shows_the_figures_that_are_kept() -> None:
    kept = json.loads((PAGE.parent / "results" / "mnist.json").read_text(encoding="utf-8"))["runs"]
    table = PAGE.read_text(encoding="utf-8").partition(mnist_table.BEGIN)[2]
    assert table.partition(mnist_table.END)[0].strip() == mnist_table.markdown(kept).strip()
    for run in kept:
        assert run["commit"]
        assert 0 < len(run["history"]) <= run["plan"]["training"]["epochs"]
    memory = json.loads((PAGE.parent / "results" / "mnist-memory.json").read_text(encoding="utf-8"))
    page = (PAGE.parent / "results" / "mnist-memory.md").read_text(encoding="utf-8")
    assert page == mnist_memory.page(memory["figures"])
