"""The fast engine: the bits of :mod:`ltc2hw.simulations.integer`, compiled with Numba.

A network becomes a :class:`~ltc2hw.simulations.fast.plan.Plan`: flat arrays and a short program
of operations, interpreted by one compiled time loop. Samples are independent, so the batch is cut
into tiles that run on threads; nothing in memory grows with the number of steps but what is
recorded.
"""

from __future__ import annotations

from ltc2hw.simulations.fast.engine import simulate

__all__ = ["simulate"]
