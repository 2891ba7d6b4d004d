"""Whatever entry of a foreign file is damaged, and however: it is read, or refused by name."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ltc2hw.converters import netx, nir
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import Ltc2hwError
from ltc2hw.files import foreign_hdf5
from ltc2hw.files.bundle import load, save
from ltc2hw.files.foreign_hdf5 import ForeignTree, tree_of
from tests.converters.test_netx import random_chain
from tests.converters.test_nir_neurons import network_of
from tests.fuzz.formats import make_nir_image
from tests.random_networks import random_network

DAMAGES: tuple[Any, ...] = (
    None,  # the entry is missing
    "text",
    np.array(-1),
    np.array(1 << 62),
    np.array(np.nan),
    np.array([]),
    np.zeros((2, 0)),
    np.zeros((1, 1, 1, 1, 1)),
    np.array([np.inf, 1.0]),
    np.array([b"a", b"b"]),
    np.arange(-3, 4),
    np.full((3, 3), 1.5),
)

Rng = np.random.Generator


def lif_graph(rng: Rng, path: Path) -> None:
    nir.write(random_network(rng, model="LIF", hidden=(4,)), path)


def ltc_graph(rng: Rng, path: Path) -> None:
    nir.write(random_network(rng, gate="dense", hidden=(3,)), path)


def models_graph(rng: Rng, path: Path) -> None:
    nir.write(network_of(find_model("alif")), path)


def image_graph(rng: Rng, path: Path) -> None:
    """Layers without neurons, as other tools write them."""
    pytest.importorskip("nir", reason="the nir extra is not installed")
    make_nir_image(rng, path)


def netx_file(rng: Rng, path: Path) -> None:
    netx.write(random_chain(rng, recurrent=True, bias=True, forward=1), path)


READERS: dict[Callable[[Rng, Path], None], Callable[[Path], object]] = {
    lif_graph: nir.read,
    ltc_graph: nir.read,
    models_graph: nir.read,
    image_graph: lambda path: nir.read(path, dt=1e-3),
    netx_file: netx.read,
}


def read_here(path: Path, free_numbers: int = 1 << 24) -> ForeignTree:
    """The same reader without a process of its own, which takes 0.3 s to start."""
    return tree_of(path.read_bytes(), path)


@pytest.mark.parametrize("make", list(READERS), ids=lambda make: make.__name__)
def test_damage_is_a_typed_error(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (nir, netx):
        monkeypatch.setattr(module, "read_foreign", read_here)
    rng, whole, file = np.random.default_rng(0), tmp_path / "whole", tmp_path / "file"
    make(rng, whole)
    READERS[make](whole)
    names: list[str] = []
    with h5py.File(whole) as content:
        content.visit(names.append)
    refused = 0
    for name in rng.permutation(names)[:30]:
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        shutil.copy(whole, file)
        with h5py.File(file, "r+") as content:
            del content[name]
            if damage is not None:
                content[name] = damage
        try:
            READERS[make](file)
        except Ltc2hwError:
            refused += 1
    assert refused > 10


def own_file(rng: Rng, path: Path) -> None:
    save(random_network(rng, hidden=(3,), inputs=2), path)


def mutated(rng: Rng, content: bytes) -> bytes:
    """A file in which a few places were overwritten: by bits, extremes, zeros or other places."""
    changed = bytearray(content)
    for _ in range(rng.integers(1, 6)):
        place, width = int(rng.integers(len(content))), int(rng.choice([1, 2, 4, 8, 16]))
        source = int(rng.integers(len(content)))
        changed[place : place + width] = (
            bytes([content[place] ^ 1 << int(rng.integers(8))]),
            b"\xff" * width,
            bytes(width),
            rng.bytes(width),
            content[source : source + width],
        )[rng.integers(5)]
    return bytes(changed)


@pytest.mark.parametrize(
    ("make", "read", "count"),
    [(own_file, load, 300), (lif_graph, nir.read, 12), (netx_file, netx.read, 12)],
    ids=["own", "nir", "netx"],
)
def test_mutated_bytes_are_a_typed_error(
    make: Any, read: Any, count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many more of them: ``python -m tests.fuzz``."""
    monkeypatch.setattr(foreign_hdf5, "SECONDS", 2)
    rng, file = np.random.default_rng(1), tmp_path / "file"
    make(rng, file)
    content = file.read_bytes()
    refused = 0
    for _ in range(count):
        file.write_bytes(mutated(rng, content))
        try:
            read(file)
        except Ltc2hwError:
            refused += 1
    assert refused > count // 4
