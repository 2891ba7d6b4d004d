"""What the machine of blocks can do: kernels on blocks of numbers, each with its own machine code.

Their arithmetic is NumPy's, bit for bit: no product and sum are one rounding here, and what is no
number stays none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from ltc2hw.dynamics.operations import ARITHMETIC, Operation
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS
from ltc2hw.vectors.lanes import Lanes
from ltc2hw.vectors.meaning import MEANING
from ltc2hw.vectors.rounding import ROUNDING, interpolate, look_up, plan


class Kernel(NamedTuple):
    """Code of so many blocks, then so many scalars, then so many tables."""

    code: Callable[..., Lanes]
    blocks: int
    scalars: int = 0
    tables: int = 0


def least(a: Lanes, b: Lanes) -> Lanes:
    """The smaller of two, or what is no number."""
    return a.compared("!=", a).chosen(a, a.smaller(b))


def most(a: Lanes, b: Lanes) -> Lanes:
    """The larger of two, or what is no number."""
    return a.compared("!=", a).chosen(a, a.larger(b))


def fall(x: Lanes) -> Lanes:
    """-|x|, of which the sigmoid takes the exponential."""
    return 0.0 - x.magnitude


def logistic(x: Lanes, small: Lanes) -> Lanes:
    """The sigmoid of x, from exp(-|x|)."""
    return x.compared(">=", 0.0).chosen(x.like(1.0), small) / (1.0 + small)


def real_plan(x: Lanes) -> Lanes:
    """:func:`~ltc2hw.numbers.nonlinearity.plan`."""
    magnitude, value = x.magnitude, x.like(1.0)
    for eighths, slope, numerator, denominator in reversed(PLAN_SEGMENTS):
        line = magnitude * 2.0**-slope + numerator / (1 << denominator)
        value = magnitude.compared("<", eighths / 8).chosen(line, value)
    return x.compared("<", 0.0).chosen(1.0 - value, value)


def only_finite(code: Callable[..., Lanes]) -> Callable[..., Lanes]:
    """Code that gives no number for an argument that is none or infinite, instead of an entry."""
    return lambda x, *given: code(x, *given) + (x - x)


FALL, LOGISTIC, PLAN = "fall", "logistic", "real plan"

ARITHMETIC_KERNELS = {
    operation.value: Kernel(
        {Operation.MINIMUM: least, Operation.MAXIMUM: most}.get(operation, MEANING[operation]),
        form.arguments,
    )
    for operation, form in ARITHMETIC.items()
}

KERNELS: Mapping[str, Kernel] = {
    **ARITHMETIC_KERNELS,
    **{
        operation.value: Kernel(rounding.code, 1, scalars)
        for (operation, rounding), scalars in zip(ROUNDING.items(), (2, 2, 2, 5, 6), strict=True)
    },
    FALL: Kernel(fall, 1),
    LOGISTIC: Kernel(logistic, 2),
    PLAN: Kernel(real_plan, 1),
    plan.__name__: Kernel(only_finite(plan), 1, 3 + 3 * len(PLAN_SEGMENTS)),
    look_up.__name__: Kernel(only_finite(look_up), 1, 5, 1),
    interpolate.__name__: Kernel(only_finite(interpolate), 1, 5, 2),
}
"""Every kernel by its name: an operation's, or that of a part of a gate."""
