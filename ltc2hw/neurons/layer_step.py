"""A step of a layer of neurons of any model, a pure function of tensors."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from ltc2hw.neurons.form import Form, Tensors
from ltc2hw.neurons.surrogate import surrogate_named
from ltc2hw.neurons.torch_rounding import gate_function
from ltc2hw.neurons.torch_step import TorchStep

State = tuple[Tensor, ...]


class LayerStep:
    """What a layer of a form does in a step, with its programs made ready for torch.

    Raises:
        UnknownNameError: for an unknown non-linearity or surrogate.
    """

    def __init__(self, form: Form) -> None:
        self.form = form
        functions = {gate: gate_function(name) for gate, name in form.functions.items()}
        surrogate = surrogate_named(form.surrogate)
        self.early = TorchStep(form.program, form.early, functions, surrogate)
        self.rest = TorchStep(form.program, form.registers, functions, surrogate, form.early)

    def __call__(self, tensors: Tensors, state: State, x: Tensor) -> State:
        """Registers (B, N) after a step, from those before it and x: (B, M)."""
        form = self.form
        before = dict(zip(form.registers, state, strict=True))
        constants = tensors.named(form)
        ports = dict(zip(form.ports, _arriving(form, tensors, before, x), strict=True))
        graded = tuple(zip(form.graded, tensors.matrices, strict=True))
        for (variable, port), matrix in graded:
            if variable in before:
                _add(ports, port, before[variable], matrix)
        known = self.early(constants, ports, before, {}) if form.early else {}
        for (variable, port), matrix in graded:
            if variable in known:
                _add(ports, port, known[variable], matrix)
        after = self.rest(constants, ports, before, known)
        shape = (len(x), form.size)
        return tuple(after[name].expand(shape) for name in form.registers)


def _arriving(
    form: Form, tensors: Tensors, before: Mapping[str, Tensor], x: Tensor
) -> tuple[Tensor, ...]:
    """Weighted sums of each port, (B, N)."""
    sums = torch.nn.functional.linear(x, tensors.weight_input.reshape(-1, form.inputs))
    if tensors.weight_recurrent is not None:
        weights = tensors.weight_recurrent.reshape(-1, form.size)
        sums = torch.addmm(sums, before[form.model.output], weights.t())
    return sums.view(len(x), -1, form.size).unbind(1)


def _add(ports: dict[str, Tensor], port: str, values: Tensor, matrix: Tensor) -> None:
    """Add what graded synapses carry to what arrives at a port."""
    if port in ports:
        ports[port] = torch.addmm(ports[port], values, matrix.t())
    else:
        ports[port] = torch.nn.functional.linear(values, matrix)


@lru_cache(maxsize=128)
def layer_step(form: Form) -> LayerStep:
    """The step of a form, made once."""
    return LayerStep(form)
