"""The Add task: sum two marked numbers of a sequence (Hochreiter, Schmidhuber 1997).

Its running variant asks at every step for the sum of what was marked until then.
"""

from __future__ import annotations

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.tasks.split import Split
from ltc2hw.tasks.task import Task

SHORTEST, LONGEST = 2, 10_000
TRAINING_SAMPLES, VALIDATION_SAMPLES, TEST_SAMPLES = 1280, 1000, 1000
SEEDS = {"train": 101, "validation": 202, "test": 303}


def generate(steps: int, samples: int, rng: np.random.Generator, running: bool = False) -> Split:
    """Sequences (T, B, 2): channel 0 uniform in [0, 1), channel 1 marks one step in each half.

    The label (B, 1) is the sum of the two marked values; always answering 1 gives a mean squared
    error of 1/6. With ``running`` there is one at every step, (T, B, 1): the sum until then.

    >>> split = generate(4, 3, np.random.default_rng(0))
    >>> marked = (split.x[..., 0] * split.x[..., 1]).sum(axis=0)
    >>> bool(np.allclose(marked, split.labels[:, 0]))
    True
    >>> sums = generate(4, 3, np.random.default_rng(0), running=True).labels
    >>> bool(np.allclose(sums[-1], split.labels)), bool(np.all(np.diff(sums, axis=0) >= 0))
    (True, True)
    """
    values = rng.random((steps, samples))
    markers = np.zeros((steps, samples))
    half = steps // 2
    every = np.arange(samples)
    markers[rng.integers(0, half, samples), every] = 1.0
    markers[rng.integers(half, steps, samples), every] = 1.0
    marked, x = values * markers, np.stack((values, markers), axis=2)
    if running:
        return Split(x, marked.cumsum(axis=0)[:, :, None], every_step=True)
    return Split(x, marked.sum(axis=0)[:, None])


def _fresh(split: Split, rng: np.random.Generator) -> Split:
    """As many new sequences, so that none is ever seen twice."""
    return generate(split.x.shape[0], split.samples, rng, split.every_step)


def add_task(steps: int, running: bool = False) -> Task:
    """The Add task of length T; every epoch's training sequences are new.

    With ``running`` the target is at every step the sum of the values marked until then.

    Raises:
        InvalidValueError: if T is not between 2 and 10,000.

    >>> add_task(8, running=True).train.labels.shape
    (8, 1280, 1)
    """
    if not SHORTEST <= steps <= LONGEST:
        raise InvalidValueError(
            "length of the Add task", steps, f"{SHORTEST} to {LONGEST}", "e.g. add-100"
        )

    def fixed(part: str, samples: int) -> Split:
        return generate(steps, samples, np.random.default_rng((SEEDS[part], steps)), running)

    return Task(
        name=f"add-running-{steps}" if running else f"add-{steps}",
        kind="regression",
        steps=steps,
        inputs=2,
        outputs=1,
        train=fixed("train", TRAINING_SAMPLES),
        validation=fixed("validation", VALIDATION_SAMPLES),
        test=fixed("test", TEST_SAMPLES),
        augment=_fresh,
        every_step=running,
    )
