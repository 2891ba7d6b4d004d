"""A chaotic series to be predicted: the delay differential equation of Mackey and Glass (1977).

Source: Mackey, Glass: Oscillation and chaos in physiological control systems. Science 197, 1977;
the constants are those of most studies of prediction, at which the series is chaotic.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks.split import Split
from ltc2hw.tasks.task import Task

BETA, GAMMA, DELAY, EXPONENT = 0.2, 0.1, 17, 10

PACE = 10
"""Steps of the integration in a unit of time."""

STEPS = 200
"""Of a sequence, a unit of time each."""

WARM_UP = 50
"""First steps of a sequence, which have no target."""

TRANSIENT = 500
"""Units of time before a sequence, so that where the series began has been forgotten."""

USUAL_AHEAD, FARTHEST = 15, 200
SAMPLES = {"train": 256, "validation": 64, "test": 128}
SEEDS = {"train": 121, "validation": 232, "test": 343}

MEAN, DEVIATION = 0.93, 0.23
"""Of the series, about; they are taken off and divided by."""


def slope(x: FloatArray, delayed: FloatArray) -> FloatArray:
    """``dx/dt = β x(t-τ) / (1 + x(t-τ)^n) - γ x`` with β = 0.2, γ = 0.1, n = 10.

    >>> slope(np.ones(1), np.ones(1)).tolist()
    [0.0]
    """
    found: FloatArray = BETA * delayed / (1.0 + delayed**EXPONENT) - GAMMA * x
    return found


def integrate(start: FloatArray, time: int) -> FloatArray:
    """The series (time + 1, B) at t = 0, 1, ..., of histories that are ``start`` (B,) until t = 0.

    Runge and Kutta's method of fourth order in steps of 1/10. A delayed value in the middle of a
    step is that of the cubic that has the values and slopes of the step's ends.

    >>> integrate(np.array([1.0, 1.2]), 3)[:, 0].tolist()  # an equilibrium, though not a stable one
    [1.0, 1.0, 1.0, 1.0]
    """
    lag, step = DELAY * PACE, 1.0 / PACE
    steps = time * PACE
    # Row k + lag is x(k/10); the last row has nothing after it to be the slope of.
    x = np.empty((lag + steps + 1, *start.shape))
    slopes = np.zeros_like(x)
    x[: lag + 1] = start
    for row in range(lag, lag + steps):
        before, after = row - lag, row - lag + 1
        now = slopes[row] = slope(x[row], x[before])
        # The slope jumps at t = 0, so the history's last step has one of its own at its end.
        end = slopes[after] if after != lag else np.zeros_like(start)
        middle = 0.5 * (x[before] + x[after]) + step / 8 * (slopes[before] - end)
        second = slope(x[row] + 0.5 * step * now, middle)
        third = slope(x[row] + 0.5 * step * second, middle)
        last = slope(x[row] + step * third, x[after])
        x[row + 1] = x[row] + step / 6 * (now + 2 * second + 2 * third + last)
    return x[lag::PACE]


def generate(ahead: int, samples: int, rng: np.random.Generator) -> Split:
    """Sequences (200, B, 1) and what each of their numbers becomes ``ahead`` steps later.

    The first 50 steps have no target. Histories before t = 0 are constants from 0.5 to 1.5, drawn
    anew for every sequence.

    >>> split = generate(3, 2, np.random.default_rng(0))
    >>> bool((split.labels[50:-3] == split.x[53:]).all()), bool(np.isnan(split.labels[49]).all())
    (True, True)
    """
    series = integrate(rng.uniform(0.5, 1.5, samples), TRANSIENT + STEPS + ahead)[TRANSIENT:-1]
    scaled = (series[:, :, None] - MEAN) / DEVIATION
    targets = scaled[ahead:].copy()
    targets[:WARM_UP] = np.nan
    return Split(scaled[:STEPS], targets, every_step=True)


def persistence(split: Split) -> float:
    """Mean squared error of always predicting that nothing changes, over steps with a target.

    >>> persistence(generate(1, 4, np.random.default_rng(0))) < 0.1
    True
    """
    labels = split.labels[WARM_UP:]
    return float(np.mean((split.x[WARM_UP:] - labels) ** 2))


def mackey_glass_task(ahead: int = USUAL_AHEAD) -> Task:
    """Predict, at every step, the number that comes ``ahead`` steps later.

    Numbers have a mean of about 0 and a deviation of about 1.

    Raises:
        InvalidValueError: if ``ahead`` is not between 1 and 200.

    >>> task = mackey_glass_task(5)
    >>> task.name, task.train.shape, task.every_step
    ('mackey-glass-5', (200, 256, 1), True)
    """
    if not 1 <= ahead <= FARTHEST:
        limit = f"1 to {FARTHEST}"
        raise InvalidValueError("steps ahead of Mackey-Glass", ahead, limit, "e.g. mackey-glass-15")
    parts = {
        part: generate(ahead, samples, np.random.default_rng((SEEDS[part], ahead)))
        for part, samples in SAMPLES.items()
    }
    return Task(
        name=f"mackey-glass-{ahead}",
        kind="regression",
        steps=STEPS,
        inputs=1,
        outputs=1,
        train=parts["train"],
        validation=parts["validation"],
        test=parts["test"],
        every_step=True,
    )
