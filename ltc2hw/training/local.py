"""What a layer does with its own memory: a piece of a sequence, and all its derivatives at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ltc2hw.dynamics.jacobian import derivative, jacobian
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.verify import constant_only
from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.layer_step import layer_step
from ltc2hw.neurons.surrogate import surrogate_named
from ltc2hw.neurons.torch_rounding import gate_function
from ltc2hw.neurons.torch_step import TorchStep
from ltc2hw.neurons.window import run_window

Registers = tuple[Tensor, ...]


class Steps(NamedTuple):
    """A piece of a sequence in a layer."""

    messages: Tensor
    """All that arrives at synapses: from below, then from the layer itself; (L, B, M')."""
    before: Registers
    """Registers before each step, (L, B, N) each."""
    after: Registers


class LocalSteps:
    """Steps of a layer, and their derivatives with what other neurons send held fixed.

    Rows are the states, then what the layer above sees (``seen``); columns are the states before
    the step, what arrives at the ports, and the learned constants.
    """

    def __init__(self, form: Form, seen: str) -> None:
        self.form, self.seen = form, seen
        program = form.program
        self.states = tuple(name for name in form.registers if name in program.states)
        self.rows = (*self.states, seen)
        self.columns = (
            *((Operation.STATE, name) for name in self.states),
            *((Operation.PORT, name) for name in form.ports),
            *((Operation.PARAMETER, name) for name in form.learned),
        )
        self.program = jacobian(program, tuple(dict.fromkeys(self.rows)))
        self.places = {
            (row, column): name
            for row, result in enumerate(self.rows)
            for column, leaf in enumerate(self.columns)
            if (name := derivative(result, *leaf)) in self.program.results
        }
        functions = {gate: gate_function(name) for gate, name in form.functions.items()}
        wanted = tuple(dict.fromkeys(self.places.values()))
        surrogate = surrogate_named(form.surrogate)
        # What the steps have computed is not computed again: it would round differently.
        self.step = TorchStep(self.program, wanted, functions, surrogate, form.registers)

    @property
    def leak(self) -> tuple[str, ...] | None:
        """Learned constants that the layer's forgetting is made of, if it is linear in time.

        None for neurons that have more than one state, show something else than that, or keep or
        take up a part of it that the step changes.
        """
        form = self.form
        if self.rows != (self.seen, self.seen) or len(form.ports) != 1:
            return None
        names = [self.places.get((0, column)) for column in (0, 1)]
        for name in names:
            if name is None or not constant_only(self.program, self.program.results[name]):
                return None
        kept = self.program.needed([name for name in names[:1] if name])
        return tuple(name for name in kept.parameters if name in form.learned)

    def run(self, tensors: Tensors, registers: Registers, x: Tensor) -> Steps:
        """Go through x: (L, B, M) from registers (B, N), without gradients."""
        form = self.form
        after = self._after(tensors, registers, x)
        before = tuple(
            torch.cat([first.unsqueeze(0), rest[:-1]])
            for first, rest in zip(registers, after, strict=True)
        )
        sent = before[form.registers.index(form.model.output)]
        recurrent = tensors.weight_recurrent is not None
        return Steps(torch.cat([x, sent], dim=2) if recurrent else x, before, after)

    def _after(self, tensors: Tensors, registers: Registers, x: Tensor) -> Registers:
        if x.device.type == "cpu":
            return run_window(self.form, tensors, registers, x)
        step, found = layer_step(self.form), []
        for values in x:
            registers = step(tensors, registers, values)
            found.append(registers)
        return tuple(torch.stack(each) for each in zip(*found, strict=True))

    def derivatives(self, tensors: Tensors, steps: Steps) -> Tensor:
        """All of them, (L, rows, columns, B, N)."""
        form = self.form
        length, batch, _ = steps.messages.shape
        sums = torch.nn.functional.linear(steps.messages, synapses(form, tensors))
        arrived = sums.view(length, batch, -1, form.size).unbind(2)
        found = self.step(
            tensors.named(form),
            dict(zip(form.ports, arrived, strict=True)),
            dict(zip(form.registers, steps.before, strict=True)),
            dict(zip(form.registers, steps.after, strict=True)),
        )
        shape = (length, len(self.rows), len(self.columns), batch, form.size)
        made = steps.messages.new_zeros(shape)
        for (row, column), name in self.places.items():
            made[:, row, column] = found[name]
        return made


def synapses(form: Form, tensors: Tensors) -> Tensor:
    """Weights of all synapses, (P N, M'): from below, then from the layer itself."""
    below = tensors.weight_input.reshape(-1, form.inputs)
    if tensors.weight_recurrent is None:
        return below
    return torch.cat([below, tensors.weight_recurrent.reshape(-1, form.size)], dim=1)


def with_trace(derivatives: Tensor, kept: Tensor) -> Tensor:
    """Derivatives of a layer that shows a trace of what it sends instead, ``f = kept f[t-1] + y``.

    The trace becomes the last state.
    """
    steps, rows, columns, *rest = derivatives.shape
    made = derivatives.new_zeros(steps, rows + 1, columns + 1, *rest)
    trace = rows - 1
    for old, new in ((slice(0, trace), slice(0, trace)), (slice(trace, None), slice(rows, None))):
        made[:, :trace, new] = derivatives[:, :trace, old]
        made[:, trace:, new] = derivatives[:, trace:, old]
    made[:, trace:, trace] = kept
    return made
