"""Where the windows of a batch lie, and how much each sample's loss counts at each step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.labels import Labels, labelled_steps
from ltc2hw.numbers.words import IntArray
from ltc2hw.training.options import TrainingOptions, loss_weights, updates_of, windows


@dataclass(frozen=True, eq=False)
class Weighing:
    """The windows of a batch of T steps, and the weights of its losses."""

    windows: tuple[slice, ...]
    weights: npt.NDArray[np.float64]
    """(T, 1) where all samples weigh the same, else (T, B)."""

    @cached_property
    def edges(self) -> IntArray:
        """Where windows begin and the last one ends, (windows + 1,)."""
        return np.array([0, *(window.stop for window in self.windows)])

    @property
    def with_loss(self) -> tuple[bool, ...]:
        """Whether some loss counts in each window; the others make no update."""
        return tuple(bool(self.weights[window].any()) for window in self.windows)


class Weigher:
    """Cuts and weighs the batches of a task of T steps.

    A batch is cut into K windows of nearly equal length (``options.updates``), or into its steps
    if it has fewer. Sample b of L steps weighs ``loss_weights(options.loss_weighting, L)[t]`` at
    step t, 0 after its end and where it has no label.

    Raises:
        InvalidValueError: if there are more updates per sequence than T steps.

    >>> weigher = Weigher(TrainingOptions(updates=2, loss_weighting="last"), steps=5)
    >>> weighing = weigher.batch(4, np.array([2, 4]))
    >>> weighing.weights.T.tolist(), weighing.with_loss
    ([[0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]], (True, True))
    """

    def __init__(self, options: TrainingOptions, steps: int) -> None:
        self.weighting, self.updates = options.loss_weighting, updates_of(options)
        self.longest = max(part.stop - part.start for part in windows(steps, self.updates))
        """Steps of the longest window that any batch can have."""
        self.whole = self._cut(steps, None, None)

    def batch(
        self, steps: int, lengths: IntArray | None = None, labels: Labels | None = None
    ) -> Weighing:
        """A batch of ``steps`` steps with samples of ``lengths`` (B,), None for all of them.

        ``labels`` are those at every step, (steps, B) or (steps, B, N_out), if there are such.
        """
        if lengths is None and labels is None and steps == self.whole.windows[-1].stop:
            return self.whole
        return self._cut(steps, lengths, labels)

    def _cut(self, steps: int, lengths: IntArray | None, labels: Labels | None) -> Weighing:
        weights = loss_weights(self.weighting, steps, lengths)
        weights = weights.reshape(steps, -1)
        if labels is not None:
            weights = weights * labelled_steps(labels)
        return Weighing(windows(steps, min(self.updates, steps)), weights)
