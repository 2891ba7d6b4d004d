"""The auxiliary loss: its formula, its place in training, and who refuses it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.neurons import LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.lstm import LSTMNetwork
from ltc2hw.tasks import load_task
from ltc2hw.training import TrainingOptions
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.learner import new_learner
from ltc2hw.training.loss import auxiliary_loss

STEPS, CLASSES = 8, 10

Array = npt.NDArray[np.float64]


def log_softmax(values: Array) -> Array:
    result: Array = values - np.log(np.exp(values).sum(axis=-1, keepdims=True))
    return result


def test_the_formula() -> None:
    rng = np.random.default_rng(0)
    outputs, guess = rng.normal(size=(3, 4, 5)), rng.dirichlet(np.ones(5), size=4)
    progress = np.array([0.5, 0.75, 1.0])
    expected = 0.0
    for t in range(3):
        for sample in range(4):
            log_p = log_softmax(outputs[t, sample])
            expected -= (1.0 - progress[t]) * float(guess[sample] @ log_p) / 12.0
    tensors = (torch.from_numpy(array) for array in (outputs, guess, progress))
    assert float(auxiliary_loss(*tensors)) == pytest.approx(expected, abs=1e-12)


class Counting(torch.nn.Module):
    """Outputs that do not depend on the input: a weight per class, times the number of steps."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.linspace(-1.0, 1.0, CLASSES))

    def forward(
        self, x: torch.Tensor, state: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        begin = torch.zeros(()) if state is None else state
        steps = begin + torch.arange(1, len(x) + 1)
        outputs = (steps[:, None] * self.weight)[:, None].expand(-1, x.shape[1], -1)
        return outputs, steps[-1]


def losses(auxiliary: float) -> list[float]:
    options = TrainingOptions(updates=2, auxiliary=auxiliary, optimizer="sgd")
    learner = AutogradLearner(Counting(), load_task("digits-rows"), options)
    return learner.learn(torch.zeros(STEPS, 2, 8), torch.tensor([3, 4]), rate=1e-6)


def test_a_window_is_held_to_the_belief_at_the_end_of_the_window_before() -> None:
    weights: Array = np.linspace(-1.0, 1.0, CLASSES, dtype=np.float64)
    beliefs = [np.full(CLASSES, 1.0 / CLASSES), np.exp(log_softmax(4.0 * weights))]
    differences = np.subtract(losses(0.5), losses(0.0))
    assert len(differences) == 2
    for window, found in enumerate(differences):
        expected = 0.0
        for t in range(4 * window, 4 * window + 4):
            log_p = log_softmax((t + 1) * weights)
            expected -= 0.5 * (1.0 - (t + 1) / STEPS) * float(beliefs[window] @ log_p) / 4.0
        assert found == pytest.approx(expected, abs=1e-4)


def spiking() -> SpikingNetwork:
    return SpikingNetwork([LTCCell(8, 4)], ReadoutCell(4, CLASSES))


def test_who_refuses_it() -> None:
    options = TrainingOptions(auxiliary=1.0, updates=2, backend="compiled")
    with pytest.raises(UnsupportedError, match="the auxiliary loss: autograd only"):
        new_learner(spiking(), load_task("digits-rows"), options)
    with pytest.raises(UnsupportedError, match=r"regression.*the auxiliary loss"):
        new_learner(LSTMNetwork(2, 4, 1, seed=0), load_task("add-6"), options)
    with pytest.raises(InvalidValueError, match="auxiliary"):
        TrainingOptions(auxiliary=-1.0)


def test_auto_takes_autograd_for_it() -> None:
    options = TrainingOptions(auxiliary=0.5, updates=2)
    learner = new_learner(spiking(), load_task("digits-rows"), options)
    assert isinstance(learner, AutogradLearner)
    found = learner.learn(torch.rand(STEPS, 3, 8), torch.tensor([1, 2, 3]), 0.01)
    assert len(found) == 2
    assert np.isfinite(found).all()
