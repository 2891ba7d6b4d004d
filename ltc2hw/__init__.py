"""ltc2hw: spiking networks trained online by FPTT, on neuromorphic integers.

A float :class:`Network` is quantized to the integers of a chip, simulated bit for bit, exported,
and compared with the float reference.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ltc2hw.starting import ending_quietly

with ending_quietly():
    from ltc2hw.comparison.compare import compare
    from ltc2hw.comparison.report import Report
    from ltc2hw.files.bundle import load, save
    from ltc2hw.graph.fixed import FixedNetwork
    from ltc2hw.graph.network import Network
    from ltc2hw.graph.neurons import FixedNeurons, Neurons
    from ltc2hw.graph.trace import Trace
    from ltc2hw.learning.learn import learn
    from ltc2hw.learning.rule import FPTTRule
    from ltc2hw.learning.words import PlasticWords
    from ltc2hw.quantization.check import check
    from ltc2hw.quantization.quantize import quantize
    from ltc2hw.quantization.scaling import QuantizeOptions
    from ltc2hw.simulate import simulate

if TYPE_CHECKING:
    from ltc2hw.converters.static_form import static_form

__all__ = [
    "FPTTRule",
    "FixedNetwork",
    "FixedNeurons",
    "Network",
    "Neurons",
    "PlasticWords",
    "QuantizeOptions",
    "Report",
    "Trace",
    "check",
    "compare",
    "learn",
    "load",
    "quantize",
    "save",
    "simulate",
    "static_form",
]

PROVIDERS = ("converters", "simulations", "targets")

LATER = (*PROVIDERS, "plot")
"""Packages that are imported when they are first named."""


def __getattr__(name: str) -> Any:
    """Import a package when it is first named, ``ltc2hw.converters`` for example."""
    if name in LATER:
        return import_module(f"{__name__}.{name}")
    if name == "static_form":
        return import_module(f"{__name__}.converters.static_form").static_form
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
