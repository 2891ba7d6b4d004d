"""Cells of the column of the FPTT authors' state dicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ltc2hw.converters import sfptt

Allow = frozenset[str]

SIZE, INPUTS = 3, 2


def dense(name: str, outputs: int, inputs: int) -> dict[str, Any]:
    matrix = np.arange(outputs * inputs).reshape(outputs, inputs) / 10
    return {f"{name}.weight": matrix, f"{name}.bias": np.full(outputs, 0.1)}


BASE: Mapping[str, Any] = {
    **dense("layer1_x", SIZE, INPUTS),
    **dense("layer1_r", SIZE, SIZE),
    **dense("layer1_tauM", SIZE, 2 * SIZE),
    **dense("layer1_tauAdp", SIZE, 2 * SIZE),
    **dense("lin", 2, SIZE),
}

READOUT = dense("layer3_x", 2, SIZE)

STATIC = {"tau_m": np.zeros(SIZE), "tau_adp": np.zeros(SIZE)}

SECOND = {
    name.replace("layer1", "layer2"): value
    for name, value in {**BASE, **dense("layer1_x", SIZE, SIZE)}.items()
    if name.startswith("layer1")
}


def norm(**statistics: Any) -> dict[str, Any]:
    affine = {"bn1a.weight": np.ones(SIZE), "bn1a.bias": np.zeros(SIZE)}
    return {**affine, **{f"bn1a.{name}": np.full(SIZE, v) for name, v in statistics.items()}}


def read(
    changes: Mapping[str, Any],
    allow: Allow,
    folder: Path,
    *,
    without: tuple[str, ...] = (),
    **options: Any,
) -> str:
    """Import the base model with other entries; returns the changes that were made."""
    entries = {k: v for k, v in BASE.items() if not k.startswith(without or ("nothing",))}
    network = sfptt.from_state_dict({**entries, **changes}, allow=allow, **options)
    return network.provenance.get("changes", "")


GATES = ("layer1_tau",)
PER_STEP = norm(running_mean_0=0.1, running_var_0=1.0, running_mean_1=0.2, running_var_1=1.0)

IMPORTS: Mapping[str, Callable[..., str]] = {
    "spiking-input": partial(read, {}, graded_input=False),
    "graded-input": partial(read, {}),
    "alif": partial(read, STATIC, without=GATES),
    "ltc": partial(read, {}),
    "readout": partial(
        read, {**READOUT, "tau_m_o": np.zeros(2)}, without=("lin",), batch_norm_step=None
    ),
    "gated-readout": partial(read, {**READOUT, **dense("layer3_tauM", 2, 4)}, without=("lin",)),
    "initial-state": partial(read, {}, without=("lin",)),
    "linear": partial(read, {}),
    "recurrence": partial(read, {}),
    "topology": partial(read, SECOND),
    "convolution": partial(read, {"conv1.weight": np.zeros((2, 1, 3, 3))}),
    "batch-norm": partial(read, norm(running_mean=0.1, running_var=0.9)),
    "batch-norm-per-step": partial(read, PER_STEP, batch_norm_step=1),
    "gate-slope": partial(read, {"act1.alpha": np.array(2.0)}),
    "gate-identity": partial(read, {"act1.alpha": np.array(0.0)}),
    "other-node": partial(read, {"surprise": np.zeros(2)}),
}
