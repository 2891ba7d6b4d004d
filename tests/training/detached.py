"""The gradients of e-prop, OSTL and HYPR by autograd alone: a layer at a time, with what they cut.

Written from the rules, without the package's derivatives: for the parameters of one layer, that
layer runs with its memory attached, and with what other neurons send detached; every layer above
runs with its memory detached before each step (the readout's stays attached for e-prop).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from ltc2hw.neurons import Cell, SpikingNetwork
from ltc2hw.neurons.surrogate import surrogate_named
from ltc2hw.neurons.torch_rounding import gate_function
from ltc2hw.neurons.torch_step import TorchStep

Registers = dict[str, Tensor]


def stepped(cell: Cell, x: Tensor, before: Registers) -> Registers:
    """One step; messages between neurons carry no gradient but along x."""
    form, tensors = cell.form, cell.tensors()
    functions = {gate: gate_function(name) for gate, name in form.functions.items()}
    step = TorchStep(form.program, form.registers, functions, surrogate_named(form.surrogate))
    weights = tensors.weight_input.reshape(-1, form.size, form.inputs)
    arrived = [x @ weight.t() for weight in weights]
    if tensors.weight_recurrent is not None:
        sent = before[form.model.output].detach()
        back = tensors.weight_recurrent.reshape(-1, form.size, form.size)
        arrived = [own + sent @ weight.t() for own, weight in zip(arrived, back, strict=True)]
    ports = dict(zip(form.ports, arrived, strict=True))
    found = step(tensors.named(form), ports, before, {})
    return {name: value.expand(len(x), form.size) for name, value in found.items()}


def zeros(cell: Cell, batch: int) -> Registers:
    zero = cell.weight_input.new_zeros(batch, cell.size)
    return dict.fromkeys(cell.form.registers, zero)


def outputs_for(module: SpikingNetwork, x: Tensor, learned: int, filtered: bool) -> Tensor:
    """Outputs (T, B, N_out) whose gradient is that of the parameters of one layer."""
    cells: Sequence[Cell] = (*module.cells, module.readout)
    states = [zeros(cell, x.shape[1]) for cell in cells]
    outputs = []
    for values in x:
        for index, cell in enumerate(cells):
            held = states[index]
            last = index == len(cells) - 1
            if index != learned and not (filtered and last):
                held = {name: value.detach() for name, value in held.items()}
            if index == learned:
                values = values.detach()
            states[index] = stepped(cell, values, held)
            seen = module.seen if index == len(cells) - 2 else cell.form.model.output
            values = states[index][seen]
        outputs.append(values)
    return torch.stack(outputs)
