"""``ltc2hw export``: a network for another tool."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import cast

from ltc2hw.cli.common import check_output, load_fixed, load_network
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.atomic import require_output_folder
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network

Exporter = Callable[..., Sequence[object]]
Loader = Callable[[Path], Network | FixedNetwork]

EXPORTERS: Mapping[str, tuple[str, str, Loader]] = {
    "lava": ("ltc2hw.converters.lava", "export", load_fixed),
    "netx": ("ltc2hw.converters.netx", "write", load_fixed),
    "nir": ("ltc2hw.converters.nir", "write", load_network),
}
"""Module and function of each format, imported on use, and the reader of what it takes."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "network", type=Path, metavar="NETWORK", help="integer network; for nir also a float one"
    )
    parser.add_argument("--to", required=True, choices=tuple(EXPORTERS))
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="folder for lava, else file"
    )
    parser.add_argument(
        "--nir-version",
        choices=("1.0.8", "1.0.4"),
        help="nir: the release that shall read the file (default: 1.0.8); sinabs needs 1.0.4",
    )
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="CHANGE",
        help="a change that may be made; repeatable",
    )


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Export."""
    options = {} if arguments.nir_version is None else {"nir_version": arguments.nir_version}
    if options and arguments.to != "nir":
        raise InvalidValueError("option --nir-version", "given", "none but with --to nir")
    if arguments.to == "lava":
        require_output_folder(arguments.out)
    else:
        check_output(arguments.out)
    module, function, load = EXPORTERS[arguments.to]
    network = load(arguments.network)
    allow = list(arguments.allow)
    if arguments.to == "nir" and isinstance(network, FixedNetwork):
        # The file holds the reals that the integers stand for; that is what exporting them means.
        allow.append("dequantize")
    write = cast(Exporter, getattr(import_module(module), function))
    for change in write(network, arguments.out, allow=allow, **options):
        console.line(f"changed: {change}")
    console.line(f"{arguments.to}: {arguments.out}")
    return True


EXPORT = Verb("write a network for another tool", add_arguments, run)
