"""``ltc2hw export``: an integer network for another tool."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import cast

from ltc2hw.cli.common import check_output, load_fixed
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.fixed import FixedNetwork

Exporter = Callable[[FixedNetwork, Path], object]

EXPORTERS: Mapping[str, tuple[str, str]] = {
    "netx": ("ltc2hw.converters.netx", "write"),
}
"""Module and function of each format, imported on use."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="FIXED", help="integer network")
    parser.add_argument("--to", required=True, choices=tuple(EXPORTERS))
    parser.add_argument("--out", type=Path, required=True, metavar="PATH")


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Export."""
    check_output(arguments.out)
    module, function = EXPORTERS[arguments.to]
    write = cast(Exporter, getattr(import_module(module), function))
    write(load_fixed(arguments.network), arguments.out)
    console.line(f"{arguments.to}: {arguments.out}")
    return True


EXPORT = Verb("write an integer network for another tool", add_arguments, run)
