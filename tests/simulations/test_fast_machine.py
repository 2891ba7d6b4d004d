"""Machine code of loops: kept between processes, but no damaged files, and not too many."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw.simulations import fast, integer
from ltc2hw.simulations.fast import machine
from tests.random_networks import random_fixed_network, random_samples
from tests.simulations.traces import assert_same_trace


def run_in(folder: Path | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare the engines as a process does that has compiled nothing yet."""
    monkeypatch.setattr(machine, "cache_folder", lambda: folder)
    monkeypatch.setattr(machine, "LIBRARIES", {})
    rng = np.random.default_rng(5)
    network = random_fixed_network(rng, largest=20)
    x = random_samples(rng, network, 8, 3)
    assert_same_trace(fast.simulate(network, x, "all"), integer.simulate(network, x, "all"))


def kept_files(folder: Path) -> dict[Path, bytes]:
    """Files of machine code, by path."""
    return {path: path.read_bytes() for path in sorted(folder.iterdir())}


def refuse(*arguments: Any) -> None:
    raise AssertionError("compiled although it is kept")


def test_what_is_kept_is_not_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_in(tmp_path, monkeypatch)
    before = kept_files(tmp_path)
    assert before
    assert all(path.suffix == ".code" for path in before)
    monkeypatch.setattr(machine, "write", refuse)
    run_in(tmp_path, monkeypatch)
    assert kept_files(tmp_path) == before


@pytest.mark.parametrize("damage", [b"", b"no machine code", None])
def test_damaged_files_are_written_anew(
    damage: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_in(tmp_path, monkeypatch)
    before = kept_files(tmp_path)
    for path, content in before.items():
        flipped = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes(flipped if damage is None else damage)
    run_in(tmp_path, monkeypatch)
    after = kept_files(tmp_path)
    assert after.keys() == before.keys()
    assert all(len(after[path]) == len(before[path]) for path in before)


def test_without_a_folder_everything_compiles(monkeypatch: pytest.MonkeyPatch) -> None:
    run_in(None, monkeypatch)


def test_the_oldest_files_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "MOST_KEPT", 1)
    run_in(tmp_path, monkeypatch)
    assert len(kept_files(tmp_path)) == 1
