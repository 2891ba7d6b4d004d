"""What every way to learn demands of a batch, and what it says when learning breaks down."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from ltc2hw.errors import ShapeError, TrainingError
from ltc2hw.graph.images import FLATTEN
from ltc2hw.graph.sequences import sample_lengths
from ltc2hw.numbers.words import IntArray


class LostUpdateError(TrainingError):
    """An update that cannot be made: its gradient, or a state on the way, is NaN or infinite.

    Spikes hide a broken membrane from the loss, never from the gradient. ``what`` is not finite;
    ``losses`` are those of the batch up to this update's, from which nothing was learned.
    """

    def __init__(self, losses: Sequence[float], what: str = "the gradient is not finite") -> None:
        self.losses, self.what = tuple(losses), what
        super().__init__(f"{what} in update {len(losses) - 1} of a batch")


def check_shape(x: Tensor, steps: int, inputs: int) -> None:
    """Raise unless a batch is (steps, B, inputs), none empty; no number is read.

    Raises:
        ShapeError: naming both shapes.
    """
    if x.dim() != 3 or (len(x), x.shape[2]) != (steps, inputs) or x.numel() == 0:
        expected = f"({steps}, samples, {inputs})"
        remedy = FLATTEN if x.dim() > 3 else "time first"
        raise ShapeError("batch of samples", tuple(x.shape), expected, remedy)


def batch_lengths(x: Tensor, steps: int, inputs: int, lengths: object) -> IntArray | None:
    """Steps (B,) of the samples of a batch, None where all have the batch's own.

    Without ``lengths`` a batch has ``steps`` steps, with them it may be cut to its longest sample.

    Raises:
        ShapeError: unless the batch is (steps, B, inputs) and there is a length per sample.
        InvalidValueError: for a length that is no integer from 1 to the batch's steps.
    """
    cut = lengths is not None and x.dim() == 3 and len(x) < steps
    check_shape(x, len(x) if cut else steps, inputs)
    return sample_lengths(lengths, len(x), x.shape[1])
