"""Which loops compute a population, in which stage of a step, and what each of them stores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.structure import Stage
from ltc2hw.simulations.fast.intervals import within
from ltc2hw.simulations.fast.kinds import Types
from ltc2hw.simulations.fast.layout import Layout
from ltc2hw.simulations.fast.neurons import Compiled, build
from ltc2hw.simulations.fast.orders import Order
from ltc2hw.simulations.fast.simplify import Step
from ltc2hw.simulations.fast.tables import Table, padded

REPEATED_NEURONS = 128
"""Constants of small populations are repeated to about this length, to update samples at once."""


@dataclass(frozen=True)
class Work:
    """A stage of a population."""

    stage: Stage
    plain: Compiled
    """Stores what later steps and other neurons read."""
    full: Compiled
    """Stores everything, for recordings."""
    stored: frozenset[str]
    """Results that are there without the full loop."""
    ports: tuple[str, ...]
    """Ports that are read."""


@dataclass(frozen=True)
class Stages:
    """All stages of a population, and its memory."""

    layout: Layout
    works: tuple[Work, ...]


def stages_of(step: Step, types: Types, sent: Sequence[str]) -> Stages:
    """The stages of neurons of which these variables are sent.

    What other neurons may need before the rest is known has a stage of its own; where nothing of
    it is sent, one loop computes everything.

    Raises:
        InvalidValueError: for spikes that are not always 0 or 1.
    """
    spikes = step.results.get(SPIKES)
    if spikes is not None and not within(step.intervals[spikes], 0, 1):
        low, high = step.intervals[spikes]
        raise InvalidValueError(
            f"spikes of {step.neurons.name}",
            f"{low} to {high}",
            "0 or 1",
            "compare with fires(a, b)",
        )
    layout, model = Layout(step, types), step.neurons.model
    early = model.early if set(model.early) & set(sent) else ()
    layout.refresh(early)
    works = []
    if early:
        first = build(layout, early, early=True)
        works.append(Work("early", first, first, frozenset(early), model.ports[:1]))
    late = [name for name in model.results if name not in early]
    kept = {*model.states, *sent, SPIKES}
    plain = build(layout, [name for name in late if name in kept], early)
    full = build(layout, late, early)
    ports = model.ports[1:] if early else model.ports
    works.append(Work("late", plain, full, frozenset({*kept, *early}), ports))
    return Stages(layout, tuple(works))


def copies(size: int) -> int:
    """How often the constants of a population are repeated."""
    return max(1, REPEATED_NEURONS // padded(size))


def constant_rows(layout: Layout, piece: int, order: Order) -> tuple[Table, bool]:
    """A population's constants, row by row, repeated or shared by its pieces; whether shared.

    Pieces are alike where all neurons are, or all pixels, of which whole ones make a piece.
    """
    size = layout.step.neurons.size
    stride = padded(size)
    rows = layout.constant_rows(stride, order)
    if stride > piece and np.array_equal(rows[:, piece:size], rows[:, : size - piece]):
        last = (stride - 1) // piece * piece
        return np.concatenate([rows[:, :piece], rows[:, last:]], axis=1), True
    return np.tile(rows, copies(size)), False
