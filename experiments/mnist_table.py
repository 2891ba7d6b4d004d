"""The table of ``docs/results.md``, made from the files that finished runs leave."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.tables import middle, rows_of
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.atomic import write_text
from ltc2hw.neurons import GATES

PAGE = Path("docs/results.md")
BEGIN, END = "<!-- mnist: begin -->\n", "<!-- mnist: end -->\n"

HEADER = (
    "task",
    "gates",
    "neurons",
    "method",
    "epochs",
    "updates",
    "seeds",
    "float, %",
    "int8, %",
    "int8 - float",
    "spikes per neuron and step",
    "minutes",
    "aim for int8",
    "paper",
)

AIMS: Mapping[str, tuple[str, float, str]] = {
    "mnist-rows": ("row-MNIST", 98.0, "none"),
    "mnist-rate-20": ("R-MNIST", 97.0, "not known"),
    "mnist-pixels": ("S-MNIST", 96.0, "97.4 (from memory)"),
    "mnist-permuted": ("PS-MNIST", 92.0, "94.8 (from memory)"),
}
"""What each task is called, the accuracy of int8 that is aimed at, and the paper's."""

Measured = Mapping[str, Any]


def finished(folder: Path) -> list[Measured]:
    """What runs in a folder found, by task, gates and size; of each the last that is known."""
    latest: dict[str, Measured] = {}
    for path in folder.glob("mnist-*.json"):
        run = json.loads(path.read_text(encoding="utf-8"))
        if run["plan"]["task"] not in AIMS:
            continue
        name = re.sub(r"-after\d+$", "", run["name"])
        known = latest.get(name)
        if known is None or len(known["history"]) < len(run["history"]):
            latest[name] = run
    return sorted(latest.values(), key=_place)


def _place(run: Measured) -> tuple[Any, ...]:
    plan = run["plan"]
    order = list(AIMS).index(plan["task"]), GATES.index(plan["network"])
    return *order, plan["training"]["method"], run["row"], plan["training"]["seed"]


def percent(runs: Sequence[Measured], key: str) -> str:
    """Median and range of a score."""
    return middle([100 * float(run[key]) for run in runs], 2)


def line(run: Measured) -> str:
    """What a run found, in words."""
    return (
        f"{run['name']}: float {100 * run['float']:.2f} %, int8 {100 * run['integer']:.2f} %, "
        f"{per_neuron(run):.3f} spikes per neuron and step, {run['seconds'] / 60:.1f} min"
    )


def per_neuron(run: Measured) -> float:
    """Spikes of a hidden neuron per step."""
    neurons: int = sum(run["plan"]["model"]["hidden"])
    return float(run["spikes_per_step"]) / neurons


def markdown(measured: Sequence[Measured]) -> str:
    """A line per network; seeds are a median and a range."""
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    for runs in rows_of(measured):
        plan, training = runs[0]["plan"], runs[0]["plan"]["training"]
        task, aim, paper = AIMS[plan["task"]]
        fptt = training["method"] == "fptt"
        values = (
            task,
            plan["network"],
            "+".join(map(str, plan["model"]["hidden"])),
            f"FPTT, K = {training['updates']}" if fptt else "BPTT",
            _epochs(runs[0]),
            f"{runs[0]['updates']:,}",
            str(len(runs)),
            percent(runs, "float"),
            percent(runs, "integer"),
            middle([100 * (run["integer"] - run["float"]) for run in runs], 2),
            middle([per_neuron(run) for run in runs], 3),
            middle([run["seconds"] / 60 for run in runs], 0),
            f"{aim:.0f}: {_reached(runs, aim)}",
            paper,
        )
        lines.append("| " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def _epochs(run: Measured) -> str:
    planned, made = run["plan"]["training"]["epochs"], len(run["history"])
    return str(made) if made == planned else f"{made} of {planned}"


def _reached(runs: Sequence[Measured], aim: float) -> str:
    reached = sum(100 * run["integer"] >= aim for run in runs)
    if len(runs) == 1:
        return "reached" if reached else f"missed by {aim - 100 * runs[0]['integer']:.2f}"
    return f"{reached} of {len(runs)}"


def write(folder: Path, page: Path) -> str:
    """Put the table into a page between its marks, and the figures beside it.

    ``results/mnist.json`` in the page's folder keeps the figures.

    Raises:
        InvalidValueError: for a folder without finished runs, or a page without marks.
    """
    measured = finished(folder)
    if not measured:
        remedy = "python -m experiments.mnist rows --out FOLDER makes one"
        raise InvalidValueError("finished runs", f"none in {folder}", "at least one", remedy)
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise InvalidValueError(f"page {page}", "without marks", f"{BEGIN.strip()}, {END.strip()}")
    table = markdown(measured)
    results = page.parent / "results"
    results.mkdir(exist_ok=True)
    content = {"command": "python -m experiments.mnist table", "runs": measured}
    write_text(results / "mnist.json", json.dumps(content, indent=1) + "\n")
    write_text(page, f"{before}{BEGIN}\n{table}\n{END}{after}")
    return table
