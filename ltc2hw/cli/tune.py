"""``ltc2hw tune``: win back what a network loses as integers, or find its smallest widths."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ltc2hw.cli.common import (
    add_json,
    add_task,
    check_output,
    fitted_task,
    load_float,
    natural,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.counts import positive
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.widths import add_quantization, options_of
from ltc2hw.comparison.tables import Table, change_text, naming, score_text
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.bundle import save
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.targets import load_target
from ltc2hw.tuning.candidate import Candidate
from ltc2hw.tuning.material import MOST_CHOOSING, Material
from ltc2hw.tuning.noise import Paired
from ltc2hw.tuning.remedies import REMEDIES
from ltc2hw.tuning.trail import Trial
from ltc2hw.tuning.tune import Tuned, TuneOptions, options_text, tune


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="MODEL", help="float network")
    parser.add_argument("--target", required=True, metavar="NAME", help="see ltc2hw targets")
    add_task(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="integer network")
    parser.add_argument(
        "--out-float",
        type=Path,
        metavar="FILE",
        help="the float network where a remedy changes it (default: beside --out)",
    )
    parser.add_argument(
        "--budget", type=positive, default=TuneOptions.budget, metavar="N",
        help="most trials (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--trail",
        type=Path,
        metavar="FILE",
        help="keep every trial here, go on from here (default: beside --out)",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=tuple(REMEDIES),
        metavar="REMEDY",
        help=f"try this remedy alone, repeatable: {', '.join(REMEDIES)}",
    )
    parser.add_argument(
        "--wider", action="store_true", help="words may be made wider than asked for"
    )
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="calibrate on the first N training samples"
    )
    parser.add_argument(
        "--validation-samples", type=positive, default=MOST_CHOOSING, metavar="N",
        help="judge trials on so many validation samples (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="draws them")
    add_quantization(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Tune, save, and tell the scores."""
    trail = arguments.trail or beside(arguments.out, ".trail.json")
    changed = arguments.out_float or beside(arguments.out, ".float.h5")
    check_output(arguments.out, arguments.json)
    check_output(changed, checkpoint=trail)
    check_allowed(arguments.allow)
    options = options_of(arguments)
    network, chip = load_float(arguments.network), load_target(arguments.target)
    task = fitted_task(network, task_of(arguments), arguments.decision_steps)
    tuning = TuneOptions(
        arguments.budget,
        arguments.validation_samples,
        arguments.wider,
        tuple(name for name in REMEDIES if name in (arguments.only or REMEDIES)),
        arguments.seed,
    )
    material = Material.of_task(task, arguments.samples, tuning.choosing, tuning.seed)
    found = tune(
        network, chip, material, options, tuning, trail=trail, progress=console.progress
    )
    save(found.fixed, arguments.out)
    if found.candidate.changes:
        save(found.network, changed)
    write_json(arguments.json, report_of(found, arguments, material))
    tell(found, console)
    if found.candidate.changes:
        console.line(f"float network, changed by {', '.join(found.candidate.changes)}: {changed}")
    console.line(f"integer network: {arguments.out}")
    return True


def beside(path: Path, ending: str) -> Path:
    """A file beside another: ``fixed.h5`` becomes ``fixed.trail.json``.

    >>> beside(Path("runs/fixed.h5"), ".trail.json").as_posix()
    'runs/fixed.trail.json'
    """
    return path.with_name(f"{path.stem}{ending}")


def report_of(
    found: Tuned, arguments: argparse.Namespace, material: Material
) -> dict[str, Any]:
    """Everything that was tried and what came of it, as JSON types."""
    return {
        "task": material.name,
        "target": found.fixed.target,
        "metric": found.metric,
        "seed": arguments.seed,
        "budget": arguments.budget,
        "evaluations": len(found.trials),
        "validation_samples": material.validation.count,
        "validation": dict(found.scores),
        "test": dict(found.tested),
        "ended": found.ended,
        "options": options_text(found.candidate.options),
        "changes": list(found.candidate.changes),
        "trials": [trial.to_dict() for trial in found.trials],
    }


def tell(found: Tuned, console: Console) -> None:
    """Print the trail, why it ended, and the scores."""
    console.table(trail_table(found))
    console.table(score_table(found))
    console.line()
    kept = ", ".join(trial.what for trial in found.kept)
    console.line(f"ended: {found.ended}; {len(found.trials)} trials")
    console.line(f"kept: {kept or 'nothing: this is the plain quantization'}")


def trail_table(found: Tuned) -> Table:
    """A row for each trial."""
    rows = tuple(
        (
            str(number),
            trial.what,
            "" if trial.score is None else score_text(found.metric, trial.score),
            paired_text(found.metric, trial.gain),
            "" if trial.bytes is None else f"{trial.bytes:,}",
            outcome(trial),
        )
        for number, trial in enumerate(found.trials, 1)
    )
    title = f"Tried, on {naming(found.metric).sentence} of validation samples"
    return Table(title, ("trial", "what", found.metric, "gain", "bytes", ""), rows)


def outcome(trial: Trial) -> str:
    """What became of a trial, in a word or two."""
    if trial.refused:
        return "refused"
    over = f", exceeds {' and '.join(trial.over)}" if trial.over else ""
    return ("kept" if trial.kept else "not kept") + over


def paired_text(metric: str, difference: Paired | None) -> str:
    """A gain with its standard error.

    >>> paired_text("accuracy", Paired(0.05, 0.012))
    '+5.00 ± 1.20 points'
    """
    if difference is None or difference == Paired(0.0, 0.0):
        return ""
    if metric == "accuracy":
        return f"{100 * difference.mean:+.2f} ± {100 * difference.error:.2f} points"
    return f"{difference.mean:+.3g} ± {difference.error:.2g}"


def score_table(found: Tuned) -> Table:
    """Float, plain and tuned, on validation samples and on test samples."""

    def rows(part: str, scores: Mapping[str, float]) -> tuple[tuple[str, ...], ...]:
        return tuple(
            (
                part,
                NAMES[name],
                score_text(found.metric, score),
                change_text(found.metric, score - scores["float"]),
            )
            for name, score in scores.items()
        )

    title = naming(found.metric).title
    body = (*rows("validation", found.scores), *rows("test, looked at once", found.tested))
    return Table(title, ("samples", "network", found.metric, "change"), body)


NAMES = {"float": "float64", "plain": "integers as quantized", "tuned": "integers tuned"}
"""What the networks of a tuning are called in a table."""


TUNE = Verb("try remedies for lost accuracy on validation samples, keep what helps", add_arguments, run)
