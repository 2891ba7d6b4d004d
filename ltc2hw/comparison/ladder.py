"""Why accuracy was lost, stage by stage and part by part: what a report says of both.

The ladder adds the integer network's properties one after another to the float network; a cause is
one of them alone. How they share the loss between them is in :mod:`ltc2hw.comparison.account`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ltc2hw.comparison.mixtures import FLOAT, Mixture
from ltc2hw.quantization.mixing import Kind, Part


@dataclass(frozen=True)
class Stage:
    """A rung of the ladder: its name and the score with everything up to it.

    ``low`` and ``high``: between what the difference to the float score lies.
    """

    name: str
    score: float
    low: float = 0.0
    high: float = 0.0


@dataclass(frozen=True)
class Cause:
    """One property alone: the score with it, and how far it moves the outputs.

    ``output_error`` is the root mean square change of the outputs, relative to the root mean
    square of the float outputs. ``samples``: on how many both were measured; where these are not
    all, the score is that of the float network with the change on them.
    """

    name: str
    score: float
    output_error: float
    samples: int


LADDER: Mapping[Kind, str] = {
    Kind.WEIGHTS: "+ weights",
    Kind.CONSTANT: "+ constants",
    Kind.INPUT: "+ inputs",
    Kind.FUNCTION: "+ gate function",
    Kind.MESSAGE: "+ messages",
    Kind.WORD: "+ words",
    Kind.SATURATION: "+ saturation",
}
"""Name of the stage that adds all parts of a kind, in the order of the stages."""


def ladder_mixtures(parts: Sequence[Part]) -> dict[str, Mixture]:
    """Stages between float and integer by name, each with all parts of the one before.

    The last has all parts, so it is the integer network itself.
    """
    stages, taken = {"float64": FLOAT}, FLOAT
    for kind, name in LADDER.items():
        own = frozenset(part for part in parts if part.kind is kind)
        if own:
            taken |= own
            stages[name] = taken
    return stages
