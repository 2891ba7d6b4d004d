"""A file is the old one or the whole new one, also on a full disk, behind links and after kills."""

from __future__ import annotations

import ast
import errno
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import nir
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.atomic import (
    require_input,
    require_output,
    require_output_folder,
    write_bytes,
    write_files,
    write_text,
)
from ltc2hw.files.bundle import save, save_trace
from ltc2hw.files.hdf5 import writing
from tests.random_networks import random_network

LIMIT = 2000
"""Bytes that a file may have where the disk counts as full."""


def on_a_full_disk(write: Callable[[], object]) -> BaseException | None:
    """What writing raises in a process whose files cannot grow beyond :data:`LIMIT` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, before[1]))
    try:
        write()
    except OSError as error:
        return error
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    return None


def writers() -> dict[str, Callable[[Path], object]]:
    """Everything that writes a file of some size."""
    rng = np.random.default_rng(0)
    network = random_network(rng, model="LIF", graded=False, hidden=(20, 20))
    x = rng.integers(0, 2, (20, 4, network.input.size)).astype(float)
    trace = ltc2hw.simulate(network, x)

    def checkpoint(path: Path) -> None:
        pytest.importorskip("torch")
        from ltc2hw.training.checkpoint import Checkpoint, save_checkpoint

        save_checkpoint(Checkpoint({"model": {}}, (), {"a": np.zeros(LIMIT)}), path)

    def netx_file(path: Path) -> None:
        with writing(path) as file:
            file["layer/0/weight"] = np.zeros(LIMIT)

    return {
        "network": lambda path: save(network, path),
        "trace": lambda path: save_trace(trace, path),
        "nir": lambda path: nir.write(network, path),
        "netx": netx_file,
        "checkpoint": checkpoint,
        "text": lambda path: write_text(path, "x" * (LIMIT + 1)),
        "folder": lambda path: write_files(path, {"a/b": b"x", "c": b"x" * (LIMIT + 1)}),
    }


@pytest.mark.parametrize("name", list(writers()))
def test_a_full_disk_is_an_error_and_leaves_what_was_there(name: str, tmp_path: Path) -> None:
    write, path = writers()[name], tmp_path / "out"
    if name != "folder":
        path.write_bytes(b"the good old file")
    error = on_a_full_disk(lambda: write(path))
    assert isinstance(error, OSError)
    assert error.errno == errno.EFBIG
    assert error.filename == str(path)
    if name == "folder":
        assert list(tmp_path.iterdir()) == []
    else:
        assert list(tmp_path.iterdir()) == [path]
        assert path.read_bytes() == b"the good old file"
    write(path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.is_dir() or path.stat().st_size > LIMIT


def test_hdf5_never_writes_to_the_disk_itself() -> None:
    """It does not tell of a full one: every file that it makes is one in memory."""
    root, found = Path(ltc2hw.__file__).parents[1], []
    for folder in ("ltc2hw", "converters", "simulations"):
        for path in (root / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "h5py.File":
                    call = ast.unparse(node)
                    found.append(call)
                    assert "'r'" in call or "driver='core', backing_store=False" in call, path
    assert any("core" in call for call in found)


def test_a_link_is_written_through_and_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    real, link = tmp_path / "folder" / "real", tmp_path / "link"
    link.symlink_to("folder/real")
    write_text(link, "first")
    assert (link.is_symlink(), real.read_text()) == (True, "first")
    real.chmod(0o640)
    write_text(link, "second")
    assert (link.is_symlink(), real.read_text()) == (True, "second")
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    loop = tmp_path / "loop"
    loop.symlink_to("loop")
    with pytest.raises(OSError, match="loop"):
        write_text(loop, "never")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "link", "loop"}


def test_pipes_and_devices_take_text_and_stay_what_they_are(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True)
    write_text(pipe, "through\n")
    assert reader.communicate(timeout=60)[0] == "through\n"
    write_text("/dev/null", "nowhere")
    for path, kind in ((pipe, "a pipe"), ("/dev/null", "a character device")):
        with pytest.raises(InvalidValueError, match=f"is {kind}; expected a regular file"):
            write_bytes(path, b"")
        with pytest.raises(InvalidValueError, match=f"is {kind}; expected a regular file"):
            require_input(path)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    with pytest.raises(OSError, match="No space left"):
        write_text("/dev/full", "nowhere")


def test_standard_output_is_not_replaced_but_written_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    script = (
        "import sys; from ltc2hw.files.atomic import write_bytes, write_text\n"
        "print('before', flush=True); write_text(sys.argv[1], 'text\\n'); print('after')\n"
        "try:\n    write_bytes(sys.argv[1], b'')\n"
        "except Exception as error:\n    print(type(error).__name__)"
    )
    for path in ("/dev/stdout", str(out)):
        with out.open("w") as stream:
            subprocess.run([sys.executable, "-c", script, path], stdout=stream, check=True)
        assert out.read_text() == "before\ntext\nafter\nInvalidValueError\n"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (".", IsADirectoryError),
        ("folder", IsADirectoryError),
        ("file/below", NotADirectoryError),
        ("none/below", FileNotFoundError),
        ("x" * 256, OSError),
        ("a\0b", InvalidValueError),
    ],
)
def test_places_that_cannot_be_written_are_named(
    name: str, error: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for act in (require_output, lambda path: write_bytes(path, b""), lambda p: write_text(p, "")):
        with pytest.raises(error):
            act(name)
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


def test_a_folder_must_be_new_or_empty(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for name in ("file", "full"):
        with pytest.raises(InvalidValueError, match="a new or empty folder"):
            require_output_folder(tmp_path / name)
    with pytest.raises(FileNotFoundError):
        require_output_folder(tmp_path / "none" / "new")
    write_files(tmp_path / "new", {"a/b": b"1"})
    assert (tmp_path / "new" / "a" / "b").read_bytes() == b"1"


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("x" * 255), "file")
    write_files(tmp_path / ("y" * 255), {"a": b"file"})
    assert len(list(tmp_path.iterdir())) == 2


PARTS = (".ltc2hw-0123456789abcdef.part", ".ltc2hw-fedcba9876543210.part")


def test_what_killed_processes_left_is_cleared(tmp_path: Path) -> None:
    """And nothing else: neither what a living process has locked, nor other names."""
    (tmp_path / PARTS[0]).touch()
    (tmp_path / PARTS[1]).mkdir()
    (tmp_path / PARTS[1] / "file").touch()
    (tmp_path / ".ltc2hw-0.part").touch()
    (tmp_path / ".ltc2hw-aaaaaaaaaaaaaaaa.part").symlink_to("elsewhere")
    write_text(tmp_path / "out", "text")
    assert {path.name for path in tmp_path.iterdir()} == {
        "out", ".ltc2hw-0.part", ".ltc2hw-aaaaaaaaaaaaaaaa.part",
    }  # fmt: skip


SLOW = """
import sys, time
from ltc2hw.files import atomic as files
files.os.replace = lambda *paths: (print("ready", flush=True), time.sleep(600))
files.write_files(sys.argv[1], {"a": b"x"})
"""


def test_a_living_process_keeps_its_part_and_a_killed_one_loses_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SLOW, str(tmp_path / "slow")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        write_text(tmp_path / "out", "text")
        assert len(list(tmp_path.iterdir())) == 2
    finally:
        process.kill()
        process.communicate()
    write_text(tmp_path / "out", "text")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_without_nameless_files_it_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on file systems that have none."""
    monkeypatch.delattr(os, "O_TMPFILE")
    write_text(tmp_path / "out", "first")
    write_text(tmp_path / "out", "second")
    assert isinstance(on_a_full_disk(lambda: write_bytes(tmp_path / "out", b"x" * 9999)), OSError)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "second"


def test_an_interrupt_leaves_the_old_file(tmp_path: Path) -> None:
    write_text(tmp_path / "out.h5", "old")

    def interrupted() -> None:
        with writing(tmp_path / "out.h5") as file:
            file["a"] = np.zeros(10)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == ["out.h5"]
    assert (tmp_path / "out.h5").read_text() == "old"


def test_an_image_is_the_file_that_hdf5_would_write(tmp_path: Path) -> None:
    with (
        writing(tmp_path / "image.h5") as image,
        h5py.File(tmp_path / "file.h5", "w") as file,
    ):
        for target in (image, file):
            target.create_dataset("text", data="ö" * 99, dtype=h5py.string_dtype())
            target.create_dataset("zeros", data=np.zeros((99, 99)), compression="gzip")
    assert (tmp_path / "image.h5").read_bytes() == (tmp_path / "file.h5").read_bytes()
