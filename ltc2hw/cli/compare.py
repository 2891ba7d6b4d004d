"""``ltc2hw compare``: float against integers on the test samples, and the report."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from ltc2hw.cli.bounds import exact_bounds, loss_bound
from ltc2hw.cli.common import (
    add_json,
    add_samples,
    add_task,
    check_fit,
    check_output,
    first_samples,
    load_fixed,
    load_float,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.compare import check_engines, compare
from ltc2hw.comparison.report import Report, find_renderer
from ltc2hw.comparison.tables import bound_table, ladder_table, score_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="MODEL", help="float network")
    parser.add_argument("fixed", type=Path, metavar="FIXED", help="integer network made from it")
    add_task(parser)
    parser.add_argument(
        "--engines", default="integer,fast,lava", metavar="LIST", help="default: %(default)s"
    )
    add_samples(parser)
    parser.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="report: .html, .md or .json"
    )
    parser.add_argument(
        "--max-accuracy-drop", type=float, metavar="POINTS", help="more lost points: exit 1"
    )
    parser.add_argument(
        "--max-mse-increase", type=float, metavar="MSE", help="more added squared error: exit 1"
    )
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Compare, save the report, and say whether every stated bound is met."""
    check_output(arguments.out, arguments.json, text=True)
    find_renderer(arguments.out)
    engines = tuple(name.strip() for name in arguments.engines.split(","))
    check_engines(engines)
    network, fixed = load_float(arguments.network), load_fixed(arguments.fixed)
    task = task_of(arguments)
    check_fit(network, task)
    split = first_samples(task.test, arguments.samples)
    report = compare(
        network,
        fixed,
        split.x,
        split.labels,
        engines,
        decision=task.decision,
        task=task.name,
        progress=console.progress,
    )
    bounds = exact_bounds(report)
    if arguments.max_accuracy_drop is not None:
        bounds += loss_bound(report, "accuracy", arguments.max_accuracy_drop)
    if arguments.max_mse_increase is not None:
        bounds += loss_bound(report, "mse", arguments.max_mse_increase)
    report = replace(report, bounds=bounds)
    report.save(arguments.out)
    write_json(arguments.json, report.to_dict())
    show(report, console)
    console.line(f"report: {arguments.out}")
    return report.bounds_met


def show(report: Report, console: Console) -> None:
    """Print scores, the ladder and the bounds."""
    for make in (score_table, ladder_table, bound_table):
        table = make(report)
        if table.rows:
            console.table(table)
    console.line()


COMPARE = Verb("compare a float network with its integers in several engines", add_arguments, run)
