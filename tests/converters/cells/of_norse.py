"""Cells of the columns of Norse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from norse import torch as snn
from norse.torch.functional.reset import reset_subtract
from norse.torch.module.iaf import IAF
from norse.torch.module.leaky_integrator_box import LIBoxCell
from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters
from torch import nn

from ltc2hw.converters import norse
from ltc2hw.converters.populations import Gate
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from tests.converters.cells.networks import (
    HALF,
    ONE,
    PLANE,
    ROW,
    ZERO,
    image,
    lif,
    link,
    ltc,
    network,
    readout,
)

Allow = frozenset[str]


def read(*layers: Any, allow: Allow, folder: Path, shape: Any = 3, **options: Any) -> str:
    """Import a sequence; returns the changes that were made."""
    module = snn.SequentialState(*layers).eval()
    imported = norse.from_module(module, input_shape=shape, allow=allow, **options)
    return imported.provenance.get("changes", "")


def read_hooked(allow: Allow, folder: Path) -> str:
    layer = snn.LIF()
    layer.register_forward_hook(lambda module, given, answer: answer)
    return read(layer, allow=allow, folder=folder)


def read_training(allow: Allow, folder: Path) -> str:
    module = snn.SequentialState(snn.LIF(), nn.Dropout()).train()
    return norse.from_module(module, input_shape=3, allow=allow).provenance.get("changes", "")


def write(exported: Network, allow: Allow, folder: Path) -> str:
    """Export a network; returns the changes that were made."""
    return "; ".join(map(str, norse.to_module(exported, allow=allow)[1]))


def shifted() -> Any:
    return snn.LIFParameters(v_leak=torch.tensor(0.2), v_reset=torch.tensor(0.1))


IMAGE: dict[str, Any] = {"shape": (2, 6, 6)}

IMPORTS: Mapping[str, Callable[..., str]] = {
    "spiking-input": partial(read, snn.LIF()),
    "graded-input": partial(read, snn.LIF(), graded_input=True),
    "lif": partial(read, snn.LIF()),
    "lif-box": partial(read, snn.Lift(LIFBoxCell())),
    "if": partial(read, IAF()),
    "alif": partial(read, snn.LSNN()),
    "readout": partial(read, snn.Lift(LIBoxCell())),
    "li-current": partial(read, snn.LI()),
    "integrator": partial(read, snn.LI(snn.LIParameters(tau_mem_inv=torch.tensor(0.0)))),
    "refractory": partial(read, snn.LIFRefracCell()),
    "soft-reset": partial(
        read, snn.Lift(LIFBoxCell(LIFBoxParameters(reset_method=reset_subtract)))
    ),
    "initial-membrane": partial(read, snn.LIF(shifted())),
    "step-too-long": partial(read, snn.LIF(dt=0.1)),
    "linear": partial(read, snn.Lift(nn.Linear(3, 2)), snn.LIF()),
    "recurrence": partial(read, snn.LIFRecurrent(3, 2)),
    "topology": partial(read, snn.RecurrentSequential(snn.LIF())),
    "convolution": partial(read, snn.Lift(nn.Conv2d(2, 2, 3)), snn.LIF(), **IMAGE),
    "convolution-1d": partial(read, snn.Lift(nn.Conv1d(2, 2, 3)), snn.LIF(), shape=(2, 6)),
    "sum-pooling": partial(read, snn.Lift(nn.AvgPool2d(2)), snn.LIF(), **IMAGE),
    "max-pooling": partial(read, snn.Lift(nn.MaxPool2d(2)), snn.LIF(), **IMAGE),
    "padding": partial(read, snn.Lift(nn.AvgPool2d(2, ceil_mode=True)), snn.LIF(), **IMAGE),
    "flatten": partial(read, nn.Flatten(2), snn.LIF(), **IMAGE),
    "batch-norm": partial(read, snn.Lift(nn.BatchNorm1d(3)), snn.LIF()),
    "training-mode": read_training,
    "changed-module": read_hooked,
    "per-step": partial(read, snn.LIFCell()),
    "mixed-time": partial(read, snn.LIF(), snn.LIFCell()),
    "lost-state": partial(read, snn.Lift(LIFBoxCell()), snn.LIF()),
    "other-node": partial(read, nn.ReLU()),
}

EXPORTS: Mapping[str, Callable[..., str]] = {
    name: partial(write, exported)
    for name, exported in {
        "spiking-input": network(lif()),
        "graded-input": network(lif(), graded=True),
        "lif": network(lif()),
        "lif-box": network(lif(current_decay=ONE)),
        "if": network(lif(current_decay=ONE, membrane_decay=ZERO)),
        "if-recurrent": network(
            lif(current_decay=ONE, membrane_decay=ZERO), link("a", "a", delay=1)
        ),
        "no-leak-with-current": network(lif(membrane_decay=ZERO)),
        "alif": network(ltc(), link("input", "a", delay=1)),
        "ltc": network(ltc(tau_mem=Gate(0.3, 0.1)), link("input", "a", delay=1)),
        "other-model": network(Neurons("a", 3, "cuba")),
        "readout": network(readout()),
        "gated-readout": network(readout(tau_mem=Gate(0.3, 0.1))),
        "integrator": network(ltc(tau_adp=Gate(900.0)), link("input", "a", delay=1)),
        "overflow": network(lif(membrane_decay=5e-324 * ONE)),
        "membrane-bias": network(lif(current_decay=ONE, bias=HALF)),
        "initial-membrane": network(lif(bias=HALF)),
        "own-constants": network(
            ltc(threshold=np.linspace(1.0, 1.2, 3)), link("input", "a", delay=1)
        ),
        "recurrence": network(lif(), link("a", "a", delay=1)),
        "topology": network(
            lif("a"), lif("b"), link("input", "a"), link("a", "b"), link("input", "b")
        ),
        "delay": network(lif(), link("input", "a", delay=2)),
        "convolution": image(PLANE),
        "convolution-1d": image(ROW),
    }.items()
}
