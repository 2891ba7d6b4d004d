"""The loss of a window, step by step weighted."""

from __future__ import annotations

import torch
from torch import Tensor

from ltc2hw.errors import ShapeError
from ltc2hw.tasks import Task


def step_losses(task: Task, outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean loss over the batch at each step, outputs (L, B, N_out) -> (L,).

    Classification: cross-entropy of the readout's membranes as logits, labels (B,).
    Regression: squared error, labels (B, N_out).

    Raises:
        ShapeError: for outputs or labels of another shape; neither is broadcast.
    """
    _check(task, outputs, labels)
    if task.kind == "regression":
        return (outputs - labels).square().mean(dim=(1, 2))
    steps, batch, classes = outputs.shape
    repeated = labels.unsqueeze(0).expand(steps, batch).reshape(-1)
    flat = torch.nn.functional.cross_entropy(
        outputs.reshape(-1, classes), repeated, reduction="none"
    )
    return flat.view(steps, batch).mean(dim=1)


def _check(task: Task, outputs: Tensor, labels: Tensor) -> None:
    """Raise unless outputs are (L, B, N_out) and labels of the same B samples; reads no number."""
    if outputs.dim() != 3 or outputs.shape[2] != task.outputs:
        expected = f"(steps, batch, {task.outputs})"
        raise ShapeError(f"outputs for task {task.name}", tuple(outputs.shape), expected)
    batch = outputs.shape[1]
    expected_labels = (batch, task.outputs) if task.kind == "regression" else (batch,)
    if labels.shape != expected_labels:
        raise ShapeError("shape of labels", tuple(labels.shape), f"{expected_labels}")


def window_loss(task: Task, outputs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean loss of a window; ``weights`` (L,)."""
    return (step_losses(task, outputs, labels) * weights).mean()


def auxiliary_loss(outputs: Tensor, guess: Tensor, progress: Tensor) -> Tensor:
    """How far the class distributions of a window are from what the last update believed.

    With ``P_t`` the softmax of outputs (L, B, classes), ``Q`` the distribution (B, classes) at the
    end of the window before, by the parameters before the update and without a gradient (uniform
    before the first), and ``β_t = (t+1)/T`` as ``progress`` (L,)::

        mean over steps and samples of  -(1 - β_t) Σ_c Q_c log P_t,c

    A sequence's label alone says little about its first steps; there, the network is held to its
    own belief instead. After the idea of Kag, Saligrama, ICML 2021 (terminal prediction); their
    public code keeps a soft target per class and window instead (``docs/training.md``).

    >>> even = torch.full((1, 2), 0.5)
    >>> round(float(auxiliary_loss(torch.zeros(1, 1, 2), even, torch.tensor([0.5]))), 4)
    0.3466
    """
    surprise = -(guess * outputs.log_softmax(dim=-1)).sum(dim=-1)
    loss: Tensor = (surprise.mean(dim=1) * (1.0 - progress)).mean()
    return loss
