"""CUBA: the current-based leaky neuron of Lava-DL's slayer, bit for bit."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import Expression, constant, fires, port, register, state, where
from ltc2hw.dynamics.model import model


@model(
    sends=("spikes", "current", "membrane"),
    source="Lava-DL 0.6.0, slayer/neuron/cuba.py and slayer/neuron/dynamics/leaky_integrator.py",
)
def cuba() -> Mapping[str, Expression]:
    """``i = (1 - current_decay) i + arriving``, ``v = (1 - membrane_decay) v + i``.

    A spike where ``v > threshold``; v is set to 0 on it. slayer asks ``v >= threshold + 0.01 /
    s_scale`` of integers over s_scale, which is the same.

    In slayer's formats (states of 12 fractional bits, decays of 12, arrivals and thresholds of 6)
    the integers are slayer's: products are cut toward zero by 12 bits. slayer's own states have no
    ends (int64, exact up to the 24 bits of float32); here current and membrane saturate in the
    state word, where Lava's LIF (:mod:`~ltc2hw.dynamics.models.lif`) wraps its current.
    """
    current_kept = 1.0 - constant(
        "current_decay", 0.25, "part of the current lost per step", low=0.0, high=1.0
    )
    membrane_kept = 1.0 - constant(
        "membrane_decay", 0.03, "part of the membrane lost per step", low=0.0, high=1.0
    )
    current = register(current_kept * state("current") + port("current"), "current")
    charged = register(membrane_kept * state("membrane") + current, "membrane")
    spikes = fires(charged, constant("threshold", 1.25, "membrane at which it fires", low=0.0))
    return {"current": current, "membrane": where(spikes, 0.0, charged), "spikes": spikes}
