"""``ltc2hw quantize``: a float network as the integers of a chip."""

from __future__ import annotations

import argparse
from pathlib import Path

from ltc2hw.bundle import save
from ltc2hw.cli.common import (
    add_json,
    add_task,
    check_fit,
    check_output,
    load_float,
    positive,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.graph import connection_name
from ltc2hw.quantize import quantize
from ltc2hw.rules import utilization
from ltc2hw.scaling import QuantizeOptions
from ltc2hw.targets import load_target
from ltc2hw.tasks import load_task


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="MODEL", help="float network")
    parser.add_argument("--target", required=True, metavar="NAME", help="see ltc2hw targets")
    add_task(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="integer network")
    parser.add_argument("--weight-bits", type=positive, metavar="N")
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Quantize and save."""
    check_output(arguments.out, arguments.json)
    network = load_float(arguments.network)
    chip = load_target(arguments.target)
    task = load_task(arguments.task)
    check_fit(network, task)
    options = QuantizeOptions(weight_bits=arguments.weight_bits)
    fixed = quantize(network, chip, task.train.x, options)
    save(fixed, arguments.out)
    resources = utilization(fixed, chip)
    saturated = fixed.provenance.get("saturated_constants", "")
    write_json(
        arguments.json,
        {
            "task": task.name,
            "target": chip.name,
            "weight_bits": {connection_name(p): p.bits for p in fixed.projections},
            "saturated_constants": saturated,
            "utilization": {name: list(pair) for name, pair in resources.items()},
        },
    )
    neurons, synapses = resources["neurons"][0], resources["synapses"][0]
    console.line(f"{chip.name}: {neurons} neurons, {synapses} synapses")
    if saturated:
        console.line(f"constants beyond their word, saturated: {saturated}")
    console.line(f"integer network: {arguments.out}")
    return True


QUANTIZE = Verb(
    "quantize a float network for a target, calibrated on the task's training samples",
    add_arguments,
    run,
)
