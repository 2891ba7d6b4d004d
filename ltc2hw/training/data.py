"""Batches of a split as tensors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.samples import all_finite
from ltc2hw.numbers.words import IntArray
from ltc2hw.tasks import LazySplit, Split


class Batch(NamedTuple):
    """Some samples of a split, as a learner takes them."""

    x: Tensor
    """(T, B, N_in)."""
    labels: Tensor
    lengths: IntArray | None
    """The samples' own steps (B,), None where all have T."""


def to_tensors(split: Split) -> tuple[Tensor, Tensor]:
    """Inputs (T, B, N_in) in float32, labels as int64 classes or float32 targets.

    Raises:
        InvalidValueError: for numbers that float32 does not hold.
    """
    labels = torch.from_numpy(split.labels)
    if labels.is_floating_point():
        labels = _single("targets", labels, gaps=split.every_step)
    return _single("samples", torch.from_numpy(split.x)), labels


def _single(name: str, values: Tensor, gaps: bool = False) -> Tensor:
    """Real numbers in float32; with ``gaps``, NaN is a number that is not there."""
    single = values.float()
    if not all_finite((single[~single.isnan()] if gaps else single).numpy()):
        known = values[~values.isnan()] if gaps else values
        largest = float(known.abs().max())
        raise InvalidValueError(f"largest of {name}", largest, "at most 3.4e38", "scale them")
    return single


def batches(
    split: Split, batch_size: int, rng: np.random.Generator, cut: bool = True
) -> Iterator[Batch]:
    """All samples once, in an order drawn from ``rng``, in batches of nearly equal size.

    Each is ``cut`` to the steps of its longest sample, so that padding costs no time. Samples of a
    :class:`~ltc2hw.tasks.LazySplit` are made batch by batch.
    """
    made = None if isinstance(split, LazySplit) else to_tensors(split)
    order = rng.permutation(split.samples)
    for part in np.array_split(order, -(-split.samples // batch_size)):
        x, labels = to_tensors(split.take(part)) if made is None else made
        indices = torch.arange(len(part)) if made is None else torch.from_numpy(part)
        lengths = None if split.lengths is None else split.lengths[part]
        steps = len(x) if lengths is None or not cut else int(lengths.max())
        own = labels[:steps, indices] if split.every_step else labels[indices]
        yield Batch(x[:steps, indices].contiguous(), own, lengths)
