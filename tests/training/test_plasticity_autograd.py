"""The float64 three-factor reference against torch autograd with the state detached every step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from ltc2hw.neurons import GateKind, LTCCell, NetworkState, ReadFrom, ReadoutCell, SpikingNetwork
from ltc2hw.plasticity import ErrorKind, FPTTRule, Parameter, Surrogate
from ltc2hw.simulations.plasticity.float64 import FloatLearner, Learning, Update
from tests.training.torch_networks import TorchLayout, flat

TOLERANCE = 1e-10
STEPS, SAMPLES, INPUTS, OUTPUTS = 7, 4, 4, 3


class TorchFPTT:
    """FPTT on a torch module by autograd, straight from the rule's equations."""

    def __init__(self, module: SpikingNetwork, rule: FPTTRule) -> None:
        self.rule = rule
        self.module = module
        self.mean = {name: p.detach().clone() for name, p in module.named_parameters()}
        self.memory = {name: torch.zeros_like(p) for name, p in module.named_parameters()}
        self.state: NetworkState | None = None

    def step(self, x: torch.Tensor, target: torch.Tensor, weight: float) -> float:
        """One update: the loss of this step, with everything before it held fixed."""
        rule = self.rule
        self.module.zero_grad()
        output, state = self.module.step(x[None], self.state)
        if rule.error == "softmax":
            loss = -(target * torch.log_softmax(output[0], 0)).sum()
        else:
            loss = 0.5 * ((output[0] - target) ** 2).sum()
        loss = weight * loss
        torch.autograd.backward(loss)
        self.state = state.detach()
        with torch.no_grad():
            for name, p in self.module.named_parameters():
                assert p.grad is not None
                regularized = -self.memory[name] + rule.alpha * (p - self.mean[name])
                p.sub_(rule.learning_rate * (p.grad + regularized))
                self.memory[name] -= rule.alpha * (p - self.mean[name])
                self.mean[name] = (
                    (1 - rule.beta) * self.mean[name]
                    + rule.beta * p
                    - rule.beta / rule.alpha * self.memory[name]
                )
        return float(loss.detach())


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
            weight = rule.step_weight(t, STEPS)
            update, learning = learner.step(learning, x[t], target, weight)
            loss = teacher.step(torch.from_numpy(x[t]), torch.from_numpy(target), weight)
            assert update.loss == pytest.approx(loss, abs=TOLERANCE)
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
    names = {id(p): name for name, p in teacher.module.named_parameters()}
    for parameter, value, gradient in layout.values():
        tensor, row = layout.slices[parameter]
        name = names[id(tensor)]
        memory = learning.memories[parameter]
        for ours, theirs in (
            (update.gradients[parameter], gradient),
            (memory.value, value),
            (memory.mean, flat(teacher.mean[name], row)),
            (memory.gradient, flat(teacher.memory[name], row)),
        ):
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=TOLERANCE)
        moved[parameter] = max(moved[parameter], float(gradient.abs().max()))
