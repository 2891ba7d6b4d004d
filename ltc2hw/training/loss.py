"""The loss of a window, step by step weighted."""

from __future__ import annotations

import torch
from torch import Tensor

from ltc2hw.tasks import Task


def step_losses(task: Task, outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean loss over the batch at each step, outputs (L, B, N_out) -> (L,).

    Classification: cross-entropy of the readout's membranes as logits, labels (B,).
    Regression: squared error, labels (B, N_out).
    """
    if task.kind == "regression":
        return (outputs - labels).square().mean(dim=(1, 2))
    steps, batch, classes = outputs.shape
    repeated = labels.unsqueeze(0).expand(steps, batch).reshape(-1)
    flat = torch.nn.functional.cross_entropy(
        outputs.reshape(-1, classes), repeated, reduction="none"
    )
    return flat.view(steps, batch).mean(dim=1)


def window_loss(task: Task, outputs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean loss of a window; ``weights`` (L,)."""
    return (step_losses(task, outputs, labels) * weights).mean()
