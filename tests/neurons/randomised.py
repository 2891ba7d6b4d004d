"""Networks whose every parameter matters."""

from __future__ import annotations

import torch
from torch import nn


def randomised(module: nn.Module, seed: int, spread: float = 0.5) -> nn.Module:
    """Add normal noise to all parameters, so that none sits at a special value such as zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
            parameter.add_(noise * spread)
    return module
