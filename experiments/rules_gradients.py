"""How near a rule's gradient is to that of BPTT."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ltc2hw.neurons import SpikingNetwork
from ltc2hw.tasks import Task
from ltc2hw.training import TrainingOptions
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.data import to_tensors
from ltc2hw.training.eligible import EligibleLearner

SAMPLES = 32
"""Of the training samples, the first ones; the same at every look."""

NEVER = 1e30
"""A norm at which no gradient is clipped."""


class Gathered:
    """An optimizer that moves nothing and adds up the gradients of a sequence's windows.

    Each counts by the part of the sequence that its window is, as its loss is a mean over steps.
    """

    def __init__(self, parameter: torch.nn.Parameter, shares: list[float]) -> None:
        self.parameter, self.shares = parameter, iter(shares)
        self.total = torch.zeros_like(parameter.detach())

    def set_rate(self, rate: float) -> None:
        """Nothing moves at any rate."""

    def step(self) -> None:
        """Add the gradient of a window."""
        assert self.parameter.grad is not None
        self.total += next(self.shares) * self.parameter.grad

    def entries(self) -> dict[str, Tensor]:
        """Nothing that a next update depends on."""
        return {}

    def restore(self, entries: Mapping[str, Tensor]) -> None:
        """Nothing to go on from."""


def hidden_gradient(module: SpikingNetwork, task: Task, options: TrainingOptions) -> Tensor:
    """Gradient of the hidden layers' parameters over the first training samples, as a rule sees it.

    Parameters stay between updates, so that FPTT's regularizer adds nothing. The module is left as
    it is.
    """
    own = copy.deepcopy(module)
    options = replace(options, clip=NEVER, weight_bits=None)
    kind = EligibleLearner if options.by_eligibility else AutogradLearner
    learner = kind(own, task, options)
    aim = learner.whole
    if task.every_step:
        x, labels = to_tensors(task.train.take(np.arange(min(SAMPLES, task.train.samples))))
        labels, aim = learner.prepared(x, labels, None)
    pairs = zip(aim.windows, aim.with_loss, strict=True)
    shares = [(w.stop - w.start) / task.steps for w, counts in pairs if counts]
    gathered = Gathered(learner.flat.parameter, shares)
    learner.optimizer = gathered
    x, labels = to_tensors(task.train.take(np.arange(min(SAMPLES, task.train.samples))))
    learner.learn(x, labels, options.learning_rate)
    count = sum(p.numel() for cell in own.cells for p in cell.parameters())
    return gathered.total[:count]


def nearness(module: SpikingNetwork, task: Task, options: TrainingOptions) -> dict[str, float]:
    """Cosine of a rule's gradient of the hidden layers with BPTT's, and its norm over theirs.

    Both are 0 for a rule that gives them no gradient.
    """
    through_time = replace(options, method="bptt", descent="instantaneous")
    exact = hidden_gradient(module, task, through_time).double()
    found = hidden_gradient(module, task, options).double()
    sizes = float(exact.norm()), float(found.norm())
    if min(sizes) == 0.0:
        return {"cosine": 0.0, "ratio": 0.0}
    return {"cosine": float(exact @ found) / (sizes[0] * sizes[1]), "ratio": sizes[1] / sizes[0]}
