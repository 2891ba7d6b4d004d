"""ALIF: leaky neurons whose threshold rises with every spike and falls back, as in an LSNN."""

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
    sends=("spikes", "current", "membrane", "adaptation"),
    source="Bellec et al. 2018, arXiv 1803.09574; steps of Norse 1.1, lsnn_feed_forward_step",
)
def alif() -> Mapping[str, Expression]:
    """The membrane leaks toward the current of the step before; spikes raise the threshold.

    ::

        v = v[t-1] + membrane_decay (i[t-1] - v[t-1])
        a = (1 - adaptation_decay) a[t-1]
        θ = threshold + a;   s = v > θ;   v = reset on a spike
        a = a + jump·s
        i = (1 - current_decay) i[t-1] + arriving

    Norse's LSNN cell with ``b = threshold + a``, potentials counted from v_leak, and decays that
    are dt times an inverse time constant; membranes are of the unit of the threshold. Current,
    membrane, adaptation and threshold each saturate in the state word.
    """
    kept = 1.0 - constant(
        "current_decay", 0.2, "part of the current lost per step", low=0.0, high=1.0
    )
    leak = constant("membrane_decay", 0.1, "part of the membrane lost per step", low=0.0, high=1.0)
    forgotten = constant(
        "adaptation_decay", 0.01, "part of the adaptation lost per step", low=0.0, high=1.0
    )
    jump = constant("jump", 1.8, "how much a spike raises the threshold")
    at_rest = constant("threshold", 1.0, "threshold without adaptation, above the resting membrane")
    after_spike = constant("reset", 0.0, "membrane after a spike, above the resting membrane")

    charged = register(mix(state("membrane"), state("current"), leak), "membrane")
    faded = mix(state("adaptation"), 0.0, forgotten)
    threshold = register(at_rest + faded, "threshold")
    spikes = fires(charged, threshold)
    return {
        "current": register(kept * state("current") + port("current"), "current"),
        "membrane": where(spikes, after_spike, charged),
        "adaptation": register(faded + jump * spikes, "adaptation"),
        "threshold": threshold,
        "spikes": spikes,
    }
