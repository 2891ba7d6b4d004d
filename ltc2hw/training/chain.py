"""A chain of layers by forms of its cells, under autograd."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from ltc2hw.neurons import SpikingNetwork
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.window import run_window


@dataclass(frozen=True, eq=False)
class ChainState:
    """Registers of all layers, the readout's last, (B, N) each in the order of its form."""

    layers: tuple[tuple[Tensor, ...], ...]

    def detach(self) -> ChainState:
        """The same state without its past: no gradient crosses it."""
        return ChainState(tuple(tuple(own.detach() for own in layer) for layer in self.layers))


def run_chain(
    module: SpikingNetwork, forms: Sequence[Form], x: Tensor, state: ChainState | None = None
) -> tuple[Tensor, ChainState]:
    """The module's layers over a window x: (T, B, N_in), each as its form says; None is zeros."""
    x = x.to(module.readout.weight_input.dtype)
    after = []
    for index, (cell, form) in enumerate(zip((*module.cells, module.readout), forms, strict=True)):
        before = (
            tuple(x.new_zeros(x.shape[1], cell.size) for _ in form.registers)
            if state is None
            else state.layers[index]
        )
        sequences = run_window(form, cell.tensors(), before, x)
        last = index == len(module.cells) - 1
        seen = form.sent(module.seen) if last else form.model.output
        x = sequences[form.registers.index(seen)]
        after.append(tuple(sequence[-1] for sequence in sequences))
    return x, ChainState(tuple(after))
