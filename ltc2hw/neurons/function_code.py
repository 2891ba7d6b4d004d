"""Non-linearities of gates and surrogates of spikes on vectors of reals.

The same functions as in :mod:`ltc2hw.neurons.nonlinearity` and :mod:`ltc2hw.neurons.surrogate`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from llvmlite import ir

from ltc2hw.neurons.rounding import GateFunction, RoundedFunction
from ltc2hw.neurons.surrogate import GAMMA, HEIGHT, SPREAD, WIDTH
from ltc2hw.vectors.lanes import Lanes, polynomial
from ltc2hw.vectors.rounding import rounded_gate

FARTHEST, HALVINGS = 32.0, 6
SHORT, LONG = 8, 14
"""Terms of the exponential's series in float32 and float64: errors below 2e-5 and 1e-13."""

STEPS = ((1.0, 1 / 4 - 1 / 8), (2.375, 1 / 8 - 1 / 32), (5.0, 1 / 32))
JUMP = 1 / 256
"""PLAN's second and third pieces do not meet at 2.375: the value falls by 1/256 there."""

FARTHEST_SPIKE = 16.0
"""Beyond this distance the surrogate is zero in any precision that counts."""


def exponential(x: Lanes) -> Lanes:
    """``exp(x)`` for x in [-32, 32]: its series at x/64, squared six times."""
    single = x.value.type.element == ir.FloatType()
    terms = SHORT if single else LONG
    series = [1.0 / math.factorial(order) for order in range(terms)]
    value = polynomial(x * 2.0**-HALVINGS, series)
    for _ in range(HALVINGS):
        value = value * value
    return value


def sigmoid(x: Lanes) -> Lanes:
    """The logistic function."""
    return 1.0 / (1.0 + exponential((0.0 - x).smaller(FARTHEST).larger(-FARTHEST)))


def sigmoid_slope(x: Lanes) -> Lanes:
    """Its derivative."""
    y = sigmoid(x)
    return y * (1.0 - y)


def plan(x: Lanes) -> Lanes:
    """PLAN, a sum of clipped lines."""
    magnitude, zero = x.magnitude, x.like(0.0)
    rise = zero - magnitude.compared("<", STEPS[1][0]).chosen(zero, x.like(JUMP))
    for end, slope in STEPS:
        rise = rise + magnitude.smaller(end) * slope
    return 0.5 + x.compared(">=", 0.0).chosen(rise, 0.0 - rise)


def plan_slope(x: Lanes) -> Lanes:
    """Its derivative; at a break, the outer piece's."""
    magnitude, zero = x.magnitude, x.like(0.0)
    total = zero
    for end, slope in STEPS:
        total = total + magnitude.compared("<", end).chosen(x.like(slope), zero)
    return total


def multi_gaussian(distance: Lanes) -> Lanes:
    """The surrogate of the paper; the two outer bells share an exponential and are its cosh."""
    wide, normal = WIDTH * SPREAD, math.sqrt(2.0 * math.pi)
    d = distance.magnitude.smaller(FARTHEST_SPIKE)
    square = d * d

    def bell(width: float, height: float) -> Lanes:
        return height * exponential((square * (-0.5 / width**2)).larger(-FARTHEST))

    centre = bell(WIDTH, GAMMA * (1.0 + HEIGHT) / (WIDTH * normal))
    shift = math.exp(-0.5 * (WIDTH / wide) ** 2)
    outer = bell(wide, 2.0 * GAMMA * HEIGHT / (wide * normal) * shift)
    cosh = [1.0 / math.factorial(2 * order) for order in range(8)]
    return centre - outer * polynomial(square * (WIDTH / wide**2) ** 2, cosh)


def triangle(distance: Lanes) -> Lanes:
    """``max(0, 1 - |d|)``."""
    return (1.0 - distance.magnitude).larger(0.0)


Function = Callable[[Lanes], Lanes]


class GateCode(NamedTuple):
    """A gate's function and its derivative."""

    value: Function
    slope: Function


GATES: Mapping[str, GateCode] = {
    "sigmoid": GateCode(sigmoid, sigmoid_slope),
    "plan": GateCode(plan, plan_slope),
}
"""Every non-linearity by its name."""


def gate_code(function: GateFunction) -> GateCode:
    """The code of a gate's function; an integer one has the slope of the one it stands for."""
    if isinstance(function, RoundedFunction):
        return GateCode(partial(rounded_gate, function), GATES[function.smooth].slope)
    return GATES[function]


SURROGATES: Mapping[str, Function] = {"multi_gaussian": multi_gaussian, "triangle": triangle}
"""Every surrogate's derivative by its name."""
