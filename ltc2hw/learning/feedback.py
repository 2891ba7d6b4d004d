"""Feedback weights that learn: they begin at random and change as the weights do.

Whatever a weight gains, its feedback weight gains, and both lose the same part of themselves in
every update: their difference fades, and errors come back as through the transposed weights.
Source: the adaptive e-prop of Bellec et al., Nature Communications 11, 3625, 2020, after Kolen and
Pollack, WCCI 1994.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Array
from ltc2hw.learning.learned import Learning, Memories
from ltc2hw.learning.rule import FPTTRule, Memory, feedback_matrix
from ltc2hw.numbers.operators import expanded


def first_feedback(network: Network, rule: FPTTRule, crossed: Sequence[int]) -> Mapping[int, Array]:
    """The random weights that adaptive feedback begins with, where the projections have weights.

    ``crossed``: indices of the projections that carry errors back.
    """
    if rule.feedback != "adaptive":
        return {}
    found = {}
    for index in crossed:
        weights = network.projections[index].weights
        found[index] = feedback_matrix(rule, index, weights.shape)[expanded(weights).coordinates]
    return found


def followed(
    rule: FPTTRule, before: Learning, after: Memories
) -> tuple[Memories, Mapping[int, Array]]:
    """Memories and feedback weights after an update of the memories.

    With d the rule's ``feedback_decay``: ``B ← (1 - d)(B + ΔΦ)``, ``Φ ← (1 - d) Φ``, and Φ̄ alike.
    Of weights that do not learn, the feedback weights stay.
    """
    kept = 1.0 - rule.feedback_decay
    memories, feedback = dict(after), dict(before.feedback)
    for parameter, memory in after.items():
        index = parameter.projection
        if index is not None and index in feedback:
            gained = memory.value - before.memories[parameter].value
            feedback[index] = kept * (feedback[index] + gained)
            memories[parameter] = Memory(kept * memory.value, kept * memory.mean, memory.gradient)
    return memories, feedback
