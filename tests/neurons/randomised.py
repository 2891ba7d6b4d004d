"""Networks whose every parameter matters."""

from __future__ import annotations

import torch
from torch import nn


def randomised(module: nn.Module, seed: int, spread: float = 0.5) -> nn.Module:
    """Draw all parameters from a normal distribution, so that none is special, such as zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.copy_(noise * spread)
    return module
