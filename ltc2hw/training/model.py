"""From options to a network."""

from __future__ import annotations

from typing import cast

import torch

from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.models import find_model
from ltc2hw.neurons import (
    Cell,
    GateKind,
    GraphNetwork,
    LTCCell,
    ProgramCell,
    ReadFrom,
    ReadoutCell,
    SpikingNetwork,
)
from ltc2hw.tasks import Task
from ltc2hw.training.convolutional import convolutional_network
from ltc2hw.training.options import ModelOptions


def is_synaptic(name: str, parameter: torch.Tensor) -> bool:
    """Whether a cell's parameter becomes weights on a chip: synapses, and a dense gate's matrices.

    Those of a GraphNetwork are its ``synapses``, vectors where a matrix is sparse.

    >>> is_synaptic("tau_mem_from_state", torch.ones(3, 3))
    True
    >>> is_synaptic("tau_mem_from_state", torch.ones(3))
    False
    >>> is_synaptic("synapses.0.weight", torch.ones(3))
    True
    """
    stored = name.startswith("synapses.")
    return stored or (parameter.dim() > 1 and ("weight" in name or "_from_" in name))


def hidden_layer(options: ModelOptions, inputs: int, size: int, generator: torch.Generator) -> Cell:
    """A new layer of the options' neuron.

    Raises:
        InvalidValueError, TooLargeError, UnknownNameError: as the cells do.
    """
    if not options.is_ltc:
        neuron = options.neuron
        return ProgramCell(
            neuron if isinstance(neuron, Model) else find_model(neuron),
            inputs,
            size,
            recurrent=options.recurrent,
            constants=options.constants,
            spreads=options.spreads,
            fixed=options.fixed,
            nonlinearity=options.nonlinearity,
            surrogate=options.surrogate,
            gain=options.gain,
            generator=generator,
        )
    return LTCCell(
        inputs,
        size,
        gate=cast(GateKind, options.gate),
        recurrent=options.recurrent,
        nonlinearity=options.nonlinearity,
        surrogate=options.surrogate,
        threshold=options.threshold,
        adaptation_strength=options.adaptation_strength,
        tau_mem_bias=options.tau_mem_bias,
        tau_adp_bias=options.tau_adp_bias,
        tau_mem_spread=options.tau_mem_spread,
        tau_adp_spread=options.tau_adp_spread,
        gain=options.gain,
        generator=generator,
    )


def build_network(
    task: Task, options: ModelOptions, generator: torch.Generator
) -> SpikingNetwork | GraphNetwork:
    """A new network for a task, its weights drawn from ``generator``.

    Raises:
        InvalidValueError: for a size below one, a constant outside its range, or convolutions over
            samples that are no images or rows.
        ShapeError: for a kernel larger than what it slides over.
        TooLargeError: for layers of too many parameters.
        UnknownNameError: for an unknown neuron, constant, gate, non-linearity, surrogate or
            ``read_from``.
    """
    if options.is_graph:
        return convolutional_network(task.shape, task.outputs, options, generator, task.graded)
    layers: list[Cell] = []
    inputs = task.inputs
    for size in options.hidden:
        layers.append(hidden_layer(options, inputs, size, generator))
        inputs = size
    readout = ReadoutCell(
        inputs,
        task.outputs,
        gate=cast(GateKind, options.readout_gate),
        nonlinearity=options.nonlinearity,
        tau_mem_bias=options.readout_bias,
        generator=generator,
    )
    return SpikingNetwork(
        layers,
        readout,
        read_from=cast(ReadFrom, options.read_from),
        graded_input=task.graded,
    )
