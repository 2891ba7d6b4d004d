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
    "c": ("ltc2hw.converters.c", "write", load_fixed),
    "lava": ("ltc2hw.converters.lava", "export", load_fixed),
    "netx": ("ltc2hw.converters.netx", "write", load_fixed),
    "nir": ("ltc2hw.converters.nir", "write", load_network),
}
"""Module and function of each format, imported on use, and the reader of what it takes."""

FOLDERS = ("c", "lava")
"""Formats that are folders; the others are files."""

OPTIONS: Mapping[str, str] = {"nir_version": "nir", "prefix": "c"}
"""Options of one format alone."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument(
        "network", type=Path, metavar="NETWORK", help="integer network; for nir also a float one"
    )
    parser.add_argument("--to", required=True, choices=tuple(EXPORTERS))
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="folder for c and lava, else file"
    )
    parser.add_argument(
        "--nir-version",
        choices=("1.0.8", "1.0.4"),
        help="nir: the release that shall read the file (default: 1.0.8); sinabs needs 1.0.4",
    )
    parser.add_argument(
        "--prefix", metavar="NAME", help="c: what the names of files and functions begin with (net)"
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
    options = _options(arguments)
    if arguments.to in FOLDERS:
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


def _options(arguments: argparse.Namespace) -> dict[str, str]:
    """Options that were given, if they are the format's."""
    given = {name: getattr(arguments, name) for name in OPTIONS}
    options = {name: value for name, value in given.items() if value is not None}
    for name in options:
        if OPTIONS[name] != arguments.to:
            flag = f"--{name.replace('_', '-')}"
            raise InvalidValueError(
                f"option {flag}", "given", f"none but with --to {OPTIONS[name]}"
            )
    return options


EXPORT = Verb("write a network for another tool", add_arguments, run)
