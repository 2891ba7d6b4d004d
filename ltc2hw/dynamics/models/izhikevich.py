"""Izhikevich: the quadratic neuron of 2003, in units of 100 mV above -70 mV so that it fits words.

The paper has ``v' = 0.04 v² + 5 v + 140 - u + I`` and ``u' = a (b v - u)`` in mV and ms, with
``v = c`` and ``u + d`` once v reaches 30 mV. With ``v = 100 V - 70``, ``u = 100 W - 14`` and
``I = 100 i`` they become ``V' = 4 V² - 0.6 V - W + i`` and ``W' = a (b V - W + 0.14 - 0.7 b)``:
states start at 0, which for b = 0.2 is the resting state, and a spike's peak is V = 1.
"""

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
    sends=("spikes", "membrane", "recovery"),
    source="Izhikevich 2003, IEEE Trans. Neural Netw. 14(6), with the steps of its listing",
)
def izhikevich() -> Mapping[str, Expression]:
    """One step is 1 ms: two half steps of V, then one of W, as in the paper's listing.

    ::

        i = arriving + bias
        V½ = V[t-1] + (4 V[t-1]² - 0.6 V[t-1] - W[t-1] + i) / 2
        V  = V½ + (4 V½² - 0.6 V½ - W[t-1] + i) / 2
        W  = W[t-1] + a (b V + 0.14 - 0.7 b - W[t-1])
        s = V > peak;   V = reset and W = W + jump on a spike

    The listing looks for spikes before its next step, ``v >= 30`` there; this is the same at the
    end of a step, V above the peak. For the paper's c and d: reset = (c + 70) / 100, jump =
    d / 100; defaults are its regular spiking cell (a 0.02, b 0.2, c -65 mV, d 8). V overshoots the
    peak up to some twentyfold; current, both halves of V, and W each saturate in the state word.
    """
    a = constant("a", 0.02, "pace of the recovery (1/ms)", low=0.0, high=1.0)
    b = constant("b", 0.2, "how much the recovery follows the membrane")
    reset = constant("reset", 0.05, "membrane after a spike (100 mV above -70 mV)")
    jump = constant("jump", 0.08, "what a spike adds to the recovery (100 mV/ms)")
    peak = constant("peak", 1.0, "membrane of a spike (100 mV above -70 mV)")
    bias = constant("bias", 0.0, "current that is always there (100 mV/ms)")

    membrane, recovery = state("membrane"), state("recovery")
    current = register(port("current") + bias, "current")

    def half_step(v: Expression) -> Expression:
        return v + 0.5 * (4.0 * v * v - 0.6 * v - recovery + current)

    midway = register(half_step(membrane), "midway")
    charged = register(half_step(midway), "membrane")
    target = b * charged + (0.14 - 0.7 * b)
    recovered = mix(recovery, target, a)
    spikes = fires(charged, peak)
    return {
        "current": current,
        "membrane": where(spikes, reset, charged),
        "recovery": register(recovered + jump * spikes, "recovery"),
        "spikes": spikes,
    }
