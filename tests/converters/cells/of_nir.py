"""Cells of the columns of NIR."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np

from ltc2hw.converters import nir as converter
from ltc2hw.converters.populations import Gate
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import sum_pool
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
from tests.random_networks import random_fixed_network

Allow = frozenset[str]

DT = 1e-3


def read(*nodes: Any, allow: Allow, folder: Path, **options: Any) -> str:
    """Import a chain of nodes; returns the changes that were made."""
    return read_graph(nir.NIRGraph.from_list(*nodes, type_check=False), allow, folder, **options)


def read_graph(graph: Any, allow: Allow, folder: Path, **options: Any) -> str:
    nir.write(folder / "graph.nir", graph)
    imported = converter.read(folder / "graph.nir", dt=DT, allow=allow, **options)
    return imported.provenance.get("changes", "")


def write(exported: Network | FixedNetwork, allow: Allow, folder: Path, **options: Any) -> str:
    """Export a network; returns the changes that were made."""
    return "; ".join(
        map(str, converter.write(exported, folder / "net.nir", allow=allow, **options))
    )


def read_back(exported: Network, allow: Allow, folder: Path) -> str:
    """Import one of our own files."""
    converter.write(exported, folder / "net.nir")
    return converter.read(folder / "net.nir", allow=allow).provenance.get("changes", "")


def read_edited(entry: str, value: Any, allow: Allow, folder: Path) -> str:
    """Import a file in which another tool put one entry more."""
    path = folder / "graph.nir"
    nir.write(path, nir.NIRGraph.from_list(cuba()))
    with h5py.File(path, "r+") as file:
        file[entry] = value
    return converter.read(path, dt=DT, allow=allow).provenance.get("changes", "")


def cuba(**changes: Any) -> Any:
    tau = 5 * DT * ONE
    given = {"tau_syn": tau, "tau_mem": tau, "r": ONE, "v_leak": ZERO, "v_threshold": ONE}
    return nir.CubaLIF(**{**given, **changes})


def graph(edges: list[tuple[str, str]], **more: Any) -> Any:
    nodes = {"input": nir.Input(np.array([3])), "output": nir.Output(np.array([3])), **more}
    return nir.NIRGraph(nodes, edges, type_check=False)


TAU = {"tau": 5 * DT * ONE, "r": ONE, "v_leak": ZERO}
INF = np.full(3, np.inf)
MATRIX = np.eye(3) + 0.5
IMAGE = nir.Input(np.array([2, 6, 6]))
POOL = {"kernel_size": np.array([2, 2]), "stride": np.array([2, 2]), "padding": np.array([0, 0])}


def image_lif(*shape: int) -> Any:
    ones = np.ones(shape)
    return nir.LIF(tau=5 * DT * ones, r=ones, v_leak=0 * ones, v_threshold=ones)


def conv(**changes: Any) -> Any:
    given = {
        "input_shape": (6, 6),
        "weight": np.ones((2, 2, 3, 3)),
        "stride": (1, 1),
        "padding": (0, 0),
        "dilation": (1, 1),
        "groups": 1,
        "bias": np.zeros(2),
    }
    return nir.Conv2d(**{**given, **changes})


IMPORTS: Mapping[str, Callable[..., str]] = {
    "spiking-input": partial(read, cuba()),
    "graded-input": partial(read, cuba(), graded_input=True),
    "several-ends": partial(
        read_graph,
        graph([("input", "a"), ("more", "a"), ("a", "output")], a=cuba(), more=nir.Input([3])),
    ),
    "lif": partial(read, cuba()),
    "lif-box": partial(read, nir.LIF(**TAU, v_threshold=ONE)),
    "if": partial(read, nir.IF(r=ONE, v_threshold=ONE)),
    "threshold": partial(read, nir.Threshold(ONE)),
    "ltc": partial(read_back, network(ltc())),
    "readout": partial(read, nir.LI(**TAU)),
    "li-current": partial(
        read, nir.CubaLI(tau_syn=TAU["tau"], tau_mem=TAU["tau"], r=ONE, v_leak=ZERO)
    ),
    "gated-readout": partial(read_back, network(readout(tau_mem=Gate(0.3, 0.1)))),
    "gate-convolution": lambda allow, folder: read_back(image(PLANE, "tau_mem"), allow, folder),
    "other-model": partial(read_back, network(Neurons("a", 3, "adlif"))),
    "integrator": partial(read, nir.I(r=ONE)),
    "step-too-long": partial(read, cuba(tau_mem=0.5 * DT * ONE)),
    "soft-reset": partial(read, cuba(), reset="subtract"),
    "infinite-tau": partial(read, nir.LIF(**{**TAU, "tau": INF, "r": INF}, v_threshold=ONE)),
    "frozen": partial(read, nir.LIF(**{**TAU, "tau": INF}, v_threshold=ONE)),
    "infinite-threshold": partial(read, nir.LIF(**TAU, v_threshold=INF)),
    "slow-decay": partial(read, nir.Linear(9e3 * MATRIX), cuba(tau_mem=5000 * DT * ONE)),
    "silent-neurons": partial(read, nir.Linear(1e-3 * MATRIX), cuba()),
    "duplicate-edges": partial(
        read_graph, graph([("input", "a"), ("a", "output"), ("input", "a")], a=cuba())
    ),
    "no-node": lambda allow, folder: str(
        converter.from_graph(graph([("input", "a"), ("a", "output")], a=None), dt=DT, allow=allow)
    ),
    "linear": partial(read, nir.Affine(MATRIX, HALF), cuba()),
    "recurrence": partial(
        read_graph,
        graph(
            [("input", "a"), ("a", "w"), ("w", "a"), ("a", "output")],
            a=cuba(),
            w=nir.Linear(MATRIX),
        ),
    ),
    "topology": partial(
        read_graph,
        graph([("input", "a"), ("a", "b"), ("b", "a"), ("b", "output")], a=cuba(), b=cuba()),
    ),
    "loop-without-neuron": partial(
        read_graph,
        graph(
            [("input", "a"), ("s", "s2"), ("s2", "s"), ("s", "a"), ("a", "output"), ("a", "s")],
            a=cuba(),
            s=nir.Scale(ONE),
            s2=nir.Scale(ONE),
        ),
    ),
    "delay": partial(read, nir.Delay(2 * DT * ONE), cuba()),
    "fractional-delay": partial(read, nir.Delay(1.5 * DT * ONE), cuba()),
    "convolution": partial(read, IMAGE, conv(), image_lif(2, 4, 4)),
    "convolution-1d": partial(
        read, nir.Input(np.array([2, 6])), nir.Conv1d(6, np.ones((2, 2, 3)), 1, 0, 1, 1, ZERO[:2])
    ),
    "sum-pooling": partial(read, IMAGE, nir.SumPool2d(**POOL), image_lif(2, 3, 3)),
    "padding": partial(read, IMAGE, conv(padding="same", stride=(2, 2)), image_lif(2, 6, 6)),
    "flatten": partial(read, IMAGE, nir.Flatten({"input": np.array([2, 6, 6])}, 0), image_lif(72)),
    "other-node": partial(read_edited, "node/nodes/cubalif/unheard_of", 1.0),
}

EXPORTED: Mapping[str, Network | FixedNetwork] = {
    "spiking-input": network(lif()),
    "graded-input": network(lif(), graded=True),
    "lif": network(lif()),
    "lif-box": network(lif(current_decay=ONE)),
    "if": network(lif(current_decay=ONE, membrane_decay=ZERO)),
    "no-leak-with-current": network(lif(membrane_decay=ZERO)),
    "no-current-decay": network(lif(current_decay=ZERO)),
    "ltc": network(ltc()),
    "readout": network(readout()),
    "gated-readout": network(readout(tau_mem=Gate(0.3, 0.1))),
    "other-model": network(Neurons("a", 3, "adlif")),
    "integrator": network(readout(tau_mem=Gate(-900.0))),
    "membrane-bias": network(lif(bias=HALF)),
    "overflow": network(lif(membrane_decay=5e-324 * ONE)),
    "bias-alone": network(
        lif(), lif("b", current_decay=ONE, membrane_decay=ZERO, bias=HALF), link("input", "a")
    ),
    "integers": random_fixed_network(np.random.default_rng(0), extreme=False, largest=4),
    "recurrence": network(lif(), link("a", "a", delay=1)),
    "topology": network(
        lif("a"), lif("b"), link("input", "a"), link("a", "b"), link("b", "a", delay=1)
    ),
    "delay": network(lif(), link("input", "a", delay=2)),
}


EXPORTED = {
    **EXPORTED,
    "convolution": image(PLANE),
    "convolution-1d": image(ROW),
    "gate-convolution": image(PLANE, "tau_mem"),
    "sum-pooling": image(sum_pool((2, 6, 6), 2)),
}

EXPORTS: Mapping[str, Callable[..., str]] = {
    name: partial(write, exported) for name, exported in EXPORTED.items()
} | {
    "no-reset-potential": partial(write, network(lif()), nir_version="1.0.4"),
    "soft-reset": partial(write, network(Neurons("a", 3, "if_subtract")), nir_version="1.0.4"),
}
