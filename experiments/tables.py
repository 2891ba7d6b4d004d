"""Cells as a Markdown table, a JSON file and a picture of their learning curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from ltc2hw.files import write_text

Measured = Mapping[str, Any]

HEADER = (
    "task",
    "network",
    "method",
    "K",
    "rate",
    "neurons",
    "updates",
    "seeds",
    "float",
    "int8",
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
    """Mean ± standard deviation over seeds; the value alone of one seed."""
    if key not in cells[0]:
        return ""
    values = [float(cell[key]) for cell in cells]
    middle = f"{mean(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ± {stdev(values):.{digits}f}"


def markdown(measured: Sequence[Measured]) -> str:
    """A table with one line per row of cells."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    for cells in rows_of(measured):
        plan = cells[0]["plan"]
        training = plan["training"]
        values = (
            plan["task"],
            plan["network"],
            training["method"].upper(),
            str(training["updates"]) if training["method"] == "fptt" else "1",
            f"{training['learning_rate']:g}",
            "+".join(str(size) for size in plan["model"]["hidden"]),
            f"{cells[0]['updates']:,}",
            str(len(cells)),
            spread(cells, "float", 4),
            spread(cells, "integer", 4),
            spread(cells, "spikes_per_step", 2),
            str(sum(cell["saturations"] for cell in cells)) if "saturations" in cells[0] else "",
            spread(cells, "seconds", 0),
        )
        lines.append("| " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def save(name: str, command: str, note: str, measured: Sequence[Measured], folder: Path) -> None:
    """Write ``NAME.json`` and ``NAME.md`` with the command, and the curves where they can be."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"command": command, "note": note, "cells": list(measured)}
    write_text(folder / f"{name}.json", json.dumps(content, indent=1))
    seconds = sum(cell["seconds"] for cell in measured)
    title = f"# {name}\n\n`{command}` ({seconds:.0f} s of training in all, one thread)\n"
    picture = (
        f"\n![Validation score by epoch]({name}.png)\n" if draw(name, measured, folder) else ""
    )
    write_text(folder / f"{name}.md", f"{title}\n{note}\n\n{markdown(measured)}{picture}")


def draw(name: str, measured: Sequence[Measured], folder: Path) -> bool:
    """Validation score against epochs, a line per cell; False without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    for index, cells in enumerate(rows_of(measured)):
        for cell in cells:
            scores = [record["validation"] for record in cell["history"]]
            label = cells[0]["row"] if cell is cells[0] else None
            axes.plot(scores, color=f"C{index % 10}", label=label, linewidth=1)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"validation {measured[0]['metric']}")
    if measured[0]["metric"] == "mse":
        axes.set_yscale("log")
    axes.legend(fontsize=6)
    figure.savefig(folder / f"{name}.png", dpi=120)
    return True
