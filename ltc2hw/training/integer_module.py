"""An integer network as a module: what it answers, in real units."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from ltc2hw.graph.fixed import variable_fraction
from ltc2hw.graph.trace import State
from ltc2hw.registry import default_engine, find_engine
from ltc2hw.training.rounding import Rounded


class IntegerModule(nn.Module):
    """``(x, state) -> (outputs, state)`` of an integer network, without a gradient.

    x: (T, B, N_in), outputs (T, B, N_out) in float64; the engine is the one for integers.
    """

    def __init__(self, rounded: Rounded) -> None:
        super().__init__()
        self.fixed = fixed = rounded.fixed
        self.refused = len(rounded.refused)
        """Rules and limits that quantization would refuse the network for."""
        output = fixed.population(fixed.output)
        self.fraction = variable_fraction(output, output.output_variable)
        self.simulate = find_engine(default_engine(is_float=False))

    def forward(self, x: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """The outputs of these steps, and the registers after them."""
        trace = self.simulate(self.fixed, x.double().numpy(), (), state)
        outputs = np.ldexp(trace.outputs.astype(np.float64), -self.fraction)
        return torch.from_numpy(outputs), trace.state
