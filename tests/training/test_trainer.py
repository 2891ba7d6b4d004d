"""Whole training runs: they learn, they can be interrupted, they refuse what they cannot do."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from ltc2hw.converters.torch import from_module
from ltc2hw.errors import (
    DamagedFileError,
    InvalidValueError,
    TrainingError,
    UnknownNameError,
)
from ltc2hw.quantization.quantize import quantize
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.tasks import Split, Task, load_task
from ltc2hw.training import EpochRecord, ModelOptions, Recipe, TrainingOptions, train
from ltc2hw.training.checkpoint import load_checkpoint
from ltc2hw.training.flat import FlatParameters
from ltc2hw.training.options import Backend, Method, OptimizerName
from ltc2hw.training.trainer import Trainer

MODEL = ModelOptions(hidden=(12,), tau_mem_bias=0.0, readout_bias=0.0)


def quick(method: Method = "fptt", optimizer: OptimizerName = "adam", epochs: int = 4) -> Recipe:
    options = TrainingOptions(
        method=method,
        optimizer=optimizer,
        updates=3,
        epochs=epochs,
        batch_size=256,
        learning_rate=1e-2,
    )
    return Recipe(MODEL, options)


def parameters(module: torch.nn.Module) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float32]]]:
    return [parameter.detach().numpy().copy() for parameter in module.parameters()]


def assert_same_run(one: Trainer, other: Trainer) -> None:
    """Every number of two runs is the same, bit for bit."""
    assert one.history == other.history
    found, wanted = one.checkpoint().arrays, other.checkpoint().arrays
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_array_equal(found[name], wanted[name])


@pytest.mark.parametrize("method", ["fptt", "bptt"])
@pytest.mark.parametrize("gate", ["event", "dense", "static"])
def test_a_few_epochs_learn_digits(method: Method, gate: str) -> None:
    task = load_task("digits-rows")
    model = dataclasses.replace(MODEL, hidden=(32,), gate=gate)
    options = TrainingOptions(
        method=method, updates=4, epochs=5, batch_size=64, learning_rate=2e-2, augment=False
    )
    result = train(task, Recipe(model, options))
    assert result.history[-1].loss < 0.8 * result.history[0].loss
    assert result.metrics["test"] > 0.5
    assert set(result.metrics) == {"epoch", "train", "validation", "test"}


def test_the_result_is_the_best_validation_epoch() -> None:
    result = train(load_task("add-6"), quick(epochs=6))
    chosen = min(result.history, key=lambda record: (record.validation, record.validation_loss))
    assert result.metrics["epoch"] == chosen.epoch
    assert result.metrics["validation"] == pytest.approx(chosen.validation)


def test_the_test_split_does_not_influence_the_choice() -> None:
    task = load_task("add-6")
    other = dataclasses.replace(task, test=Split(task.test.x, 1e3 - task.test.labels))
    first, second = train(task, quick()), train(other, quick())
    assert first.metrics["epoch"] == second.metrics["epoch"]
    for one, two in zip(parameters(first.module), parameters(second.module), strict=True):
        np.testing.assert_array_equal(one, two)


def test_the_seed_decides_everything() -> None:
    task = load_task("add-6")
    runs = [train(task, quick().with_training(seed=seed)) for seed in (5, 5, 6)]
    weights = [np.concatenate([p.ravel() for p in parameters(run.module)]) for run in runs]
    np.testing.assert_array_equal(weights[0], weights[1])
    assert not np.array_equal(weights[0], weights[2])


@pytest.mark.parametrize("optimizer", ["adam", "adamax", "sgd"])
@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_resuming_gives_the_same_bits(
    method: Method, optimizer: OptimizerName, tmp_path: Path
) -> None:
    task, recipe = load_task("add-6"), quick(method, optimizer).with_training(weight_bits=6)
    whole = Trainer(task, recipe)
    for _ in range(4):
        whole.run_epoch()

    path = tmp_path / "run.npz"
    seen: list[EpochRecord] = []

    def interrupt(record: EpochRecord) -> None:
        seen.append(record)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(task, recipe, progress=interrupt, checkpoint=path)
    assert [record.epoch for record in seen] == [0, 1]
    result = train(task, recipe, progress=seen.append, checkpoint=path)
    assert [record.epoch for record in seen] == [0, 1, 2, 3]
    assert list(result.history) == whole.history

    resumed = Trainer(task, recipe)
    resumed.restore(load_checkpoint(path))
    assert_same_run(resumed, whole)


def test_an_interrupt_within_an_epoch_leaves_the_last_whole_one(tmp_path: Path) -> None:
    task, recipe = load_task("add-6"), quick(epochs=3)
    path = tmp_path / "run.npz"
    calls = 0

    def interrupting(split: Split, rng: np.random.Generator) -> Split:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        assert task.augment is not None
        return task.augment(split, rng)

    with pytest.raises(KeyboardInterrupt):
        train(dataclasses.replace(task, augment=interrupting), recipe, checkpoint=path)
    result = train(task, recipe, checkpoint=path)
    assert list(result.history) == list(train(task, recipe).history)
    assert sorted(tmp_path.iterdir()) == [path]


def test_a_finished_checkpoint_gives_its_result_at_once(tmp_path: Path) -> None:
    task, recipe = load_task("add-6"), quick(epochs=2)
    path = tmp_path / "run.npz"
    first = train(task, recipe, checkpoint=path)
    seen: list[EpochRecord] = []
    second = train(task, recipe, progress=seen.append, checkpoint=path)
    assert seen == []
    assert second.metrics == first.metrics


@pytest.mark.parametrize(
    ("other", "name"),
    [
        (quick().with_training(learning_rate=0.5), "learning_rate"),
        (quick().with_model(hidden=(13,)), "hidden"),
        (quick("bptt"), "method"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused(other: Recipe, name: str, tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    train(load_task("add-6"), quick(epochs=4), checkpoint=path)
    with pytest.raises(InvalidValueError, match=f"{name} of checkpoint"):
        train(load_task("add-6"), other, checkpoint=path)
    with pytest.raises(InvalidValueError, match="add-6"):
        train(load_task("add-7"), quick(), checkpoint=path)


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.npz"
    train(load_task("add-6"), quick(epochs=1), checkpoint=path)
    whole = path.read_bytes()
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, something=np.zeros(3))
    altered = bytearray(whole)
    altered[len(altered) // 2] ^= 0xFF
    for content in (b"", b"text", whole[:-20], whole[:200], foreign.read_bytes(), bytes(altered)):
        path.write_bytes(content)
        with pytest.raises(DamagedFileError, match=r"run\.npz"):
            train(load_task("add-6"), quick(epochs=1), checkpoint=path)


def broken(task: Task) -> Task:
    """Targets that float32 holds, but not their squares."""
    labels = np.full_like(task.train.labels, 1e30)
    return dataclasses.replace(task, train=Split(task.train.x, labels), augment=None)


def test_a_loss_that_is_not_finite_names_epoch_and_update() -> None:
    with pytest.raises(TrainingError, match="inf in epoch 0, update 0; nothing was learned yet"):
        train(broken(load_task("add-6")), quick())


def test_options_without_meaning_for_the_task_are_refused() -> None:
    task = load_task("add-6")
    with pytest.raises(InvalidValueError, match="updates per sequence is 7; expected 1 to 6"):
        train(task, quick().with_training(updates=7))
    with pytest.raises(UnknownNameError, match="event, dense, static"):
        train(task, quick().with_model(gate="open"))


@pytest.mark.parametrize("backend", ["compiled", "autograd"])
def test_windows_without_loss_only_advance_the_state(backend: Backend) -> None:
    task = load_task("add-6")
    recipe = quick().with_training(loss_weighting="last", updates=6, backend=backend)
    losses = Trainer(task, recipe).learner.learn(
        torch.from_numpy(task.train.x[:, :8]).float(),
        torch.from_numpy(task.train.labels[:8]).float(),
        rate=0.01,
    )
    assert len(losses) == 1


def test_memories_of_both_backends_survive_the_end_of_a_pass() -> None:
    """λ and the moments go on as they are; the parameters become their running mean."""
    task = load_task("add-6")
    for backend, names in (
        ("compiled", ("learner.memory", "learner.first", "learner.second", "learner.mean")),
        ("autograd", ("fptt.memory", "optimizer.exp_avg", "optimizer.exp_avg_sq")),
    ):
        trainer = Trainer(task, quick().with_training(backend=backend))
        x = torch.from_numpy(task.train.x[:, :8]).float()
        trainer.learner.learn(x, torch.from_numpy(task.train.labels[:8]).float(), rate=0.01)
        before = trainer.learner.state()
        trainer.learner.finish_pass()
        after = trainer.learner.state()
        for name in names:
            assert np.any(before[name] != 0.0), name
            np.testing.assert_array_equal(after[name], before[name])
        mean = "learner.mean" if backend == "compiled" else "fptt.running_mean"
        np.testing.assert_array_equal(trainer.learner.values(), before[mean])


@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_the_weight_limit_holds_weights_and_nothing_else(method: Method) -> None:
    task = load_task("add-6")
    free = train(task, quick(method)).module
    limited = train(task, quick(method).with_training(weight_limit=0.125)).module
    for name, parameter in limited.named_parameters():
        largest = float(parameter.detach().abs().max())
        if "weight" in name:
            assert largest <= 0.125
            assert float(free.get_parameter(name).detach().abs().max()) > 0.125
    assert float(limited.get_parameter("layers.0.bias").detach().abs().max()) > 0.125


@pytest.mark.parametrize("gate", ["event", "dense", "static"])
@pytest.mark.parametrize("bits", [None, 4])
def test_both_backends_make_the_same_updates(bits: int | None, gate: str) -> None:
    task = load_task("add-6")
    recipe = quick(epochs=1).with_model(gate=gate, hidden=(7, 5)).with_training(weight_bits=bits)
    runs = [Trainer(task, recipe.with_training(backend=b)) for b in ("compiled", "autograd")]
    records = [run.run_epoch() for run in runs]
    assert records[0].loss == pytest.approx(records[1].loss, rel=1e-4)
    start = parameters(Trainer(task, recipe).module)
    compiled, autograd = (parameters(run.module) for run in runs)
    for one, other, before in zip(compiled, autograd, start, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)
        assert one.size == 0 or np.any(one != before)


@pytest.mark.parametrize("bits", [3, 8])
@pytest.mark.parametrize("gate", ["event", "dense"])
def test_weights_trained_rounded_are_integers_already(gate: str, bits: int) -> None:
    task = load_task("add-6")
    recipe = quick().with_model(gate=gate).with_training(weight_bits=bits)
    network = from_module(train(task, recipe).module)
    options = QuantizeOptions(weight_bits=bits)
    fixed = quantize(network, "loihi2", task.train.x[:, :50], options)
    for real, integer in zip(network.projections, fixed.projections, strict=True):
        if real.variable not in ("spikes", "value"):
            continue  # a port may be too coarse for the products of graded states
        assert np.any(real.weights.values)
        mantissas = integer.weights.values
        held = np.ldexp(mantissas.astype(np.float64), -integer.weight_fraction)
        np.testing.assert_array_equal(held, real.weights.values)


def test_flat_parameters_are_views() -> None:
    module = torch.nn.Linear(2, 3)
    before = parameters(module)
    flat = FlatParameters(module)
    for found, wanted in zip(parameters(module), before, strict=True):
        np.testing.assert_array_equal(found, wanted)
    flat.zero_grad()
    module(torch.ones(1, 2)).sum().backward()
    assert flat.parameter.grad is not None
    assert flat.parameter.grad.tolist() == [1.0] * 9
    torch.optim.SGD([flat.parameter], lr=1.0).step()
    for found, wanted in zip(parameters(module), before, strict=True):
        np.testing.assert_allclose(found, wanted - 1.0, rtol=1e-6)
    flat.load(torch.zeros(9))
    assert float(module.weight.detach().abs().max()) == 0.0
