"""The experiment of rules by models: its gradients, its cells, and the table of them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.rules import chosen_rate, main
from experiments.rules_cells import RuleCell, run_rule
from experiments.rules_gradients import hidden_gradient, nearness
from experiments.rules_networks import Budget, rule_network, rule_recipe, rule_task
from experiments.rules_table import finished, markdown
from ltc2hw.tasks import Task
from ltc2hw.training import EpochRecord
from ltc2hw.training.data import to_tensors
from ltc2hw.training.loss import window_loss
from ltc2hw.training.options import loss_weights

SMALL = Budget(2, hidden=6, batch=64, updates=2)


def rows() -> Task:
    return rule_task("digits-rows", Budget(1, samples=128))


def cell(rule: str, model: str = "brf", seed: int = 0) -> RuleCell:
    return RuleCell(rows(), model, rule, SMALL, 1e-2, seed)


def through_time(task: Task, model: str, windows: list[slice]) -> torch.Tensor:
    """Gradient of the hidden layer by autograd over the module alone, cut at windows."""
    recipe = rule_recipe(task, model, "bptt", SMALL)
    module = rule_network(task, model, recipe, SMALL)
    x, labels = to_tensors(task.train.take(np.arange(32)))
    weights = torch.from_numpy(loss_weights("ramp", task.steps)).float()
    state, total = None, torch.zeros(())
    for window in windows:
        state = None if state is None else state.detach()
        outputs, state = module(x[window], state)
        share = (window.stop - window.start) / task.steps
        total = total + share * window_loss(task, outputs, labels, weights[window])
    hidden = [p for own in module.cells for p in own.parameters()]
    return torch.cat([grad.reshape(-1) for grad in torch.autograd.grad(total, hidden)])


@pytest.mark.parametrize("model", ["ltc", "alif", "adlif", "brf"])
@pytest.mark.parametrize("rule", ["bptt", "fptt", "fptt-every"])
def test_gradients_are_those_of_windows_at_parameters_that_stay(model: str, rule: str) -> None:
    task = rows()
    recipe = rule_recipe(task, model, rule, SMALL)
    cuts = {"bptt": [0, 8], "fptt": [0, 4, 8], "fptt-every": list(range(9))}[rule]
    windows = [slice(*edges) for edges in pairwise(cuts)]
    found = hidden_gradient(rule_network(task, model, recipe, SMALL), task, recipe.training)
    torch.testing.assert_close(found, through_time(task, model, windows), rtol=1e-4, atol=1e-7)


def test_a_look_changes_nothing_and_bptt_is_as_near_as_can_be() -> None:
    task = rows()
    recipe = rule_recipe(task, "brf", "bptt", SMALL)
    module = rule_network(task, "brf", recipe, SMALL)
    before = [p.detach().clone() for p in module.parameters()]
    near = nearness(module, task, recipe.training)
    assert near == pytest.approx({"cosine": 1.0, "ratio": 1.0})
    for own, other in zip(module.parameters(), before, strict=True):
        assert torch.equal(own, other)


def test_messages_that_are_heard_later_leave_an_instantaneous_rule_without_a_gradient() -> None:
    task = rows()
    recipe = rule_recipe(task, "alif", "fptt-every", SMALL)
    module = rule_network(task, "alif", recipe, SMALL)
    assert nearness(module, task, recipe.training) == {"cosine": 0.0, "ratio": 0.0}


def test_a_killed_cell_goes_on_to_the_same_figures(tmp_path: Path) -> None:
    def kill(name: str, record: EpochRecord) -> None:
        raise KeyboardInterrupt

    whole = dict(run_rule(cell("hypr"), tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        run_rule(cell("hypr"), tmp_path / "killed", kill)
    resumed = dict(run_rule(cell("hypr"), tmp_path / "killed"))
    for name in ("seconds", "per_sequence", "megabytes"):
        assert min(whole.pop(name), resumed.pop(name)) >= 0.0
    assert resumed == whole
    assert [look["epoch"] for look in whole["gradients"]] == [-1, 0, 1]
    assert [path.suffix for path in (tmp_path / "killed").iterdir()] == [".json"]


def test_a_rule_that_is_refused_has_a_record_that_says_why(tmp_path: Path) -> None:
    task = rows()
    own = RuleCell(task, "ltc", "eprop", SMALL, 1e-2, 0)
    assert "refused" not in run_rule(own, tmp_path)
    path = tmp_path / f"{own.name}.json"
    kept = json.loads(path.read_text(encoding="utf-8"))
    refused = {key: kept[key] for key in ("plan", "name", "metric")} | {"refused": "dense gates"}
    path.write_text(json.dumps(refused), encoding="utf-8")
    assert "refused [1]" in markdown(finished(tmp_path))
    assert "1. dense gates" in markdown(finished(tmp_path))
    assert chosen_rate(task, [refused]) is None


def test_the_command_chooses_a_rate_and_writes_the_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, out = tmp_path / "build", tmp_path / "out"
    given = ["--rules", "bptt", "--models", "ltc", "--rates", "1e-9", "2e-2", "--seeds", "2"]
    small = ["--epochs", "2", "--hidden", "8", "--samples", "256", "--build", str(build)]
    main(["digits-rows", *given, *small])
    names = sorted(path.stem for path in build.iterdir())
    assert [name.partition("bptt-")[2] for name in names] == [
        "lr0.02-e2-seed0",
        "lr0.02-e2-seed1",
        "lr1e-09-e2-seed0",
    ]
    assert "| ltc | BPTT | 1 | 0.02 (1e-09, 0.02) | 2 |" in capsys.readouterr().out
    main(["table", "--build", str(build), "--out", str(out)])
    assert {path.name for path in out.iterdir()} >= {"rules.json", "rules.md"}


def test_a_task_without_a_budget_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["digits-columns"])
    assert stopped.value.code == 2
    assert "no budget for task digits-columns" in capsys.readouterr().err
