"""Samples to calibrate on: those of a task, or of a file without labels."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from ltc2hw.cli.common import HAS, add_task, first_samples, fitted_task, task_of
from ltc2hw.cli.counts import positive
from ltc2hw.cli.data_options import data_options, said_data
from ltc2hw.data import read_samples
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.images import require_same_image
from ltc2hw.graph.network import Network
from ltc2hw.graph.samples import real_array
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.quantization.history import Source


def add_calibration(parser: argparse.ArgumentParser) -> None:
    """The options of verbs that calibrate."""
    add_task(parser, required=False)
    add_samples_file(parser)
    parser.add_argument(
        "--samples", type=positive, metavar="N", help="calibrate on the first N (default: all)"
    )


def add_samples_file(parser: argparse.ArgumentParser) -> None:
    """The option ``--calibration``."""
    parser.add_argument(
        "--calibration",
        metavar="FILE",
        help="samples to calibrate on, without labels, in place of a task's",
    )


@dataclass(frozen=True, eq=False)
class Calibration:
    """Samples (T, B, N), what they are called, and how a command names them."""

    name: str
    x: FloatArray
    lengths: IntArray | None
    source: Source


def calibration_of(arguments: argparse.Namespace, network: Network) -> Calibration:
    """The first training samples of the task, or those of a file.

    Raises:
        InvalidValueError: unless there is one of the two, and it fits the network.
        ShapeError, DamagedFileError, OSError: for a file that cannot be read as samples.
    """
    given = [name for name in ("task", "calibration") if getattr(arguments, name) is not None]
    if len(given) != 1:
        raise InvalidValueError(
            "samples to calibrate on", " and ".join(f"--{name}" for name in given) or "not given",
            "one of --task TASK and --calibration FILE",
        )  # fmt: skip
    if arguments.task is not None:
        task = fitted_task(network, task_of(arguments), arguments.decision_steps)
        split = first_samples(task.train, arguments.samples)
        source = task_source(arguments, split.samples, task.train.samples)
        return Calibration(task.name, _loud(split.x, task.name), split.lengths, source)
    return file_of(arguments, network)


def task_source(arguments: argparse.Namespace, used: int, existing: int) -> Source:
    """How a command names the first training samples of its task."""
    return Source("task", arguments.task, said_data(arguments), used, used == existing)


def file_of(arguments: argparse.Namespace, network: Network) -> Calibration:
    """The first samples of the file that ``--calibration`` names.

    Raises:
        InvalidValueError, ShapeError, DamagedFileError, OSError: as :func:`samples_of`, and for
            silent ones.
    """
    found = samples_of(arguments.calibration, arguments, network)
    _loud(found.x, found.name)
    return found


def samples_of(
    path: str, arguments: argparse.Namespace, network: Network | FixedNetwork
) -> Calibration:
    """The first samples of a file, which needs no labels.

    Raises:
        InvalidValueError, ShapeError: unless they fit the network.
        ShapeError, DamagedFileError, OSError: for a file that cannot be read as samples.
    """
    x, lengths, shape = read_samples(path, data_options(arguments))
    if x.shape[2] != network.input.size:
        limit = f"{network.input.size}, {HAS}"
        raise InvalidValueError(f"number of inputs of {path}", x.shape[2], limit)
    require_same_image(f"samples of {path}", shape, network.input.shape, HAS)
    count = arguments.samples
    lengths = None if lengths is None else lengths[:count]
    used = real_array("samples", x[:, :count])
    existing, data = x.shape[1], said_data(arguments)
    source = Source("calibration", path, data, used.shape[1], used.shape[1] == existing)
    return Calibration(Path(path).stem, used, lengths, source)


def _loud(x: FloatArray, name: str) -> FloatArray:
    """The same samples.

    Raises:
        InvalidValueError: if all are silent, which tells of no range.
    """
    if not x.any():
        limit = "samples like those that the network will meet"
        raise InvalidValueError(f"samples of {name} to calibrate on", "zero throughout", limit)
    return x
