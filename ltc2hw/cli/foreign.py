"""Files of other tools on the command line: telling them apart, and reading them."""

from __future__ import annotations

import argparse
import zipfile
from collections.abc import Callable, Iterable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

import h5py

from ltc2hw.cli.wording import FLAGS
from ltc2hw.data.names import read_name
from ltc2hw.data.parts import PART_NAMES
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.foreign_hdf5 import root_names
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network

READERS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "nir": (
        "ltc2hw.converters.nir",
        ("dt", "discretization", "reset", "graded_input", "allow"),
    ),
    "netx": ("ltc2hw.converters.netx", ("input_word", "input_shape", "target")),
    "sfptt": (
        "ltc2hw.converters.sfptt",
        ("input_size", "graded_input", "batch_norm_step", "allow"),
    ),
}
"""Module of each format, imported on use, and the options of its function ``read``."""

ROOT_GROUPS: Mapping[str, str] = {"node": "nir", "layer": "netx"}
"""What only files of one format have at their root."""


def read_foreign_network(
    path: Path, format_name: str, options: Mapping[str, Any]
) -> Network | FixedNetwork:
    """Read a network of a format with the options that were given.

    Raises:
        InvalidValueError: for an option that the format does not have.
    """
    module, known = READERS[format_name]
    for name in options:
        if name not in known:
            flags = ", ".join(FLAGS[option] for option in known)
            raise InvalidValueError(f"option {FLAGS[name]}", "given", f"{flags} for {format_name}")
    read = cast(Callable[..., Network | FixedNetwork], import_module(module).read)
    return read(path, **options)


def add_steps(parser: argparse.ArgumentParser) -> None:
    """The options of networks whose equations are in continuous time."""
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


def steps_options(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was said by the options of :func:`add_steps`, and by ``--input``."""
    said = {name: getattr(arguments, name) for name in ("dt", "discretization", "reset")}
    said["graded_input"] = None if arguments.input is None else arguments.input == "graded"
    return {name: value for name, value in said.items() if value is not None}


def holds_samples(path: Path) -> bool:
    """Whether a file holds arrays that are called as samples and labels are.

    Raises:
        OSError: if there is no such file.
    """
    with path.open("rb"):
        pass
    names: Iterable[str] = ()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = archive.namelist()
        names = (name.removesuffix(".npy") for name in members if name.endswith(".npy"))
    elif h5py.is_hdf5(path):
        try:
            names = root_names(path)
        except DamagedFileError:
            return False
    return any(name in PART_NAMES or read_name(name) is not None for name in names)


def foreign_format(path: Path) -> str | None:
    """Format of a file of another tool, by its contents; None for any other file.

    Raises:
        OSError: if there is no such file.
    """
    with path.open("rb"):
        pass
    if zipfile.is_zipfile(path):
        return "sfptt"
    if not h5py.is_hdf5(path):
        return None
    try:
        names = root_names(path)
    except DamagedFileError:
        return None
    return next((ROOT_GROUPS[name] for name in ROOT_GROUPS if name in names), None)
