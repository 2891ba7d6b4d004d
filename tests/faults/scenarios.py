"""Every verb that writes, on small networks, and what its outputs have to be."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

import ltc2hw
from ltc2hw.converters import netx, nir
from ltc2hw.files.bundle import load, load_trace, save
from ltc2hw.graph.network import Network
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, write_pair
from tests.random_networks import random_network

Check = Callable[[Path], object]
"""Raises for a file that is not a whole one of its kind."""


@dataclass(frozen=True)
class Scenario:
    """A command and the checks of what it writes, by name.

    ``kept`` are checkpoints: read if they are there, and written more than once.
    """

    name: str
    arguments: tuple[str, ...]
    outputs: Mapping[str, Check]
    needs: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    @property
    def resumes(self) -> bool:
        """Whether it goes on where it was stopped when it is run again."""
        return bool(self.kept)

    @property
    def replaced(self) -> tuple[str, ...]:
        """Outputs that may stand there before: no checkpoints, and no folders."""
        return tuple(name for name in self.outputs if name not in self.kept and "." in name)

    @property
    def possible(self) -> bool:
        """Whether everything that it needs is installed."""
        return all(find_spec(package) is not None for package in self.needs)


def text(path: Path) -> object:
    return path.read_text(encoding="utf-8")[-1] == "\n" or 1 / 0


def whole_json(path: Path) -> object:
    return json.loads(path.read_text(encoding="utf-8"))


def whole_checkpoint(path: Path) -> object:
    from ltc2hw.training.checkpoint import load_checkpoint

    return load_checkpoint(path)


def whole_folder(path: Path) -> object:
    """The files of an exported folder; the last one that is written is there too."""
    with np.load(path / "arrays.npz", allow_pickle=False) as arrays:
        dict(arrays)
    return [whole_json(path / name) for name in ("network.json", "expected.json")], text(
        path / "README.md"
    )


ON_TASK = ("--task", TASK)

SCENARIOS = (
    Scenario(
        "train",
        (
            "train", "digits-rows", "--hidden", "4", "--epochs", "3", "--gate", "static",
            "--out", "out.h5", "--checkpoint", "run.npz", "--json", "out.json",
        ),
        {"out.h5": load, "run.npz": whole_checkpoint, "out.json": whole_json},
        ("torch", "sklearn"),
        kept=("run.npz",),
    ),
    Scenario(
        "quantize",
        (
            "quantize", "model.h5", "--target", "loihi2", *ON_TASK,
            "--out", "out.h5", "--json", "out.json",
        ),
        {"out.h5": load, "out.json": whole_json},
    ),
    Scenario(
        "simulate",
        ("simulate", "fixed.h5", *ON_TASK, "--out", "out.h5", "--json", "out.json"),
        {"out.h5": load_trace, "out.json": whole_json},
    ),
    Scenario(
        "compare, Markdown",
        (
            "compare", "model.h5", "fixed.h5", *ON_TASK, "--engines", "integer",
            "--samples", "20", "--out", "out.md", "--json", "out.json",
        ),
        {"out.md": text, "out.json": whole_json},
    ),
    Scenario(
        "compare, HTML",
        (
            "compare", "model.h5", "fixed.h5", *ON_TASK, "--engines", "integer",
            "--samples", "20", "--out", "out.html",
        ),
        {"out.html": text},
        ("matplotlib",),
    ),
    Scenario(
        "learn",
        (
            "learn", "fixed.h5", *ON_TASK, "--engine", "integer", "--samples", "3",
            "--verify", "0", "--out", "out.h5", "--json", "out.json",
        ),
        {"out.h5": load, "out.json": whole_json},
    ),
    Scenario("import", ("import", "given.nir", "--out", "out.h5"), {"out.h5": load}),
    Scenario(
        "export, NIR", ("export", "fixed.h5", "--to", "nir", "--out", "out.nir"),
        {"out.nir": nir.read},
    ),
    Scenario(
        "export, netx",
        ("export", "chain.h5", "--to", "netx", "--allow", "rescale", "--out", "out.net"),
        {"out.net": netx.read},
    ),
    Scenario(
        "export, Lava", ("export", "fixed.h5", "--to", "lava", "--out", "out"),
        {"out": whole_folder},
        ("lava",),
    ),
)  # fmt: skip


def write_inputs(folder: Path) -> None:
    """Every file that the scenarios read."""
    write_pair(folder)
    network = random_network(np.random.default_rng(1), model="LIF", graded=False, hidden=(30,))
    nir.write(network, folder / "given.nir")
    chain = Network(
        tuple(p for p in network.populations if p.name != "readout"),
        tuple(p for p in network.projections if "readout" not in (p.source, p.target)),
        "hidden0",
    )
    x = np.random.default_rng(2).integers(0, 2, (20, 4, chain.input.size)).astype(float)
    save(ltc2hw.quantize(chain, "loihi2", x), folder / "chain.h5")
    load_task("digits-rows")
