"""What several verbs need: files of the right kind, tasks with their samples, JSON."""

from __future__ import annotations

import argparse
import json
import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

from ltc2hw.cli.counts import below, positive
from ltc2hw.cli.data_options import OWN_FILES, TASK_HELP, add_data_options, data_options
from ltc2hw.cli.foreign import foreign_format, holds_samples
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.atomic import require_input, require_output, write_text
from ltc2hw.files.bundle import load
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.images import require_same_image
from ltc2hw.graph.network import Network
from ltc2hw.numbers.scalars import LARGEST_SEED
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.tasks import Split, Task, load_task
from ltc2hw.tasks.renumbering import in_order

OUTPUTS = ("out", "out_float", "json", "checkpoint", "trail", "report", "save_recipe")
"""Arguments that name what is written; all other paths are read."""

RESUMED = ("checkpoint", "trail")
"""Outputs that are also read, if they are there."""


def named_start(text: str) -> tuple[str, float, float]:
    """``NAME=VALUE`` or ``NAME=LOW..HIGH`` as name, middle and half of the width.

    >>> named_start("threshold=0.5"), named_start("omega=15..50")
    (('threshold', 0.5, 0.0), ('omega', 32.5, 17.5))
    """
    name, sign, value = text.partition("=")
    low, between, high = value.partition("..")
    try:
        ends = float(low), float(high if between else low)
    except ValueError:
        ends = math.nan, math.nan
    middle, reach = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    if not sign or not name or not math.isfinite(middle) or reach < 0:
        limit = "NAME=VALUE with a finite number, nor NAME=LOW..HIGH"
        raise argparse.ArgumentTypeError(f"{text!r} is not {limit}")
    return name, middle, reach


def natural(text: str) -> int:
    """Type of arguments that are seeds: integers from 0 on.

    >>> natural("0")
    0
    """
    return below(text, LARGEST_SEED.bit_length())


natural.__name__ = "non-negative integer"


def add_json(parser: argparse.ArgumentParser) -> None:
    """The option ``--json`` of every verb that measures something."""
    parser.add_argument("--json", type=Path, metavar="FILE", help="write what was measured here")


def add_task(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """The option ``--task``, and those of data."""
    parser.add_argument("--task", required=required, metavar="TASK", help=TASK_HELP)
    add_data_options(parser)


def task_of(arguments: argparse.Namespace) -> Task:
    """The task that the arguments name, its data read as they say.

    Raises:
        UnknownNameError, InvalidValueError: if there is none of that name, or data have several
            readings.
        DamagedFileError, OSError: if they cannot be read.
    """
    return load_task(arguments.task, data_options(arguments))


def add_samples(parser: argparse.ArgumentParser) -> None:
    """The option ``--samples``."""
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="only the first N test samples"
    )


def add_readout(parser: argparse.ArgumentParser, what: str = "judge what this one says") -> None:
    """The option ``--readout``, of networks that have several."""
    text = f"{what}; the network's own output if absent"
    parser.add_argument("--readout", metavar="POPULATION", help=text)


def add_limits(parser: argparse.ArgumentParser) -> None:
    """The option ``--allow`` of verbs that quantize."""
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="LIMIT",
        help=f"a limit that may be exceeded, repeatable: {', '.join(LIMITS)}",
    )


def check_paths(arguments: argparse.Namespace) -> None:
    """Raise before any work is done if a file that is read would be lost, or is none.

    Raises:
        InvalidValueError: if an output is an input or another output, or an input is no file.
        OSError: if an input does not exist.
    """
    paths = {name: path for name, path in vars(arguments).items() if isinstance(path, Path)}
    for output, other in permutations(paths, 2):
        if output in OUTPUTS and _same(paths[output], paths[other]):
            label = _flag(other) if other in OUTPUTS else "the input"
            raise InvalidValueError(
                _flag(output), paths[output], f"another file than {label}, which would be lost"
            )
    _check_data(arguments, {name: paths[name] for name in OUTPUTS if name in paths})
    for name, path in paths.items():
        if name not in OUTPUTS or (name in RESUMED and path.exists()):
            require_input(path)


def _check_data(arguments: argparse.Namespace, outputs: Mapping[str, Path]) -> None:
    """Raise if data would be overwritten; they may be folders, and a task may be no file."""
    for name in OWN_FILES:
        text = getattr(arguments, name, None)
        if not isinstance(text, str) or not os.path.exists(text):
            continue
        for output, path in outputs.items():
            if _same(path, Path(text)):
                limit = "another file than the data, which would be lost"
                raise InvalidValueError(_flag(output), path, limit)


def _flag(name: str) -> str:
    """An argument as it is typed."""
    return f"--{name.replace('_', '-')}"


def _same(first: Path, second: Path) -> bool:
    """Whether two paths lead to the same file, which need not exist yet."""
    if os.path.realpath(first) == os.path.realpath(second):
        return True
    return first.exists() and second.exists() and first.samefile(second)


def check_output(
    out: Path | None = None,
    json: Path | None = None,
    checkpoint: Path | None = None,
    *,
    text: bool = False,
) -> None:
    """Raise before any work is done if a file could not be written at its end.

    ``text``: ``out`` is text, which may go into a pipe or a device, as ``json`` may.

    Raises:
        InvalidValueError: for a pipe or a device that cannot hold an output.
        OSError: naming the folder that is missing or read-only, or the path that is a folder.
    """
    for path, streams in ((out, text), (json, True), (checkpoint, False)):
        if path is not None:
            require_output(path, text=streams)


def load_network(path: Path) -> Network | FixedNetwork:
    """Load a network of ours.

    Raises:
        InvalidValueError: if another tool wrote the file.
        DamagedFileError, OSError: if it cannot be read.
    """
    try:
        return load(path)
    except DamagedFileError as error:
        if holds_samples(path):
            remedy = "data are named by TASK; ltc2hw data looks at them"
            raise InvalidValueError(
                str(path), "a file of data", "a network of ltc2hw", remedy
            ) from error
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


HAS = "as the network has"

CLASSES = "classes"
"""Entry of the provenance with the names of the classes that a network was trained for."""

BINNING = "data binning"
"""Entry with how events became the steps that it was trained on."""


def fitted_task(network: Network | FixedNetwork, task: Task, said: int | None) -> Task:
    """The task with its classes in the order in which a network answers them.

    Answers in spikes are counted over all steps of a sample, unless the number of steps that
    decide was ``said``, or is more than one. A task of other events' steps is warned of.

    Raises:
        InvalidValueError: naming the inputs, outputs or classes that differ.
        ShapeError: naming the shapes of images or rows that differ.
    """
    names = trained_classes(network)
    if names and task.classes:
        task = in_order(task, names)
    check_fit(network, task)
    trained, given = network.provenance.get(BINNING), task.provenance.get("binning")
    if trained is not None and given is not None and trained != given:
        warnings.warn(
            f"binning of task {task.name} is {given}; the network was trained on {trained}",
            stacklevel=2,
        )
    spiking = network.population(network.output).output_variable == "spikes"
    if spiking and said is None and task.decision_steps == 1 and not task.every_step:
        task = replace(task, decision_steps=task.steps)
    return task


def trained_classes(network: Network | FixedNetwork) -> tuple[str, ...]:
    """Names of the classes that a network was trained for, () where they are not known."""
    try:
        names = json.loads(network.provenance.get(CLASSES, "[]"))
    except (ValueError, RecursionError):
        return ()
    told = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return tuple(names) if told else ()


def origin(task: Task) -> dict[str, str]:
    """What a network's provenance keeps of a task: names of classes, how the data were read."""
    kept = {f"data {name}": text for name, text in task.provenance.items()}
    return {**({CLASSES: json.dumps(task.classes)} if task.classes else {}), **kept}


def check_fit(network: Network | FixedNetwork, task: Task) -> None:
    """Raise unless a network's inputs and outputs are the task's.

    Raises:
        InvalidValueError: naming the side that differs.
        ShapeError: naming the shapes of both, where both are images or rows.
    """
    output = network.population(network.output)
    for what, found, wanted in (
        ("inputs", network.input.size, task.inputs),
        ("outputs", output.size, task.outputs),
    ):
        if found != wanted:
            raise InvalidValueError(f"number of {what}", found, f"{wanted} for task {task.name}")
    require_same_image(f"samples of {task.name}", task.shape, network.input.shape, HAS)


def write_json(path: Path | None, content: Mapping[str, Any]) -> None:
    """Write what was measured, if a file was named."""
    if path is not None:
        write_text(path, json.dumps(content, indent=2) + "\n")
