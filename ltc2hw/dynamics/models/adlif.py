"""SE-adLIF: adaptive neurons that oscillate, with the symplectic Euler step that keeps them so."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import (
    Expression,
    constant,
    fires,
    mix,
    port,
    register,
    state,
    where,
)
from ltc2hw.dynamics.model import model


@model(
    sends=("spikes", "membrane", "adaptation"),
    source="Baronig, Ferrand, Sabathiel, Legenstein, arXiv 2408.07517, SE-adLIF",
)
def adlif() -> Mapping[str, Expression]:
    """The adaptation current w is driven by the membrane *after* its own update and reset.

    ::

        u = u[t-1] + membrane_decay (arriving + bias - w[t-1] - u[t-1])
        s = u > threshold;   u = 0 on a spike
        w = w[t-1] + adaptation_decay (coupling·u + jump·s - w[t-1])

    The paper's α and β are 1 - membrane_decay and 1 - adaptation_decay, its a and b are coupling
    and jump with the factor ρ (q in its code) multiplied in. Everything is of the unit of the
    threshold. Drive, membrane and adaptation each saturate in the state word.
    """
    leak = constant("membrane_decay", 0.05, "1 - α: how far u moves", low=0.0, high=1.0)
    pace = constant("adaptation_decay", 0.01, "1 - β: how far w moves", low=0.0, high=1.0)
    coupling = constant("coupling", 10.0, "ρ a: what the membrane adds to w")
    jump = constant("jump", 20.0, "ρ b: what a spike adds to w")
    bias = constant("bias", 0.0, "current that is always there")

    adaptation = state("adaptation")
    drive = register(port("current") + bias - adaptation, "drive")
    charged = register(mix(state("membrane"), drive, leak), "membrane")
    spikes = fires(charged, constant("threshold", 1.0, "membrane at which it fires"))
    membrane = where(spikes, 0.0, charged)
    driven = mix(adaptation, coupling * membrane + jump * spikes, pace)
    return {
        "drive": drive,
        "membrane": membrane,
        "adaptation": register(driven, "adaptation"),
        "spikes": spikes,
    }
