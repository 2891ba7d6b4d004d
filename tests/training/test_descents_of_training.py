"""Training with a sample in a batch and an update a step is the rule of learning on a stream."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltc2hw import learn
from ltc2hw.learning.rule import Descent, FPTTRule
from ltc2hw.neurons import GateKind, LTCCell, ReadFrom, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import load_task
from ltc2hw.training import TrainingOptions
from ltc2hw.training.eligible import EligibleLearner
from tests.training.torch_networks import TorchLayout, flat

STEPS, SAMPLES = 12, 3


def module(gate: GateKind, read_from: ReadFrom, nonlinearity: str) -> SpikingNetwork:
    generator = torch.Generator().manual_seed(3)
    cell = LTCCell(2, 6, gate=gate, nonlinearity=nonlinearity, gain=3.0, generator=generator)
    readout = ReadoutCell(6, 1, nonlinearity=nonlinearity, generator=generator)
    return SpikingNetwork([cell], readout, read_from=read_from).double()


@pytest.mark.parametrize(
    ("gate", "read_from", "nonlinearity"),
    [("event", "membrane", "plan"), ("event", "spikes", "sigmoid"), ("static", "spikes", "plan")],
)
@pytest.mark.parametrize("descent", ["eligibility", "filtered"])
def test_training_is_the_rule(
    descent: Descent, gate: GateKind, read_from: ReadFrom, nonlinearity: str
) -> None:
    """Training's loss is the whole squared error, the rule's half of it: rates differ by two."""
    own, task = module(gate, read_from, nonlinearity), load_task(f"add-{STEPS}")
    layout = TorchLayout(own)
    rule = FPTTRule(
        learning_rate=0.1, alpha=0.3, beta=0.4, error="linear", descent=descent, weighting="ramp"
    )
    x, targets = task.train.x[:, :SAMPLES], task.train.labels[:SAMPLES].reshape(-1, 1)
    learned = learn(layout.network, x, targets, rule, engine="float64")

    options = TrainingOptions(
        updates=STEPS, descent=descent, optimizer="sgd", learning_rate=0.05, alpha=0.6, beta=0.4,
        clip=1e30,
    )  # fmt: skip
    learner = EligibleLearner(own, task, options)
    before = learner.values()
    for sample in range(SAMPLES):
        one = slice(sample, sample + 1)
        learner.learn(torch.from_numpy(x[:, one]), torch.from_numpy(targets[one]), 0.05)
    assert np.abs(learner.values() - before).max() > 0.01

    for kept in ("value", "mean"):
        for parameter, (tensor, row) in layout.slices.items():
            memory = learned.learning.memories[parameter]
            found = flat(tensor.detach(), row).numpy()
            np.testing.assert_allclose(found, getattr(memory, kept), rtol=0, atol=1e-10)
        learner.finish_pass()
