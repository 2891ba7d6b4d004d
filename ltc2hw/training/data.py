"""Batches of a split as tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ltc2hw.tasks import Split


def to_tensors(split: Split) -> tuple[Tensor, Tensor]:
    """Inputs (T, B, N_in) in float32, labels as int64 classes or float32 targets."""
    labels = torch.from_numpy(split.labels)
    if labels.is_floating_point():
        labels = labels.float()
    return torch.from_numpy(split.x).float(), labels


def batches(
    split: Split, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """All samples once, in an order drawn from ``rng``, in batches of nearly equal size."""
    x, labels = to_tensors(split)
    order = rng.permutation(split.samples)
    for part in np.array_split(order, -(-split.samples // batch_size)):
        indices = torch.from_numpy(part)
        yield x[:, indices].contiguous(), labels[indices]
