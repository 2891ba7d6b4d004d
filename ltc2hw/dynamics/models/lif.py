"""LIF: leaky integrate-and-fire neurons of a decaying current, bit for bit those of Lava."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import Expression, constant, fires, port, register, state, where
from ltc2hw.dynamics.model import model


@model(source="Lava 0.10.0, lava/proc/lif/models.py, fixed-point LIF", words="lif")
def lif() -> Mapping[str, Expression]:
    """``i = (1 - current_decay) i + arriving``, ``v = (1 - membrane_decay) v + i + bias``.

    A spike where ``v > threshold``; v is set to 0 on it. The current wraps once at the ends of the
    state word, the membrane saturates at ±(2^(bits-1) - 1).
    """
    current_kept = 1.0 - constant(
        "current_decay", 1.0, "part of the current lost per step", low=0.0, high=1.0
    )
    membrane_kept = 1.0 - constant(
        "membrane_decay", 0.1, "part of the membrane lost per step", low=0.0, high=1.0
    )
    current = register(current_kept * state("current") + port("current"), "current")
    charged = register(
        membrane_kept * state("membrane") + current + constant("bias", 0.0, "added per step"),
        "membrane",
    )
    spikes = fires(charged, constant("threshold", 1.0, "membrane at which it fires"))
    return {"current": current, "membrane": where(spikes, 0.0, charged), "spikes": spikes}
