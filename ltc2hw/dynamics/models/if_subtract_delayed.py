"""IF with reset by subtraction a step later: what snnTorch's neurons do unless told otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import Expression, constant, fires, port, register, state
from ltc2hw.dynamics.model import model


@model(
    sends=("spikes", "current", "membrane"),
    source="snnTorch 1.0, Leaky and Synaptic with reset_mechanism='subtract'",
)
def if_subtract_delayed() -> Mapping[str, Expression]:
    """The threshold is taken in the step after a spike, after the leak and without leaking itself.

    ::

        i = (1 - current_decay) i[t-1] + arriving
        v = (1 - membrane_decay) v[t-1] + i + bias - threshold·s[t-1]
        s = v > threshold

    snnTorch's alpha and beta are 1 - current_decay and 1 - membrane_decay. The recorded membrane
    is above the threshold on a spike. Current and membrane saturate in the state word.
    """
    current_kept = 1.0 - constant(
        "current_decay", 1.0, "part of the current lost per step", low=0.0, high=1.0
    )
    membrane_kept = 1.0 - constant(
        "membrane_decay", 0.0, "part of the membrane lost per step", low=0.0, high=1.0
    )
    threshold = constant("threshold", 1.0, "membrane at which it fires, lost on a spike", low=0.0)
    bias = constant("bias", 0.0, "added per step")
    current = register(current_kept * state("current") + port("current"), "current")
    membrane = register(
        membrane_kept * state("membrane") + current + bias - threshold * state("spikes"),
        "membrane",
    )
    return {"current": current, "membrane": membrane, "spikes": fires(membrane, threshold)}
