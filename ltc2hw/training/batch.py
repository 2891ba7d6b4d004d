"""What every way to learn demands of a batch, and what it says when learning breaks down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ltc2hw.errors import ShapeError, TrainingError


class LostGradientError(TrainingError):
    """A gradient that is NaN or infinite where the loss is finite; nothing was learned from it.

    Spikes hide a broken membrane from the loss, never from the gradient. ``losses`` are those of
    the batch up to this update's.
    """

    def __init__(self, losses: Sequence[float]) -> None:
        self.losses = tuple(losses)
        super().__init__(f"the gradient of update {len(losses) - 1} of a batch is not finite")


def all_finite(values: npt.NDArray[Any]) -> bool:
    """Whether no number is NaN or infinite; one pass where none is."""
    with np.errstate(over="ignore", invalid="ignore"):
        return bool(np.isfinite(values.sum())) or bool(np.isfinite(values).all())


def check_shape(x: Tensor, steps: int, inputs: int) -> None:
    """Raise unless a batch is (steps, B, inputs), none empty; no number is read.

    Raises:
        ShapeError: naming both shapes.
    """
    if x.dim() != 3 or (len(x), x.shape[2]) != (steps, inputs) or x.numel() == 0:
        expected = f"({steps}, samples, {inputs})"
        raise ShapeError("batch of samples", tuple(x.shape), expected, "time first")
