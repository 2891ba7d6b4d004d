"""ltc2hw: spiking networks trained online by FPTT, on neuromorphic integers.

A float :class:`Network` is quantized to the integers of a chip, simulated bit for bit, exported,
and compared with the float reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ltc2hw.starting import ending_quietly

__version__ = "0.1.0"

with ending_quietly():
    from ltc2hw.comparison.compare import compare
    from ltc2hw.comparison.report import Report
    from ltc2hw.files.bundle import load, save
    from ltc2hw.graph.fixed import FixedNetwork
    from ltc2hw.graph.network import Input, Network, Projection
    from ltc2hw.graph.neurons import FixedNeurons, Neurons
    from ltc2hw.graph.trace import Trace
    from ltc2hw.lazy import part
    from ltc2hw.learning.learn import learn
    from ltc2hw.learning.rule import FPTTRule
    from ltc2hw.learning.words import PlasticWords
    from ltc2hw.numbers.convolution import Conv, average_pool, sum_pool
    from ltc2hw.numbers.weights import Dense, Sparse
    from ltc2hw.quantization.check import check
    from ltc2hw.quantization.quantize import quantize
    from ltc2hw.quantization.scaling import QuantizeOptions
    from ltc2hw.simulate import simulate
    from ltc2hw.stream import stream

if TYPE_CHECKING:
    from ltc2hw.converters.static_form import static_form

__all__ = [
    "Conv",
    "Dense",
    "FPTTRule",
    "FixedNetwork",
    "FixedNeurons",
    "Input",
    "Network",
    "Neurons",
    "PlasticWords",
    "Projection",
    "QuantizeOptions",
    "Report",
    "Sparse",
    "Trace",
    "average_pool",
    "check",
    "compare",
    "learn",
    "load",
    "quantize",
    "save",
    "simulate",
    "static_form",
    "stream",
    "sum_pool",
]

PARTS = (
    *("converters", "data", "plot", "simulations", "targets"),
    *("neurons", "tasks", "training", "tuning"),
)
"""Packages that are imported when they are first named: some need an extra."""


def __getattr__(name: str) -> Any:
    """Import a part when it is first named, ``ltc2hw.converters`` or ``ltc2hw.training``.

    Raises:
        MissingExtraError: if the part needs an extra that is not installed.
    """
    if name in PARTS:
        return part(__name__, name)
    if name == "static_form":
        return part(f"{__name__}.converters", name).static_form
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *PARTS, *__all__})
