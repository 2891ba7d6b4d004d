"""``ltc2hw data PATH``: what is understood of data, before anything is trained on them."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from ltc2hw.cli.common import add_json, check_output, task_of, write_json
from ltc2hw.cli.console import Console
from ltc2hw.cli.data_options import TASK_HELP, add_data_options
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.tables import Table
from ltc2hw.tasks.saving import save_task
from ltc2hw.tasks.split import LazySplit
from ltc2hw.tasks.summary import ChannelSummary, Summary, summarise

MOST_ROWS = 16
"""Most rows of a table; of more channels, those at the ends are shown."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("task", metavar="PATH", help=TASK_HELP)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="write it all as one .npz that every verb reads"
    )
    add_data_options(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Read the data and tell what they are."""
    check_output(arguments.out, arguments.json)
    task = task_of(arguments)
    # Samples that are made when they are looked at take their time.
    made = isinstance(task.train, LazySplit)
    summary = summarise(task, partial(console.progress, "sample") if made else None)
    if arguments.out is not None:
        save_task(task, arguments.out)
    write_json(arguments.json, summary.to_dict())
    show(summary, console)
    if arguments.out is not None:
        console.line(f"data: {arguments.out}")
    return True


def show(summary: Summary, console: Console) -> None:
    """Print what was understood."""
    console.line(in_short(summary))
    for table in (
        samples_table(summary),
        classes_table(summary),
        values_table("Channels of the training samples", "channel", summary.channels),
        values_table("Targets of the training samples", "target", summary.targets),
        Table("How it was read", ("what", "how"), tuple(summary.provenance.items())),
    ):
        if table.rows:
            console.table(table)
    console.line()
    for warning in summary.warnings:
        console.line(f"warning: {warning}")


def in_short(summary: Summary) -> str:
    """What data are, in a line."""
    numbers = " and ".join(map(str, summary.heads)) or f"{summary.outputs}"
    labels = f"{numbers} " + ("classes" if summary.classes else "targets")
    where = "at every step" if summary.every_step else "per sample"
    return (
        f"{summary.name}: {summary.kind}, {labels} {where};"
        f" up to {summary.steps} steps of {summary.inputs} {_channels(summary)}"
    )


def _channels(summary: Summary) -> str:
    what = "numbers" if summary.graded else "spikes, 0 or 1"
    return f"{what}, {100 * summary.density:.3g} % not zero"


def samples_table(summary: Summary) -> Table:
    """Samples of each part and their lengths."""
    rows = tuple(
        (name, str(part.samples), str(part.shortest), f"{part.median:g}", str(part.longest))
        for name, part in summary.splits.items()
    )
    header = ("part", "samples", "shortest", "median", "longest")
    return Table("Samples, and their steps", header, rows)


def classes_table(summary: Summary) -> Table:
    """How often each class occurs in each part."""
    counts = {name: part.labels for name, part in summary.splits.items()}
    names = list(counts["train"])
    rows = [(name, *(str(counts[part][name]) for part in counts)) for name in names]
    title = "Labels" if not summary.every_step else "Labels, counted in steps"
    return Table(title, ("class", *counts), _shortened(rows))


def values_table(title: str, name: str, channels: tuple[ChannelSummary, ...]) -> Table:
    """Values of channels or targets."""
    rows = [
        (
            str(index),
            *(f"{v:.4g}" for v in (found.lowest, found.highest, found.mean, found.deviation)),
        )
        for index, found in enumerate(channels)
    ]
    return Table(title, (name, "lowest", "highest", "mean", "deviation"), _shortened(rows))


def _shortened(rows: list[tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """Rows, or those at both ends."""
    if len(rows) <= MOST_ROWS:
        return tuple(rows)
    half = MOST_ROWS // 2
    between = (f"{len(rows) - 2 * half} more", *("" for _ in rows[0][1:]))
    return (*rows[:half], between, *rows[-half:])


DATA = Verb(
    "tell what is understood of data, and write it as one file",
    add_arguments,
    run,
    prints_result=True,
)
