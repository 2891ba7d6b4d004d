"""What several verbs need: files of the right kind, tasks with their samples, JSON."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ltc2hw.bundle import load
from ltc2hw.cli.foreign import foreign_format
from ltc2hw.decision import Classification, Decision, Regression
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files import write_text
from ltc2hw.fixed import FixedNetwork
from ltc2hw.network import Network
from ltc2hw.quantization_limits import LIMITS
from ltc2hw.tasks import Split, Task


def positive(text: str) -> int:
    """Type of arguments that are counts.

    >>> positive("3")
    3
    """
    value = int(text)
    if value < 1:
        raise ValueError
    return value


positive.__name__ = "positive integer"


def natural(text: str) -> int:
    """Type of arguments that are seeds: integers from 0 on.

    >>> natural("0")
    0
    """
    value = int(text)
    if value < 0:
        raise ValueError
    return value


natural.__name__ = "non-negative integer"


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option ``--json`` of every verb that measures something."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured here")


def add_task(parser: argparse.ArgumentParser) -> None:
    """The option ``--task``."""
    parser.add_argument(
        "--task", required=True, metavar="TASK", help="digits-rows, digits-pixels or add-T"
    )


def add_samples(parser: argparse.ArgumentParser) -> None:
    """The option ``--samples``."""
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="only the first N test samples"
    )


def add_limits(parser: argparse.ArgumentParser) -> None:
    """The option ``--allow`` of verbs that quantize."""
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="LIMIT",
        help=f"a limit that may be exceeded, repeatable: {', '.join(LIMITS)}",
    )


def check_output(*paths: Path | None) -> None:
    """Raise before any work is done if a file could not be written at its end.

    Raises:
        OSError: naming the folder that is missing or read-only, or the path that is a folder.
    """
    for path in paths:
        if path is None:
            continue
        folder = path.parent
        if not folder.is_dir():
            raise FileNotFoundError(2, "the folder of this output does not exist", str(path))
        if path.is_dir():
            raise IsADirectoryError(21, "this output is a folder", str(path))
        if not os.access(folder, os.W_OK):
            raise PermissionError(13, "the folder of this output cannot be written", str(path))


def load_network(path: Path) -> Network | FixedNetwork:
    """Load a network of ours.

    Raises:
        InvalidValueError: if another tool wrote the file.
        DamagedFileError, OSError: if it cannot be read.
    """
    try:
        return load(path)
    except DamagedFileError as error:
        found = foreign_format(path)
        if found is None:
            raise
        raise InvalidValueError(
            str(path), f"a file like those of {found}", "a network of ltc2hw",
            "read it with ltc2hw import first",
        ) from error  # fmt: skip


def load_float(path: Path) -> Network:
    """Load a float network.

    Raises:
        InvalidValueError: if the file holds an integer network.
    """
    network = load_network(path)
    if not isinstance(network, Network):
        raise InvalidValueError(str(path), "an integer network", "a float network")
    return network


def load_fixed(path: Path) -> FixedNetwork:
    """Load an integer network.

    Raises:
        InvalidValueError: if the file holds a float network.
    """
    network = load_network(path)
    if not isinstance(network, FixedNetwork):
        raise InvalidValueError(
            str(path), "a float network", "an integer network", "run ltc2hw quantize first"
        )
    return network


def first_samples(split: Split, count: int | None) -> Split:
    """The first samples of a split; all of them for None."""
    if count is None or count >= split.samples:
        return split
    return split.take(np.arange(count))


def check_fit(network: Network | FixedNetwork, task: Task) -> None:
    """Raise unless a network's inputs and outputs are the task's.

    Raises:
        InvalidValueError: naming the side that differs.
    """
    output = network.population(network.output)
    for what, found, wanted in (
        ("inputs", network.input.size, task.inputs),
        ("outputs", output.size, task.outputs),
    ):
        if found != wanted:
            raise InvalidValueError(f"number of {what}", found, f"{wanted} for task {task.name}")


def decision_of(task: Task) -> Decision:
    """How outputs are judged on a task."""
    if task.kind == "classification":
        return Classification(task.decision_steps)
    return Regression(task.decision_steps)


def write_json(path: Path | None, content: Mapping[str, Any]) -> None:
    """Write what was measured, if a file was named."""
    if path is not None:
        write_text(path, json.dumps(content, indent=2) + "\n")
