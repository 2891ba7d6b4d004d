"""Readout: leaky integrators without spikes, whose membranes are the network's answer."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import Expression, constant, gate, mix, port, register, state
from ltc2hw.dynamics.model import model


@model(
    output="membrane",
    sends=("current", "membrane"),
    source="Yin, Corradi, Bohte, arXiv 2112.11231",
)
def readout() -> Mapping[str, Expression]:
    """``u = u[t-1] + τ (I - u[t-1])`` with ``τ = σ(tau_mem gate of u[t-1], I)``.

    Current and gate's argument saturate in the state word; u stays between its past and the
    current.
    """
    membrane = state("membrane")
    current = register(port("current") + constant("bias_current", 0.0, "added current"), "current")
    tau_mem = gate(
        port("tau_mem")
        + constant("tau_mem.bias", 0.0, "argument of τ at rest")
        + constant("tau_mem.from_state", 0.0, "how τ depends on u") * membrane
        + constant("tau_mem.from_current", 0.0, "how τ depends on I") * current,
        "tau_mem",
    )
    return {"current": current, "tau_mem": tau_mem, "membrane": mix(membrane, current, tau_mem)}
