"""Spiking neurons as torch modules and pure step functions; one file per family."""

from ltc2hw.neurons.gate import GATES, GateKind
from ltc2hw.neurons.lif import LIFCell, LIFParameters, LIFState, lif_step
from ltc2hw.neurons.ltc import LTCParameters, LTCState, ltc_step
from ltc2hw.neurons.ltc_cell import LTCCell
from ltc2hw.neurons.network import NetworkState, ReadFrom, SpikingNetwork
from ltc2hw.neurons.nonlinearity import NONLINEARITIES, plan
from ltc2hw.neurons.readout import ReadoutParameters, ReadoutState, readout_step
from ltc2hw.neurons.readout_cell import ReadoutCell
from ltc2hw.neurons.surrogate import SURROGATES, multi_gaussian_slope, triangle_slope

__all__ = [
    "GATES",
    "NONLINEARITIES",
    "SURROGATES",
    "GateKind",
    "LIFCell",
    "LIFParameters",
    "LIFState",
    "LTCCell",
    "LTCParameters",
    "LTCState",
    "NetworkState",
    "ReadFrom",
    "ReadoutCell",
    "ReadoutParameters",
    "ReadoutState",
    "SpikingNetwork",
    "lif_step",
    "ltc_step",
    "multi_gaussian_slope",
    "plan",
    "readout_step",
    "triangle_slope",
]
