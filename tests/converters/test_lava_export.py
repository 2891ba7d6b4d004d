"""An exported folder runs in Lava alone and gives the promised integers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters.lava import export
from ltc2hw.converters.lava.folder import PROCESS_FILES, random_samples
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.fixed import FixedLIF, FixedLTC, FixedNetwork, FixedReadout
from tests.random_networks import random_fixed_network
from tests.random_networks import random_samples as any_samples

pytest.importorskip("lava.magma", reason="the lava extra is not installed")

# Where ltc2hw cannot be imported, and the folder's own script is run.
ALONE = """
import runpy, sys
sys.modules["ltc2hw"] = None
folder = sys.argv.pop(1)
sys.path.insert(0, folder)
runpy.run_path(folder + "/run.py", run_name="__main__")
"""


def run_alone(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run an exported folder's script in a group of its own, which is ended in any case."""
    command = [sys.executable, "-c", ALONE, str(folder), *arguments]
    process = subprocess.Popen(
        command,
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, error = process.communicate(timeout=300)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, out, error)


def network_of(*kinds: type, seed: int = 0) -> FixedNetwork:
    """The first random network that has populations of these kinds."""
    rng = np.random.default_rng(seed)
    while True:
        network = random_fixed_network(rng, largest=7)
        if set(kinds) <= {type(population) for population in network.populations}:
            return network


def test_a_folder_runs_without_ltc2hw_and_gives_the_promised_integers(tmp_path: Path) -> None:
    network, folder = network_of(FixedLTC, FixedLIF, FixedReadout), tmp_path / "net"
    rng = np.random.default_rng(1)
    x = any_samples(rng, network, 12, 3)
    assert export(network, folder, samples=x) == ()
    done = run_alone(folder)
    assert (done.stdout, done.returncode) == ("all integers as promised\n", 0), done.stderr

    # Other samples through the same folder.
    other = any_samples(rng, network, 9, 2)
    encoded, _ = network.input.word.encode(other, network.input.fraction)
    np.save(tmp_path / "samples.npy", encoded)
    done = run_alone(folder, str(tmp_path / "samples.npy"), str(tmp_path / "result.npz"))
    assert done.returncode == 0, done.stderr
    trace = ltc2hw.simulate(network, other, engine="integer")
    expected = {
        f"{name}.{variable}": values
        for (name, variable), values in trace.recorded().items()
        if name != network.input.name
    }
    with np.load(tmp_path / "result.npz") as result:
        assert set(result.files) == set(expected)
        for name, values in expected.items():
            assert np.array_equal(result[name], values), name

    # A changed weight is noticed.
    with np.load(folder / "arrays.npz") as stored:
        arrays = dict(stored)
    bias = next(name for name in arrays if name.endswith("bias_current"))
    arrays[bias] = arrays[bias] + 100000
    np.savez(folder / "arrays.npz", **arrays)
    done = run_alone(folder)
    assert done.returncode == 1
    assert done.stdout.startswith("different: ")
    assert run_alone(folder, "one").returncode == 2


def test_the_folder_says_what_it_is(tmp_path: Path) -> None:
    network, folder = network_of(FixedLTC, FixedReadout, seed=2), tmp_path / "net"
    folder.mkdir()
    export(network, folder)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for population in network.populations:
        assert f"| {population.name} |" in readme
    assert "lava-nc==0.10.0" in readme
    assert "origin: random" in readme
    modules = sorted(folder.rglob("*.py"))
    processes = folder / "ltc2hw_lava" / "processes"
    copied = {path.relative_to(processes).as_posix() for path in processes.rglob("*.py")}
    assert copied == set(PROCESS_FILES)
    for path in modules:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) ltc2hw\b(?!_lava)", text, re.MULTILINE), path
    plan = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    assert len(plan["wires"]) == 2 * len(network.projections)
    assert list(tmp_path.iterdir()) == [folder]


def test_the_same_network_gives_the_same_folder(tmp_path: Path) -> None:
    network = network_of(FixedLIF, seed=3)
    for name in ("first", "second"):
        export(network, tmp_path / name)
    for name in ("network.json", "expected.json", "run.py", "README.md"):
        first, second = ((tmp_path / folder / name).read_bytes() for folder in ("first", "second"))
        assert first == second


def test_promised_samples_use_the_whole_input() -> None:
    for seed in range(20):
        network = random_fixed_network(np.random.default_rng(seed), largest=5)
        x = random_samples(network)
        encoded, misfits = network.input.word.encode(x, network.input.fraction)
        assert misfits == 0
        assert np.array_equal(np.ldexp(encoded.astype(float), -network.input.fraction), x)
        assert np.ptp(encoded) > 0


def test_what_is_wrong_is_said_before_anything_is_written(tmp_path: Path) -> None:
    network = network_of(FixedLIF, seed=4)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    (tmp_path / "file").touch()
    for name in ("full", "file"):
        with pytest.raises(InvalidValueError, match="a new or empty folder"):
            export(network, tmp_path / name)
    wrong: Any = np.zeros((4, 1, network.input.size + 1))
    with pytest.raises(ShapeError):
        export(network, tmp_path / "new", samples=wrong)
    with pytest.raises(UnknownNameError):
        export(network, tmp_path / "new", allow={"anything"})
    with pytest.raises(FileNotFoundError):
        export(network, tmp_path / "none" / "new")
    assert {path.name for path in tmp_path.iterdir()} == {"full", "file"}
