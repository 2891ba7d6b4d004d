"""``ltc2hw tune``: win back what a network loses as integers, or find its smallest widths."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ltc2hw.cli.bounds import check_bound
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
from ltc2hw.cli.tuning_tables import (
    front_table,
    paired_text,
    score_table,
    trail_table,
    width_table,
)
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.widths import add_quantization, options_of
from ltc2hw.comparison.markdown import table_markdown
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.atomic import require_output, write_text
from ltc2hw.files.bundle import save
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from ltc2hw.tuning.material import MOST_CHOOSING, Material
from ltc2hw.tuning.narrowing import Narrowed, narrow
from ltc2hw.tuning.remedies import REMEDIES
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
    parser.add_argument(
        "--max-accuracy-drop",
        type=float,
        metavar="POINTS",
        help="find the smallest widths that lose no more, in place of winning back",
    )
    parser.add_argument(
        "--max-mse-increase", type=float, metavar="MSE", help="the same for squared errors"
    )
    parser.add_argument(
        "--report", type=Path, metavar="FILE", help="tables of the widths that were tried: .md"
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="draws them")
    add_quantization(parser)
    add_json(parser)


@dataclass(frozen=True, eq=False)
class Samples:
    """What a run works on: a network, a target, samples, options, and where it keeps its trail."""

    network: Network
    chip: Target
    material: Material
    options: QuantizeOptions
    tuning: TuneOptions
    trail: Path


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Tune or search, save, and tell the scores."""
    trail = arguments.trail or beside(arguments.out, ".trail.json")
    changed = arguments.out_float or beside(arguments.out, ".float.h5")
    check_output(arguments.out, arguments.json, trail)
    check_output(changed)
    check_report(arguments)
    check_allowed(arguments.allow)
    options = options_of(arguments)
    network, chip = load_float(arguments.network), load_target(arguments.target)
    task = fitted_task(network, task_of(arguments), arguments.decision_steps)
    drop = stated_drop(arguments, task.decision.metric)
    chosen = tuple(name for name in REMEDIES if name in (arguments.only or REMEDIES))
    tuning = TuneOptions(
        arguments.budget,
        arguments.validation_samples,
        arguments.wider,
        chosen,
        arguments.seed,
    )
    material = Material.of_task(task, arguments.samples, tuning.choosing, tuning.seed)
    samples = Samples(network, chip, material, options, tuning, trail)
    if drop is None:
        win_back(arguments, samples, changed, console)
    else:
        search_widths(arguments, samples, drop, console)
    console.line(f"trail: {trail}")
    console.line(f"integer network: {arguments.out}")
    return True


def check_report(arguments: argparse.Namespace) -> None:
    """Raise for a report that is none of Markdown, or that nothing would be written into.

    Raises:
        InvalidValueError: naming it.
        OSError: if it could not be written.
    """
    path = arguments.report
    if path is None:
        return
    if path.suffix != ".md":
        raise InvalidValueError("--report", repr(str(path)), "a name ending in .md")
    if arguments.max_accuracy_drop is None and arguments.max_mse_increase is None:
        limit = "a search of widths beside it"
        raise InvalidValueError("--report", path, limit, "state --max-accuracy-drop, or leave it")
    require_output(path, text=True)


def stated_drop(arguments: argparse.Namespace, metric: str) -> float | None:
    """What may be lost of the score, in its own unit; None where widths are not to be searched.

    Raises:
        InvalidValueError: for a bound on another score than the task's, or below 0.
    """
    points, added = arguments.max_accuracy_drop, arguments.max_mse_increase
    for name, limit in (("accuracy", points), ("mse", added)):
        if limit is not None:
            check_bound(metric, name, limit)
            if limit < 0:
                raise InvalidValueError(f"bound on {name}", limit, "0 or more")
    if points is not None:
        return float(points) / 100
    return None if added is None else float(added)


def win_back(
    arguments: argparse.Namespace, samples: Samples, changed: Path, console: Console
) -> None:
    """Try remedies, save the networks, and tell what was tried."""
    found = tune(
        samples.network,
        samples.chip,
        samples.material,
        samples.options,
        samples.tuning,
        trail=samples.trail,
        progress=console.progress,
    )
    save(found.fixed, arguments.out)
    if found.candidate.changes:
        save(found.network, changed)
    content = {
        **told_of(found, arguments, samples.material),
        "ended": found.ended,
        "options": options_text(found.candidate.options),
        "changes": list(found.candidate.changes),
    }
    write_json(arguments.json, content)
    tell(found, console)
    if found.candidate.changes:
        console.line(f"float network: {changed}")


def beside(path: Path, ending: str) -> Path:
    """A file beside another: ``fixed.h5`` becomes ``fixed.trail.json``.

    >>> beside(Path("runs/fixed.h5"), ".trail.json").as_posix()
    'runs/fixed.trail.json'
    """
    return path.with_name(f"{path.stem}{ending}")


def told_of(
    found: Tuned | Narrowed, arguments: argparse.Namespace, material: Material
) -> dict[str, Any]:
    """What was tried and what came of it, as JSON types."""
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
    if found.candidate.changes:
        console.line(f"changes of the float network: {', '.join(found.candidate.changes)}")


def search_widths(
    arguments: argparse.Namespace, samples: Samples, drop: float, console: Console
) -> None:
    """Find the smallest network that keeps the score, save it, and tell what was tried."""
    found = narrow(
        samples.network,
        samples.chip,
        samples.material,
        drop,
        samples.options,
        samples.tuning,
        trail=samples.trail,
        progress=console.progress,
    )
    save(found.fixed, arguments.out)
    content = {
        **told_of(found, arguments, samples.material),
        "largest_loss": drop,
        "options": options_text(found.options),
        "chosen": found.chosen.to_dict(),
        "pareto": [point.to_dict() for point in found.front],
        "points": [point.to_dict() for point in found.points],
    }
    write_json(arguments.json, content)
    if arguments.report is not None:
        tables = (score_table(found), width_table(found), front_table(found))
        heading = f"# Widths of a network for {found.fixed.target}, on {samples.material.name}"
        text = "\n\n".join((heading, *map(table_markdown, tables)))
        write_text(arguments.report, f"{text}\n")
    for table in (front_table(found), width_table(found), score_table(found)):
        console.table(table)
    console.line()
    first = found.points[0]
    console.line(f"bytes: {found.chosen.bytes:,}, of {first.bytes:,} before")
    lost = paired_text(found.metric, found.chosen.lost) or "nothing"
    console.line(f"lost on {samples.material.validation.count} validation samples: {lost}")


TUNE = Verb(
    "win back lost accuracy by remedies, or find the smallest widths that keep it",
    add_arguments,
    run,
)
