"""``ltc2hw quantize``: a float network as the integers of a chip."""

from __future__ import annotations

import argparse
from pathlib import Path

from ltc2hw.cli.calibrating import add_calibration, calibration_of
from ltc2hw.cli.common import (
    add_json,
    check_output,
    load_float,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.cli.widths import add_quantization, options_of
from ltc2hw.files.bundle import save
from ltc2hw.graph.structure import connection_name
from ltc2hw.learning.prediction import with_predictor
from ltc2hw.quantization.account import STAYS
from ltc2hw.quantization.history import calibrated_on
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.quantization.quantize import SATURATED, quantize
from ltc2hw.quantization.report import QuantizationReport, read_report
from ltc2hw.quantization.rules import SHARED, utilization
from ltc2hw.targets import load_target


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="MODEL", help="float network")
    parser.add_argument("--target", required=True, metavar="NAME", help="see ltc2hw targets")
    add_calibration(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="integer network")
    add_quantization(parser)
    parser.add_argument(
        "--predictor", action="append", default=[], metavar="LAYER",
        help="add a readout that can learn what this layer hears next (ltc2hw learn --predict)",
    )  # fmt: skip
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Quantize and save."""
    check_output(arguments.out, arguments.json)
    check_allowed(arguments.allow)
    options = options_of(arguments)
    network = load_float(arguments.network)
    for layer in arguments.predictor:
        network = with_predictor(network, layer)
    chip = load_target(arguments.target)
    calibration = calibration_of(arguments, network)
    fixed = quantize(network, chip, calibration.x, options, lengths=calibration.lengths)
    fixed = calibrated_on(fixed, calibration.source)
    save(fixed, arguments.out)
    resources = utilization(fixed, chip)
    saturated = fixed.provenance.get(SATURATED, "")
    made = read_report(fixed.provenance)
    assert made is not None
    write_json(
        arguments.json,
        {
            "task": calibration.name,
            "target": chip.name,
            "weight_bits": {connection_name(p): p.bits for p in fixed.projections},
            "saturated_constants": saturated,
            "quantization": made.to_dict(),
            "utilization": {name: list(pair) for name, pair in resources.items()},
        },
    )
    neurons, synapses = resources["neurons"][0], resources["synapses"][0]
    stored = f", {resources[SHARED][0]} weights stored" if SHARED in resources else ""
    console.line(f"{chip.name}: {neurons} neurons, {synapses} synapses{stored}")
    if saturated:
        console.line(f"constants beyond their word, saturated: {saturated}")
    tell(made, console)
    console.line(f"integer network: {arguments.out}")
    return True


def tell(made: QuantizationReport, console: Console) -> None:
    """Print what became of the numbers, the worst of each kind."""
    worst = max(made.tensors, key=lambda row: row.worst_error)
    console.line(
        f"rounded: {made.clipped} values clipped, {made.zeroed} became 0;"
        f" worst {worst.name}, neuron {worst.worst}: {100 * worst.worst_error:.3g} % off"
    )
    for leak in made.decays:
        if leak.error > TOLD:
            console.line(f"leak {leak.name}: {leak.asked:.4g} asked, {leak.got:.4g} got")
        if leak.gained:
            console.line(f"leak {leak.name}: {leak.gained} neurons leak more than twice as asked")
    for state in made.states:
        if state.band is None or state.band > TOLD * state.in_use:
            band = "anywhere" if state.band is None else f"within {state.band:.3g}"
            verb = "does not decay" if state.effect == STAYS else "falls a unit per step"
            console.line(f"state {state.name}: {verb} {band}, of {state.in_use + 0.0:.3g} in use")
        if state.in_use > state.register:
            text = f"{state.in_use:.3g} in calibration, saturates at {state.register:.3g}"
            console.line(f"state {state.name}: {text}")
    for sent in made.messages:
        if sent.silent:
            console.line(f"message {sent.name}: {sent.silent} neurons are below a step of it")
    for text in made.allowed:
        console.line(f"allowed: {text}")


TOLD = 0.01
"""Part of a leak, or of a state's range, from which on its error is printed."""


QUANTIZE = Verb(
    "quantize a float network for a target, calibrated on training samples",
    add_arguments,
    run,
)
