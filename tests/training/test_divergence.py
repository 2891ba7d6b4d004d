"""Training never goes on with numbers that are not finite, nor past what its backend cannot see."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from ltc2hw.errors import InvalidValueError, ShapeError, TrainingError, UnsupportedError
from ltc2hw.neurons import LIFCell, LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import Split, Task, load_task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, evaluate, train
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.batch import LostUpdateError
from ltc2hw.training.compiled import CompiledLearner
from ltc2hw.training.learner import CompiledNetworkLearner, new_learner
from ltc2hw.training.loss import step_losses
from ltc2hw.training.options import Backend
from ltc2hw.training.trainer import Trainer
from tests.neurons.randomised import randomised

BACKENDS: tuple[Backend, ...] = ("compiled", "autograd")
TASK = load_task("add-6")
RATE = 1e-2


def recipe(backend: Backend = "auto", **options: Any) -> Recipe:
    training = {"updates": 3, "epochs": 2, "batch_size": 256, **options}
    return Recipe(ModelOptions(hidden=(5,)), TrainingOptions(backend=backend, **training))


def network(inputs: int = 2, outputs: int = 1) -> SpikingNetwork:
    return SpikingNetwork([LTCCell(inputs, 5)], ReadoutCell(5, outputs))


def poisoned(value: float) -> Task:
    """The task after somebody changed a training sample of its array."""
    own = dataclasses.replace(
        TASK, train=Split(TASK.train.x.copy(), TASK.train.labels), augment=None
    )
    own.train.x[2, 1000, 0] = value
    return own


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300])
def test_samples_that_are_not_finite_do_not_train(backend: Backend, value: float) -> None:
    with pytest.raises(InvalidValueError, match=r"largest of samples is (nan|inf|1e\+300)"):
        train(poisoned(value), recipe(backend))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gradient_that_is_not_finite_names_its_update(backend: Backend) -> None:
    """Spikes hide a membrane that overflows from the loss."""
    module = network()
    torch.nn.init.constant_(module.cells[0].weight_input, 10.0)
    learner = new_learner(module, TASK, TrainingOptions(updates=3, backend=backend))
    before = learner.values()
    x = torch.from_numpy(TASK.train.x[:, :8]).float()
    labels = torch.from_numpy(TASK.train.labels[:8]).float()
    spoiled = x.clone()
    spoiled[0, 0] = 3e38
    with pytest.raises(LostUpdateError) as error:
        learner.learn(spoiled, labels, RATE)
    assert np.isfinite(error.value.losses).all()
    np.testing.assert_array_equal(learner.values(), before)


@pytest.mark.parametrize("backend", BACKENDS)
def test_parameters_that_overflow_end_the_training(backend: Backend) -> None:
    options = {"optimizer": "sgd", "learning_rate": 1e30, "clip": 1e30, "method": "bptt"}
    far = dataclasses.replace(TASK, train=Split(TASK.train.x, 1e15 + TASK.train.labels))
    with pytest.raises(TrainingError, match=r"parameters are not finite in epoch 0, update 0; low"):
        train(dataclasses.replace(far, augment=None), recipe(backend, **options))


@pytest.mark.parametrize("backend", BACKENDS)
def test_membranes_that_overflow_end_the_training(backend: Backend) -> None:
    """The readout sees them: at the same update in both backends, whoever notices first."""
    module = SpikingNetwork(
        [LTCCell(2, 5, threshold=1e30)], ReadoutCell(5, 1), read_from="membrane"
    )
    torch.nn.init.constant_(module.cells[0].weight_input, 3e38)
    with pytest.raises(TrainingError, match="in epoch 0, update 0; nothing was learned yet"):
        train(TASK, recipe(backend), module=module)


def test_a_network_that_does_not_fit_the_task_is_refused_before_training() -> None:
    with pytest.raises(ShapeError, match="inputs of the network is 3; expected 2 for task add-6"):
        train(TASK, recipe(), module=network(inputs=3))
    with pytest.raises(ShapeError, match="outputs of the network is 2"):
        train(TASK, recipe(), module=network(outputs=2))
    with pytest.raises(ShapeError, match="evaluated samples of task add-6"):
        evaluate(network(), TASK, Split(TASK.test.x[:5], TASK.test.labels))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_batch_of_another_shape_is_refused(backend: Backend) -> None:
    task = load_task("digits-rows")
    learner = new_learner(network(8, 10), task, TrainingOptions(updates=2, backend=backend))
    x, labels = torch.rand(8, 4, 8), torch.tensor([1, 2, 3, 4])
    assert len(learner.learn(x, labels.to(torch.int32), RATE)) == 2
    for wrong in (x[:7], x[..., :7], x[:, :0], x[0], x.transpose(0, 1)):
        with pytest.raises(ShapeError, match="batch of samples"):
            learner.learn(wrong, labels, RATE)
    for targets in ([1, 2, 3, 10], [1, 2, 3, -1], [1, 2, 3, -100], [1.0, 2.0, 3.0, 4.0], [1, 2, 3]):
        with pytest.raises(InvalidValueError, match="label"):
            learner.learn(x, torch.tensor(targets), RATE)


def test_compiled_targets_have_the_outputs_shape() -> None:
    learner = CompiledNetworkLearner(network(), TASK, TrainingOptions(updates=3))
    x = torch.from_numpy(TASK.train.x[:, :4]).float()
    for shape in ((4, 2), (3, 1), (1, 1)):
        with pytest.raises(ShapeError, match="targets"):
            learner.learn(x, torch.rand(shape), RATE)
    learner.learn_part(x[:2], torch.rand(4, 1), RATE, 0)
    with pytest.raises(ShapeError, match="samples of a part is 3; expected 4"):
        learner.learn_part(x[2:4, :3], torch.rand(3, 1), RATE, 2)


def test_losses_never_broadcast() -> None:
    outputs = torch.zeros(2, 4, 1)
    for wrong in (torch.zeros(4), torch.zeros(1, 1), torch.zeros(4, 2)):
        with pytest.raises(ShapeError, match="shape of labels"):
            step_losses(TASK, outputs, wrong)
    with pytest.raises(ShapeError, match="outputs for task add-6"):
        step_losses(TASK, torch.zeros(2, 4, 3), torch.zeros(4, 3))


class Doubled(SpikingNetwork):
    """A network that gives twice what it would."""

    def forward(self, x: Any, state: Any = None) -> Any:
        outputs, after = super().forward(x, state)
        return 2.0 * outputs, after


def frozen() -> SpikingNetwork:
    module = network()
    module.cells[0].weight_input.requires_grad_(False)
    return module


def shared() -> SpikingNetwork:
    cell = LIFCell(2, 2, threshold=0.01)
    torch.nn.init.constant_(cell.weight_input, 1.0)
    return SpikingNetwork([cell, cell], ReadoutCell(2, 1))


def hooked() -> SpikingNetwork:
    module = network()
    module.register_forward_hook(lambda own, values, outputs: (2.0 * outputs[0], outputs[1]))
    return module


OBSTACLES: dict[str, Callable[[], nn.Module]] = {
    "frozen": frozen,
    "shared": shared,
    "hooks": hooked,
    "not a SpikingNetwork": lambda: Doubled([LTCCell(2, 5)], ReadoutCell(5, 1)),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_what_compiled_learning_would_not_see_is_learned_by_autograd(obstacle: str) -> None:
    # Of every layer some neuron spikes, so that every weight has a gradient.
    module = randomised(OBSTACLES[obstacle](), 3, spread=1.0)
    with pytest.raises(UnsupportedError, match=obstacle):
        new_learner(module, TASK, TrainingOptions(updates=3, backend="compiled"))
    learner = new_learner(module, TASK, TrainingOptions(updates=3))
    assert isinstance(learner, AutogradLearner)
    start = {name: value.detach().clone() for name, value in module.named_parameters()}
    x, labels = (torch.from_numpy(part) for part in (TASK.train.x[:, :8], TASK.train.labels[:8]))
    learner.learn(x.float(), labels.float(), RATE)
    for name, value in module.named_parameters():
        assert torch.equal(value, start[name]) != value.requires_grad, name


def test_cells_of_several_types_are_not_compiled_into_one() -> None:
    module = network()
    module.readout.double()
    with pytest.raises(InvalidValueError, match="types of a network's cells"):
        CompiledLearner(module, "regression", TrainingOptions(updates=2), steps=6)


def test_every_form_of_labels_trains_to_the_same_bits() -> None:
    digits = load_task("digits-rows")
    plan = recipe(updates=2, epochs=1)
    rows = np.eye(10, dtype=np.float32)
    forms: tuple[Callable[[Any], Any], ...] = (
        lambda labels: labels,
        lambda labels: labels.astype(np.int32)[:, None],
        lambda labels: torch.from_numpy(rows[labels]),
        lambda labels: labels.tolist(),
    )
    runs = []
    for form in forms:
        parts: dict[str, Any] = {
            name: Split(part.x, form(part.labels))
            for name, part in (
                ("train", digits.train),
                ("validation", digits.validation),
                ("test", digits.test),
            )
        }
        runs.append(Trainer(dataclasses.replace(digits, **parts), plan))
        runs[-1].run_epoch()
    for other in runs[1:]:
        assert other.history == runs[0].history
        np.testing.assert_array_equal(other.learner.values(), runs[0].learner.values())
