"""The learner of a GPU, run on the CPU without a capture, against learning by autograd."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from ltc2hw.errors import InvalidValueError, UnknownNameError, UnsupportedError
from ltc2hw.neurons import GATES, GateKind, LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.lstm import LSTMNetwork
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, train
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.checkpoint import require_same_plan
from ltc2hw.training.graphed import GraphedLearner
from ltc2hw.training.learner import new_learner
from ltc2hw.training.optimizers import OPTIMIZERS, TensorOptimizer, TorchOptimizer
from ltc2hw.training.options import OptimizerName, complete
from ltc2hw.training.trainer import Trainer
from tests.neurons.randomised import randomised

STEPS, RATE = 6, 1e-2
TASK = load_task(f"add-{STEPS}")
NO_GPU = "a CUDA graph is captured on a GPU alone, and torch sees none here"

Batches = Sequence[tuple[Tensor, Tensor]]


def batches(count: int = 4, size: int = 5, task: Task = TASK) -> Batches:
    x, labels = torch.from_numpy(task.train.x), torch.from_numpy(task.train.labels)
    parts = [slice(size * index, size * (index + 1)) for index in range(count)]
    return [(x[:, part].double(), labels[part]) for part in parts]


def network(gate: GateKind = "event", task: Task = TASK) -> SpikingNetwork:
    layers = [LTCCell(task.inputs, 7, gate=gate), LTCCell(7, 5, gate=gate, nonlinearity="plan")]
    module = SpikingNetwork(layers, ReadoutCell(5, task.outputs, gate=gate)).double()
    randomised(module, 3)
    return module


def parameters(module: nn.Module) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.concatenate([value.detach().numpy().ravel() for value in module.parameters()])


def assert_same_learning(
    new_module: Callable[[], nn.Module], options: TrainingOptions, samples: Batches, task: Task
) -> None:
    """Two passes of the same batches: the same losses, parameters and memories."""
    own, other = new_module(), new_module()
    start = parameters(own)
    graphed, wanted = GraphedLearner(own, task, options), AutogradLearner(other, task, options)
    for _ in range(2):
        for x, labels in samples:
            losses = wanted.learn(x, labels, RATE)
            np.testing.assert_allclose(graphed.learn(x, labels, RATE), losses, rtol=0, atol=1e-10)
            np.testing.assert_allclose(graphed.values(), wanted.values(), rtol=0, atol=1e-10)
        graphed.finish_pass()
        wanted.finish_pass()
        with graphed.deployed(), wanted.deployed():
            np.testing.assert_allclose(parameters(own), parameters(other), rtol=0, atol=1e-10)
        np.testing.assert_array_equal(parameters(own), graphed.values())
    assert np.abs(parameters(own) - start).max() > 1e-3
    memories = [
        {name: value for name, value in learner.state().items() if name.startswith("fptt")}
        for learner in (graphed, wanted)
    ]
    assert memories[0].keys() == memories[1].keys()
    for name, memory in memories[1].items():
        np.testing.assert_allclose(memories[0][name], memory, rtol=0, atol=1e-10)


@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize(
    "options",
    [
        {"updates": STEPS},
        {"updates": 2, "clip": 0.02},
        {"updates": 4, "loss_weighting": "last"},
        {"updates": 3, "weight_bits": 5},
        {"updates": 3, "weight_limit": 0.4, "optimizer": "adamax"},
        {"method": "bptt", "optimizer": "sgd"},
        {"method": "bptt", "weight_bits": 4, "weight_limit": 0.6},
    ],
    ids=str,
)
def test_updates_equal_autograd(options: Mapping[str, Any], gate: GateKind) -> None:
    assert_same_learning(lambda: network(gate), TrainingOptions(**options), batches(), TASK)


def test_any_module_and_the_auxiliary_loss() -> None:
    def lstm() -> nn.Module:
        return LSTMNetwork(TASK.inputs, 4, TASK.outputs, seed=1).double()

    assert_same_learning(lstm, TrainingOptions(updates=3), batches(), TASK)
    digits = load_task("digits-rows")
    options = TrainingOptions(updates=4, auxiliary=0.5)
    samples = batches(task=digits)
    assert_same_learning(lambda: network(task=digits), options, samples, digits)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rules_are_torchs(name: OptimizerName) -> None:
    rng = np.random.default_rng(2)
    options = TrainingOptions(optimizer=name)
    own, other = (nn.Parameter(torch.linspace(-1.0, 1.0, 9).double()) for _ in range(2))
    tensors, torchs = TensorOptimizer(own, options), TorchOptimizer(other, options)
    for update in range(200):
        gradient = rng.normal(size=9) * (rng.random(9) < 0.7)
        for parameter, optimizer in ((own, tensors), (other, torchs)):
            parameter.grad = torch.from_numpy(gradient.copy())
            optimizer.set_rate(0.05 / (1 + update))
            optimizer.step()
        torch.testing.assert_close(own, other, rtol=0, atol=1e-12)


def numbers_read(action: Callable[[], object]) -> int:
    """How often the host reads a number of a tensor, which a capture does not allow."""
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        action()
    return sum(event.count for event in seen.key_averages() if event.key == "aten::item")


@pytest.mark.filterwarnings("ignore:Warning. Profiler clears events:UserWarning")
@pytest.mark.parametrize(("gate", "optimizer"), list(zip(GATES, OPTIMIZERS, strict=True)))
def test_the_host_reads_no_number(gate: GateKind, optimizer: OptimizerName) -> None:
    options = TrainingOptions(updates=3, weight_bits=6, weight_limit=0.5, optimizer=optimizer)
    x, labels = batches()[0]
    learner = GraphedLearner(network(gate), TASK, options)
    goal = learner.prepared(x, labels, None)
    assert numbers_read(lambda: learner.learn_all(x, *goal)) == 0
    autograd = AutogradLearner(network(gate), TASK, options)
    assert numbers_read(lambda: autograd.learn(x, labels, RATE)) >= 3


@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_a_state_resumes_with_the_same_bits(method: Any) -> None:
    options = TrainingOptions(method=method, updates=3, weight_bits=5)
    samples = batches()
    module = network()
    whole, resumed = (GraphedLearner(own, TASK, options) for own in (network(), module))
    for x, labels in samples:
        whole.learn(x, labels, RATE)
    whole.finish_pass()
    state = whole.state()
    resumed.learn(*samples[2], rate=0.5)
    resumed.restore(state)
    np.testing.assert_array_equal(parameters(module), whole.values())
    for learner in (whole, resumed):
        for x, labels in samples[::-1]:
            learner.learn(x, labels, RATE)
    found, wanted = resumed.state(), whole.state()
    assert found.keys() == wanted.keys() == state.keys()
    for name, value in wanted.items():
        assert isinstance(value, np.ndarray)
        np.testing.assert_array_equal(found[name], value)
    assert np.any(state["parameters"] != wanted["parameters"])


def test_losses_end_with_the_first_that_is_not_finite() -> None:
    learner = GraphedLearner(network(), TASK, TrainingOptions(updates=3))
    x, labels = batches()[0]
    assert np.isfinite(learner.learn(x, labels, RATE)).tolist() == [True] * 3
    assert np.isnan(learner.learn(x, labels * np.nan, RATE)).tolist() == [True]


def test_what_has_no_such_device_is_named() -> None:
    with pytest.raises(UnknownNameError, match="device is 'tpu'; expected one of cpu, cuda"):
        TrainingOptions(device="tpu")  # type: ignore[arg-type]
    options = TrainingOptions(updates=2, device="cuda", backend="compiled")
    with pytest.raises(UnsupportedError, match="compiled learning cannot express device 'cuda'"):
        new_learner(network(), TASK, options)


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a CUDA device here")
def test_a_missing_gpu_is_named() -> None:
    recipe = Recipe().with_training(device="cuda", updates=2)
    with pytest.raises(InvalidValueError, match=r"device is 'cuda'; expected .*use device 'cpu'"):
        train(TASK, recipe)


def test_a_plan_of_before_was_of_the_cpu(tmp_path: Path) -> None:
    plan = Trainer(TASK, Recipe(ModelOptions(hidden=(3,)), TrainingOptions(updates=2))).plan()
    before = {part: dict(values) for part, values in plan.items()}
    del before["training"]["device"]
    require_same_plan(before, plan, tmp_path)
    assert complete(before)["training"]["device"] == "cpu"
    other = {**plan, "training": {**plan["training"], "device": "cuda"}}
    for saved in (plan, before):
        with pytest.raises(InvalidValueError, match="device of checkpoint"):
            require_same_plan(saved, other, tmp_path)


@pytest.mark.skipif(not torch.cuda.is_available(), reason=NO_GPU)
@pytest.mark.parametrize("gate", GATES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_captured_graph_equals_the_cpu(gate: GateKind, optimizer: OptimizerName) -> None:
    """Batches of two sizes, so of two graphs; the second is captured between updates."""
    options = TrainingOptions(updates=3, optimizer=optimizer, weight_bits=6, device="cuda")
    modules = network(gate), network(gate)
    captured = GraphedLearner(modules[0], TASK, options)
    eager = GraphedLearner(modules[1], TASK, TrainingOptions(**{**vars(options), "device": "cpu"}))
    for x, labels in [*batches(3, 5), *batches(3, 4)]:
        losses = eager.learn(x, labels, RATE)
        np.testing.assert_allclose(captured.learn(x, labels, RATE), losses, rtol=0, atol=1e-8)
        np.testing.assert_allclose(captured.values(), eager.values(), rtol=0, atol=1e-8)
    captured.finish_pass()
    eager.finish_pass()
    found, wanted = map(parameters, modules)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-8)
