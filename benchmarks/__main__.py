"""``python -m benchmarks [NAME ...]``: run benchmarks, print their tables and keep them."""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.report import ResultTable, machine, save

BENCHMARKS = {
    "integer": "benchmarks.versus_integer",
    "lava": "benchmarks.versus_lava",
    "torch": "benchmarks.versus_torch",
    "slayer": "benchmarks.versus_slayer",
    "smnist": "benchmarks.smnist",
    "sizes": "benchmarks.sizes",
    "sparse": "benchmarks.sparse",
    "convolution": "benchmarks.convolution",
    "memory": "benchmarks.memory",
    "limits": "benchmarks.limits",
    "start": "benchmarks.start",
    "exactness": "benchmarks.exactness",
    "transfer": "benchmarks.transfer",
    "training": "benchmarks.training",
    "learning": "benchmarks.learning",
    "learning-exactness": "benchmarks.learning_exactness",
    "c": "benchmarks.c_export",
}
"""Module of each benchmark; its function ``run()`` returns a table."""

NEEDS = {
    "lava": "lava.magma",
    "learning": "lava.magma",
    "learning-exactness": "lava.magma",
    "torch": "torch",
    "slayer": "lava.lib.dl.slayer",
    "transfer": "norse",
    "c": "unicorn",
}
"""Packages that some benchmarks compare with; without them they are left out."""


def main() -> None:
    """Run what is named, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    parser.add_argument("--out", type=Path, help="folder for results.json and results.md")
    options = parser.parse_args()
    print(machine() + "\n", flush=True)
    tables: list[ResultTable] = []
    for name in options.names or BENCHMARKS:
        if name in NEEDS and not installed(NEEDS[name]):
            print(f"{name}: left out, {NEEDS[name]} is not installed here\n", flush=True)
            continue
        tables.append(import_module(BENCHMARKS[name]).run())
        print(tables[-1].markdown(), flush=True)
        if options.out:
            save(tables, options.out)


def installed(package: str) -> bool:
    """Whether a package can be imported.

    >>> installed("json.decoder"), installed("no_such_package.at_all")
    (True, False)
    """
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
