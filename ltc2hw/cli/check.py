"""``ltc2hw check FILE --target NAME``: whether a chip can hold a network, part by part."""

from __future__ import annotations

import argparse
from pathlib import Path

from ltc2hw.cli.calibrating import add_calibration, calibration_of
from ltc2hw.cli.common import add_json, check_output, load_network, write_json
from ltc2hw.cli.console import Console
from ltc2hw.cli.foreign import add_steps, foreign_format, read_foreign_network, steps_options
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.widths import add_quantization, options_of
from ltc2hw.comparison.tables import Table
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnsupportedError, Violation
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.quantization.check import Verdict, Verdicts, check
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.targets import load_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="FILE", help="network of ours, NIR or netx")
    parser.add_argument("--target", required=True, metavar="NAME", help="see ltc2hw targets")
    add_calibration(parser)
    add_steps(parser)
    add_quantization(parser)
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Print a verdict for each part; the exit status says whether all of it can be converted."""
    check_output(json=arguments.json)
    check_allowed(arguments.allow)
    chip = load_target(arguments.target)
    verdicts = verdicts_of(arguments, chip)
    write_json(arguments.json, verdicts.to_dict())
    tell(verdicts, console)
    return verdicts.convertible


def verdicts_of(arguments: argparse.Namespace, chip: Target) -> Verdicts:
    """Read the network, calibrate it if samples are named, and ask."""
    try:
        network = any_network(arguments)
    except (UnsupportedError, HardwareRuleError) as error:
        return not_readable(error, chip)
    options = options_of(arguments)
    named = arguments.task is not None or arguments.calibration is not None
    if isinstance(network, FixedNetwork) or not named:
        return check(network, chip, None, options)
    samples = calibration_of(arguments, network)
    return check(network, chip, samples.x, options, samples.lengths)


def any_network(arguments: argparse.Namespace) -> Network | FixedNetwork:
    """A network of ours, or one that is read as ``ltc2hw import`` would.

    Raises:
        UnsupportedError: for a part of it that we do not have.
        InvalidValueError, DamagedFileError, OSError: if it cannot be read, or needs other options.
    """
    try:
        return load_network(arguments.network)
    except InvalidValueError:
        found = foreign_format(arguments.network)
        if found not in READ_HERE:
            raise
        said = steps_options(arguments) if found == "nir" else {}
        return read_foreign_network(arguments.network, found, said)


READ_HERE = ("nir", "netx")
"""Formats of other tools that need nothing but the options of this verb."""


def not_readable(error: UnsupportedError | HardwareRuleError, chip: Target) -> Verdicts:
    """The verdict on a network of another tool of which a part is none that we have."""
    if isinstance(error, HardwareRuleError):
        name, rules = "network", error.violations
    else:
        name, limit = error.node, "what is converted"
        rules = (Violation(error.where, error.node, error.feature, limit, error.remedy),)
    part = Verdict("network", name, "unsupported", str(error), rules=rules)
    return Verdicts(chip.name, (part,))


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
    remedy = " (name samples with --task or --calibration)" if waiting else ""
    return f"cannot be converted for {verdicts.target}: {told}{remedy}"


CHECK = Verb(
    "say of each part of a network whether a target holds it; status 1 if not all of them",
    add_arguments,
    run,
    prints_result=True,
)
