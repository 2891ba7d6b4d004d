"""``ltc2hw targets [NAME]``: the chips and their limits."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from ltc2hw.cli.common import add_json, check_output, write_json
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.tables import Table
from ltc2hw.targets import TARGETS as NAMES
from ltc2hw.targets import load_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("name", nargs="?", metavar="NAME", help=", ".join(NAMES))
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Print the targets."""
    check_output(json=arguments.json)
    if arguments.name is None:
        chips = {name: load_target(name) for name in NAMES}
        rows = tuple((name, chip.description) for name, chip in chips.items())
        console.table(Table("Targets", ("name", "description"), rows))
        write_json(arguments.json, {name: asdict(chip) for name, chip in chips.items()})
        return True
    chip = load_target(arguments.name)
    console.line(f"{chip.name}: {chip.description}; neurons: {', '.join(chip.neuron_models)}")
    for section in ("words", "gates", "lif", "resources"):
        values = asdict(getattr(chip, section))
        rows = tuple((key.replace("_", " "), str(value)) for key, value in values.items())
        console.table(Table(section, ("limit", "value"), rows))
    write_json(arguments.json, asdict(chip))
    return True


TARGETS = Verb(
    "list the targets, or all limits of one of them", add_arguments, run, prints_result=True
)
