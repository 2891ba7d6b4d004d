"""Runs an exported network in Lava. Needs lava-nc and numpy, and of ltc2hw what it imports.

:mod:`ltc2hw.converters.lava.folder` copies this file and every module that it imports, the process
models and the interpreter of programs among them, into each folder; ``run.py`` calls :func:`main`.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.lava.shim import LAVA_RELEASE, install_finder
from ltc2hw.errors import DamagedFileError, InvalidValueError, Ltc2hwError, ShapeError

Integers = npt.NDArray[Any]
Recorded = dict[str, Integers]
"""Arrays (T, B, N) by ``population/variable``."""

NETWORK_FILE, ARRAYS_FILE, EXPECTED_FILE = "network.json", "arrays.npz", "expected.json"

SCHEMA_VERSION = 3

INTEGER_KINDS = "bui"
"""NumPy's letters for flags and integers."""

UNREADABLE = (
    EOFError, KeyError, NotImplementedError, SyntaxError, TypeError, ValueError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
"""What NumPy and JSON raise for files that are not theirs."""

USAGE = "usage: run.py [SAMPLES.npy RESULT.npz]\n"


def digest(array: Integers) -> str:
    """SHA-256 of the shape and the integers of an array.

    >>> digest(np.zeros((1, 1, 1), np.int32)) == digest(np.zeros((1, 1, 1), np.uint8))
    True
    """
    hasher = hashlib.sha256(str(array.shape).encode())
    hasher.update(np.ascontiguousarray(array, dtype="<i8").tobytes())
    return hasher.hexdigest()


def decode(value: Any, arrays: Mapping[str, Integers]) -> Any:
    """Turn what ``export`` wrote as JSON into constants of processes."""
    from lava.utils.weightutils import SignMode
    from scipy.sparse import csr_matrix

    from ltc2hw.converters.lava.processes.neurons import Dynamics
    from ltc2hw.converters.lava.processes.scheduled import Run, Timing
    from ltc2hw.dynamics.program import Program

    classes: dict[str, Any] = {kind.__name__: kind for kind in (Dynamics, Run, Timing)}
    if not isinstance(value, dict):
        return tuple(decode(part, arrays) for part in value) if isinstance(value, list) else value
    (kind, content), *_ = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "sign_mode":
        return SignMode[content]
    if kind == "program":
        return Program.from_text(content)
    parts = {name: decode(part, arrays) for name, part in content.items()}
    if kind == "csr":
        return csr_matrix(
            (parts["data"], parts["indices"], parts["indptr"]), shape=tuple(parts["shape"])
        )
    return parts if kind == "map" else classes[kind](**parts)


def run(folder: Path, samples: Integers) -> Recorded:
    """Run integer samples (T, B, N_in) one after the other; returns spikes and membranes.

    Arrays are (T, B, N): algorithmic steps, whatever the chip steps that they took.

    Raises:
        Ltc2hwError: if Lava is not installed.
        DamagedFileError: if a file of the folder is not what was written.
    """
    if find_spec("lava") is None:
        raise Ltc2hwError(f"running this folder needs lava-nc {LAVA_RELEASE} (see README.md)")
    install_finder()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.conv.process import Conv
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.lif.process import LIF
    from lava.proc.sparse.process import DelaySparse, Sparse

    from ltc2hw.converters.lava.processes.convolution import WideConvModel
    from ltc2hw.converters.lava.processes.lif import RecordedLIFModel
    from ltc2hw.converters.lava.processes.neurons import Neurons
    from ltc2hw.converters.lava.processes.scheduled import Run
    from ltc2hw.converters.lava.processes.source import Source
    from ltc2hw.converters.lava.wiring import connect

    known = (Conv, DelayDense, Dense, LIF, DelaySparse, Sparse, Neurons, Source)
    classes: dict[str, Any] = {kind.__name__: kind for kind in known}
    plan, arrays = read(folder)
    steps, batch, _ = samples.shape
    processes: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lava-run-") as name:
        # By number: a name of the network may be longer than that of a file.
        files = [str(Path(name) / f"{number}.npz") for number in range(len(plan["processes"]))]
        for part, file in zip(plan["processes"], files, strict=True):
            options = decode(part["options"], arrays)
            if "timing" in options:
                options["timing"] = replace(options["timing"], steps=steps, samples=batch)
                kept = tuple(part["record"])
                options["run"] = Run(record=kept, file=file if kept else "")
            if part["class"] == "Source":
                options["data"] = samples.transpose(1, 0, 2).astype(np.int32)
            processes[part["name"]] = classes[part["class"]](name=part["name"], **options)
        for source, out, target, port in plan["wires"]:
            connect(getattr(processes[source], out), getattr(processes[target], port))
        chip_steps = batch * (plan["lead"] + steps) * plan["period"] + plan["tail"]
        output = processes[plan["output"]]
        output.run(
            condition=RunSteps(num_steps=chip_steps),
            run_cfg=Loihi2SimCfg(
                select_tag="fixed_pt",
                exception_proc_model_map={LIF: RecordedLIFModel, Conv: WideConvModel},
            ),
        )
        output.stop()
        return {
            f"{part['name']}/{variable}": values[variable].transpose(1, 0, 2)
            for part, file in zip(plan["processes"], files, strict=True)
            if part["record"]
            for values in [dict(np.load(file, allow_pickle=False))]
            for variable in part["record"]
        }


def read(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Integers]]:
    """The plan of the processes, and all arrays.

    Raises:
        DamagedFileError: for a file that is not what was written.
        OSError: for one that is missing.
    """
    plan = read_json(folder / NETWORK_FILE)
    if plan.get("schema_version") != SCHEMA_VERSION:
        raise DamagedFileError(
            folder / NETWORK_FILE,
            f"it has schema version {plan.get('schema_version')}, not {SCHEMA_VERSION}",
        )
    try:
        # Opened here, because np.load leaves a file that it cannot read open.
        with (folder / ARRAYS_FILE).open("rb") as raw, np.load(raw, allow_pickle=False) as stored:
            return plan, dict(stored)
    except UNREADABLE as error:
        raise DamagedFileError(folder / ARRAYS_FILE, _one_line(error)) from error


def read_json(path: Path) -> Mapping[str, Any]:
    """An object of a JSON file.

    Raises:
        DamagedFileError: for anything else.
        OSError: if there is no such file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DamagedFileError(path, f"no JSON: {_one_line(error)}") from error
    if not isinstance(content, dict):
        raise DamagedFileError(path, "it is no JSON object")
    return content


def read_samples(path: Path, given: Mapping[str, Any]) -> tuple[Integers, int]:
    """Integer samples (T, B, N_in) fitted to the input's word, and how many had to be clipped.

    ``given`` is the input of the plan: ``size``, ``graded``, ``minimum``, ``maximum``,
    ``fraction``.

    Raises:
        InvalidValueError: for other numbers than integers, or for spikes that are not 0 or 1.
        ShapeError: for samples of another shape.
        DamagedFileError: for a file that is no array of NumPy.
        OSError: if there is no such file.
    """
    if path.exists() and not path.is_file():
        raise InvalidValueError(f"file {path}", "no regular file", "an array of NumPy, .npy")
    try:
        # Mapped, so that a header that promises more than the file has is an error.
        samples = np.load(path, mmap_mode="r", allow_pickle=False)
    except UNREADABLE as error:
        raise DamagedFileError(path, f"no array of NumPy: {_one_line(error)}") from error
    if not isinstance(samples, np.ndarray):
        samples.close()
        raise DamagedFileError(path, "it holds several arrays", "save one with numpy.save")
    if samples.dtype.kind not in INTEGER_KINDS:
        remedy = f"round(real * 2^{given['fraction']})" if given["graded"] else "0 and 1"
        raise InvalidValueError(f"type of the samples in {path}", samples.dtype, "integers", remedy)
    size = given["size"]
    if samples.ndim != 3 or samples.shape[2] != size or 0 in samples.shape:
        raise ShapeError(
            f"shape of the samples in {path}", samples.shape, f"(steps, samples, {size})",
            "time first, none empty",
        )  # fmt: skip
    return fitted(samples, given)


def fitted(samples: Integers, given: Mapping[str, Any]) -> tuple[Integers, int]:
    """Integers clipped to the input's word, as every engine does, and how many were.

    Raises:
        InvalidValueError: for spikes that are not 0 or 1.

    >>> word = {"graded": True, "minimum": -8, "maximum": 7}
    >>> fitted(np.array([[[9, -2]]]), word)
    (array([[[ 7, -2]]], dtype=int32), 1)
    """
    low, high = given["minimum"], given["maximum"]
    # Compared only where the type reaches beyond the word, so that no limit overflows it.
    kind = np.iinfo(samples.dtype) if samples.dtype.kind != "b" else np.iinfo(np.uint8)
    outside = np.zeros(samples.shape, dtype=bool)
    if kind.min < low:
        outside |= samples < low
    if kind.max > high:
        outside |= samples > high
    if not given["graded"] and outside.any():
        wrong = samples[outside][0]
        raise InvalidValueError("sample of a spiking input", wrong, "0 or 1")
    clipped = np.clip(samples.astype(kind.dtype), max(low, kind.min), min(high, kind.max))
    return clipped.astype(np.int32), int(outside.sum())


def check(folder: Path) -> list[str]:
    """Run the stored samples; returns the variables whose integers are not the promised ones."""
    expected = read_json(folder / EXPECTED_FILE)
    recorded = run(folder, read(folder)[1]["samples"])
    return [name for name, value in expected.items() if digest(recorded[name]) != value]


def run_samples(folder: Path, source: Path, result: Path) -> str:
    """Run the samples of a file and write the result, whole or not at all; returns what to say.

    Raises:
        InvalidValueError, DamagedFileError, OSError: before anything is run.
    """
    if result.is_dir() or not result.parent.is_dir():
        raise InvalidValueError("result", result, "a file in a folder that exists")
    if result.exists() and (not result.is_file() or result.samefile(source)):
        raise InvalidValueError("result", result, "a regular file other than the samples")
    given = read(folder)[0]["input"]
    samples, clipped = read_samples(source, given)
    arrays: dict[str, Any] = {
        name.replace("/", "."): values for name, values in run(folder, samples).items()
    }
    image = io.BytesIO()
    np.savez(image, **arrays)
    write(result, image.getvalue())
    if not clipped:
        return ""
    word = f"{given['minimum']} to {given['maximum']}"
    return f"{clipped} of {samples.size} values clipped to the input's word, {word}\n"


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; a link is followed.

    Raises:
        OSError: if the folder cannot be written or the disk is full.
    """
    final = Path(os.path.realpath(path))
    descriptor, temporary = tempfile.mkstemp(prefix=".run-", suffix=".part", dir=final.parent)
    try:
        with open(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        os.replace(temporary, final)
    except BaseException:
        os.unlink(temporary)
        raise


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Without arguments check the promised integers, else run samples (T, B, N_in).

    Returns the exit status: 0 for done, 1 for other integers than promised, 2 for bad input.
    """
    if len(arguments) not in (0, 2):
        sys.stderr.write(USAGE)
        return 2
    try:
        if arguments:
            sys.stdout.write(run_samples(folder, Path(arguments[0]), Path(arguments[1])))
            return 0
        wrong = check(folder)
    except (Ltc2hwError, OSError) as error:
        sys.stderr.write(f"run.py: error: {_one_line(error)}\n")
        return 2
    sys.stdout.write(f"different: {', '.join(wrong)}\n" if wrong else "all integers as promised\n")
    return 1 if wrong else 0


def _one_line(error: BaseException) -> str:
    shown = " ".join(str(error).split()) or type(error).__name__
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in shown)
