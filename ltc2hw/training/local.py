"""What a layer does with its own memory: a piece of a sequence, and all its derivatives at once."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from ltc2hw.dynamics.jacobian import derivative, jacobian
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.verify import constant_only
from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.layer_step import layer_step
from ltc2hw.neurons.surrogate import surrogate_named
from ltc2hw.neurons.torch_rounding import gate_function
from ltc2hw.neurons.torch_step import TorchStep
from ltc2hw.neurons.window import run_window
from ltc2hw.training.local_code import LocalCode

Registers = tuple[Tensor, ...]

TRACE = (Operation.STATE, "")
"""What a trace is among the states before a step; none of the program's is called so."""


class Steps(NamedTuple):
    """A piece of a sequence in a layer."""

    messages: Tensor
    """All that arrives at synapses: from below, then from the layer itself; (L, B, M')."""
    before: Registers
    """Registers before each step, (L, B, N) each."""
    after: Registers


class Leak(NamedTuple):
    """What a readout makes of its state and of what arrives: ``v = kept v[t-1] + taken I``."""

    kept: Tensor
    taken: Tensor


class LocalSteps:
    """Steps of a layer, and their derivatives with what other neurons send held fixed.

    Rows are the states, then what the layer above sees (``seen``); columns are the states before
    the step, what arrives at the ports, and the learned constants. ``traced``: the layer above sees
    a trace ``f = kept f[t-1] + taken y`` of it instead, which is the last state.

    >>> from ltc2hw.dynamics.models.lif import lif
    >>> local = LocalSteps(Form(lif, 2, 3, ("current",), ("bias",)), "spikes")
    >>> local.present.int().tolist()  # by current, membrane, the port and the bias
    [[1, 0, 1, 0], [1, 1, 1, 1], [1, 1, 1, 1]]
    """

    def __init__(self, form: Form, seen: str, *, traced: bool = False) -> None:
        self.form, self.seen = form, seen
        states = tuple(name for name in form.registers if name in form.program.states)
        rows = (*states, *((seen,) if traced else ()), seen)
        leaves = (
            *((Operation.STATE, name) for name in states),
            *((TRACE,) if traced else ()),
            *((Operation.PORT, name) for name in form.ports),
            *((Operation.PARAMETER, name) for name in form.learned),
        )
        self.trace = len(states) if traced else None
        found = jacobian(form.program, tuple(dict.fromkeys(rows)))
        places = {
            (row, column): found.results[name]
            for row, result in enumerate(rows)
            for column, leaf in enumerate(leaves)
            if (name := derivative(result, *leaf)) in found.results
        }
        self.present = torch.zeros(len(rows), len(leaves), dtype=torch.bool)
        """Which derivatives are not 0 whatever the step reads, (rows, columns)."""
        for place in places:
            self.present[place] = True
        if traced:
            self.present[len(states) :, len(states)] = True
        # A result each, as what is seen may be a state.
        self.names = {place: f"row{place[0]}.column{place[1]}" for place in places}
        results = {self.names[place]: index for place, index in places.items()}
        own = {name: found.results[name] for name in form.registers}
        self.program = Program(found.language, found.values, {**own, **results})
        wanted = tuple(results)
        # What the steps have computed is not computed again: it would round differently.
        functions = {gate: gate_function(name) for gate, name in form.functions.items()}
        surrogate = surrogate_named(form.surrogate)
        self.by_torch = TorchStep(self.program, wanted, functions, surrogate, form.registers)
        self.code = LocalCode(form, self.program, wanted)

    @property
    def leak(self) -> tuple[str, ...] | None:
        """Learned constants that the layer's forgetting is made of, if it is linear in time.

        None for neurons that have more than one state, show something else than that, or keep or
        take up a part of it that the step changes.
        """
        form = self.form
        if form.program.states != (self.seen,) or len(form.ports) != 1:
            return None
        for place in ((0, 0), (0, 1)):
            name = self.names.get(place)
            if name is None or not constant_only(self.program, self.program.results[name]):
                return None
        kept = self.program.needed([self.names[0, 0]]).parameters
        return tuple(name for name in kept if name in form.learned)

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

    def derivatives(self, tensors: Tensors, steps: Steps, leak: Leak | None, fast: bool) -> Tensor:
        """All that are :attr:`present`, (L, rows, columns, B, N); the others are any numbers.

        ``leak``: of a trace. ``fast``: by machine code, else by torch.
        """
        form = self.form
        length, batch, _ = steps.messages.shape
        sums = torch.nn.functional.linear(steps.messages, synapses(form, tensors))
        arrived = sums.view(length, batch, -1, form.size).unbind(2)
        given = (
            tensors.named(form),
            dict(zip(form.ports, arrived, strict=True)),
            dict(zip(form.registers, steps.before, strict=True)),
            dict(zip(form.registers, steps.after, strict=True)),
        )
        made = steps.messages.new_empty(length, *self.present.shape, batch, form.size)
        if fast:
            self.code(*given, {name: made[:, i, j] for (i, j), name in self.names.items()})
        else:
            found = self.by_torch(*given)
            for (i, j), name in self.names.items():
                made[:, i, j] = found[name]
        if self.trace is not None and leak is not None:
            for i, j in self.names:
                if i >= self.trace:
                    made[:, i, j] *= leak.taken
            made[:, self.trace :, self.trace] = leak.kept
        return made


def synapses(form: Form, tensors: Tensors) -> Tensor:
    """Weights of all synapses, (P N, M'): from below, then from the layer itself."""
    below = tensors.weight_input.reshape(-1, form.inputs)
    if tensors.weight_recurrent is None:
        return below
    return torch.cat([below, tensors.weight_recurrent.reshape(-1, form.size)], dim=1)
