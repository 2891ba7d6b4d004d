"""Cells of experiments: resumable, deployed, and tabulated."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.cells import LSTM, Cell, finished_cells, run_cell, run_cells, to_integers
from experiments.tables import markdown
from experiments.training import EXPERIMENTS, Budget
from experiments.training_cost import measure_apart
from experiments.training_cost import save as save_cost
from ltc2hw.converters.populations import Gate, Readout
from ltc2hw.errors import HardwareRuleError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.tasks import load_task
from ltc2hw.training import EpochRecord, ModelOptions, Recipe, TrainingOptions
from ltc2hw.training.options import DESCENTS
from tests.random_networks import dense, real


def cell(network: str = "event", seed: int = 0) -> Cell:
    options = TrainingOptions(updates=2, epochs=3, batch_size=256, seed=seed)
    return Cell("add-6", network, Recipe(ModelOptions(hidden=(8,)), options))


def test_a_killed_cell_goes_on_to_the_same_figures(tmp_path: Path) -> None:
    def kill(name: str, record: EpochRecord) -> None:
        if record.epoch == 1:
            raise KeyboardInterrupt

    whole = dict(run_cell(cell(), tmp_path))
    other = tmp_path / "killed"
    other.mkdir()
    with pytest.raises(KeyboardInterrupt):
        run_cell(cell(), other, kill)
    resumed = dict(run_cell(cell(), other))
    for name in ("seconds", "fast_seconds"):
        assert whole.pop(name) > 0 < resumed.pop(name)
    assert resumed == whole
    assert [path.suffix for path in other.iterdir()] == [".json"]
    assert whole["integer"] == pytest.approx(whole["float"], abs=0.05)
    assert whole["updates"] == 30


def test_a_finished_cell_is_read_back(tmp_path: Path) -> None:
    first = run_cell(cell(LSTM), tmp_path)
    assert "integer" not in first

    def never(name: str, record: EpochRecord) -> None:
        raise AssertionError(name)

    assert run_cell(cell(LSTM), tmp_path, never) == json.loads(json.dumps(first))


def test_seeds_are_a_median_and_a_range(tmp_path: Path) -> None:
    measured = [dict(run_cell(cell(LSTM, seed), tmp_path)) for seed in (0, 1, 2)]
    for found, score in zip(measured, (0.25, 1.75, 0.5), strict=True):
        found["float"] = score
    lines = markdown(measured).splitlines()
    assert len(lines) == 3
    assert "| 0.5000 (0.2500 to 1.7500) |" in lines[2]


def test_finished_cells_of_all_budgets_are_found_in_order(tmp_path: Path) -> None:
    longer = cell(LSTM, 1).recipe.with_training(epochs=4)
    cells = [Cell("add-6", LSTM, longer), cell(LSTM, 1), cell(LSTM, 0)]
    run_cells(cells, tmp_path)
    names = [str(found["name"]) for found in finished_cells(tmp_path, "lstm")]
    assert names == [cells[2].name, cells[1].name, cells[0].name]
    assert finished_cells(tmp_path, "event") == []


def test_descents_are_rows_of_their_own(tmp_path: Path) -> None:
    cells = [
        Cell("add-6", "event", cell().recipe.with_training(updates=6, epochs=1, descent=descent))
        for descent in DESCENTS
    ]
    lines = markdown(run_cells(cells, tmp_path)).splitlines()
    methods = [line.split(" | ")[2] for line in lines[2:]]
    assert methods == ["FPTT", "FPTT, eligibility", "FPTT, filtered"]
    names = [found["name"] for found in finished_cells(tmp_path, "event-k6")]
    assert names == [one.name for one in cells]


@pytest.mark.parametrize("name", ["add-eligibility", "pixels-eligibility"])
def test_an_update_at_every_step_differs_by_descent_alone(name: str) -> None:
    budget = Budget(range(1), None, None, None, [100])
    cells = EXPERIMENTS[name].cells(budget)
    assert [one.recipe.training.descent for one in cells] == list(DESCENTS)
    for one in cells:
        assert one.recipe.training.updates == load_task(one.task).steps
        assert replace(one, recipe=one.recipe.with_training(descent=DESCENTS[0])) == cells[0]


def leaky(leak: float, delay: int = 0) -> Network:
    """Two readouts of one input, the first with a leak of its own."""
    gate = Gate(real(np.log([leak / (1 - leak), 1.0])))
    return Network(
        (Input("input", 1), Readout("out", 2, real(0.0), gate)),
        (Projection("input", "spikes", "out", "current", dense([[1.0], [1.0]]), delay=delay),),
        "out",
    )


def test_a_network_that_loses_a_leak_is_deployed_and_says_so() -> None:
    x = np.zeros((3000, 1, 1))
    x[:100] = 1.0
    assert to_integers(leaky(0.3), x)[1] == []
    assert to_integers(leaky(1e-9), x)[1] == ["lost-decay"]
    with pytest.raises(HardwareRuleError, match="delay"):
        to_integers(leaky(1e-9, delay=10_000), x)


def test_cost_is_measured_in_processes_of_their_own(tmp_path: Path) -> None:
    measured = [measure_apart(method, 100) for method in ("FPTT, windows of 10", "BPTT")]
    assert [found["updates"] for found in measured] == [10, 1]
    assert all(found["megabytes"] > 10 and found["seconds"] > 0 for found in measured)
    save_cost(measured, tmp_path)
    assert json.loads((tmp_path / "cost.json").read_text())["figures"] == measured
    assert (tmp_path / "cost.md").read_text().count("\n| 100 |") == 1
