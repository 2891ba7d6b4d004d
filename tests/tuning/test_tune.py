"""Tuning wins back what was lost, goes on from its trail, and never chooses on the test set."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.errors import DamagedFileError, InvalidValueError, UnknownNameError
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.tasks import Split
from ltc2hw.tuning.material import Material
from ltc2hw.tuning.tune import Tuned, TuneOptions, tune
from tests.tuning.planted import (
    FAULTS,
    Planted,
    answered,
    outlier,
    plain,
    samples,
    slow_leak,
    task_of,
)

COARSE = QuantizeOptions(weight_bits=3)
SHORT = TuneOptions(budget=4)


def coarse() -> Planted:
    """A network without a fault, which weights of three bits make one of."""
    network = plain()
    return Planted(network, task_of(network, 5))


@pytest.mark.parametrize("fault", FAULTS)
def test_two_thirds_of_a_planted_loss_are_won_back(fault: str) -> None:
    planted = FAULTS[fault]()
    found = tune(planted.network, "loihi2", planted.task, tuning=TuneOptions(budget=20))
    # Of 240 test samples one makes 4 % of such a loss: many more, of the same kind, decide.
    fresh = answered(planted.network, samples(np.random.default_rng(11), 10_000))
    options = QuantizeOptions(allow=tuple(LIMITS))
    unmended = ltc2hw.quantize(planted.network, "loihi2", planted.task.train.x, options)
    before, after = (
        planted.task.score(ltc2hw.simulate(fixed, fresh.x, "fast").outputs, fresh.labels)
        for fixed in (unmended, found.fixed)
    )
    assert 1.0 - before > 0.03
    assert after - before >= 2 / 3 * (1.0 - before)
    test = planted.task.test
    outputs = ltc2hw.simulate(found.fixed, test.x, "integer").outputs
    assert planted.task.score(outputs, test.labels) == found.tested["tuned"]


@cache
def coarse_tuned() -> tuple[Planted, Tuned]:
    """A network of few bits with what a tuning came to, which several tests look at."""
    planted = coarse()
    return planted, tune(planted.network, "loihi2", planted.task, COARSE, SHORT)


def test_what_is_told_is_what_was_measured() -> None:
    planted, found = coarse_tuned()
    split, start = planted.task.validation, found.trials[0]
    fixed = ltc2hw.quantize(planted.network, "loihi2", planted.task.train.x, COARSE)
    outputs = ltc2hw.simulate(fixed, split.x, "integer").outputs
    assert start.score == found.scores["plain"] == planted.task.score(outputs, split.labels)
    assert found.scores["float"] == 1.0
    right = outputs[-1].argmax(axis=1) == split.labels
    wrong = int(np.count_nonzero(~right))
    assert start.lost is not None
    assert start.lost.mean == pytest.approx(wrong / 240)
    assert start.lost.error == pytest.approx(np.sqrt(wrong) / 240)
    assert found.scores["tuned"] > found.scores["plain"]
    assert len(found.trials) <= SHORT.budget
    again = ltc2hw.quantize(found.network, "loihi2", planted.task.train.x, found.candidate.options)
    assert again == found.fixed


def test_test_samples_choose_nothing() -> None:
    planted, first = coarse_tuned()
    wrong = Split(planted.task.test.x, (planted.task.test.labels + 1) % 3)
    other = replace(planted.task, test=wrong)
    second = tune(planted.network, "loihi2", other, COARSE, SHORT)
    assert first.trials == second.trials
    assert first.fixed == second.fixed
    assert second.tested["float"] == 0.0


def test_a_stopped_tuning_goes_on(tmp_path: Path) -> None:
    (planted, whole), path = coarse_tuned(), tmp_path / "trail.json"

    def stop(stage: str, done: int, total: int) -> None:
        if stage == "trials" and done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tune(planted.network, "loihi2", planted.task, COARSE, SHORT, trail=path, progress=stop)
    kept = json.loads(path.read_text())
    assert len(kept["trials"]) == 3
    told: list[int] = []
    found = tune(
        planted.network, "loihi2", planted.task, COARSE, SHORT, trail=path,
        progress=lambda stage, done, total: told.append(done) if stage == "trials" else None,
    )  # fmt: skip
    assert found.trials == whole.trials
    assert found.fixed == whole.fixed
    assert found.tested == whole.tested
    # A larger budget goes on from there, too.
    more = tune(planted.network, "loihi2", planted.task, COARSE, TuneOptions(budget=5), trail=path)
    assert more.trials[: len(found.trials)] == found.trials
    assert len(json.loads(path.read_text())["trials"]) == len(more.trials)


def test_a_trail_of_something_else_is_refused_by_name(tmp_path: Path) -> None:
    planted, path = coarse(), tmp_path / "trail.json"
    one = TuneOptions(budget=1)
    tune(planted.network, "loihi2", planted.task, COARSE, one, trail=path)
    before = path.read_bytes()
    other = outlier()
    for network, target, task, options, tuning, name in (
        (other.network, "loihi2", planted.task, COARSE, one, "network"),
        (planted.network, "ideal", planted.task, COARSE, one, "target"),
        (planted.network, "loihi2", replace(planted.task, name="b"), COARSE, one, "task"),
        (planted.network, "loihi2", task_of(planted.network, 6), COARSE, one, "samples"),
        (planted.network, "loihi2", planted.task, QuantizeOptions(), one, "options"),
        (planted.network, "loihi2", planted.task, COARSE, replace(one, seed=1), "seed"),
        (planted.network, "loihi2", planted.task, COARSE, replace(one, wider=True), "wider"),
    ):
        with pytest.raises(InvalidValueError, match=f"^{name} of trail .*trail.json is "):
            tune(network, target, task, options, tuning, trail=path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{",
        '{"kind": "ltc2hw tuning trail"}',
        '{"kind": "ltc2hw tuning trail", "schema": 1, "plan": {}, "trials": [{}]}',
        "\x00",
    ],
)
def test_a_damaged_trail_is_refused(text: str, tmp_path: Path) -> None:
    planted, path = coarse(), tmp_path / "trail.json"
    path.write_text(text)
    with pytest.raises((DamagedFileError, InvalidValueError), match="trail"):
        tune(planted.network, "loihi2", planted.task, COARSE, TuneOptions(budget=1), trail=path)


@pytest.mark.parametrize(
    ("entry", "value"),
    [("score", "high"), ("score", True), ("lost", [1, 2]), ("kept", 3), ("what", 5), ("more", 1)],
)
def test_a_trial_of_wrong_entries_is_refused(entry: str, value: object, tmp_path: Path) -> None:
    planted, path = coarse(), tmp_path / "trail.json"
    one = TuneOptions(budget=1)
    tune(planted.network, "loihi2", planted.task, COARSE, one, trail=path)
    content = json.loads(path.read_text())
    content["trials"][0][entry] = value
    path.write_text(json.dumps(content))
    with pytest.raises(DamagedFileError, match="a trial is damaged"):
        tune(planted.network, "loihi2", planted.task, COARSE, one, trail=path)


def test_where_nothing_is_lost_nothing_is_tried() -> None:
    planted = coarse()
    found = tune(planted.network, "ideal", planted.task)
    assert [trial.what for trial in found.trials] == ["as quantized"]
    assert found.ended == "nothing is lost beyond noise"
    assert found.fixed == ltc2hw.quantize(planted.network, "ideal", planted.task.train.x)


def test_widths_that_were_asked_for_stay() -> None:
    planted = coarse()
    stays = tune(planted.network, "loihi2", planted.task, COARSE, TuneOptions(budget=6))
    assert {projection.bits for projection in stays.fixed.projections} == {3}
    only = TuneOptions(budget=12, wider=True, remedies=("wider", "all-wider"))
    grows = tune(planted.network, "loihi2", planted.task, COARSE, only)
    assert {trial.remedy for trial in grows.trials[1:]} <= {"wider", "all-wider"}
    assert max(projection.bits for projection in grows.fixed.projections) > 3
    for trial in grows.kept:
        # What costs bytes must help beyond noise.
        assert trial.gain is not None
        assert trial.gain.mean > 1.645 * trial.gain.error


def test_limits_that_a_remedy_meets_again_are_no_refusal() -> None:
    planted = slow_leak()
    task = planted.task
    with pytest.raises(ltc2hw.errors.HardwareRuleError, match="slow-leak"):
        ltc2hw.quantize(planted.network, "loihi2", task.train.x)
    found = tune(planted.network, "loihi2", task, tuning=SHORT)
    assert found.trials[0].over
    assert found.candidate.options.fine_states
    assert found.candidate.options.allow == ()


def test_wrong_options_are_refused() -> None:
    with pytest.raises(InvalidValueError, match="budget of a tuning is 0"):
        TuneOptions(budget=0)
    with pytest.raises(InvalidValueError, match="validation samples of a tuning is 0"):
        TuneOptions(choosing=0)
    with pytest.raises(UnknownNameError, match="remedy is 'prayer'"):
        TuneOptions(remedies=("prayer",))


def test_the_seed_draws_validation_samples() -> None:
    task = task_of(plain(), 5)
    first, again, other = (
        Material.of_task(task, choosing=20, seed=seed).validation.x for seed in (0, 0, 1)
    )
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    whole = Material.of_task(task, choosing=1000)
    assert np.array_equal(whole.validation.x, task.validation.x)


def test_errors_of_a_regression_fall() -> None:
    network = plain()
    rng = np.random.default_rng(5)

    def part(batch: int) -> Split:
        x = rng.uniform(-1, 1, (10, batch, 5))
        return Split(x, ltc2hw.simulate(network, x, "float64").outputs[-1])

    task = ltc2hw.tasks.Task("copy", "regression", 10, 5, 3, part(40), part(60), part(60))
    found = tune(network, "loihi2", task, COARSE, SHORT)
    assert found.metric == "mse"
    assert found.scores["float"] == 0.0
    assert 0 < found.scores["tuned"] < 0.9 * found.scores["plain"]
    assert found.tested["tuned"] < found.tested["plain"]
