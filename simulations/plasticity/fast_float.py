"""Learning in real numbers, compiled: the rule of the readable engine for every network it takes.

The kernels are compiled once per machine, not per network: programs of neurons are tables that they
read. Sums are taken in another order than NumPy's, and exponentials are the processor's library's,
so that results agree with the readable engine's to rounding, not to the bit.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Array
from ltc2hw.learning.learned import Learned, Learning
from ltc2hw.learning.rule import FPTTRule
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from ltc2hw.simulations.plasticity.float_kernels import run
from ltc2hw.simulations.plasticity.float_layout import FloatLayout, lay_out
from ltc2hw.simulations.plasticity.float_memory import pack, unpack
from ltc2hw.simulations.plasticity.float_tables import FloatRule
from ltc2hw.simulations.plasticity.pieces import (
    NO_GOAL,
    Piece,
    piece_by_piece,
    updates_of_a_call,
)
from ltc2hw.simulations.plasticity.stream import Entered, enter


def learn(
    network: Network,
    x: npt.ArrayLike,
    targets: npt.ArrayLike,
    rule: FPTTRule,
    learning: Learning | None = None,
    *,
    reset: bool = True,
    lengths: npt.ArrayLike | None = None,
) -> Learned[Network]:
    """Learn from a stream, as :func:`ltc2hw.simulations.plasticity.float64.learn`, compiled.

    An interrupt ends it within some 20 ms, once the kernels are compiled.

    Raises:
        ShapeError, InvalidValueError, TrainingError: as the readable engine.
        UnsupportedError: for a gate whose non-linearity has no name.
    """
    learner = FloatLearner(network, rule)
    entered = enter(learner, x, targets, learning, reset=reset, lengths=lengths)
    learner.check(entered.start)
    layout = lay_out(learner)
    memory, scalars = pack(layout, entered.start), scalars_of(rule)

    def compute(piece: Piece) -> None:
        made = run(layout.tables, memory, scalars, *piece.arrays, piece.fresh)
        if made >= 0:
            state = unpack(layout, memory, entered.start, piece.update + made)
            learner.check(state)
            learner.adapted(state.memories)

    size = network.population(network.output).size
    outputs = piece_by_piece(
        entered, weights_in_time(rule, entered), size, most_updates(layout), np.float64, compute
    )
    after = unpack(layout, memory, entered.start, entered.goals.updates)
    return Learned(learner.adapted(after.memories), after, outputs, entered.counts)


def most_updates(layout: FloatLayout) -> int:
    """Updates of one kernel call."""
    return updates_of_a_call(layout.synapses, layout.cells)


def weights_in_time(rule: FPTTRule, entered: Entered) -> FloatArray:
    """The loss's weight (S, T) at each step; NO_GOAL where nothing is compared."""
    at, lengths = np.arange(entered.course.steps), entered.course.lengths[:, None]
    weights: Array = rule.step_weight(at, lengths) + np.zeros((len(lengths), 1))  # type: ignore[arg-type]
    return np.where(entered.goals.wanted.T, weights, float(NO_GOAL))


def scalars_of(rule: FPTTRule) -> FloatRule:
    """Scalars of a rule as the kernels take them."""
    return FloatRule(
        softmax=rule.error == "softmax",
        plain=rule.update == "plain",
        learning_rate=rule.learning_rate,
        alpha=rule.alpha,
        beta=rule.beta,
        drift=rule.beta / rule.alpha,
        decay=1.0 - rule.feedback_decay,
    )
