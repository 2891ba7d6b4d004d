"""``ltc2hw check FILE --target NAME``: whether a chip can hold a network, part by part."""

from __future__ import annotations

import argparse
from pathlib import Path

from ltc2hw.cli.common import (
    add_json,
    add_limits,
    check_fit,
    check_output,
    load_network,
    positive,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.tables import Table
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.check import Verdict, Verdicts, check
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from ltc2hw.tasks import load_task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="FILE", help="float or integer network")
    parser.add_argument("--target", required=True, metavar="NAME", help="see ltc2hw targets")
    parser.add_argument("--task", metavar="TASK", help="its training samples calibrate")
    parser.add_argument("--weight-bits", type=positive, metavar="N")
    parser.add_argument(
        "--fine-states", action="store_true", help="as quantize --fine-states would"
    )
    add_limits(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Print a verdict for each part; the exit status says whether all of it can be converted."""
    check_output(json=arguments.json)
    check_allowed(arguments.allow)
    chip = load_target(arguments.target)
    network = load_network(arguments.network)
    samples: FloatArray | None = None
    if arguments.task is not None and not isinstance(network, FixedNetwork):
        task = load_task(arguments.task)
        check_fit(network, task)
        samples = task.train.x
    options = QuantizeOptions(
        weight_bits=arguments.weight_bits,
        allow=arguments.allow,
        fine_states=arguments.fine_states,
    )
    verdicts = check(network, chip, samples, options)
    write_json(arguments.json, verdicts.to_dict())
    tell(verdicts, console)
    return verdicts.convertible


def tell(verdicts: Verdicts, console: Console) -> None:
    """Print verdicts, broken rules with their remedies, and the sum of it."""
    console.table(verdict_table(verdicts))
    rules = tuple(
        (rule.rule, rule.who, rule.value, rule.limit, rule.remedy) for rule in verdicts.violations
    )
    if rules:
        console.table(Table("Broken rules", ("rule", "who", "value", "limit", "remedy"), rules))
    console.line()
    console.line(summary(verdicts))


def verdict_table(verdicts: Verdicts) -> Table:
    """A row for each part."""
    rows = tuple((part.kind, part.name, part.answer, detail(part)) for part in verdicts.parts)
    return Table(f"On {verdicts.target}", ("part", "name", "verdict", "why"), rows)


def detail(part: Verdict) -> str:
    """What a verdict says beside its word."""
    if part.rules:
        return ", ".join(dict.fromkeys(rule.rule for rule in part.rules))
    return part.detail


def summary(verdicts: Verdicts) -> str:
    """Whether it can be converted, and what is missing if not, in a line."""
    counts: dict[str, int] = {}
    for part in verdicts.parts:
        counts[part.answer] = counts.get(part.answer, 0) + 1
    told = ", ".join(f"{count} {answer}" for answer, count in counts.items())
    if verdicts.convertible:
        return f"can be converted for {verdicts.target}: {told}"
    waiting = "needs calibration" in counts
    remedy = " (name samples with --task)" if waiting else ""
    return f"cannot be converted for {verdicts.target}: {told}{remedy}"


CHECK = Verb(
    "say of each part of a network whether a target holds it; status 1 if not all of them",
    add_arguments,
    run,
    prints_result=True,
)
