"""Cells of the columns of lava-dl's netx."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from ltc2hw.converters import netx
from ltc2hw.converters.populations import FixedLIF
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense
from ltc2hw.numbers.words import Word
from ltc2hw.quantization.quantize import quantize
from tests.converters.cells.networks import ltc, network, readout

Allow = frozenset[str]

SIZE = 3


def population(name: str, **changes: Any) -> FixedNeurons:
    numbers = {"current_decay": 500, "membrane_decay": 200, "threshold": 90, "bias_mantissa": 0}
    words = {"state": Word(24), "fraction": 12, "decay_fraction": 12, "alignment": 6}
    given: dict[str, Any] = {
        field: np.full(SIZE, value) if field in numbers else value
        for field, value in {**numbers, **words, "bias_exponent": 6, **changes}.items()
    }
    return FixedLIF(name, SIZE, **given)


def link(source: str, target: str, delay: int = 0, mantissas: Any = None) -> FixedProjection:
    matrix = np.arange(-4, 5).reshape(SIZE, SIZE) * 9 if mantissas is None else mantissas
    return FixedProjection(
        source, "spikes", target, "current", Dense(np.asarray(matrix)), 8, 1, 5, delay
    )


def chain(
    *links: FixedProjection, a: FixedNeurons | None = None, b: FixedNeurons | None = None
) -> FixedNetwork:
    """input -> a -> b, with the given projections besides or instead."""
    source = FixedInput("input", SIZE, False, Word(1, signed=False), 0)
    chosen = {(p.source, p.target, p.delay): p for p in (link("input", "a"), link("a", "b"))}
    for projection in links:
        if projection.source != projection.target:
            for key in [key for key in chosen if key[:2] == (projection.source, projection.target)]:
                if chosen[key] not in links:
                    del chosen[key]
        chosen[projection.source, projection.target, projection.delay] = projection
    populations = (source, a or population("a"), b or population("b"))
    return FixedNetwork(populations, tuple(chosen.values()), "b", "loihi2")


def write(exported: FixedNetwork, allow: Allow, folder: Path) -> str:
    """Export a network; returns the changes that were made."""
    return "; ".join(map(str, netx.write(exported, folder / "net.h5", allow=allow)))


def write_quantized(float_network: Any, allow: Allow, folder: Path) -> str:
    x = np.ones((2, 1, SIZE))
    return write(quantize(float_network, "loihi2", calibration=x), allow, folder)


def read(
    exported: FixedNetwork, allow: Allow, folder: Path, *, word: Word | None = None, **entries: Any
) -> str:
    """Import a file of lava-dl in which layer 2 has other entries."""
    netx.write(exported, folder / "net.h5")
    with h5py.File(folder / "net.h5", "r+") as file:
        del file["ltc2hw"]
        for name, value in entries.items():
            place = f"layer/2/{name.replace('__', '/')}"
            if place in file:
                del file[place]
            file[place] = value
    return netx.read(folder / "net.h5", input_word=word).provenance.get("changes", "")


def read_input_neuron(allow: Allow, folder: Path) -> str:
    netx.write(chain(), folder / "net.h5")
    with h5py.File(folder / "net.h5", "r+") as file:
        file.copy("layer/1/neuron", file["layer/0"])
    return netx.read(folder / "net.h5").provenance.get("changes", "")


def read_blocks(allow: Allow, folder: Path, *, trained: bool = True, hooked: bool = False) -> str:
    """Import a slayer block, in training or with a hook."""
    torch = pytest.importorskip("torch")
    slayer = pytest.importorskip("lava.lib.dl.slayer", reason="the lava-dl extra is missing")
    options = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.5}
    drop = slayer.neuron.Dropout(0.1)
    block = slayer.block.cuba.Dense({**options, "dropout": drop}, SIZE, SIZE)
    block(torch.zeros(1, SIZE, 2))
    if hooked:
        block.register_forward_hook(lambda module, given, answer: answer)
    return netx.from_module([block.train(not trained)]).provenance.get("changes", "")


BIASED = population("b", bias_mantissa=5)
GRADED = Word(8, signed=False)
GRADED_CHAIN = FixedNetwork(
    (FixedInput("input", SIZE, True, GRADED, 0), population("a")),
    (replace(link("input", "a"), variable="value"),),
    "a",
    "loihi2",
)


KERNEL = np.array([-2, 5, 9])
IMAGE = Conv(KERNEL.reshape(1, 1, 1, 3), (1, 1, SIZE), 1, (0, 1))
ROW = Conv(KERNEL.reshape(1, 1, 3), (1, SIZE), 1, 1)
UNEVEN = Conv(KERNEL.reshape(1, 1, 1, 3), (1, 1, SIZE), 1, ((0, 0), (2, 0)))


def convolved(conv: Conv) -> FixedNetwork:
    """input -> a by a convolution."""
    source = FixedInput("input", SIZE, False, Word(1, signed=False), 0, conv.sources)
    target = replace(population("a"), shape=conv.targets)
    projection = replace(link("input", "a"), weights=conv)
    return FixedNetwork((source, target), (projection,), "a", "loihi2")


def read_convolution(allow: Allow, folder: Path, *, delay: float = 0.0) -> str:
    """Import a file of lava-dl with a convolution."""
    netx.write(convolved(IMAGE), folder / "net.h5")
    with h5py.File(folder / "net.h5", "r+") as file:
        del file["ltc2hw"]
        file["layer/1/delay"] = np.array([delay])
    return netx.read(folder / "net.h5").provenance.get("changes", "")


def neuron(kind: bytes) -> dict[str, Any]:
    return {"neuron__type": np.bytes_(kind)}


IMPORTS: Mapping[str, Callable[..., str]] = {
    "training-mode": partial(read_blocks, trained=False),
    "changed-module": partial(read_blocks, hooked=True),
    "spiking-input": partial(read, chain()),
    "graded-input": partial(read, chain(), word=GRADED),
    "input-neuron": read_input_neuron,
    "voltage-output": partial(read, chain(), neuron__vThMant=(1 << 18) - 1),
    "lif": partial(read, chain()),
    "no-current-decay": partial(read, chain(), neuron__iDecay=0),
    "alif": partial(read, chain(), **neuron(b"ALIF")),
    "sigma-delta": partial(read, chain(), **neuron(b"SDNN")),
    "resonate-and-fire": partial(read, chain(), **neuron(b"RF_PHASE")),
    "graded-spikes": partial(read, chain(), neuron__gradedSpike=True),
    "refractory": partial(read, chain(), neuron__refDelay=3),
    "membrane-bias": partial(read, chain(), bias=np.array([2.0, 4.0, -6.0])),
    "recurrence": partial(read, chain(link("b", "b", 1))),
    "topology": partial(read, chain(), type=np.array([b"concat"])),
    "delay": partial(read, chain(), delay=np.array([0.0, 1.0, 5.0])),
    "delay-with-bias": partial(read, chain(), delay=np.array(2), bias=np.full(SIZE, 2.0)),
    "delay-recurrent": partial(read, chain(link("b", "b", 1)), delay=np.array(2)),
    "delay-long": partial(read, chain(), delay=np.array(63)),
    "weight-range": partial(read, chain(), weight=np.full((SIZE, SIZE), 3.0)),
    "inhibitory-limit": partial(read, chain(), weight=np.full((SIZE, SIZE), -256.0)),
    "convolution": read_convolution,
    "convolution-other": partial(read_convolution, delay=2.0),
    "sum-pooling": partial(read, chain(), type=np.array([b"pool"])),
    "norm-scale": partial(read, chain(), neuron__weight_exp=2.0),
    "other-node": partial(read, chain(), type=np.array([b"unheard"])),
}

EXPORTS: Mapping[str, Callable[..., str]] = {
    "ltc": partial(write_quantized, network(ltc())),
    "readout": partial(write_quantized, network(readout())),
    "other-model": partial(write_quantized, network(Neurons("a", SIZE, "adlif"))),
    **{
        name: partial(write, exported)
        for name, exported in {
            "spiking-input": chain(),
            "graded-input": GRADED_CHAIN,
            "lif": chain(),
            "convolution": convolved(IMAGE),
            "convolution-1d": convolved(ROW),
            "convolution-other": convolved(UNEVEN),
            "membrane-bias": chain(link("a", "b", 1), b=BIASED),
            "bias-behind-skew": chain(b=BIASED),
            "other-words": chain(b=population("b", decay_fraction=13)),
            "recurrence": chain(link("b", "b", 1)),
            "topology": chain(link("input", "b")),
            "clock-neuron": replace(
                chain(),
                populations=(*chain().populations, population("clock")),
                projections=(*chain().projections, link("clock", "b")),
            ),
            "delay": chain(link("a", "b", 4)),
            "delay-with-bias": chain(link("a", "b", 4), b=BIASED),
            "delay-recurrent": chain(link("b", "b", 2)),
            "delay-long": chain(link("a", "b", 64)),
            "two-delays": chain(link("a", "b", 1), link("a", "b", 3)),
            "weight-range": chain(replace(link("a", "b"), exponent=4)),
            "inhibitory-limit": chain(link("a", "b", 0, np.full((SIZE, SIZE), -128))),
            "zero-weights": chain(link("a", "b", 0, np.zeros((SIZE, SIZE), dtype=int))),
        }.items()
    },
}
