"""Runs an exported network in Lava. Needs lava-nc and numpy, and nothing else of ltc2hw.

:mod:`ltc2hw.converters.lava.folder` copies this file, the process models and the shim for newer
Pythons into every folder that it writes; ``run.py`` there calls :func:`main`.
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.lava.shim import install_finder

Integers = npt.NDArray[Any]
Recorded = dict[str, Integers]
"""Arrays (T, B, N) by ``population/variable``."""

NETWORK_FILE, ARRAYS_FILE, EXPECTED_FILE = "network.json", "arrays.npz", "expected.json"

SCHEMA_VERSION = 1

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

    from ltc2hw.converters.lava.processes.arithmetic import GateConstants, MessageFormat
    from ltc2hw.converters.lava.processes.lif import LIFConstants
    from ltc2hw.converters.lava.processes.ltc import LTCConstants
    from ltc2hw.converters.lava.processes.readout import ReadoutConstants
    from ltc2hw.converters.lava.processes.scheduled import Run, Timing

    known = (
        GateConstants, LIFConstants, LTCConstants, MessageFormat, ReadoutConstants, Run, Timing,
    )  # fmt: skip
    classes = {kind.__name__: kind for kind in known}
    if not isinstance(value, dict):
        return tuple(decode(part, arrays) for part in value) if isinstance(value, list) else value
    (kind, content), *_ = value.items()
    if kind == "array":
        return arrays[content]
    if kind == "sign_mode":
        return SignMode[content]
    parts = {name: decode(part, arrays) for name, part in content.items()}
    if kind == "csr":
        return csr_matrix(
            (parts["data"], parts["indices"], parts["indptr"]), shape=tuple(parts["shape"])
        )
    return parts if kind == "map" else classes[kind](**parts)


def run(folder: Path, samples: Integers) -> Recorded:
    """Run integer samples (T, B, N_in) one after the other; returns spikes and membranes.

    Arrays are (T, B, N): algorithmic steps, whatever the chip steps that they took.
    """
    install_finder()
    from lava.magma.core.run_conditions import RunSteps
    from lava.magma.core.run_configs import Loihi2SimCfg
    from lava.proc.dense.process import DelayDense, Dense
    from lava.proc.lif.process import LIF
    from lava.proc.sparse.process import DelaySparse, Sparse

    from ltc2hw.converters.lava.processes.lif import RecordedLIFModel, ScheduledLIF
    from ltc2hw.converters.lava.processes.ltc import LTC
    from ltc2hw.converters.lava.processes.readout import Readout
    from ltc2hw.converters.lava.processes.scheduled import Run
    from ltc2hw.converters.lava.processes.source import Source

    known = (DelayDense, Dense, LIF, DelaySparse, Sparse, ScheduledLIF, LTC, Readout, Source)
    classes: dict[str, Any] = {kind.__name__: kind for kind in known}
    plan, arrays = read(folder)
    steps, batch, _ = samples.shape
    processes: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="lava-run-") as name:
        for part in plan["processes"]:
            options = decode(part["options"], arrays)
            if "timing" in options:
                options["timing"] = replace(options["timing"], steps=steps, samples=batch)
                file = str(Path(name) / f"{part['name']}.npz") if part["record"] else ""
                options["run"] = Run(record=tuple(part["record"]), file=file)
            if part["class"] == "Source":
                options["data"] = samples.transpose(1, 0, 2).astype(np.int32)
            processes[part["name"]] = classes[part["class"]](name=part["name"], **options)
        for source, out, target, port in plan["wires"]:
            getattr(processes[source], out).connect(getattr(processes[target], port))
        chip_steps = batch * (plan["lead"] + steps) * plan["period"] + plan["tail"]
        output = processes[plan["output"]]
        output.run(
            condition=RunSteps(num_steps=chip_steps),
            run_cfg=Loihi2SimCfg(
                select_tag="fixed_pt", exception_proc_model_map={LIF: RecordedLIFModel}
            ),
        )
        output.stop()
        return {
            f"{part['name']}/{variable}": values[variable].transpose(1, 0, 2)
            for part in plan["processes"]
            if part["record"]
            for values in [dict(np.load(Path(name) / f"{part['name']}.npz", allow_pickle=False))]
            for variable in part["record"]
        }


def read(folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Integers]]:
    """The plan of the processes, and all arrays."""
    plan = json.loads((folder / NETWORK_FILE).read_text(encoding="utf-8"))
    if plan["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"{NETWORK_FILE} has schema version {plan['schema_version']}, not {SCHEMA_VERSION}"
        )
    with np.load(folder / ARRAYS_FILE, allow_pickle=False) as stored:
        return plan, dict(stored)


def check(folder: Path) -> list[str]:
    """Run the stored samples; returns the variables whose integers are not the promised ones."""
    expected = json.loads((folder / EXPECTED_FILE).read_text(encoding="utf-8"))
    recorded = run(folder, read(folder)[1]["samples"])
    return [name for name, value in expected.items() if digest(recorded[name]) != value]


def main(folder: Path, arguments: Sequence[str]) -> int:
    """Without arguments check the promised integers, else run samples (T, B, N_in)."""
    if len(arguments) == 2:
        result = run(folder, np.load(arguments[0], allow_pickle=False))
        named: dict[str, Any] = {name.replace("/", "."): v for name, v in result.items()}
        np.savez(arguments[1], **named)
        return 0
    if arguments:
        sys.stderr.write(USAGE)
        return 2
    wrong = check(folder)
    sys.stdout.write(f"different: {', '.join(wrong)}\n" if wrong else "all integers as promised\n")
    return 1 if wrong else 0
