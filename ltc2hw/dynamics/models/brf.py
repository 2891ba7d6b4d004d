"""BRF: balanced resonate-and-fire, an oscillator that a spike damps instead of resetting."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.dynamics.expression import (
    Expression,
    constant,
    fires,
    port,
    register,
    square_root,
    state,
)
from ltc2hw.dynamics.model import model


@model(
    sends=("spikes", "membrane"),
    source="Higuchi, Kairat, Bohté, Otte, arXiv 2402.14603, BRF",
)
def brf() -> Mapping[str, Expression]:
    """Real part u (membrane) and imaginary part v of a damped oscillation, refractory part q.

    ::

        p(ω) = (-1 + √(1 - (dt ω)²)) / dt;   b = p(ω) - damping - q[t-1]
        u = u[t-1] + dt (b u[t-1] - ω v[t-1] + arriving)
        v = v[t-1] + dt (ω u[t-1] + b v[t-1])
        s = u > threshold + q[t-1]
        q = refractory_kept q[t-1] + s

    ``dt ω`` is at most 1, beyond which p(ω) is no number; the paper's b_offset is damping, its 0.9
    refractory_kept. ``dt ω``, ``dt (p(ω) - damping)`` and ``dt`` are what an integer form holds.
    u, v, q and the threshold each saturate in the state word.
    """
    dt = constant("dt", 0.01, "time of a step (s)", low=0.0)
    omega = constant("omega", 10.0, "angular frequency ω (rad/s), at most 1 / dt", low=0.0)
    damping = constant("damping", 1.0, "b_offset: how fast oscillations fade (1/s)", low=0.0)
    kept = constant("refractory_kept", 0.9, "part of q kept per step", low=0.0, high=1.0)
    at_rest = constant("threshold", 1.0, "membrane at which it fires at rest")

    u, v, q = state("membrane"), state("imaginary"), state("refractory")
    turn = dt * omega
    balanced = square_root(1.0 - turn * turn) - 1.0 - dt * damping
    b = balanced - dt * q
    real = register(u + b * u - turn * v + dt * port("current"), "membrane")
    imaginary = register(v + turn * u + b * v, "imaginary")
    threshold = register(at_rest + q, "threshold")
    spikes = fires(real, threshold)
    return {
        "membrane": real,
        "imaginary": imaginary,
        "refractory": register(kept * q + spikes, "refractory"),
        "threshold": threshold,
        "spikes": spikes,
    }
