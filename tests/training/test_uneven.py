"""Samples of unequal lengths and labels at every step, against each sample learned by itself."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.neurons import LIFCell, LTCCell, NetworkState, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.lstm import LSTMNetwork
from ltc2hw.tasks import Split, Task
from ltc2hw.training import FPTT, ModelOptions, Recipe, TrainingOptions, evaluate, train
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.data import Batch, batches
from ltc2hw.training.graphed import GraphedLearner
from ltc2hw.training.learner import CompiledNetworkLearner, Learner, new_learner
from ltc2hw.training.loss import auxiliary_loss
from ltc2hw.training.optimizers import OPTIMIZERS
from ltc2hw.training.options import Backend, LossWeighting, Method, windows
from ltc2hw.training.trainer import Trainer, run_in_blocks
from tests.neurons.randomised import randomised

STEPS, INPUTS, OUTPUTS, SAMPLES, RATE = 7, 3, 4, 8, 1e-2

Array = npt.NDArray[Any]
Kind = Literal["classification", "regression"]
KINDS: tuple[Kind, ...] = ("classification", "regression")
LEARNERS: dict[str, Callable[[SpikingNetwork, Task, TrainingOptions], Learner]] = {
    "compiled": CompiledNetworkLearner,
    "autograd": AutogradLearner,
    "graphed": GraphedLearner,
}


def task_of(
    kind: Kind, every_step: bool, lengths: Sequence[int] | None = None, seed: int = 0
) -> Task:
    """Random samples; with labels at every step, a third of the steps are without."""
    rng = np.random.default_rng(seed)
    x = 2.0 * rng.random((STEPS, SAMPLES, INPUTS))
    shape = (STEPS, SAMPLES) if every_step else (SAMPLES,)
    gaps = rng.random(shape) < 0.3
    gaps[0] = False
    labels: Array = rng.integers(0, OUTPUTS, shape)
    if kind == "regression":
        labels = rng.random((*shape, OUTPUTS))
    if every_step:
        labels[gaps] = -1 if kind == "classification" else np.nan
    own = rng.integers(1, STEPS, SAMPLES) if lengths is None else np.array(lengths)
    split = Split(x, labels, own, every_step)
    return Task("random", kind, STEPS, INPUTS, OUTPUTS, split, split, split, every_step=every_step)


def network(seed: int = 3, recurrent: bool = True) -> SpikingNetwork:
    layers = [LTCCell(INPUTS, 6, recurrent=recurrent), LIFCell(6, 5, recurrent=recurrent)]
    module = SpikingNetwork(layers, ReadoutCell(5, OUTPUTS)).double()
    randomised(module, seed)
    return module


def double_batches(task: Task, size: int = 4, cut: bool = True) -> list[Batch]:
    """Batches in float64, which a learner's own rounding does not hide."""
    rng = np.random.default_rng(1)
    found = []
    for batch in batches(task.train, size, rng, cut):
        labels = batch.labels.double() if task.kind == "regression" else batch.labels
        found.append(batch._replace(x=batch.x.double(), labels=labels))
    return found


WEIGHTS: dict[LossWeighting, Callable[[int, int], float]] = {
    "ramp": lambda t, length: (t + 1) / length,
    "last": lambda t, length: float(t == length - 1),
    "second-half": lambda t, length: float(2 * (t + 1) > length),
    "uniform": lambda t, length: 1.0,
}


def sample_loss(task: Task, output: Tensor, label: Tensor) -> Tensor | None:
    """The loss of one sample at one step; None without a label."""
    if task.kind == "regression":
        return None if bool(label.isnan().any()) else ((output - label) ** 2).sum() / OUTPUTS
    if task.heads:
        parts = zip(torch.split(output, list(task.heads)), label.tolist(), strict=True)
        return torch.stack([part.exp().sum().log() - part[own] for part, own in parts]).sum()
    return None if int(label) < 0 else output.exp().sum().log() - output[int(label)]


class Alone:
    """Each sample of a batch for itself, over its own steps; only updates are made together."""

    def __init__(self, module: SpikingNetwork, task: Task, options: TrainingOptions) -> None:
        self.module, self.task, self.options = module, task, options
        self.parameters = list(module.parameters())
        self.optimizer = OPTIMIZERS[options.optimizer](self.parameters, lr=RATE)
        self.fptt = FPTT(self.parameters, alpha=options.alpha, beta=options.beta)
        self.updates = options.updates if options.method == "fptt" else 1

    def learn(self, batch: Batch) -> list[float]:
        assert batch.lengths is not None
        longest, count = int(batch.lengths.max()), len(batch.lengths)
        states: list[NetworkState | None] = [None] * count
        losses = []
        for window in windows(longest, min(self.updates, longest)):
            self.optimizer.zero_grad()
            total, counted = torch.zeros((), dtype=torch.float64), False
            for b in range(count):
                state = states[b]
                for t in range(window.start, min(window.stop, int(batch.lengths[b]))):
                    output, state = self.module.step(batch.x[t, b : b + 1], state)
                    label = batch.labels[t, b] if self.task.every_step else batch.labels[b]
                    loss = sample_loss(self.task, output[0], label)
                    weight = WEIGHTS[self.options.loss_weighting](t, int(batch.lengths[b]))
                    if loss is not None and weight:
                        total, counted = total + weight * loss, True
                states[b] = None if state is None else state.detach()
            if counted:
                total = total / (window.stop - window.start) / count
                torch.autograd.backward(total)
                losses.append(float(total.detach()))
                self.update()
        return losses

    def update(self) -> None:
        if self.options.method == "fptt":
            self.fptt.step(self.optimizer, self.options.clip)
        else:
            torch.nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
            self.optimizer.step()


def parameters(module: nn.Module) -> Array:
    return np.concatenate([value.detach().numpy().ravel() for value in module.parameters()])


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("method", "updates", "weighting"),
    [
        ("fptt", STEPS, "uniform"),
        ("fptt", 3, "ramp"),
        ("fptt", 4, "last"),
        ("bptt", 1, "second-half"),
    ],
)
def test_updates_equal_those_of_samples_alone(
    learner: str,
    every_step: bool,
    kind: Kind,
    method: Method,
    updates: int,
    weighting: LossWeighting,
) -> None:
    """Several batches of random lengths, more updates than some have steps; nothing is padded."""
    task = task_of(kind, every_step, seed=updates)
    options = TrainingOptions(
        method=method, updates=updates, loss_weighting=weighting, optimizer="sgd", threads=2
    )
    found, wanted = network(updates), network(updates)
    start = parameters(found)
    own, alone = LEARNERS[learner](found, task, options), Alone(wanted, task, options)
    for batch in double_batches(task):
        losses = own.learn(batch.x, batch.labels, RATE, batch.lengths)
        np.testing.assert_allclose(losses, alone.learn(batch), rtol=0, atol=1e-10)
    own.load(own.values())
    np.testing.assert_allclose(parameters(found), parameters(wanted), rtol=0, atol=1e-10)
    assert np.abs(parameters(wanted) - start).max() > 1e-4


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("kind", KINDS)
def test_padding_changes_no_bit(learner: str, kind: Kind) -> None:
    """Samples of 5 steps in arrays of 7, cut or given as arrays of 5."""
    padded = task_of(kind, False, lengths=[5] * SAMPLES)
    cut = Split(padded.train.x[:5], padded.train.labels)
    plain = dataclasses.replace(padded, steps=5, train=cut, validation=cut, test=cut)
    values = []
    for task in (padded, plain):
        own = LEARNERS[learner](network(), task, TrainingOptions(updates=3))
        losses = [own.learn(b.x, b.labels, RATE, b.lengths) for b in double_batches(task)]
        values.append((np.concatenate(losses), own.values()))
    np.testing.assert_array_equal(values[0][0], values[1][0])
    np.testing.assert_array_equal(values[0][1], values[1][1])


@pytest.mark.parametrize("learner", LEARNERS)
def test_full_lengths_and_full_labels_change_no_bit(learner: str) -> None:
    """Every step labelled with its sequence's label is a label of the sequence."""
    task = task_of("classification", False, lengths=[STEPS] * SAMPLES)
    repeated = np.repeat(task.train.labels[None], STEPS, axis=0)
    split = Split(task.train.x, repeated, None, every_step=True)
    same = dataclasses.replace(task, train=split, validation=split, test=split, every_step=True)
    options = TrainingOptions(updates=3, optimizer="sgd")
    own, other = (LEARNERS[learner](network(), each, options) for each in (task, same))
    for one, two in zip(double_batches(task), double_batches(same), strict=True):
        losses = own.learn(one.x, one.labels, RATE, one.lengths)
        np.testing.assert_allclose(other.learn(two.x, two.labels, RATE), losses, rtol=1e-14)
    np.testing.assert_allclose(other.values(), own.values(), rtol=0, atol=1e-14)


@pytest.mark.parametrize("learner", LEARNERS)
def test_what_lies_behind_an_end_is_not_seen(learner: str) -> None:
    """Labels there count for nothing; the mean is over the steps of the batch, as long as it is."""
    task = task_of("classification", True, lengths=[4, 2, 3, 1] * 2)
    options = TrainingOptions(method="bptt", optimizer="sgd", clip=1e9)
    short, long = (double_batches(task, SAMPLES, cut)[0] for cut in (True, False))
    assert (len(short.x), len(long.x)) == (4, STEPS)
    labels = torch.where(long.labels < 0, 2, long.labels)
    labels[:4] = short.labels
    moved, losses = [], []
    for x, wanted in ((short.x, short.labels), (long.x, labels)):
        own = LEARNERS[learner](network(), task, options)
        start = own.values()
        losses += own.learn(x, wanted, RATE, short.lengths)
        moved.append(own.values() - start)
    assert losses[1] == pytest.approx(losses[0] * 4 / STEPS, rel=1e-12)
    np.testing.assert_allclose(moved[1], moved[0] * 4 / STEPS, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_parts_of_a_sequence_with_labels_at_every_step(kind: Kind) -> None:
    task = task_of(kind, True, lengths=[STEPS] * SAMPLES)
    whole, parts = (
        CompiledNetworkLearner(network(), task, TrainingOptions(updates=STEPS)) for _ in range(2)
    )
    x, labels = torch.from_numpy(task.train.x), torch.from_numpy(task.train.labels)
    losses = whole.learn(x, labels, RATE)
    cuts = ((0, 3), (3, 4), (4, STEPS))
    found = [parts.learn_part(x[begin:end], labels, RATE, begin) for begin, end in cuts]
    assert [loss for part in found for loss in part] == losses
    np.testing.assert_array_equal(parts.values(), whole.values())


def test_the_auxiliary_loss_ends_with_its_sample() -> None:
    """Two samples in one array against each by itself: progress is a sample's own."""
    rng = np.random.default_rng(0)
    outputs, guess = rng.normal(size=(4, 2, 5)), rng.dirichlet(np.ones(5), size=2)
    lengths = (4, 2)
    progress = np.ones((4, 2))
    expected = 0.0
    for b, length in enumerate(lengths):
        for t in range(length):
            progress[t, b] = (t + 1) / length
            surprise = np.log(np.exp(outputs[t, b]).sum()) - float(guess[b] @ outputs[t, b])
            expected += (1 - progress[t, b]) * surprise / 8
    found = auxiliary_loss(*map(torch.from_numpy, (outputs, guess, progress)))
    assert float(found) == pytest.approx(expected, rel=1e-12)
    task = task_of("classification", False)
    learner = AutogradLearner(network(), task, TrainingOptions(updates=2, auxiliary=0.5))
    batch = double_batches(task)[0]
    _, aim = learner.prepared(batch.x, batch.labels, batch.lengths)
    assert batch.lengths is not None
    for b, length in enumerate(batch.lengths):
        ramp = [min(1.0, (t + 1) / length) for t in range(len(batch.x))]
        assert aim.progress[:, b].tolist() == ramp
    other = GraphedLearner(network(), task, TrainingOptions(updates=2, auxiliary=0.5))
    losses = learner.learn(batch.x, batch.labels, RATE, batch.lengths)
    again = other.learn(batch.x, batch.labels, RATE, batch.lengths)
    np.testing.assert_allclose(again, losses, rtol=0, atol=1e-10)
    options, other_task = TrainingOptions(updates=2, auxiliary=0.5), task_of("classification", True)
    with pytest.raises(UnsupportedError, match=r"labels at every step.*the auxiliary loss"):
        new_learner(network(), other_task, options)


def test_batches_are_cut_and_keep_their_samples_together() -> None:
    for every_step in (False, True):
        task = task_of("classification", every_step)
        lengths = task.train.lengths
        assert lengths is not None
        order = np.random.default_rng(5).permutation(SAMPLES)
        first = 0
        for batch in batches(task.train, 3, np.random.default_rng(5)):
            own = order[first : first + batch.x.shape[1]]
            first += len(own)
            assert batch.lengths is not None
            np.testing.assert_array_equal(batch.lengths, lengths[own])
            steps = int(lengths[own].max())
            np.testing.assert_array_equal(batch.x, task.train.x[:steps, own].astype(np.float32))
            labels = task.train.labels
            wanted = labels[:steps, own] if every_step else labels[own]
            np.testing.assert_array_equal(batch.labels, wanted)
        assert first == SAMPLES


@pytest.mark.parametrize("every_step", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_loss_and_score_of_samples_alone(kind: Kind, every_step: bool) -> None:
    """The means over samples that are run one by one, unpadded."""
    task = task_of(kind, every_step)
    module = network().float()
    lengths = task.train.lengths
    assert lengths is not None
    x = torch.from_numpy(task.train.x).float()
    losses, scores = [], []
    for b, length in enumerate(lengths):
        outputs = run_in_blocks(module, x[:length, b : b + 1])[:, 0].double()
        own: list[tuple[float, float]] = []
        for t in range(length) if every_step else [length - 1]:
            label = torch.as_tensor(task.train.labels[(t, b) if every_step else b])
            of_step = sample_loss(task, outputs[t], label)
            if of_step is not None:
                right = float(outputs[t].argmax() == label) if kind == "classification" else 0.0
                value = float(of_step)
                own.append((value, value if kind == "regression" else right))
        losses.append(np.mean([loss for loss, _ in own]))
        scores.append(np.mean([score for _, score in own]))
    loss, score = evaluate(module, task, task.train)
    assert loss == pytest.approx(np.mean(losses), rel=1e-5)
    assert score == pytest.approx(np.mean(scores), rel=1e-5)


@pytest.mark.parametrize("backend", ["compiled", "autograd"])
@pytest.mark.parametrize("every_step", [False, True])
def test_an_interrupted_run_ends_with_the_same_bits(
    backend: Backend, every_step: bool, tmp_path: Path
) -> None:
    task = task_of("regression", every_step)
    options = TrainingOptions(updates=3, epochs=4, batch_size=3, backend=backend)
    recipe = Recipe(ModelOptions(hidden=(5,)), options)
    whole = train(task, recipe)
    trainer = Trainer(task, recipe)
    path = tmp_path / "run.npz"

    class Stop(Exception):
        """The power goes."""

    def stop(record: Any) -> None:
        if record.epoch == 1:
            raise Stop

    with pytest.raises(Stop):
        train(task, recipe, progress=stop, checkpoint=path)
    resumed = train(task, recipe, checkpoint=path)
    assert resumed.history == whole.history
    assert resumed.metrics == whole.metrics
    for found, wanted in zip(resumed.module.parameters(), whole.module.parameters(), strict=True):
        assert torch.equal(found, wanted)
    assert not np.array_equal(trainer.learner.values(), parameters(whole.module))


@pytest.mark.parametrize("learner", LEARNERS)
def test_what_is_no_batch_of_the_task_is_named(learner: str) -> None:
    task = task_of("classification", True, lengths=[STEPS] * SAMPLES)
    own = LEARNERS[learner](network(), task, TrainingOptions(updates=3))
    x, labels = torch.from_numpy(task.train.x), torch.from_numpy(task.train.labels)
    with pytest.raises(ShapeError, match="batch of samples"):
        own.learn(x[:5], labels[:5], RATE)
    with pytest.raises(InvalidValueError, match=r"lengths\[0\] is 9"):
        own.learn(x, labels, RATE, np.full(SAMPLES, 9))
    with pytest.raises(ShapeError, match="lengths"):
        own.learn(x, labels, RATE, np.full(3, 2))
    with pytest.raises(ShapeError, match="labels"):
        own.learn(x, labels[0], RATE)
    with pytest.raises(InvalidValueError, match="label is 4"):
        own.learn(x, torch.where(labels < 0, OUTPUTS, labels), RATE)


def test_a_loss_that_counts_at_no_labelled_step_is_refused() -> None:
    task = task_of("classification", True, lengths=[STEPS] * SAMPLES)
    labels = task.train.labels.copy()
    labels[-1] = -1
    split = Split(task.train.x, labels, None, every_step=True)
    own = dataclasses.replace(task, train=split)
    options = TrainingOptions(updates=3, loss_weighting="last", epochs=1)
    with pytest.raises(InvalidValueError, match=r"loss_weighting is last; .*with a label"):
        train(own, Recipe(ModelOptions(hidden=(5,)), options))


def test_any_module_learns_them() -> None:
    task = task_of("regression", True)
    options = TrainingOptions(updates=3, epochs=30, learning_rate=2e-2, loss_weighting="uniform")
    result = train(task, Recipe(training=options), module=LSTMNetwork(INPUTS, 8, OUTPUTS, seed=0))
    assert result.history[-1].loss < 0.7 * result.history[0].loss


@pytest.mark.parametrize("neuron", ["alif", "adlif", "brf", "izhikevich"])
def test_other_neurons_stay_finite_behind_an_end(neuron: str) -> None:
    task = task_of("classification", False, lengths=[1] * (SAMPLES - 1) + [STEPS])
    options = TrainingOptions(updates=3, epochs=2)
    result = train(task, Recipe(ModelOptions(hidden=(4,), neuron=neuron), options))
    assert np.isfinite([record.loss for record in result.history]).all()
