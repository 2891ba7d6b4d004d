"""On-chip experiments with eligibility: small runs of their code, and the figures they left."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
import pytest

from experiments import on_chip_repair
from experiments.on_chip_repair import RATES, pieces_of, stream_of
from experiments.on_chip_repair_eligibility import CHOSEN, DESCENTS, Setting, runs_of
from experiments.on_chip_repair_eligibility import SEEDS as NETWORKS
from experiments.on_chip_runs import accuracy, untrained
from experiments.on_chip_scratch import TASK, Case, all_runs
from experiments.on_chip_scratch import run as run_scratch
from experiments.on_chip_scratch_eligibility import SEEDS, START
from experiments.on_chip_sensor import CHANGES, changed_task
from experiments.on_chip_streams import follow
from ltc2hw import FPTTRule, PlasticWords, QuantizeOptions, learn, quantize
from ltc2hw.learning.rule import Descent
from ltc2hw.tasks import load_task

RESULTS = Path(__file__).parents[2] / "docs" / "results"
POINT = 0.01


def tiny(descent: Descent, words: dict[str, Any] | None) -> Case:
    """Two passes of a few neurons."""
    schedule = ((5, 1), (6, 1))
    return Case(f"tiny {descent}", words, schedule=schedule, descent=descent, hidden=3)


@pytest.mark.parametrize("descent", DESCENTS)
def test_a_case_is_its_rule_on_the_whole_of_its_stream(descent: Descent) -> None:
    case, task = tiny(descent, {"value": 12}), load_task(TASK)
    found = run_scratch(case, 3)
    fixed = quantize(untrained(3, 3), "loihi2", task.train.x, QuantizeOptions(weight_reach=4.0))
    words, learning, network = PlasticWords(value=12, seed=3), None, fixed
    orders = np.random.default_rng(1003)
    for rate in (2.0**-5, 2.0**-6):
        part = task.train.take(orders.permutation(task.train.samples))
        rule = FPTTRule(learning_rate=rate, descent=descent)
        done = learn(fixed, part.x, part.labels, rule, words, "fast", learning)
        learning, network = done.learning, done.network
    assert found["test"][-1] == accuracy(network, task.test)
    assert len(found["test"]) == 2


def test_floats_learn_the_stream_of_the_integers() -> None:
    task = load_task(TASK)
    few = task.train.take(np.arange(12))
    network = untrained(4, 0)
    for descent in DESCENTS:
        rule = FPTTRule(learning_rate=2.0**-5, descent=descent)
        halves = [(rule, few.take(part)) for part in np.array_split(np.arange(12), 2)]
        ours = follow(network, halves, task.test, PlasticWords()).network
        whole = learn(network, few.x, few.labels, rule, engine="float64").network
        for one, other in zip(ours.projections, whole.projections, strict=True):
            assert np.allclose(one.weights.values, other.weights.values, rtol=0, atol=1e-6)


def test_finished_runs_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    wanted = [tiny("eligibility", {})]
    assert all_runs(wanted, (0,), "validation", only_disk=True) == {}
    first = all_runs(wanted, (0,), "validation")
    assert all_runs(wanted, (0, 1), "validation", only_disk=True) == first
    assert len(first["tiny eligibility"][0]["validation"]) == 2


def test_rules_repair_the_same_network_on_the_same_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = load_task(TASK)
    network = untrained(3, 0)
    fixed = quantize(network, "loihi2", task.train.x, QuantizeOptions(weight_reach=4.0))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(on_chip_repair, "deployed", lambda seed: (network, fixed))
    monkeypatch.setattr(on_chip_repair, "REPEATS", 1)
    monkeypatch.setattr(on_chip_repair, "PIECES", 4)
    weights = {descent: Setting(descent, 1, "weights") for descent in DESCENTS}
    runs = {descent: runs_of(own, (1,), "validation") for descent, own in weights.items()}
    assert list(runs["eligibility"]) == list(CHANGES)
    for name in CHANGES:
        ours, todays = (runs[descent][name][0] for descent in DESCENTS)
        assert {ours["before"], ours["nothing"]} == {todays["before"], todays["nothing"]}
        assert len(ours["curve"]) == 5
    behind = changed_task(task, CHANGES["dead column"])
    rule = FPTTRule(descent="eligibility", biases=False, self_terms=False)
    pieces = pieces_of(stream_of(behind.train, 1), rule, [rate + 1 for rate in RATES])
    again = follow(fixed, pieces, behind.validation, PlasticWords(seed=1))
    assert runs["eligibility"]["dead column"][0]["curve"][1:] == again.curve
    kept = runs_of(weights["eligibility"], (1,), "validation", only_disk=True)
    assert runs["eligibility"] == kept


def figures(name: str) -> dict[str, Any]:
    """What a command wrote."""
    path = RESULTS / f"{name}.json"
    return dict(json.loads(path.read_text(encoding="utf-8")))


def test_the_rates_that_are_judged_are_the_best_on_validation_samples() -> None:
    found = figures("on-chip-scratch-eligibility")
    for descent in DESCENTS:
        means = {start: mean(own) for start, own in found["validation"][descent].items() if own}
        assert max(means, key=means.__getitem__) == str(START[descent])
        assert len(found["runs"][f"{descent}, 16 bits"]) == len(SEEDS)


def test_words_of_16_bits_learn_within_a_point_of_floats_in_the_median() -> None:
    runs = figures("on-chip-scratch-eligibility")["runs"]
    words, floats = (
        median(one["test"][-1] for one in runs[f"eligibility, {name}"])
        for name in ("16 bits", "float")
    )
    assert words >= floats - POINT


def test_eligibility_learns_more_from_scratch_on_every_seed() -> None:
    runs = figures("on-chip-scratch-eligibility")["runs"]
    for name in ("float", "16 bits"):
        ours, todays = (runs[f"{descent}, {name}"] for descent in ("eligibility", "instantaneous"))
        for one, other in zip(ours, todays, strict=True):
            assert one["test"][-1] > other["test"][-1]


def test_the_repair_that_is_judged_is_the_best_on_validation_samples() -> None:
    found = figures("on-chip-repair-eligibility")
    means = {
        name: mean(mean(own) for own in by_fault.values())
        for name, by_fault in found["validation"].items()
        if name.startswith("eligibility")
    }
    assert max(means, key=means.__getitem__) == CHOSEN["eligibility"].name
    for case in CHOSEN:
        assert {name: len(own) for name, own in found["runs"][case].items()} == dict.fromkeys(
            CHANGES, len(NETWORKS)
        )
