"""LTC: liquid time-constant spiking neurons, with gates that say how fast they forget."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import (
    Expression,
    constant,
    fires,
    gate,
    mix,
    port,
    register,
    state,
    where,
)
from ltc2hw.dynamics.model import model


@model(
    output="spikes",
    sends=("spikes", "current", "membrane", "adaptation"),
    source="Yin, Corradi, Bohte, arXiv 2112.11231",
    unit=("adaptation",),
)
def ltc() -> Mapping[str, Expression]:
    """``u`` leaks toward the current with the gate τ, ``η`` toward the last spike with ρ.

    ::

        τ = σ(tau_mem gate of u[t-1], I);     u = u[t-1] + τ (I - u[t-1])
        ρ = σ(tau_adp gate of η[t-1], I);     η = ρ η[t-1] + (1 - ρ) s[t-1]
        θ = threshold + adaptation_strength·η;   s = u > θ;   u = 0 on a spike

    Current, gates' arguments and threshold saturate in the state word; u stays between its past
    and the current, η in 0 .. 1.
    """
    membrane, adaptation = state("membrane"), state("adaptation")
    current = register(port("current") + constant("bias_current", 0.0, "added current"), "current")
    tau_mem = gate(
        port("tau_mem")
        + constant("tau_mem.bias", 0.0, "argument of τ at rest")
        + constant("tau_mem.from_state", 0.0, "how τ depends on u") * membrane
        + constant("tau_mem.from_current", 0.0, "how τ depends on I") * current,
        "tau_mem",
    )
    tau_adp = gate(
        port("tau_adp")
        + constant("tau_adp.bias", 0.0, "argument of ρ at rest")
        + constant("tau_adp.from_state", 0.0, "how ρ depends on η") * adaptation
        + constant("tau_adp.from_current", 0.0, "how ρ depends on I") * current,
        "tau_adp",
    )
    charged = mix(membrane, current, tau_mem)
    adapted = tau_adp * adaptation + (1.0 - tau_adp) * state("spikes")
    threshold = register(
        constant("threshold", 1.0, "threshold at rest")
        + constant("adaptation_strength", 0.0, "how much η raises the threshold") * adapted,
        "threshold",
    )
    spikes = fires(charged, threshold)
    return {
        "current": current,
        "tau_mem": tau_mem,
        "tau_adp": tau_adp,
        "membrane": where(spikes, 0.0, charged),
        "adaptation": adapted,
        "threshold": threshold,
        "spikes": spikes,
    }
