"""``ltc2hw compare``: float against integers on the test samples, and the report."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from ltc2hw.cli.bounds import check_bound, exact_bounds, loss_bound
from ltc2hw.cli.common import (
    add_json,
    add_readout,
    add_samples,
    add_task,
    check_output,
    first_samples,
    fitted_task,
    load_fixed,
    load_float,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.counts import positive
from ltc2hw.cli.data_options import said_data
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.advice import Advice
from ltc2hw.comparison.compare import (
    DEFAULT_ENGINES,
    CompareOptions,
    check_engines,
    compare,
)
from ltc2hw.comparison.drift_texts import findings
from ltc2hw.comparison.explaining import RUNS
from ltc2hw.comparison.report import Report, find_renderer
from ltc2hw.comparison.tables import (
    account_table,
    bound_table,
    change_text,
    interaction_table,
    ladder_table,
    score_table,
)
from ltc2hw.data import SUFFIXES
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.quantization.history import Source, read_source
from ltc2hw.tasks import Task
from ltc2hw.tuning.advice import advise
from ltc2hw.tuning.commands import Names

ADVISED = 3
"""Remedies that are printed; the report has all."""

SEEN = 256
"""Training samples that say whether the input's scale fits."""

TOP = 5
"""Rows of the account that are printed; the report has all."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="MODEL", help="float network")
    parser.add_argument("fixed", type=Path, metavar="FIXED", help="integer network made from it")
    add_task(parser)
    parser.add_argument(
        "--engines",
        default=",".join(DEFAULT_ENGINES),
        metavar="LIST",
        help="default: %(default)s; lava takes a thousand times as long",
    )
    add_samples(parser)
    add_readout(parser)
    parser.add_argument(
        "--engine-samples",
        action="append",
        default=[],
        type=named_count,
        metavar="ENGINE=N",
        help="an engine that runs the first N samples only, repeatable: lava=20, say, or"
        " integer=100, where fast stands for the integers on the others",
    )
    parser.add_argument(
        "--no-causes",
        action="store_true",
        help="neither account nor causes of the loss, nor where and when the runs part: the ladder",
    )
    parser.add_argument(
        "--cause-samples",
        type=positive,
        metavar="N",
        help="measure ladder, account and causes on the first N samples only",
    )
    parser.add_argument(
        "--account-runs",
        type=positive,
        default=RUNS,
        metavar="N",
        help="float runs of these samples that the account may cost (default: %(default)s)",
    )
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


def named_count(text: str) -> tuple[str, int]:
    """``ENGINE=N`` as an argument's type.

    >>> named_count("lava=20")
    ('lava', 20)
    """
    name, _, count = text.partition("=")
    try:
        return name.strip(), positive(count)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not ENGINE=N with N >= 1") from None


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Compare, save the report, and say whether every stated bound is met."""
    check_output(arguments.out, arguments.json, text=True)
    find_renderer(arguments.out)
    limits = dict(arguments.engine_samples)
    named = (name.strip() for name in arguments.engines.split(","))
    engines = tuple(dict.fromkeys((*named, *limits)))
    check_engines(engines)
    network, fixed = load_float(arguments.network), load_fixed(arguments.fixed)
    if arguments.readout is not None:
        network = network.with_output(arguments.readout)
        fixed = fixed.with_output(arguments.readout)
    task = fitted_task(network, task_of(arguments), arguments.decision_steps)
    stated = stated_bounds(arguments)
    for metric, limit in stated.items():
        check_bound(task.decision.metric, metric, limit)
    split = first_samples(task.test, arguments.samples)
    report = compare(
        network,
        fixed,
        split.x,
        split.labels,
        engines,
        decision=task.decision,
        task=task.name,
        options=CompareOptions(
            limits, not arguments.no_causes, arguments.cause_samples, arguments.account_runs
        ),
        progress=console.progress,
        lengths=split.lengths,
    )
    bounds = exact_bounds(report)
    for metric, limit in stated.items():
        bounds += loss_bound(report, metric, limit)
    report = replace(report, bounds=bounds, advice=advised(report, network, fixed, task, arguments))
    report.save(arguments.out)
    write_json(arguments.json, report.to_dict())
    show(report, console)
    console.line(f"report: {arguments.out}")
    return report.bounds_met


def advised(
    report: Report,
    network: Network,
    fixed: FixedNetwork,
    task: Task,
    arguments: argparse.Namespace,
) -> tuple[Advice, ...]:
    """What to do about the loss, with this run's files in the commands."""
    if report.account is None:
        return ()
    source = read_source(fixed.provenance)
    names = Names(
        str(arguments.network),
        fixed.target,
        arguments.task,
        str(arguments.fixed),
        said_data(arguments),
        source,
        source is not None and not is_there(source),
        arguments.readout,
    )
    few = np.arange(min(task.train.samples, SEEN))
    samples = task.train.take(few).x
    return advise(report.account, network, fixed, fixed.target, samples=samples, names=names)


def is_there(source: Source) -> bool:
    """Whether the samples that a network was calibrated on can be named here as they were then.

    A task that is no file has its name everywhere.
    """
    suffix = Path(source.name).suffix.casefold()
    is_file = source.origin == "calibration" or "/" in source.name or suffix in FILES
    return not is_file or os.path.exists(source.name)


FILES = (*SUFFIXES, ".zip")
"""Endings of tasks that are files."""


def stated_bounds(arguments: argparse.Namespace) -> dict[str, float]:
    """How much may be lost, by score; those that were stated."""
    limits = {"accuracy": arguments.max_accuracy_drop, "mse": arguments.max_mse_increase}
    return {metric: limit for metric, limit in limits.items() if limit is not None}


def show(report: Report, console: Console) -> None:
    """Print scores, the ladder, what costs most, where and when the runs part, and the bounds."""
    tables = score_table(report), ladder_table(report), account_table(report, TOP)
    for table in (*tables, interaction_table(report), bound_table(report)):
        if table.rows:
            console.table(table)
    for number, advice in enumerate(report.advice[:ADVISED]):
        gain = change_text(report.metric, advice.gain)
        if not number:
            console.line()
            console.line("What to do about it")
        console.line(f"  {advice.what}: {gain} expected, costs {advice.cost}")
        console.line(f"    {advice.command}")
    if report.drift is not None:
        console.line()
        for text in findings(report.drift):
            console.line(text)
    console.line()


COMPARE = Verb("compare a float network with its integers in several engines", add_arguments, run)
