"""Both halves of a learning step in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from ltc2hw.dynamics.formats import Formats, Held, SurrogateFormat
from ltc2hw.dynamics.lowering import lower, result_fractions
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.reverse import CREDIT, DESCENT, Reverse
from ltc2hw.numbers.words import Word


@dataclass(frozen=True)
class LoweredReverse:
    """Both integer programs of :class:`~ltc2hw.dynamics.reverse.Reverse`.

    Credits and factors have the words' fraction; misfits of the words are counted as ``credit``
    and ``factor.<port>``.
    """

    forward: Program
    backward: Program
    messages: Mapping[str, tuple[str, str]]


def lower_reverse(
    found: Reverse, formats: Formats, word: Word, fraction: int, surrogate: SurrogateFormat
) -> LoweredReverse:
    """Lower both halves: the step with its own formats, credit and factors in one word."""
    own = replace(formats, surrogate=surrogate)
    kept = result_fractions(found.forward, own)
    ports = {
        name: fraction if name.startswith(f"{CREDIT}.") else kept[name]
        for name in found.backward.ports
    }
    words = found.backward.names(Operation.REGISTER)
    held = {name: Held.within(word, fraction) for name in words if name != DESCENT}
    held[DESCENT] = Held(fraction)
    backward = replace(own, held=held, ports=ports)
    return LoweredReverse(
        lower(found.forward, own), lower(found.backward, backward), found.messages
    )
