"""An exported folder runs in Lava alone and gives the promised integers."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters.exported import random_samples
from ltc2hw.converters.lava import export, standalone
from ltc2hw.errors import InvalidValueError, ShapeError, UnknownNameError
from ltc2hw.graph.fixed import FixedNetwork
from tests.random_networks import random_fixed_network
from tests.random_networks import random_samples as any_samples
from tests.views import kind

pytest.importorskip("lava.magma", reason="the lava extra is not installed")

# Where ltc2hw cannot be imported, and the folder's own script is run.
ALONE = """
import runpy, sys
sys.modules["ltc2hw"] = None
folder = sys.argv.pop(1)
sys.path.insert(0, folder)
runpy.run_path(folder + "/run.py", run_name="__main__")
"""


# Few enough to read, and nothing that needs more than numpy and Lava.
COPIED = {
    "__init__.py",
    "dynamics/__init__.py",
    "dynamics/integer.py",
    "dynamics/operations.py",
    "dynamics/program.py",
    "dynamics/schedule.py",
    "errors.py",
    "extras.py",
    "numbers/__init__.py",
    "numbers/nonlinearity.py",
    "numbers/scalars.py",
    "numbers/words.py",
    "processes/__init__.py",
    "processes/convolution/__init__.py",
    "processes/lif/__init__.py",
    "processes/neurons/__init__.py",
    "processes/scheduled.py",
    "processes/source/__init__.py",
    "shim.py",
    "standalone.py",
    "wiring.py",
}


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


def network_of(*kinds: str, seed: int = 0) -> FixedNetwork:
    """The first random network that has populations of these kinds."""
    rng = np.random.default_rng(seed)
    while True:
        network = random_fixed_network(rng, largest=7)
        if set(kinds) <= {kind(population) for population in network.populations}:
            return network


def test_a_folder_runs_without_ltc2hw_and_gives_the_promised_integers(tmp_path: Path) -> None:
    network, folder = network_of("ltc", "lif", "readout"), tmp_path / "net"
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
    network, folder = network_of("ltc", "readout", seed=2), tmp_path / "net"
    folder.mkdir()
    export(network, folder)
    readme = (folder / "README.md").read_text(encoding="utf-8")
    for population in network.populations:
        assert f"| {population.name} |" in readme
    assert "lava-nc==0.10.0" in readme
    assert "origin: random" in readme
    modules = sorted(folder.rglob("*.py"))
    package = folder / "ltc2hw_lava"
    assert {path.relative_to(package).as_posix() for path in package.rglob("*.py")} == COPIED
    for path in modules:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"^\s*(from|import) ltc2hw\b(?!_lava)", text, re.MULTILINE), path
    plan = json.loads((folder / "network.json").read_text(encoding="utf-8"))
    assert len(plan["wires"]) == 2 * len(network.projections)
    assert list(tmp_path.iterdir()) == [folder]


def test_the_same_network_gives_the_same_folder(tmp_path: Path) -> None:
    network = network_of("lif", seed=3)
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
    network = network_of("lif", seed=4)
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


LONG = "p" * 252


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[FixedNetwork, Path]:
    """A graded network whose names, and its folder's, are as long as names of files may be."""
    rng = np.random.default_rng(8)
    network = random_fixed_network(rng, largest=4)
    while not (network.input.graded and network.input.size > 1 and network.input.fraction):
        network = random_fixed_network(rng, largest=4)
    network = renamed(network, {p.name: f"{p.name}{LONG}"[:252] for p in network.populations})
    folder = tmp_path_factory.mktemp("exported") / ("n" * 252)
    export(network, folder, samples=any_samples(rng, network, 2, 1))
    return network, folder


def renamed(network: FixedNetwork, names: dict[str, str]) -> FixedNetwork:
    return replace(
        network,
        populations=tuple(replace(p, name=names[p.name]) for p in network.populations),
        projections=tuple(
            replace(p, source=names[p.source], target=names[p.target]) for p in network.projections
        ),
        output=names[network.output],
    )


def test_integers_beyond_the_word_are_clipped_and_counted(
    exported: tuple[FixedNetwork, Path], tmp_path: Path
) -> None:
    network, folder = exported
    size, word, unit = network.input.size, network.input.word, 2.0**-network.input.fraction
    samples = np.zeros((5, 1, size), dtype=np.int64)
    samples[1, 0, 0], samples[2, 0, 1] = 2**40, -(2**40)
    samples[3, 0, 0], samples[4, 0, 1] = word.maximum, word.minimum
    source, result = tmp_path / "samples.npy", tmp_path / "result"
    np.save(source, samples)
    done = run_alone(folder, str(source), str(result))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (
        f"2 of {samples.size} values clipped to the input's word,"
        f" {word.minimum} to {word.maximum}\n"
    )
    trace = ltc2hw.simulate(network, samples * unit, "integer", ("spikes", "membrane"))
    assert trace.saturations[network.input.name] == {"value": 2}
    with np.load(result) as found:
        assert found.files
        for name in found.files:
            population, variable = name.split(".")
            assert np.array_equal(found[name], trace.recorded()[population, variable])


def test_what_is_no_samples_is_one_line(
    exported: tuple[FixedNetwork, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script's own function, which answers before Lava is started."""
    network, folder = exported
    size = network.input.size
    (tmp_path / "text.npy").write_text("hello")
    np.save(tmp_path / "real.npy", np.full((3, 1, size), 0.5))
    np.save(tmp_path / "wide.npy", np.zeros((3, 1, size + 1), dtype=np.int8))
    np.save(tmp_path / "flat.npy", np.zeros((3, size), dtype=np.int8))
    np.save(tmp_path / "empty.npy", np.zeros((0, 1, size), dtype=np.int8))
    np.save(tmp_path / "objects.npy", np.array([[[None] * size]]), allow_pickle=True)
    np.save(tmp_path / "good.npy", np.zeros((3, 1, size), dtype=np.int8))
    (tmp_path / "short.npy").write_bytes((tmp_path / "good.npy").read_bytes()[:-1])
    np.savez(tmp_path / "several.npz", a=np.zeros(3))
    (tmp_path / "line\nbreak.npy").write_text("hello")
    rounded = f"round(real * 2^{network.input.fraction})"
    for name, message in {
        "real.npy": f"is float64; expected integers ({rounded})",
        "wide.npy": f"is (3, 1, {size + 1}); expected (steps, samples, {size})",
        "flat.npy": f"is (3, {size}); expected (steps, samples, {size})",
        "empty.npy": "none empty",
        "objects.npy": "no array of NumPy",
        "short.npy": "no array of NumPy",
        "text.npy": "no array of NumPy",
        "several.npz": "it holds several arrays",
        "line\nbreak.npy": "no array of NumPy",
        "none.npy": "No such file",
        "": "no regular file",
    }.items():
        assert standalone.main(folder, [str(tmp_path / name), str(tmp_path / "result.npz")]) == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        assert printed.err.startswith("run.py: error: "), name
        assert message in printed.err, name
        assert printed.err.count("\n") == 1, name
    for result in (tmp_path, tmp_path / "none" / "result.npz", tmp_path / "good.npy"):
        assert standalone.main(folder, [str(tmp_path / "good.npy"), str(result)]) == 2
        assert "result is" in capsys.readouterr().err
    assert not (tmp_path / "result.npz").exists()


def test_spikes_are_0_or_1(tmp_path: Path) -> None:
    given = {"size": 2, "graded": False, "minimum": 0, "maximum": 1, "fraction": 0}
    for type_ in (bool, np.uint8, np.int8, np.uint64):
        np.save(tmp_path / "spikes.npy", np.array([[[1, 0]]], dtype=type_))
        found, clipped = standalone.read_samples(tmp_path / "spikes.npy", given)
        assert (found.tolist(), clipped) == ([[[1, 0]]], 0)
    np.save(tmp_path / "spikes.npy", np.array([[[1, 2]]]))
    with pytest.raises(InvalidValueError, match="is 2; expected 0 or 1"):
        standalone.read_samples(tmp_path / "spikes.npy", given)


def test_a_damaged_folder_is_one_line(
    exported: tuple[FixedNetwork, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "damaged"
    shutil.copytree(exported[1], folder)
    for name, content in {
        "arrays.npz": b"PK\x03\x04",
        "network.json": b'{"schema_version": 1}',
        "expected.json": b"[1]",
    }.items():
        whole = (folder / name).read_bytes()
        (folder / name).write_bytes(content)
        assert standalone.main(folder, []) == 2
        printed = capsys.readouterr().err
        assert f"cannot read {folder / name}: " in printed
        assert printed.count("\n") == 1
        (folder / name).write_bytes(whole)


def test_the_readme_shows_hostile_texts_as_they_are(tmp_path: Path) -> None:
    network = network_of("lif", seed=6)
    hostile = {"<script>alert(1)</script>": "[a](b)\n# c <img src=x>", "note": "tau_mem *1*"}
    hostile |= {"quantization": '{"for": "machines"}'}
    export(replace(network, provenance=hostile), tmp_path / "net")
    readme = (tmp_path / "net" / "README.md").read_text(encoding="utf-8")
    assert "<script" not in readme
    assert "<img" not in readme
    assert "- &lt;script>alert(1)&lt;/script>: \\[a\\](b) # c &lt;img src=x>\n" in readme
    assert "- note: tau_mem \\*1\\*\n" in readme
    assert "machines" not in readme


def test_an_empty_folder_may_be_a_link_or_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = network_of("lif", seed=6)
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    export(network, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "run.py").exists()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    export(network, ".")
    assert (tmp_path / "here" / "run.py").exists()


def test_the_engine_runs_networks_with_long_names_too(
    exported: tuple[FixedNetwork, Path],
) -> None:
    network = exported[0]
    x = any_samples(np.random.default_rng(9), network, 2, 1)
    found, expected = (ltc2hw.simulate(network, x, engine) for engine in ("lava", "integer"))
    for key, values in expected.recorded().items():
        assert np.array_equal(found.recorded()[key], values)
