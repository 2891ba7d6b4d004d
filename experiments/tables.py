"""Cells as a Markdown table, a JSON file and a picture of their learning curves."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ltc2hw.files.atomic import write_text

Measured = Mapping[str, Any]

HEADER = (
    "task",
    "network",
    "method",
    "K",
    "rate",
    "epochs",
    "neurons",
    "updates",
    "seeds",
    "float",
    "int8",
    "validation, last epoch",
    "spikes per step",
    "saturations",
    "seconds",
)


def rows_of(measured: Sequence[Measured]) -> list[list[Measured]]:
    """Cells that differ by seed alone, together, in the order in which they appear."""
    rows: dict[str, list[Measured]] = {}
    for cell in measured:
        rows.setdefault(cell["row"], []).append(cell)
    return list(rows.values())


def spread(cells: Sequence[Measured], key: str, digits: int) -> str:
    """Median and range over seeds; the value alone of one seed."""
    if key not in cells[0]:
        return ""
    return middle([float(cell[key]) for cell in cells], digits)


def middle(values: Sequence[float], digits: int) -> str:
    """Median, least and largest; a value alone. A deviation of few seeds would say too little.

    >>> middle([0.25, 0.5, 1.75], 2)
    '0.50 (0.25 to 1.75)'
    """
    centre = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return centre
    return f"{centre} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def markdown(measured: Sequence[Measured]) -> str:
    """A table with one line per row of cells."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    for cells in rows_of(measured):
        plan = cells[0]["plan"]
        training = plan["training"]
        values = (
            plan["task"],
            plan["network"],
            method_of(training),
            str(training["updates"]) if training["method"] == "fptt" else "1",
            f"{training['learning_rate']:g}",
            str(training["epochs"]),
            "+".join(str(size) for size in plan["model"]["hidden"]),
            f"{cells[0]['updates']:,}",
            str(len(cells)),
            spread(cells, "float", 4),
            spread(cells, "integer", 4),
            middle([cell["history"][-1]["validation"] for cell in cells], 4),
            spread(cells, "spikes_per_step", 2),
            str(sum(cell["saturations"] for cell in cells)) if "saturations" in cells[0] else "",
            spread(cells, "seconds", 0),
        )
        lines.append("| " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


ROWS = (
    "Scores are test scores of the epoch with the best validation score: the median of the seeds "
    "and their range. Again by "
    "`python -m experiments.training {name} --only TASK-NETWORK-kK --seeds N` (`-bptt` for BPTT, "
    "`-kK-DESCENT` for a descent), with `--epochs`, `--rate` and `--updates` of the row where they "
    "are not the recipe's. `python -m experiments.training {name}` alone runs every row, also "
    "those not measured yet. BPTT makes one update where FPTT makes K: in the same number of "
    "epochs both see the same sequences. Seconds include waiting for whatever else the machine did."
)


def save(name: str, command: str, note: str, measured: Sequence[Measured], folder: Path) -> None:
    """Write ``NAME.json`` and ``NAME.md`` with the command, and the curves where they can be."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"command": command, "note": note, "cells": list(measured)}
    write_text(folder / f"{name}.json", json.dumps(content, indent=1) + "\n")
    drawn = draw(name, measured, folder)
    write_text(folder / f"{name}.md", page(name, command, note, measured, drawn=drawn))


def page(name: str, command: str, note: str, measured: Sequence[Measured], *, drawn: bool) -> str:
    """The table with what it is and how to make it again."""
    seconds = sum(cell["seconds"] for cell in measured)
    title = f"# {name}\n\n`{command}` ({seconds:.0f} s of training in all, one thread)\n"
    picture = f"\n![Validation score by epoch]({name}.png)\n" if drawn else ""
    about = f"{note} {ROWS.format(name=name)}"
    return f"{title}\n{about}\n\n{markdown(measured)}{picture}"


def draw(name: str, measured: Sequence[Measured], folder: Path) -> bool:
    """Validation score against epochs, a panel per task and network; False without matplotlib.

    A colour per number of updates, a line style per rate, a line per seed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    tasks, networks = distinct(measured, "task"), distinct(measured, "network")
    size = (2.0 + 3.2 * len(networks), 0.6 + 2.6 * len(tasks))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(len(tasks), len(networks), squeeze=False, sharey="row")
    colours, styles = distinct(measured, updates_of), distinct(measured, rate_of)
    for cell in measured:
        plan = cell["plan"]
        axes = panels[tasks.index(plan["task"])][networks.index(plan["network"])]
        axes.set_title(f"{plan['task']}, {plan['network']}", fontsize=8)
        axes.plot(
            [record["validation"] for record in cell["history"]],
            color=f"C{colours.index(updates_of(cell)) % 10}",
            linestyle=("-", "--", ":", "-.")[styles.index(rate_of(cell)) % 4],
            label=f"{updates_of(cell)}, {rate_of(cell)}",
            linewidth=1,
        )
        if cell["metric"] == "mse":
            axes.set_yscale("log")
    lines = {line.get_label(): line for axes in panels.flat for line in axes.get_lines()}
    figure.legend(lines.values(), lines.keys(), loc="outside right upper", fontsize=6)
    for axes in panels.flat:
        axes.set_visible(bool(axes.get_lines()))
    figure.supxlabel("epoch", fontsize=8)
    figure.supylabel("validation score", fontsize=8)
    figure.savefig(folder / f"{name}.png", dpi=110)
    return True


def method_of(training: Mapping[str, Any]) -> str:
    """How a method is called, with its descent.

    >>> method_of({"method": "fptt", "descent": "filtered"})
    'FPTT, filtered'
    """
    descent = training.get("descent", "instantaneous")
    return str(training["method"]).upper() + ("" if descent == "instantaneous" else f", {descent}")


def updates_of(cell: Measured) -> str:
    """How the number of updates per sequence is called."""
    training = cell["plan"]["training"]
    if training["method"] != "fptt":
        return "BPTT"
    return method_of(training).replace("FPTT", f"K = {training['updates']}")


def rate_of(cell: Measured) -> str:
    """How the learning rate is called."""
    return f"rate {cell['plan']['training']['learning_rate']:g}"


def distinct(measured: Sequence[Measured], what: str | Callable[[Measured], str]) -> list[str]:
    """Different values of a field of the plan, or of a function, in the order of the cells."""
    values = (what(cell) if callable(what) else cell["plan"][what] for cell in measured)
    return list(dict.fromkeys(values))
