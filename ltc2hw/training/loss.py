"""The loss of a window, weighted step by step and sample by sample."""

from __future__ import annotations

import torch
from torch import Tensor

from ltc2hw.errors import ShapeError
from ltc2hw.graph.labels import NO_LABEL
from ltc2hw.tasks import Task


def step_losses(task: Task, outputs: Tensor, labels: Tensor) -> Tensor:
    """Mean loss over the batch at each step, outputs (L, B, N_out) -> (L,).

    Classification: cross-entropy of the readout's membranes as logits, labels (B,).
    Regression: squared error, labels (B, N_out). Labels at every step are (L, B) or (L, B, N_out);
    a step without a label has a loss of 0.

    Raises:
        ShapeError: for outputs or labels of another shape; neither is broadcast.
    """
    if task.kind == "classification":
        return sample_losses(task, outputs, labels).mean(dim=1)
    return _errors(task, outputs, labels).square().mean(dim=(1, 2))


def sample_losses(task: Task, outputs: Tensor, labels: Tensor) -> Tensor:
    """Loss of each sample at each step, (L, B); the rest as :func:`step_losses`.

    With ``heads``, labels (B, H), it is the sum of the cross-entropies of the groups of outputs:
    each group has the gradient that it has when it is learned alone.

    Raises:
        ShapeError: for outputs or labels of another shape; neither is broadcast.
    """
    if task.kind == "regression":
        return _errors(task, outputs, labels).square().mean(dim=2)
    _check(task, outputs, labels)
    if task.heads:
        groups = torch.split(outputs, list(task.heads), dim=2)
        pairs = zip(groups, labels.unbind(dim=1), strict=True)
        return torch.stack([_cross_entropies(group, own) for group, own in pairs]).sum(dim=0)
    return _cross_entropies(outputs, labels)


def _cross_entropies(outputs: Tensor, labels: Tensor) -> Tensor:
    """Of outputs (L, B, classes) and labels (B,) or (L, B): (L, B)."""
    steps, batch, classes = outputs.shape
    repeated = labels.expand(steps, batch).reshape(-1)
    flat = torch.nn.functional.cross_entropy(
        outputs.reshape(-1, classes), repeated, ignore_index=NO_LABEL, reduction="none"
    )
    return flat.view(steps, batch)


def _errors(task: Task, outputs: Tensor, labels: Tensor) -> Tensor:
    """Outputs less targets, 0 at steps without."""
    _check(task, outputs, labels)
    errors = outputs - labels
    # A weight of 0 would not do: 0 times NaN is NaN, in the gradient, too.
    return errors.masked_fill(labels.isnan(), 0.0) if task.every_step else errors


def _check(task: Task, outputs: Tensor, labels: Tensor) -> None:
    """Raise unless outputs are (L, B, N_out) and labels of the same B samples; reads no number."""
    if outputs.dim() != 3 or outputs.shape[2] != task.outputs:
        expected = f"(steps, batch, {task.outputs})"
        raise ShapeError(f"outputs for task {task.name}", tuple(outputs.shape), expected)
    expected_labels = tuple(outputs.shape[0 if task.every_step else 1 : 2])
    if task.kind == "regression":
        expected_labels = (*expected_labels, task.outputs)
    if task.heads:
        expected_labels = (*expected_labels, len(task.heads))
    if labels.shape != expected_labels:
        raise ShapeError("shape of labels", tuple(labels.shape), f"{expected_labels}")


def window_loss(task: Task, outputs: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """Mean over the steps and samples of a window of each one's loss times its weight.

    ::

        1/(L B) Σ_t Σ_b w_tb loss_tb

    ``weights``: (L,) for all samples alike, or (L, B), 0 after a sample's end and at steps without
    a label. So a sample's loss at a step counts the same whatever the other samples of its batch.
    """
    if weights.dim() == 1:
        return (step_losses(task, outputs, labels) * weights).mean()
    return (sample_losses(task, outputs, labels) * weights).mean()


def auxiliary_loss(outputs: Tensor, guess: Tensor, progress: Tensor) -> Tensor:
    """How far the class distributions of a window are from what the last update believed.

    With ``P_t`` the softmax of outputs (L, B, classes), ``Q`` the distribution (B, classes) at the
    end of the window before, by the parameters before the update and without a gradient (uniform
    before the first), and ``β_t = (t+1)/T`` as ``progress`` (L,), or (L, B) with each sample's
    own T and 1 after its end::

        mean over steps and samples of  -(1 - β_t) Σ_c Q_c log P_t,c

    A sequence's label alone says little about its first steps; there, the network is held to its
    own belief instead. After the idea of Kag, Saligrama, ICML 2021 (terminal prediction); their
    public code keeps a soft target per class and window instead (``docs/training.md``).

    >>> even = torch.full((1, 2), 0.5)
    >>> round(float(auxiliary_loss(torch.zeros(1, 1, 2), even, torch.tensor([0.5]))), 4)
    0.3466
    """
    surprise = -(guess * outputs.log_softmax(dim=-1)).sum(dim=-1)
    if progress.dim() == 1:
        surprise = surprise.mean(dim=1)
    loss: Tensor = (surprise * (1.0 - progress)).mean()
    return loss
