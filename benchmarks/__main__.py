"""``python -m benchmarks [NAME ...]``: run benchmarks and print their tables."""

from __future__ import annotations

import argparse
from importlib import import_module
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
    "memory": "benchmarks.memory",
    "limits": "benchmarks.limits",
    "start": "benchmarks.start",
    "exactness": "benchmarks.exactness",
    "transfer": "benchmarks.transfer",
}
"""Module of each benchmark; its function ``run()`` returns a table."""


def main() -> None:
    """Run what is named, or everything."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], help="default: all")
    parser.add_argument("--json", type=Path, help="write the tables to a file, too")
    options = parser.parse_args()
    print(machine() + "\n", flush=True)
    tables: list[ResultTable] = []
    for name in options.names or BENCHMARKS:
        tables.append(import_module(BENCHMARKS[name]).run())
        print(tables[-1].markdown(), flush=True)
    if options.json:
        save(tables, options.json)


if __name__ == "__main__":
    main()
