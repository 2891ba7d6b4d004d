"""The ``lava`` engine: a network in Lava's own runtime, in a process group of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ltc2hw.converters.lava.runner import run_job
from ltc2hw.converters.lava.scratch import scratch_folder
from ltc2hw.converters.lava.shim import require_lava
from ltc2hw.files.atomic import write_arrays
from ltc2hw.files.bundle import load, save
from ltc2hw.graph.fixed import FixedInput, FixedNetwork
from ltc2hw.graph.trace import State, Trace

NETWORK_FILE = "network.h5"
RUN_FILE = "run.npz"
TIMEOUT = 3600.0
"""Seconds after which a run counts as stuck; Lava takes about a millisecond per chip step."""


def simulate(
    network: FixedNetwork,
    x: npt.ArrayLike,
    record: Sequence[str] | str = ("spikes", "membrane"),
    state: State | None = None,
    timeout: float = TIMEOUT,
) -> Trace:
    """Run samples x (T, B, N_in) under ``Loihi2SimCfg(select_tag="fixed_pt")``.

    The samples run one after the other through the same processes, each from its own initial
    state. Chip steps and skews are undone: recorded integers stand where the other engines have
    them. Lava counts no saturations, so only the input's are in the trace.

    Raises:
        MissingExtraError: if lava-nc is not installed.
        UnsupportedError: for words or delays that Lava cannot hold.
        LavaError: if Lava fails or does not end within ``timeout`` seconds.
        ShapeError, InvalidValueError, UnknownNameError: as every engine does.
    """
    require_lava("running a network in Lava")
    from ltc2hw.converters.lava.runs import Request

    request = Request.make(network, x, record, state)
    with scratch_folder() as folder:
        save(network, folder / NETWORK_FILE)
        arrays: dict[str, Any] = {
            f"{population}/{register}": value
            for population, values in request.state.items()
            for register, value in values.items()
        }
        for population, kept in request.record.items():
            arrays[f"{population}|record"] = np.array(kept, dtype=str)
        write_arrays(folder / RUN_FILE, {"samples": request.encoded, **arrays})
        run_job(f"{__name__}:run", folder, timeout, temporary=True)
        recorded = {
            p.name: _read(_record(folder, network, p.name))
            for p in network.populations
            if _records(p)
        }
    return request.trace(recorded)


def run(folder: Path) -> None:
    """Run what :func:`simulate` left in the folder; the processes write their records there."""
    from lava.magma.core.run_conditions import RunSteps

    from ltc2hw.converters.lava.assembly import build_network
    from ltc2hw.converters.lava.runs import Request

    network = load(folder / NETWORK_FILE)
    assert isinstance(network, FixedNetwork)
    with np.load(folder / RUN_FILE, allow_pickle=False) as stored:
        arrays = dict(stored)
    state = {
        p.name: {
            key.partition("/")[2]: value
            for key, value in arrays.items()
            if key.startswith(f"{p.name}/")
        }
        for p in network.populations
    }
    record = {p.name: tuple(map(str, arrays[f"{p.name}|record"])) for p in network.populations}
    request = Request(network, arrays["samples"], 0, record, state)
    built = build_network(network, request.feed(lambda name: str(_record(folder, network, name))))
    process = built.populations[network.output]
    process.run(
        condition=RunSteps(num_steps=request.chip_steps), run_cfg=built.run_config(recorded=True)
    )
    process.stop()


def _records(population: object) -> bool:
    return not isinstance(population, FixedInput)


def _record(folder: Path, network: FixedNetwork, population: str) -> Path:
    """Where a population records; by number, for its name may be longer than that of a file."""
    names = [p.name for p in network.populations]
    return folder / f"record-{names.index(population)}.npz"


def _read(file: Path) -> dict[str, npt.NDArray[np.int64]]:
    with np.load(file, allow_pickle=False) as stored:
        return dict(stored)
