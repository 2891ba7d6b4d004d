"""Cells of the column of exported C sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from ltc2hw.converters.c import write
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.neurons import Neurons
from tests.converters.cells.networks import link as float_link
from tests.converters.cells.networks import ltc, network, quantized, readout
from tests.converters.cells.of_netx import BIASED, GRADED_CHAIN, IMAGE, ROW, chain, convolved, link

Allow = frozenset[str]


def written(exported: FixedNetwork, allow: Allow, folder: Path) -> str:
    """Write a network; returns the changes that were made."""
    target = folder / f"net{len(list(folder.iterdir()))}"
    return "; ".join(map(str, write(exported, target, allow=allow)))


EXPORTED: Mapping[str, FixedNetwork] = {
    "spiking-input": chain(),
    "graded-input": GRADED_CHAIN,
    "lif": chain(),
    "ltc": quantized(network(ltc())),
    "readout": quantized(network(readout())),
    "other-model": quantized(network(Neurons("a", 3, "alif"))),
    "convolution": convolved(IMAGE),
    "convolution-1d": convolved(ROW),
    "membrane-bias": chain(b=BIASED),
    "recurrence": chain(link("b", "b", 1)),
    "topology": quantized(
        network(
            ltc("a"), ltc("b"), float_link("input", "a"), float_link("a", "b"),
            float_link("input", "b"),
        )
    ),
    "delay": chain(link("a", "b", 70)),
}  # fmt: skip

EXPORTS: Mapping[str, Callable[..., str]] = {
    name: partial(written, exported) for name, exported in EXPORTED.items()
}
