"""IF with reset by subtraction: a spike takes the threshold from the membrane at once."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import Expression, constant, fires, port, register, state, where
from ltc2hw.dynamics.model import model


@model(
    sends=("spikes", "current", "membrane"),
    source="sinabs 3.1, SingleSpike and MembraneSubtract; snnTorch 1.0, reset_delay=False",
)
def if_subtract() -> Mapping[str, Expression]:
    """``i = (1 - current_decay) i + arriving``, ``v = (1 - membrane_decay) v + i + bias``.

    A spike where ``v > threshold``; the threshold is taken from v on it, before the next leak, so
    that what is above it is not lost. Without decays this is integrate-and-fire.

    sinabs fires from v = threshold on, which is another answer at exactly that value; snnTorch
    subtracts otherwise where v is still above the threshold after a spike. Weights of sinabs carry
    the factor (1 - α) of its norm_input and the α of its synapse. Current and membrane saturate in
    the state word.
    """
    current_kept = 1.0 - constant(
        "current_decay", 1.0, "part of the current lost per step", low=0.0, high=1.0
    )
    membrane_kept = 1.0 - constant(
        "membrane_decay", 0.0, "part of the membrane lost per step", low=0.0, high=1.0
    )
    threshold = constant("threshold", 1.0, "membrane at which it fires, lost on a spike", low=0.0)
    current = register(current_kept * state("current") + port("current"), "current")
    charged = register(
        membrane_kept * state("membrane") + current + constant("bias", 0.0, "added per step"),
        "membrane",
    )
    spikes = fires(charged, threshold)
    return {
        "current": current,
        # v is above the threshold there, so this never saturates; the word lets intervals see it.
        "membrane": register(where(spikes, charged - threshold, charged), "membrane"),
        "spikes": spikes,
    }
