"""Memory and processor time of learning a batch, in a process of its own."""

from __future__ import annotations

import copy
import ctypes
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.measure import peak_megabytes
from ltc2hw.neurons import SpikingNetwork
from ltc2hw.tasks import Task
from ltc2hw.training import TrainingOptions
from ltc2hw.training.data import to_tensors
from ltc2hw.training.learner import new_learner

ROUNDS = 2
PEAK_FORGOTTEN = "5"
"""What Linux takes in ``clear_refs`` to count a process's peak memory anew."""


def cost(module: SpikingNetwork, task: Task, options: TrainingOptions) -> dict[str, float]:
    """Megabytes above those of a process that has learned one sequence, and seconds per sequence.

    Of one thread and a batch as in training; the fastest of a few.
    """

    def learn() -> dict[str, float]:
        count = min(options.batch_size, task.train.samples)
        x, labels = to_tensors(task.train.take(np.arange(count)))
        own, seconds = copy.deepcopy(module), []
        learner = new_learner(own, task, options)
        # What is compiled for the first time takes memory, too.
        one = labels[:, :1] if task.every_step else labels[:1]
        learner.learn(x[:, :1].contiguous(), one, options.learning_rate)
        before = _fresh_peak()
        for _ in range(ROUNDS):
            begin = time.process_time()
            learner.learn(x, labels, options.learning_rate)
            seconds.append(time.process_time() - begin)
        return {"megabytes": peak_megabytes() - before, "per_sequence": min(seconds) / count}

    return in_a_fork(learn)


def _fresh_peak() -> float:
    """Megabytes of now, from which the peak counts; what was freed is given back first."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text(PEAK_FORGOTTEN, encoding="ascii")
    return peak_megabytes()


def in_a_fork(function: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What a function finds in a copy of this process, whose memory is gone afterwards.

    Needs one thread in this process.

    Raises:
        RuntimeError: if it fails there; what it said is on the standard error.

    >>> in_a_fork(lambda: {"one": 1.0})
    {'one': 1.0}
    """
    fork = multiprocessing.get_context("fork")
    receiving, sending = fork.Pipe(duplex=False)
    child = fork.Process(target=lambda: sending.send(function()))
    child.start()
    sending.close()
    try:
        found: dict[str, float] = receiving.recv()
    except EOFError as error:
        raise RuntimeError("the measurement failed in its own process") from error
    finally:
        child.join()
    return found
