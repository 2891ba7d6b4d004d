"""The float64 three-factor reference against torch autograd with the state detached every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import ErrorKind, FPTTRule, Parameter, Surrogate
from ltc2hw.neurons import GateKind, LTCCell, NetworkState, ReadFrom, ReadoutCell, SpikingNetwork
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity.float64 import FloatLearner
from ltc2hw.simulations.plasticity.stream import Update
from ltc2hw.training.fptt import FPTT
from tests.training.torch_networks import TorchLayout, flat

TOLERANCE = 1e-10
STEPS, SAMPLES, INPUTS, OUTPUTS = 7, 4, 4, 3


class TorchFPTT:
    """The trainer's FPTT with plain SGD, one update per step, by autograd."""

    def __init__(self, module: SpikingNetwork, rule: FPTTRule) -> None:
        self.rule = rule
        self.module = module
        self.names = {id(p): index for index, p in enumerate(module.parameters())}
        self.fptt = FPTT(list(module.parameters()), alpha=rule.alpha, beta=rule.beta)
        self.optimizer = torch.optim.SGD(module.parameters(), lr=rule.learning_rate)
        self.state: NetworkState | None = None
        self.gradients: list[torch.Tensor] = []

    def step(self, x: torch.Tensor, target: torch.Tensor, weight: float) -> FloatArray:
        """One update on the loss of this step, everything before it held fixed; the output."""
        self.module.zero_grad()
        output, state = self.module.step(x[None], self.state)
        if self.rule.error == "softmax":
            loss = -(target * torch.log_softmax(output[0], 0)).sum()
        else:
            loss = 0.5 * ((output[0] - target) ** 2).sum()
        torch.autograd.backward(weight * loss)
        self.gradients = [p.grad.clone() for p in self.module.parameters() if p.grad is not None]
        self.state = state.detach()
        self.fptt.step(self.optimizer)
        result: FloatArray = output[0].detach().numpy()
        return result


@dataclass(frozen=True)
class Case:
    """A module to learn: its gates, layers and how it is read out."""

    gate: GateKind
    readout_gate: GateKind = "event"
    sizes: tuple[int, ...] = (9,)
    nonlinearity: str = "sigmoid"
    surrogate: Surrogate = "multi_gaussian"
    read_from: ReadFrom = "spikes"
    recurrent: bool = True

    def module(self, seed: int) -> SpikingNetwork:
        """A random module with every parameter away from zero, in float64."""
        generator = torch.Generator().manual_seed(seed)
        layers = []
        for inputs, size in zip((INPUTS, *self.sizes), self.sizes, strict=False):
            layers.append(
                LTCCell(
                    inputs,
                    size,
                    gate=self.gate,
                    recurrent=self.recurrent,
                    nonlinearity=self.nonlinearity,
                    surrogate=self.surrogate,
                    gain=3.0,
                    generator=generator,
                )
            )
        readout = ReadoutCell(
            self.sizes[-1],
            OUTPUTS,
            gate=self.readout_gate,
            nonlinearity=self.nonlinearity,
            generator=generator,
        )
        net = SpikingNetwork(layers, readout, read_from=self.read_from).double()
        with torch.no_grad():
            for p in net.parameters():
                p.add_(0.1 * torch.randn(p.shape, generator=generator, dtype=p.dtype))
        return net


CASES = {
    "event": Case("event"),
    "event, plan, triangle": Case("event", nonlinearity="plan", surrogate="triangle"),
    "event, two layers": Case("event", sizes=(6, 5)),
    "event, membranes read out": Case("event", read_from="membrane"),
    "event, not recurrent": Case("event", recurrent=False),
    "static": Case("static", "static"),
    "static, two layers": Case("static", sizes=(6, 5)),
    "dense": Case("dense", "dense"),
    "dense, plan": Case("dense", "dense", nonlinearity="plan"),
}
"""With the rule's ``own_current``, without which dense gates are not exact."""


@pytest.mark.parametrize("error", ["softmax", "linear"])
@pytest.mark.parametrize("case", CASES)
def test_equals_autograd_over_whole_sequences(case: str, error: ErrorKind) -> None:
    net = CASES[case].module(seed=3)
    rule = FPTTRule(
        learning_rate=0.05,
        alpha=0.3,
        beta=0.4,
        error=error,
        surrogate=CASES[case].surrogate,
        own_current=True,
    )
    layout = TorchLayout(net)
    learner = FloatLearner(layout.network, rule)
    assert set(learner.parameters) == set(layout.slices)
    learning, teacher = learner.start(), TorchFPTT(net, rule)
    rng = np.random.default_rng(0)
    moved = dict.fromkeys(learner.parameters, 0.0)
    for _ in range(SAMPLES):
        x = rng.uniform(-1, 2, (STEPS, INPUTS))
        target = np.eye(OUTPUTS)[rng.integers(OUTPUTS)]
        if error == "linear":
            target = rng.normal(0, 1, OUTPUTS)
        for t in range(STEPS):
            update, learning = learner.step(learning, x[t], target, t, STEPS)
            weight = (t + 1) / STEPS
            output = teacher.step(torch.from_numpy(x[t]), torch.from_numpy(target), weight)
            np.testing.assert_allclose(update.output, output, rtol=0, atol=TOLERANCE)
            compare(layout, teacher, learning, update, moved)
    assert min(moved.values()) > 0


def compare(
    layout: TorchLayout,
    teacher: TorchFPTT,
    learning: Learning,
    update: Update,
    moved: dict[Parameter, float],
) -> None:
    """Gradient, value, mean and gradient memory of every parameter agree."""
    for parameter, (tensor, row) in layout.slices.items():
        index = teacher.names[id(tensor)]
        memory = learning.memories[parameter]
        for ours, theirs in (
            (-update.descent[parameter], teacher.gradients[index]),
            (memory.value, tensor.detach()),
            (memory.mean, teacher.fptt.running_mean[index]),
            (memory.gradient, teacher.fptt.memory[index]),
        ):
            np.testing.assert_allclose(ours, flat(theirs, row).numpy(), rtol=0, atol=TOLERANCE)
        moved[parameter] = max(moved[parameter], float(np.abs(update.descent[parameter]).max()))
