"""``ltc2hw import``: a network of another tool."""

from __future__ import annotations

import argparse
from pathlib import Path

from ltc2hw.cli.common import check_output
from ltc2hw.cli.console import Console
from ltc2hw.cli.counts import positive
from ltc2hw.cli.foreign import READERS, foreign_format, read_foreign_network
from ltc2hw.cli.verb import Verb
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.bundle import save
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.numbers.words import Word


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb; options that a format lacks are refused."""
    parser.add_argument("file", type=Path, metavar="FILE", help="NIR, netx, or sFPTT's state dict")
    parser.add_argument(
        "--from", dest="format", choices=tuple(READERS), help="by default, what the file looks like"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="NETWORK")
    parser.add_argument("--dt", type=float, help="nir: the step, in the unit of its time constants")
    parser.add_argument(
        "--discretization",
        choices=("euler", "exact"),
        help="nir: a step decays by dt / tau (default), or by 1 - exp(-dt / tau)",
    )
    parser.add_argument(
        "--reset",
        choices=("zero", "subtract", "subtract-delayed"),
        help="nir: what a spike does to the membrane, where the file does not say",
    )
    parser.add_argument(
        "--input", choices=("spikes", "graded"), help="nir, sfptt: what samples are"
    )
    parser.add_argument(
        "--input-bits", type=positive, metavar="N", help="netx: samples are N-bit integers >= 0"
    )
    parser.add_argument("--target", metavar="NAME", help="netx: loihi2 or loihi1")
    parser.add_argument("--input-size", type=positive, metavar="N", help="sfptt")
    parser.add_argument(
        "--batch-norm-step", type=int, metavar="T", help="sfptt: the step whose statistics hold"
    )
    parser.add_argument(
        "--allow", action="append", metavar="CHANGE", help="a change that may be made; repeatable"
    )


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Import and save."""
    check_output(arguments.out)
    chosen = arguments.format or foreign_format(arguments.file)
    if chosen is None:
        limit = f"one of {', '.join(READERS)}"
        raise InvalidValueError(f"format of {arguments.file}", "unknown", limit, "say --from")
    options = {
        "dt": arguments.dt,
        "discretization": arguments.discretization,
        "reset": arguments.reset,
        "graded_input": None if arguments.input is None else arguments.input == "graded",
        "input_word": arguments.input_bits and Word(arguments.input_bits, signed=False),
        "target": arguments.target,
        "input_size": arguments.input_size,
        "batch_norm_step": arguments.batch_norm_step,
        "allow": arguments.allow,
    }
    given = {name: value for name, value in options.items() if value is not None}
    network = read_foreign_network(arguments.file, chosen, given)
    save(network, arguments.out)
    if "changes" in network.provenance:
        console.line(f"changed: {network.provenance['changes']}")
    kind = "integer" if isinstance(network, FixedNetwork) else "float"
    names = ", ".join(
        f"{population.name} ({population.size})" for population in network.populations
    )
    console.line(f"{chosen}: {names}")
    console.line(f"{kind} network: {arguments.out}")
    return True


IMPORT = Verb("read a network of another tool", add_arguments, run)
