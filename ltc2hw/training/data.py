"""Batches of a split as tensors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.samples import all_finite
from ltc2hw.tasks import Split


def to_tensors(split: Split) -> tuple[Tensor, Tensor]:
    """Inputs (T, B, N_in) in float32, labels as int64 classes or float32 targets.

    Raises:
        InvalidValueError: for numbers that float32 does not hold.
    """
    labels = torch.from_numpy(split.labels)
    if labels.is_floating_point():
        labels = _single("targets", labels)
    return _single("samples", torch.from_numpy(split.x)), labels


def _single(name: str, values: Tensor) -> Tensor:
    """Real numbers in float32."""
    single = values.float()
    if not all_finite(single.numpy()):
        largest = float(values.abs().max())
        raise InvalidValueError(f"largest of {name}", largest, "at most 3.4e38", "scale them")
    return single


def batches(
    split: Split, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    """All samples once, in an order drawn from ``rng``, in batches of nearly equal size."""
    x, labels = to_tensors(split)
    order = rng.permutation(split.samples)
    for part in np.array_split(order, -(-split.samples // batch_size)):
        indices = torch.from_numpy(part)
        yield x[:, indices].contiguous(), labels[indices]
