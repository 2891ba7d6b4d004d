"""What an error of what a neuron sends finds in the neuron's states before the step.

With L the credit of what is sent, v, and C the entries of the step's tangent
(:mod:`~ltc2hw.dynamics.tangent`), the factor of an old state i is ``K_i = Σ_v L_v ∂v / ∂h_i[t-1]``.
"""

from __future__ import annotations

from collections.abc import Sequence

from ltc2hw.dynamics.local import signed_sum
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.reverse import CREDIT, DESCENT
from ltc2hw.dynamics.tangent import Tangent, show

PAST = "past"
"""First part of the names of its results, ``past.membrane``."""

PAST_CREDIT = "past.credit"
"""Word of the credit that finds the past."""


def past_program(found: Tangent, credited: Sequence[str]) -> Program:
    """The factors of all states that any of the credited variables shows, a real program.

    Its ports are entries ``show.<variable>.<state>`` and ``credit.<variable>``.

    >>> from ltc2hw.dynamics.models import find_model
    >>> from ltc2hw.dynamics.tangent import tangent
    >>> tuple(past_program(tangent(find_model("lif")), ("spikes",)).results)
    ('past.current', 'past.membrane')
    """
    builder = Builder("real")
    credits: dict[str, int] = {}
    parts: dict[str, list[tuple[int, int]]] = {}
    for variable in credited:
        for state in found.shown(variable):
            if variable not in credits:
                arrived = builder.add(Operation.PORT, name=f"{CREDIT}.{variable}")
                credits[variable] = builder.add(Operation.REGISTER, arrived, name=PAST_CREDIT)
            entry = builder.add(Operation.PORT, name=show(variable, state))
            product = builder.add(Operation.MULTIPLY, entry, credits[variable])
            held = builder.add(Operation.REGISTER, product, name=DESCENT)
            parts.setdefault(state, []).append((1, held))
    results = {}
    for state in found.states:
        if state in parts:
            name = f"{PAST}.{state}"
            total = signed_sum(builder, parts[state])
            results[name] = builder.add(Operation.REGISTER, total, name=name)
    return builder.program(results)
