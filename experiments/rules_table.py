"""Cells of :mod:`experiments.rules` as a table, a JSON file and a picture."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.rules_networks import MODELS, RULES
from experiments.tables import middle
from ltc2hw.files.atomic import write_text

Record = Mapping[str, Any]
COMMAND = "python -m experiments.rules table"

NAMES = {
    "fptt-every": "FPTT, K = T",
    "fptt-eligibility": "FPTT, K = T, eligibility",
    "fptt": "FPTT, K windows",
    "eprop": "e-prop",
    "ostl": "OSTL",
    "hypr": "HYPR",
    "bptt": "BPTT",
}
"""Rules as the table calls them."""

HEADER = (
    "model",
    "rule",
    "K",
    "rate (tried)",
    "seeds",
    "test",
    "int8",
    "cosine: start, middle, end",
    "norm ratio: start, middle, end",
    "MB",
    "ms per sequence",
)

NOTHING = 0.05
"""A score as near to the trivial answer's has learned nothing: of its error, or of accuracy."""


def finished(folder: Path) -> list[Record]:
    """What runs have found, task by task."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=_place)


def _place(record: Record) -> tuple[Any, ...]:
    plan = record["plan"]
    name, _, number = plan["task"].rpartition("-")
    length = int(number) if number.isdigit() else 0
    return (
        name if number.isdigit() else plan["task"],
        length,
        MODELS.index(plan["model"]),
        tuple(RULES).index(plan["rule"]),
        _rate(record),
        plan["recipe"]["training"]["seed"],
    )


def _rate(record: Record) -> float:
    return float(record["plan"]["recipe"]["training"]["learning_rate"])


def grouped(
    records: Sequence[Record], key: Callable[[Record], tuple[Any, ...]]
) -> dict[tuple[Any, ...], list[Record]]:
    """Records by what they have in common, in their order."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups


def budget_key(record: Record) -> tuple[Any, ...]:
    """What is the same for all rules and models of a table."""
    plan = record["plan"]
    training, model = plan["recipe"]["training"], plan["recipe"]["model"]
    samples = tuple(plan["samples"].values())
    return (
        plan["task"],
        training["epochs"],
        training["batch_size"],
        tuple(model["hidden"]),
        samples,
        plan["decision_steps"],
        training["piece"],
    )


def pair_key(record: Record) -> tuple[Any, ...]:
    """A model with a rule."""
    return record["plan"]["model"], record["plan"]["rule"]


def best_cells(records: Sequence[Record]) -> list[Record]:
    """Of one pair's cells those of its rate: of the first seed's the best validation score."""
    first = [record for record in records if "validation" in record]
    first = [record for record in first if record["plan"]["recipe"]["training"]["seed"] == 0]
    if not first:
        return []
    sign = 1.0 if first[0]["metric"] == "accuracy" else -1.0
    rate = _rate(max(first, key=lambda record: sign * record["validation"]))
    return [record for record in records if _rate(record) == rate]


def markdown(records: Sequence[Record]) -> str:
    """A table for each budget, with notes on what was refused, broke down or learned nothing."""
    return "\n".join(_table(group) for group in grouped(records, budget_key).values())


def _table(records: Sequence[Record]) -> str:
    plan = records[0]["plan"]
    training, samples = plan["recipe"]["training"], plan["samples"]
    size, last = plan["recipe"]["model"]["hidden"][0], plan["decision_steps"]
    decided = "the last step decides" if last == 1 else f"the last {last} steps decide"
    title = (
        f"## {plan['task']}\n\n{size} neurons, {training['epochs']} epochs of {samples['train']:,} "
        f"sequences in batches of {training['batch_size']}; chosen on {samples['validation']:,}, "
        f"tested on {samples['test']:,}. Losses weigh by {training['loss_weighting']}, "
        f"{decided}, HYPR and e-prop take {training['piece']} steps at a time. "
        f"{_trivial(records)}\n"
    )
    lines = ["| " + " | ".join(HEADER) + " |", "|" + " --- |" * len(HEADER)]
    notes: list[str] = []
    for pair in grouped(records, pair_key).values():
        lines.append("| " + " | ".join(_row(pair, notes)) + " |")
    told = "".join(f"\n{index}. {note}" for index, note in enumerate(notes, 1))
    return title + "\n" + "\n".join(lines) + "\n" + (told + "\n" if told else "")


def _trivial(records: Sequence[Record]) -> str:
    known = [record for record in records if "trivial" in record]
    if not known:
        return ""
    value = known[0]["trivial"]
    if known[0]["metric"] == "accuracy":
        return f"Accuracy; always answering the commonest class gives {100 * value:.1f} %."
    more = known[0].get("persistence")
    told = f"Mean squared error; always answering the mean gives {value:.4f}"
    if more is not None:
        told = (
            "NRMSE, the root of the mean squared error over the targets' deviation; "
            f"predicting no change gives {math.sqrt(more / value):.3f}, the mean 1"
        )
    return told + "."


def _row(pair: Sequence[Record], notes: list[str]) -> tuple[str, ...]:
    plan = pair[0]["plan"]
    training = plan["recipe"]["training"]
    first = [record for record in pair if record["plan"]["recipe"]["training"]["seed"] == 0]
    tried = ", ".join(f"{_rate(record):g}" for record in first)
    updates = str(training["updates"]) if training["method"] == "fptt" else "1"
    cells = [cell for cell in best_cells(pair) if "float" in cell]
    head = (plan["model"], NAMES[plan["rule"]], updates)
    if not cells:
        why = "refused" if "refused" in pair[0] else "diverged"
        note = _note(notes, pair[0][why])
        return (*head, "", "", f"{why} [{note}]", *("",) * (len(HEADER) - 6))
    said = _learned(cells, notes)
    broken = len(best_cells(pair)) - len(cells)
    count = f"{len(cells)}" + (f", {broken} diverged" if broken else "")
    return (
        *head,
        f"{_rate(cells[0]):g} ({tried})",
        count,
        _scores(cells, "float") + said,
        _integers(cells, notes),
        _gradients(cells, "cosine"),
        _gradients(cells, "ratio"),
        middle([cell["megabytes"] for cell in cells], 1),
        middle([1e3 * cell["per_sequence"] for cell in cells], 2),
    )


def _note(notes: list[str], text: str) -> int:
    if text not in notes:
        notes.append(text)
    return notes.index(text) + 1


def _learned(cells: Sequence[Record], notes: list[str]) -> str:
    """A word where the score is the trivial answer's."""
    nothing = [cell["name"] for cell in cells if learns_nothing(cell)]
    if not nothing:
        return ""
    return " (learns nothing)" if len(nothing) == len(cells) else f" ({len(nothing)} learn nothing)"


def learns_nothing(cell: Record) -> bool:
    """Whether a score is about that of an answer that sees no input.

    >>> learns_nothing({"metric": "mse", "float": 0.16, "trivial": 0.166})
    True
    """
    if cell["metric"] == "accuracy":
        return bool(cell["float"] < cell["trivial"] + NOTHING)
    return bool(cell["float"] > (1.0 - NOTHING) * cell["trivial"])


def shown_score(cell: Record, key: str) -> float:
    """A score in the table's unit: per cent, an NRMSE or a mean squared error."""
    value = float(cell[key])
    if cell["metric"] == "accuracy":
        return 100.0 * value
    return math.sqrt(value / cell["trivial"]) if "persistence" in cell else value


def _scores(cells: Sequence[Record], key: str) -> str:
    digits = 1 if cells[0]["metric"] == "accuracy" else 4
    return middle([shown_score(cell, key) for cell in cells], digits)


def _integers(cells: Sequence[Record], notes: list[str]) -> str:
    known = [cell for cell in cells if "integer" in cell]
    if not known:
        return f"none [{_note(notes, cells[0]['undeployed'])}]"
    return _scores(known, "integer")


def _gradients(cells: Sequence[Record], key: str) -> str:
    """Medians over seeds at the start, the middle and the end."""
    looks = zip(*(cell["gradients"] for cell in cells), strict=True)
    return ", ".join(middle([look[key] for look in when], 2).split(" ")[0] for when in looks)


ABOUT = (
    "Learning rules by neuron models: each pair learned at the rates in brackets with one seed, "
    "and with the further seeds at the one with the best validation score. Scores are those of "
    "the network of the best validation epoch on test samples, and of its int8 form (`loihi2`, "
    "engine `fast`): the median of the seeds and their range. Cosine and norm ratio compare the "
    "gradient of the hidden layer over 32 training sequences with BPTT's, at the start, the middle "
    "and the end of training, medians of the seeds. MB: peak memory of learning a batch, above "
    "that of a process that has learned one sequence. ms: processor time per sequence in a batch, "
    "one thread. Readouts have static gates, so that e-prop's filter is exact. `ltc` has event "
    "gates. Where the norm ratio is 0, a rule leaves the hidden layer as it was drawn. Again by "
    "`python -m experiments.rules TASK` with `--models`, `--rules`, `--rates`, `--seeds`, "
    "`--epochs` and `--samples` of the rows; the command alone runs rows that were not measured, "
    "too. Many rows are of one seed: they say little of small differences."
)


def save(records: Sequence[Record], folder: Path) -> None:
    """Write ``rules.json`` and ``rules.md``, and the picture where it can be drawn."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {"command": COMMAND, "note": ABOUT, "cells": list(records)}
    write_text(folder / "rules.json", json.dumps(content, indent=1) + "\n")
    picture = "\n![Test score by rule and model](rules.png)\n" if draw(records, folder) else ""
    page = f"# rules\n\n`{COMMAND}`\n\n{ABOUT}\n{picture}\n{markdown(records)}"
    write_text(folder / "rules.md", page)


def draw(records: Sequence[Record], folder: Path) -> bool:
    """Test scores by rule, a panel per budget, a colour per model; False without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        return False
    panels = list(grouped(records, budget_key).values())
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.2 * columns, 0.8 + 3.0 * rows), layout="constrained")
    every = figure.subplots(rows, columns, squeeze=False).flat
    for axes in every[len(panels) :]:
        axes.set_visible(False)
    for axes, group in zip(every, panels, strict=False):
        axes.set_title(group[0]["plan"]["task"], fontsize=8)
        axes.set_xlim(-0.5, len(RULES) - 0.5)
        axes.set_xticks(range(len(RULES)), list(NAMES.values()), rotation=60, fontsize=6)
        for (model, rule), pair in grouped(group, pair_key).items():
            cells = [cell for cell in best_cells(pair) if "float" in cell]
            place = tuple(RULES).index(rule) + 0.12 * (MODELS.index(model) - 1.5)
            scores = [shown_score(cell, "float") for cell in cells]
            axes.plot(
                [place] * len(scores), scores, "o", markersize=3, color=f"C{MODELS.index(model)}"
            )
        if group[0]["metric"] == "mse":
            axes.set_yscale("log")
    marks = [
        figure.axes[0].plot([], [], "o", markersize=3, color=f"C{i}", label=model)[0]
        for i, model in enumerate(MODELS)
    ]
    figure.legend(marks, MODELS, loc="outside lower center", ncols=len(MODELS), fontsize=7)
    figure.savefig(folder / "rules.png", dpi=110)
    return True
