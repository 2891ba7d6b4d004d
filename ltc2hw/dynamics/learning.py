"""Learning steps in integers: back through a step, and on through it with the past moving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from ltc2hw.dynamics.formats import Formats, Held, SurrogateFormat
from ltc2hw.dynamics.lowering import lower, result_fractions
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.past import past_program
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.reverse import CREDIT, DESCENT, Reverse
from ltc2hw.dynamics.tangent import TANGENT, Tangent
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


@dataclass(frozen=True)
class LoweredTangent:
    """The integer programs of eligibility in one population.

    ``forward`` and ``jacobian`` as of :class:`~ltc2hw.dynamics.tangent.Tangent`, ``past`` as of
    :func:`~ltc2hw.dynamics.past.past_program` for the credited variables. Entries and past factors
    have the words' fraction; misfits are counted as ``tangent``, ``past credit`` and
    ``past <state>``.
    """

    forward: Program
    jacobian: Program
    past: Program

    @property
    def moves(self) -> tuple[str, ...]:
        """Names of all entries, then of the factors of the past."""
        return (*self.jacobian.results, *self.past.results)


def lower_tangent(
    found: Tangent,
    credited: Sequence[str],
    formats: Formats,
    word: Word,
    fraction: int,
    surrogate: SurrogateFormat,
) -> LoweredTangent:
    """Lower the step with its own formats, entries and past factors in one word."""
    own = replace(formats, surrogate=surrogate)
    entered = replace(
        own,
        held={TANGENT: Held.within(word, fraction)},
        ports=result_fractions(found.forward, own),
    )
    past = past_program(found, credited)
    held = {name: Held.within(word, fraction) for name in past.names(Operation.REGISTER)}
    held[DESCENT] = Held(fraction)
    back = replace(own, held=held, ports=dict.fromkeys(past.ports, fraction))
    return LoweredTangent(
        lower(found.forward, own), lower(found.jacobian, entered), lower(past, back)
    )
