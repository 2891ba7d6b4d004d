"""The gradients of e-prop, OSTL and HYPR by autograd alone: a layer at a time, with what they cut.

Written from the rules, without the package's derivatives: for the parameters of one layer, that
layer runs with its memory attached, and with what other neurons send detached; every layer above
runs with its memory detached before each step (the readout's stays attached for e-prop).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

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


class Recursion:
    """Gradients of one layer, step after step: how all of its state moves with its parameters.

    One matrix (states, parameters) for one sample, multiplied by the step's full Jacobian. With
    ``filtered``, a trace of what the readout hears, by the leak that it has in each step, is one
    state more, and what the loss says about the output is said about the trace.
    """

    def __init__(self, module: SpikingNetwork, learned: int, filtered: bool = False) -> None:
        self.module, self.learned = module, learned
        self.trace: Tensor | None = None
        if filtered and learned == len(module.cells) - 1:
            self.trace = module.cells[-1].weight_input.new_zeros(1, module.cells[-1].size)
        self.cells: Sequence[Cell] = (*module.cells, module.readout)
        self.parameters = list(self.cells[learned].parameters())
        self.states = [zeros(cell, 1) for cell in self.cells]
        self.moved: list[Tensor] | None = None

    def step(self, x: Tensor, loss_of: Callable[[Tensor], Tensor]) -> list[Tensor]:
        """One step of one sample, x: (N_in,); the gradient of its loss."""
        own = self.learned
        held = {n: v.detach().requires_grad_() for n, v in self.states[own].items()}
        values, after = x[None], []
        for index, cell in enumerate(self.cells):
            before = held if index == own else self.states[index]
            if index == own:
                values = values.detach()
            found = stepped(cell, values, before)
            after.append(found)
            seen = self.module.seen if index == len(self.cells) - 2 else cell.form.model.output
            values = found[seen]
        names = self.cells[own].form.registers
        leaves = [held[name] for name in names]
        loss, states = loss_of(values[0]), [after[own][name] for name in names]
        if self.trace is not None:
            leaves.append(self.trace.detach().requires_grad_())
            heard = after[own][self.module.seen]
            self.trace, loss = self._heard(leaves[-1], heard, loss, values)
            states.append(self.trace)
        gradients = self._by_parameters(loss[None], leaves)[0]
        state = torch.cat([found[0] for found in states])
        rows = self._by_parameters(state, leaves)
        self.moved = [torch.stack([row[i] for row in rows]) for i in range(len(self.parameters))]
        self.states = [{n: v.detach() for n, v in found.items()} for found in after]
        return gradients

    def _heard(
        self, trace: Tensor, heard: Tensor, loss: Tensor, outputs: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The trace after a step, and what the loss makes of it."""
        gate = self.cells[-1].get_parameter("bias")[1].detach()
        taken = torch.sigmoid(gate[0])
        trace = (1.0 - taken) * trace + taken * heard
        (error,) = torch.autograd.grad(loss, outputs, retain_graph=True)
        weights = self.cells[-1].weight_input.detach()[0]
        return trace, ((error @ weights) * trace).sum()

    def _by_parameters(self, values: Tensor, leaves: list[Tensor]) -> list[list[Tensor]]:
        """Total derivatives of each value, by way of the state before the step, too."""
        rows = []
        for value in values:
            wanted = (*self.parameters, *leaves)
            found = (
                [
                    torch.zeros_like(leaf) if grad is None else grad
                    for leaf, grad in zip(
                        wanted,
                        torch.autograd.grad(value, wanted, retain_graph=True, allow_unused=True),
                        strict=True,
                    )
                ]
                if value.requires_grad
                else [torch.zeros_like(leaf) for leaf in wanted]
            )
            count = len(self.parameters)
            direct, past = found[:count], torch.cat([grad[0] for grad in found[count:]])
            if self.moved is not None:
                for own, moved in zip(direct, self.moved, strict=True):
                    own += torch.tensordot(past, moved, dims=1)
            rows.append(direct)
        return rows
