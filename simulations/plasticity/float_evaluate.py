"""Real programs of neurons, compiled once for all models: one loop over neurons per operation.

The counterpart of :func:`ltc2hw.dynamics.real.evaluate_real`. A value of the program is a run of
cells, one per neuron; an operation reads runs and writes one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ltc2hw.dynamics.operations import Operation
from ltc2hw.learning.rule import MULTI_GAUSSIAN
from ltc2hw.numbers.nonlinearity import PLAN_SEGMENTS
from ltc2hw.simulations.compiled import inlined, kernel
from ltc2hw.simulations.plasticity.evaluate import ADD, MULTIPLY, SUBTRACT, combine
from ltc2hw.simulations.plasticity.float_tables import Array, Number
from ltc2hw.simulations.plasticity.typed import wide_vectors

CODES: Mapping[Operation, int] = {
    Operation.ADD: ADD,
    Operation.SUBTRACT: SUBTRACT,
    Operation.MULTIPLY: MULTIPLY,
    **{
        operation: MULTIPLY + 1 + place
        for place, operation in enumerate(
            (
                Operation.DIVIDE, Operation.SQUARE_ROOT, Operation.SELECT, Operation.GREATER,
                Operation.MAXIMUM, Operation.MINIMUM,
            )
        )
    },
}  # fmt: skip
"""Operations by the numbers that the kernels know them by; the first ones as those of integers."""

(
    DIVIDE, SQUARE_ROOT, SELECT, GREATER, MAXIMUM, MINIMUM,
    PLAN, PLAN_SLOPE, SPREAD, LOGISTIC_SLOPE, LOGISTIC, SURROGATE, TRIANGLE,
) = range(MULTIPLY + 1, len(CODES) + 7)  # fmt: skip
"""Those, and parts of gates and slopes; the surrogates are in the order of their names' list.

``LOGISTIC_SLOPE`` reads the value of its gate; ``SPREAD`` a number that all neurons share.
"""

(
    (FIRST_EDGE, FIRST_SLOPE, FIRST_RISE),
    (SECOND_EDGE, SECOND_SLOPE, SECOND_RISE),
    (THIRD_EDGE, THIRD_SLOPE, THIRD_RISE),
) = ((edge / 8, 2.0**-slope, rise / 2**unit) for edge, slope, rise, unit in PLAN_SEGMENTS)

GAMMA, HEIGHT, NARROW, SPREADING = MULTI_GAUSSIAN
WIDE = NARROW * SPREADING
ROOT = math.sqrt(2.0 * math.pi)


@inlined
def plan_value(x: Number) -> Number:
    """PLAN."""
    magnitude = abs(x)
    y = 1.0
    if magnitude < THIRD_EDGE:
        y = magnitude * THIRD_SLOPE + THIRD_RISE
    if magnitude < SECOND_EDGE:
        y = magnitude * SECOND_SLOPE + SECOND_RISE
    if magnitude < FIRST_EDGE:
        y = magnitude * FIRST_SLOPE + FIRST_RISE
    return 1.0 - y if x < 0 else y


@inlined
def plan_slope(x: Number) -> Number:
    """Derivative of PLAN."""
    magnitude = abs(x)
    y = 0.0
    if magnitude < THIRD_EDGE:
        y = THIRD_SLOPE
    if magnitude < SECOND_EDGE:
        y = SECOND_SLOPE
    return FIRST_SLOPE if magnitude < FIRST_EDGE else y


@inlined
def normal(x: Number, mean: float, deviation: float) -> Number:
    """Density of the normal distribution."""
    distance = (x - mean) / deviation
    return math.exp(-0.5 * (distance * distance)) / (deviation * ROOT)


@kernel
def divide(cells: Array, o: Any) -> None:
    """Quotients and roots."""
    wide_vectors()
    r, x, y, size = o.result, o.first, o.second, o.size
    if o.code == DIVIDE:
        for j in range(size):
            cells[r + j] = cells[x + j] / cells[y + j]
    else:
        for j in range(size):
            cells[r + j] = math.sqrt(cells[x + j])


@kernel
def choose(cells: Array, o: Any) -> None:
    """Comparisons and choices."""
    wide_vectors()
    code, r, x, y, z, size = o.code, o.result, o.first, o.second, o.third, o.size
    if code == SELECT:
        for j in range(size):
            cells[r + j] = cells[y + j] if cells[x + j] != 0 else cells[z + j]
    elif code == GREATER:
        for j in range(size):
            cells[r + j] = 1.0 if cells[x + j] > cells[y + j] else 0.0
    elif code == MAXIMUM:
        for j in range(size):
            a, b = cells[x + j], cells[y + j]
            cells[r + j] = a if a > b or a != a else b
    else:
        for j in range(size):
            a, b = cells[x + j], cells[y + j]
            cells[r + j] = a if a < b or a != a else b


@kernel
def shape(cells: Array, o: Any) -> None:
    """Parts of gates that are lines, and what all neurons share."""
    wide_vectors()
    code, r, x, size = o.code, o.result, o.first, o.size
    if code == PLAN:
        for j in range(size):
            cells[r + j] = plan_value(cells[x + j])
    elif code == PLAN_SLOPE:
        for j in range(size):
            cells[r + j] = plan_slope(cells[x + j])
    elif code == SPREAD:
        cells[r : r + size] = cells[x]
    else:
        for j in range(size):
            cells[r + j] = cells[x + j] * (1.0 - cells[x + j])


@kernel
def bend(cells: Array, o: Any) -> None:
    """What takes exponentials, and the triangle."""
    wide_vectors()
    code, r, x, size = o.code, o.result, o.first, o.size
    if code == LOGISTIC:
        for j in range(size):
            small = math.exp(-abs(cells[x + j]))
            cells[r + j] = (1.0 if cells[x + j] >= 0 else small) / (1.0 + small)
    elif code == TRIANGLE:
        for j in range(size):
            cells[r + j] = max(0.0, 1.0 - abs(cells[x + j]))
    else:
        for j in range(size):
            distance = cells[x + j]
            sides = normal(distance, NARROW, WIDE) + normal(distance, -NARROW, WIDE)
            middle = (1.0 + HEIGHT) * normal(distance, 0.0, NARROW)
            cells[r + j] = GAMMA * (middle - HEIGHT * sides)


@kernel
def evaluate(operations: Array, first: Number, last: Number, cells: Array) -> None:
    """Operations ``first`` to before ``last``, one after the other, each on all its neurons."""
    for k in range(first, last):
        o = operations[k]
        if o.code <= MULTIPLY:
            combine(cells, o)
        elif o.code <= SQUARE_ROOT:
            divide(cells, o)
        elif o.code <= MINIMUM:
            choose(cells, o)
        elif o.code <= LOGISTIC_SLOPE:
            shape(cells, o)
        else:
            bend(cells, o)
