"""``ltc2hw tune``: win back what a network loses as integers, or find its smallest widths."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ltc2hw.cli.bounds import check_bound
from ltc2hw.cli.calibrating import add_samples_file, file_of, task_source
from ltc2hw.cli.common import (
    add_json,
    add_readout,
    add_task,
    check_output,
    check_paths,
    fitted_task,
    load_float,
    natural,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.counts import positive
from ltc2hw.cli.tuning_report import check_report, save_report
from ltc2hw.cli.tuning_tables import (
    front_table,
    paired_text,
    score_table,
    trail_table,
    width_table,
)
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.widths import add_quantization, options_of
from ltc2hw.data.options import LAYOUTS
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.bundle import save
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.quantization.history import Source, calibrated_on, options_text
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.quantization.option_checks import check_options
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from ltc2hw.tasks import Task
from ltc2hw.tuning.candidate import Calibration
from ltc2hw.tuning.material import MOST_CHOOSING, Material
from ltc2hw.tuning.narrowing import Narrowed, narrow
from ltc2hw.tuning.remedies import REMEDIES
from ltc2hw.tuning.tune import Tuned, TuneOptions, tune


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="MODEL", help="float network")
    parser.add_argument("--target", required=True, metavar="NAME", help="see ltc2hw targets")
    add_task(parser)
    add_samples_file(parser)
    parser.add_argument(
        "--calibration-layout",
        choices=LAYOUTS,
        help="order of axes of --calibration, where it is not that of the task's data",
    )
    add_readout(parser)
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
        "--samples", type=positive, metavar="N", help="calibrate on the first N samples"
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
        "--report",
        type=Path,
        metavar="FILE",
        help="scores and all that was tried: .html with the Pareto pictures, or .md",
    )
    parser.add_argument("--seed", type=natural, default=0, metavar="N", help="draws them")
    add_quantization(parser)
    add_json(parser)


@dataclass(frozen=True, eq=False)
class Samples:
    """What a run works on: a network, a target, samples, and options.

    ``output``: the network's own; ``file``: samples to calibrate on that are not the task's.
    """

    network: Network
    chip: Target
    material: Material
    options: QuantizeOptions
    tuning: TuneOptions
    task: Task
    output: str
    file: Source | None = None

    def given_out(
        self, fixed: FixedNetwork, used: Calibration, arguments: argparse.Namespace
    ) -> FixedNetwork:
        """Integers as they are saved: read out as before, with what they were calibrated on."""
        count = used.chosen[0].shape[1]
        source = self.file or task_source(arguments, count, self.task.train.samples)
        return calibrated_on(fixed, source).with_output(self.output)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Tune or search, save, and tell the scores."""
    check_files(arguments)
    check_allowed(arguments.allow)
    samples = samples_for(arguments)
    drop = stated_drop(arguments, samples.task.decision.metric)
    if drop is None:
        win_back(arguments, samples, console)
    else:
        search_widths(arguments, samples, drop, console)
    console.line(f"trail: {arguments.trail}")
    console.line(f"integer network: {arguments.out}")
    if arguments.report is not None:
        console.line(f"report: {arguments.report}")
    return True


def check_files(arguments: argparse.Namespace) -> None:
    """Name the files that were not named, and refuse what could not be written, or would be lost.

    Raises:
        InvalidValueError, OSError: naming the file.
    """
    # A path without a name has nothing beside it.
    check_output(arguments.out)
    if arguments.calibration is None and arguments.calibration_layout is not None:
        limit = "none without --calibration"
        raise InvalidValueError("--calibration-layout", arguments.calibration_layout, limit)
    if arguments.trail is None:
        arguments.trail = beside(arguments.out, ".trail.json")
    if arguments.out_float is None:
        arguments.out_float = beside(arguments.out, ".float.h5")
    # Those beside the output may be the input, or another output, of this run.
    check_paths(arguments)
    check_output(arguments.out_float, arguments.json, arguments.trail)
    if arguments.report is not None:
        check_report(arguments.report)


def samples_for(arguments: argparse.Namespace) -> Samples:
    """Read the network, the task, and what to calibrate on.

    Raises:
        InvalidValueError, ShapeError, UnknownNameError, DamagedFileError, OSError: for what cannot
            be read, or does not fit.
    """
    options = options_of(arguments)
    loaded, chip = load_float(arguments.network), load_target(arguments.target)
    network = loaded.with_output(arguments.readout or loaded.output)
    check_options(options, network, chip)
    task = fitted_task(network, task_of(arguments), arguments.decision_steps)
    tuning = TuneOptions(
        arguments.budget,
        arguments.validation_samples,
        arguments.wider,
        tuple(name for name in REMEDIES if name in (arguments.only or REMEDIES)),
        arguments.seed,
    )
    material = Material.of_task(task, arguments.samples, tuning.choosing, tuning.seed)
    source = None
    if arguments.calibration is not None:
        found = file_of(own_layout(arguments), network)
        material = replace(material, calibration=Calibration(found.x, found.lengths))
        source = found.source
    return Samples(network, chip, material, options, tuning, task, loaded.output, source)


def own_layout(arguments: argparse.Namespace) -> argparse.Namespace:
    """Arguments that read the file to calibrate on, which may have a layout of its own.

    >>> own_layout(argparse.Namespace(layout=None, calibration_layout="time-first")).layout
    'time-first'
    """
    layout = arguments.calibration_layout or arguments.layout
    return argparse.Namespace(**{**vars(arguments), "layout": layout})


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


def win_back(arguments: argparse.Namespace, samples: Samples, console: Console) -> None:
    """Try remedies, save the networks, and tell what was tried."""
    found = tune(
        samples.network,
        samples.chip,
        samples.material,
        samples.options,
        samples.tuning,
        trail=arguments.trail,
        progress=console.progress,
    )
    used = found.candidate.calibration
    save(samples.given_out(found.fixed, used, arguments), arguments.out)
    if found.candidate.changes:
        save(found.network.with_output(samples.output), arguments.out_float)
    content = {
        **told_of(found, arguments, samples.material),
        "ended": found.ended,
        "options": options_text(found.candidate.options),
        "changes": list(found.candidate.changes),
    }
    write_json(arguments.json, content)
    if arguments.report is not None:
        save_report(found, samples.task, arguments.report)
    tell(found, console)
    if found.candidate.changes:
        console.line(f"float network: {arguments.out_float}")


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
        trail=arguments.trail,
        progress=console.progress,
    )
    used = samples.material.calibration
    save(samples.given_out(found.fixed, used, arguments), arguments.out)
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
        save_report(found, samples.task, arguments.report)
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
