"""Spiking neurons as torch modules and pure step functions; one file per family."""

from ltc2hw.neurons.cell import Cell, NeuronState, ProgramCell
from ltc2hw.neurons.form import Form, Graded, Tensors
from ltc2hw.neurons.from_network import to_module
from ltc2hw.neurons.gate import GATES, GateKind
from ltc2hw.neurons.graph_network import GraphNetwork, GraphState
from ltc2hw.neurons.layer_step import LayerStep, layer_step
from ltc2hw.neurons.lif import LIFCell, LIFParameters, LIFState
from ltc2hw.neurons.ltc import LTCParameters, LTCState
from ltc2hw.neurons.ltc_cell import LTCCell
from ltc2hw.neurons.network import NetworkState, ReadFrom, SpikingNetwork
from ltc2hw.neurons.nonlinearity import NONLINEARITIES, plan
from ltc2hw.neurons.readout import ReadoutParameters, ReadoutState
from ltc2hw.neurons.readout_cell import ReadoutCell
from ltc2hw.neurons.surrogate import SURROGATES, multi_gaussian_slope, triangle_slope

__all__ = [
    "GATES",
    "NONLINEARITIES",
    "SURROGATES",
    "Cell",
    "Form",
    "GateKind",
    "Graded",
    "GraphNetwork",
    "GraphState",
    "LIFCell",
    "LIFParameters",
    "LIFState",
    "LTCCell",
    "LTCParameters",
    "LTCState",
    "LayerStep",
    "NetworkState",
    "NeuronState",
    "ProgramCell",
    "ReadFrom",
    "ReadoutCell",
    "ReadoutParameters",
    "ReadoutState",
    "SpikingNetwork",
    "Tensors",
    "layer_step",
    "multi_gaussian_slope",
    "plan",
    "to_module",
    "triangle_slope",
]
