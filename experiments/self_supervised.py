"""Self-supervised learning on digits-rows: prediction, unseen classes, repair without labels.

``python -m experiments.self_supervised`` runs what is missing (kept in ``build/on-chip``) and
writes ``docs/results/self-supervised.json`` and ``.md``. Nothing is chosen on test samples; how a
front end is looked for was worked out on validation samples of seed 0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from experiments.on_chip_runs import RESULTS, kept, only_kept, write_results
from experiments.on_chip_sensor import CHANGES
from experiments.self_supervised_depth import depth
from experiments.self_supervised_features import (
    CASES,
    SHIFTS,
    test_error,
    unseen,
    without_network,
)
from experiments.self_supervised_repair import RATES, SAMPLES, STARTS, repair
from experiments.self_supervised_streams import HIDDEN, SCHEDULE, TASK
from experiments.tables import middle
from ltc2hw.files.atomic import write_text

SEEDS = (1, 2, 3)
"""Seed 0 served to work out how a front end is looked for."""

TITLE = "self-supervised"
WAYS = (
    *("front end by prediction", "front end by the old mean image"),
    *("hidden layer and predictor learn to predict", "hidden layer alone learns to predict"),
    "learning with labels",
)

Table = list[list[str]]


def measured(what: str, settings: Mapping[str, Any], run: Callable[[], Any], disk: bool) -> Any:
    """A run's result, from disk where it has been run."""
    whole = {"what": what, "hidden": HIDDEN, "schedule": SCHEDULE, **settings}
    found = kept("self-supervised", whole, None if disk else run)
    if found is not None:
        print(what, settings, found if isinstance(found, float) else "", flush=True)
    return found


def all_predictions(disk: bool) -> dict[str, Any]:
    """Errors of every case, by how much its rates are shifted."""
    found: dict[str, Any] = {}
    for seed in SEEDS:
        for case in CASES:
            for shift in SHIFTS:
                error = measured(
                    "prediction",
                    {"case": asdict(case), "shift": shift, "seed": seed},
                    partial(test_error, case, seed, shift),
                    disk,
                )
                if error is not None:
                    found.setdefault(case.name, {}).setdefault(str(shift), []).append(error)
    return found


def all_probes(disk: bool) -> list[Any]:
    """Probes of every seed."""
    runs = [measured("unseen", {"seed": seed}, partial(unseen, seed), disk) for seed in SEEDS]
    return [run for run in runs if run is not None]


def all_depths(disk: bool) -> list[Any]:
    """Second layers of every seed."""
    runs = [measured("depth", {"seed": seed}, partial(depth, seed), disk) for seed in SEEDS]
    return [run for run in runs if run is not None]


def all_repairs(disk: bool) -> list[Any]:
    """Repairs of every seed."""
    runs = [
        measured(
            "repair",
            {"seed": seed, "rates": RATES, "samples": SAMPLES, "starts": STARTS},
            partial(repair, seed),
            disk,
        )
        for seed in SEEDS
    ]
    return [run for run in runs if run is not None]


def markdown(header: Sequence[str], rows: Table) -> str:
    """A table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def percent(values: Sequence[float]) -> str:
    """Median and range of shares, in percent."""
    return middle([100 * value for value in values], 1)


def prediction_table(found: Mapping[str, Any]) -> str:
    """Errors of predictions."""
    rows = [[name, "", f"{error:.3f}", ""] for name, error in without_network().items()]
    rates = [f"rate 2^-{SCHEDULE[0] + shift} to 2^-{SCHEDULE[-1] + shift}" for shift in SHIFTS]
    for name, own in found.items():
        runs = [own.get(str(shift), [float("nan")]) for shift in SHIFTS]
        rows.append([name, str(min(map(len, runs))), *(middle(errors, 3) for errors in runs)])
    return markdown(["predictor", "seeds", *rates], rows)


def probe_table(runs: Sequence[Any]) -> str:
    """Accuracies of probes."""
    rows = [
        [name, *(percent([run[name][what] for run in runs]) for what in ("never shown", "all"))]
        for name in runs[0]
    ]
    return markdown(["layer", "three classes never shown, %", "all ten classes, %"], rows)


def repair_table(runs: Sequence[Any]) -> str:
    """Accuracies of repairs."""
    rows = []
    for name in CHANGES:
        own = [run["faults"][name] for run in runs]
        nothing = [fault["accuracy behind"]["none"] for fault in own]
        columns = [[fault[way] for fault in own] for way in WAYS]
        before = [run["before"] for run in runs]
        rows.append([name, *(percent(values) for values in (before, nothing, *columns))])
    return markdown(["change", "before", "doing nothing", *WAYS], rows)


def choice_table(runs: Sequence[Any]) -> str:
    """What the prediction error says of every front end, and what it is worth."""
    rows = []
    for name in CHANGES:
        own = [run["faults"][name] for run in runs]
        for end in own[0]["errors on the stream"]:
            errors = [fault["errors on the stream"][end] for fault in own]
            shares = [fault["accuracy behind"][end] for fault in own]
            times = sum(fault["chosen"] == end for fault in own)
            rows.append([name, end, middle(errors, 3), percent(shares), f"{times} of {len(own)}"])
    header = ["change", "front end", "prediction error", "test accuracy, %", "chosen"]
    return markdown(header, rows)


def depth_table(runs: Sequence[Any]) -> str:
    """Errors of second layers."""
    rows = [[name, middle([run[name] for run in runs], 3)] for name in runs[0]]
    return markdown(["predictor of the first layer's spikes", "error"], rows)


def page(
    predictions: Mapping[str, Any],
    depths: Sequence[Any],
    probes: Sequence[Any],
    repairs: Sequence[Any],
) -> str:
    """The page of results."""
    parts = [
        f"# {TITLE}",
        "`python -m experiments.self_supervised`",
        f"{TASK}, {HIDDEN} event-gated neurons, {len(SCHEDULE)} passes over 1,258 training samples"
        f" without labels; median and range of seeds {SEEDS[0]} to {SEEDS[-1]}, 359 test samples."
        " [self-supervised.md](../self-supervised.md) says what the figures mean.",
    ]
    if predictions:
        parts += ["## Prediction of the next row", prediction_table(predictions)]
    if depths:
        parts += ["## A second layer", depth_table(depths)]
    if probes:
        parts += ["## Classes never shown", probe_table(probes)]
    if repairs:
        parts += ["## Repair without labels", repair_table(repairs)]
        parts += ["## What the prediction error says", choice_table(repairs)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Run, print, write."""
    disk = only_kept(__doc__)
    repairs = all_repairs(disk)
    probes = all_probes(disk)
    depths = all_depths(disk)
    predictions = all_predictions(disk)
    content = {"predictions": predictions, "depth": depths, "probes": probes, "repairs": repairs}
    settings = {"task": TASK, "hidden": HIDDEN, "seeds": SEEDS, "schedule": SCHEDULE}
    text = page(predictions, depths, probes, repairs)
    print(text)
    print(write_results(TITLE, {**settings, "without a network": without_network(), **content}))
    write_text(RESULTS / f"{TITLE}.md", text)


if __name__ == "__main__":
    main()
