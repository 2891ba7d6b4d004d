"""``ltc2hw export``: an integer network for another tool."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from ltc2hw.cli.common import load_fixed
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb

Exporter = Callable[..., Sequence[object]]

EXPORTERS: Mapping[str, tuple[str, str, Mapping[str, Any]]] = {
    "lava": ("ltc2hw.converters.lava.export", "export", {}),
    "netx": ("ltc2hw.converters.netx", "write", {}),
    # The file then holds the reals that the integers stand for; that is what exporting them means.
    "nir": ("ltc2hw.converters.nir", "write", {"allow": ("dequantize",)}),
}
"""Module, function and options of each format, imported on use."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="FIXED", help="integer network")
    parser.add_argument("--to", required=True, choices=tuple(EXPORTERS))
    parser.add_argument(
        "--out", type=Path, required=True, metavar="PATH", help="folder for lava, else file"
    )


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Export."""
    module, function, options = EXPORTERS[arguments.to]
    write = cast(Exporter, getattr(import_module(module), function))
    changes = write(load_fixed(arguments.network), arguments.out, **options)
    for change in changes:
        console.line(f"changed: {change}")
    console.line(f"{arguments.to}: {arguments.out}")
    return True


EXPORT = Verb("write an integer network for another tool", add_arguments, run)
