"""Learning from each neuron's own memory, against autograd with the rules' own cuts."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import InvalidValueError, TooLargeError, UnknownNameError, UnsupportedError
from ltc2hw.learning.rule import Descent
from ltc2hw.neurons import Cell, LIFCell, LTCCell, ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.lstm import LSTMNetwork
from ltc2hw.numbers import capacity
from ltc2hw.tasks import Task, load_task
from ltc2hw.training import FPTT, ModelOptions, Recipe, TrainingOptions, eligibility, train
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.batch import LostUpdateError
from ltc2hw.training.checkpoint import load_checkpoint, save_checkpoint
from ltc2hw.training.eligible import EligibleLearner
from ltc2hw.training.learner import new_learner
from ltc2hw.training.loss import window_loss
from ltc2hw.training.model import build_network
from ltc2hw.training.options import Method, windows
from ltc2hw.training.trainer import Trainer
from tests.training.detached import Recursion, outputs_for

STEPS, BATCH = 30, 3
INPUTS, SIZE = 2, 4

CONSTANTS = {
    "alif": {"threshold": 0.05, "membrane_decay": 0.3},
    "adlif": {"threshold": 0.05, "membrane_decay": 0.3, "adaptation_decay": 0.2},
    "brf": {"threshold": 0.02, "dt": 0.1, "omega": 4.0},
    "lif": {"threshold": 0.2, "current_decay": 0.3},
    "cuba": {},
    "if_subtract": {},
    "izhikevich": {},
}


def program_cell(name: str, inputs: int, generator: torch.Generator) -> Cell:
    return ProgramCell(
        find_model(name), inputs, SIZE, constants=CONSTANTS[name], gain=3.0, generator=generator
    )


def ltc_cell(gate: Any, nonlinearity: str) -> Callable[[int, torch.Generator], Cell]:
    return lambda inputs, generator: LTCCell(
        inputs, SIZE, gate=gate, nonlinearity=nonlinearity, tau_mem_bias=0.3, gain=2.0,
        generator=generator,
    )  # fmt: skip


CELLS: dict[str, Callable[[int, torch.Generator], Cell]] = {
    "ltc event": ltc_cell("event", "sigmoid"),
    "ltc event plan": ltc_cell("event", "plan"),
    "ltc static": ltc_cell("static", "sigmoid"),
    "lif cell": lambda inputs, generator: LIFCell(
        inputs, SIZE, recurrent=True, threshold=0.2, generator=generator
    ),
    **{name: partial(program_cell, name) for name in CONSTANTS},
}


def network(
    kind: str, layers: int = 1, read_from: Any = "spikes", readout_gate: Any = "static"
) -> SpikingNetwork:
    generator = torch.Generator().manual_seed(5)
    sizes = [INPUTS] + [SIZE] * (layers - 1)
    cells = [CELLS[kind](size, generator) for size in sizes]
    readout = ReadoutCell(SIZE, 1, gate=readout_gate, tau_mem_bias=-1.0, generator=generator)
    return SpikingNetwork(cells, readout, read_from=read_from).double()


def task() -> Task:
    return load_task(f"add-{STEPS}")


def data(count: int = BATCH) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(9)
    x = torch.rand(STEPS, count, INPUTS, generator=generator).double()
    return x, torch.rand(count, 1, generator=generator).double()


def learned(
    module: SpikingNetwork, way: type[EligibleLearner] = EligibleLearner, **options: Any
) -> list[Tensor]:
    """Gradients of all parameters of one sequence."""
    learner = way(module, task(), TrainingOptions(**options))
    x, labels = data()
    labels, aim = learner.prepared(x, labels, None)
    loss = next(learner.updates(x, labels, aim))
    outputs, _ = module(x)
    torch.testing.assert_close(loss, window_loss(task(), outputs, labels, aim.weights).detach())
    return [gradient_of(parameter) for parameter in module.parameters()]


def gradient_of(parameter: Tensor) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad.clone()


def wanted(module: SpikingNetwork, filtered: bool) -> list[Tensor]:
    x, labels = data()
    weights = torch.arange(1, STEPS + 1).double() / STEPS
    found: dict[int, Tensor] = {}
    for index, cell in enumerate((*module.cells, module.readout)):
        outputs = outputs_for(module, x, index, filtered)
        own = list(cell.parameters())
        loss = window_loss(task(), outputs, labels, weights)
        grads = torch.autograd.grad(loss, own, allow_unused=True)
        for parameter, gradient in zip(own, grads, strict=True):
            found[id(parameter)] = torch.zeros_like(parameter) if gradient is None else gradient
    return [found[id(parameter)] for parameter in module.parameters()]


def assert_same(found: list[Tensor], expected: list[Tensor]) -> None:
    assert len(found) == len(expected)
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", CELLS)
@pytest.mark.parametrize("method", ["eprop", "hypr"])
def test_gradients_are_those_of_autograd_with_the_rules_cuts(kind: str, method: Method) -> None:
    module = network(kind)
    expected = wanted(module, filtered=method == "eprop")
    assert all(bool(gradient.abs().max() > 0) for gradient in expected[:2])
    assert_same(learned(module, method=method, piece=7), expected)


@pytest.mark.parametrize("kind", ["ltc event", "adlif"])
@pytest.mark.parametrize("method", ["eprop", "hypr"])
def test_torch_alone_has_the_same_gradients(kind: str, method: Method) -> None:
    module = network(kind)

    class ByTorch(EligibleLearner):
        def updates(self, *given: Any) -> Any:
            for layer in self.layers:
                layer.fast = False
            return super().updates(*given)

    found = [learned(module, way, method=method, piece=7) for way in (ByTorch, EligibleLearner)]
    assert_same(*found)


@pytest.mark.parametrize("kind", ["ltc event", "adlif"])
@pytest.mark.parametrize("piece", [1, 7, 30, 100])
def test_the_length_of_a_piece_does_not_matter(kind: str, piece: int) -> None:
    module = network(kind, layers=2)
    assert_same(learned(module, method="hypr", piece=piece), learned(module, method="ostl"))


@pytest.mark.parametrize("kind", ["ltc event", "brf"])
@pytest.mark.parametrize("read_from", ["spikes", "membrane"])
def test_two_layers_and_a_readout_of_event_gates(kind: str, read_from: str) -> None:
    module = network(kind, 2, read_from, "event")
    assert_same(learned(module, method="hypr", piece=4), wanted(module, filtered=False))


@pytest.mark.parametrize("kind", ["ltc event", "alif"])
@pytest.mark.parametrize("updates", [12, 4])
@pytest.mark.parametrize("descent", ["eligibility", "filtered"])
def test_fptt_carries_eligibility_across_its_updates(
    kind: str, updates: int, descent: Descent
) -> None:
    steps, rate, count = 12, 0.02, 2
    short, (x, labels) = load_task(f"add-{steps}"), data(count)
    options = TrainingOptions(
        updates=updates, descent=descent, piece=2, optimizer="sgd", learning_rate=rate, clip=0.3
    )
    module = network(kind)
    learner = EligibleLearner(module, short, options)
    losses = learner.learn(x[:steps], labels, rate)
    assert len(losses) == updates

    other = network(kind)
    own = list(other.parameters())
    fptt = FPTT(own, alpha=options.alpha, beta=options.beta)
    optimizer = torch.optim.SGD(own, lr=rate)
    filtered = descent == "filtered"
    runs = [[Recursion(other, layer, filtered) for layer in (0, 1)] for _ in range(count)]
    for window in windows(steps, updates):
        optimizer.zero_grad()
        length = window.stop - window.start
        for step in range(window.start, window.stop):
            weight = (step + 1) / steps / (length * count)
            for sample, layers in enumerate(runs):
                target = labels[sample]
                for run in layers:
                    found = run.step(
                        x[step, sample],
                        lambda y, w=weight, t=target: w * (y - t).square().sum(),  # type: ignore[misc]
                    )
                    for parameter, gradient in zip(run.parameters, found, strict=True):
                        held = 0.0 if parameter.grad is None else parameter.grad
                        parameter.grad = held + gradient
        fptt.step(optimizer, options.clip)
    assert_same([p.detach() for p in module.parameters()], [p.detach() for p in own])


def test_without_a_past_fptt_with_eligibility_is_fptt() -> None:
    """With one step per sequence there is nothing to carry; the rest is the same machinery."""
    one = load_task("add-4")
    x, labels = data()
    first, second = network("ltc static"), network("ltc static")
    options = TrainingOptions(updates=1, loss_weighting="last", augment=False)
    lengths = np.ones(BATCH, np.int64)
    EligibleLearner(first, one, replace(options, descent="eligibility")).learn(
        x[:1], labels, 0.01, lengths
    )
    AutogradLearner(second, one, options).learn(x[:1], labels, 0.01, lengths)
    assert_same([p.detach() for p in first.parameters()], [p.detach() for p in second.parameters()])


def test_padding_changes_no_gradient() -> None:
    x, labels = data()
    lengths = np.array([5, 12, 9])
    padded = x[:12].clone()
    for sample, length in enumerate(lengths):
        padded[length:, sample] = 7.0
    grads = []
    for values in (x[:12], padded):
        module = network("adlif")
        learner = EligibleLearner(module, task(), TrainingOptions(method="hypr", piece=5))
        goals, aim = learner.prepared(values, labels, lengths)
        next(learner.updates(values, goals, aim))
        grads.append([gradient_of(parameter) for parameter in module.parameters()])
    assert_same(*grads)


def test_labels_at_every_step_are_learned() -> None:
    running, (x, _) = load_task("add-running-30"), data()
    labels = torch.rand(STEPS, BATCH, 1, generator=torch.Generator().manual_seed(1)).double()
    module = network("ltc event")
    learner = EligibleLearner(module, running, TrainingOptions(method="hypr", piece=4))
    goals, aim = learner.prepared(x, labels, None)
    next(learner.updates(x, goals, aim))
    weights = torch.arange(1, STEPS + 1).double() / STEPS
    loss = window_loss(running, outputs_for(module, x, 0, False), goals, weights)
    own = list(module.cells[0].parameters())
    assert_same([gradient_of(p) for p in own], list(torch.autograd.grad(loss, own)))


def test_the_auxiliary_loss_is_that_of_autograd() -> None:
    digits, rate = load_task("digits-rows"), 1e-30
    x, labels = torch.from_numpy(digits.train.x[:, :16]), torch.from_numpy(digits.train.labels[:16])
    options = TrainingOptions(updates=4, auxiliary=0.7, learning_rate=rate, backend="autograd")
    one, other = chain().double(), chain().double()
    other.load_state_dict(one.state_dict())
    found = EligibleLearner(one, digits, replace(options, descent="eligibility", piece=1))
    wanted = AutogradLearner(other, digits, options)
    np.testing.assert_allclose(
        found.learn(x, labels, rate), wanted.learn(x, labels, rate), rtol=1e-12
    )


def bytes_alive() -> int:
    """Bytes of all dense tensors; those of other tests may be sparse, and do not change.

    No list of them outlives the sum: torch warns of tensors that it frees while somebody holds
    them.
    """
    return sum(
        found.untyped_storage().nbytes()
        for found in gc.get_objects()
        if type(found) is Tensor and found.layout is torch.strided
    )


@pytest.mark.parametrize("method", ["eprop", "ostl", "hypr", "fptt"])
def test_memory_does_not_grow_with_the_sequence(method: Method) -> None:
    """Every tensor that is alive after a piece, counted; pieces come one after the other."""
    alive: list[int] = []

    class Counted(EligibleLearner):
        def _judged(self, *given: Any) -> tuple[Tensor, Tensor]:
            if given[3].stop % 5 == 0:
                alive.append(bytes_alive())
            return super()._judged(*given)

    descent: Descent = "filtered" if method == "fptt" else "instantaneous"
    options = TrainingOptions(method=method, piece=5, updates=6, descent=descent)
    learner = Counted(network("ltc event"), task(), options)
    x, labels = data()
    learner.learn(x, labels, 0.01)
    assert len(alive) == 6
    # The first piece has no eligibility yet; from the second on nothing is added.
    assert max(alive[2:]) == min(alive[2:])


@pytest.mark.parametrize("method", ["eprop", "hypr"])
def test_a_few_epochs_learn_digits(method: Method) -> None:
    model = ModelOptions(hidden=(32,), tau_mem_bias=0.0, readout_bias=0.0)
    options = TrainingOptions(
        method=method, epochs=5, batch_size=64, learning_rate=2e-2, augment=False
    )
    result = train(load_task("digits-rows"), Recipe(model, options))
    assert result.history[-1].loss < 0.8 * result.history[0].loss
    assert result.metrics["test"] > 0.5


@pytest.mark.parametrize("descent", ["eligibility", "filtered"])
def test_fptt_with_eligibility_learns_digits(descent: Descent) -> None:
    model = ModelOptions(hidden=(32,), tau_mem_bias=0.0, readout_bias=0.0)
    options = TrainingOptions(
        updates=8, descent=descent, epochs=4, batch_size=64, learning_rate=1e-2, augment=False
    )
    result = train(load_task("digits-rows"), Recipe(model, options))
    assert result.metrics["test"] > 0.5


def test_an_interrupted_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    recipe = Recipe(
        ModelOptions(hidden=(6,)), TrainingOptions(method="eprop", epochs=3, batch_size=500)
    )
    task = load_task("add-6")
    whole = Trainer(task, recipe)
    for _ in range(3):
        whole.run_epoch()
    first = Trainer(task, recipe)
    first.run_epoch()
    save_checkpoint(first.checkpoint(), tmp_path / "run.npz")
    second = Trainer(task, recipe)
    second.restore(load_checkpoint(tmp_path / "run.npz"))
    for _ in range(2):
        second.run_epoch()
    np.testing.assert_array_equal(whole.learner.values(), second.learner.values())


@pytest.mark.parametrize("options", [{"method": "eprop"}, {"descent": "filtered"}])
def test_a_filter_keeps_the_readouts_leak_common(options: dict[str, Any]) -> None:
    task = load_task("digits-rows")
    module = SpikingNetwork([LTCCell(8, 6)], ReadoutCell(6, 10))
    learner = EligibleLearner(module, task, TrainingOptions(**options, learning_rate=0.05))
    x = torch.from_numpy(task.train.x[:, :32]).float()
    for _ in range(5):
        learner.learn(x, torch.from_numpy(task.train.labels[:32]), 0.05)
    leaks = cast(ReadoutCell, module.readout).bias[1].detach()
    assert float(leaks[0]) != -2.0
    torch.testing.assert_close(leaks, leaks[:1].expand(10), rtol=0.0, atol=1e-6)
    assert float(cast(ReadoutCell, module.readout).bias[0].detach().std()) > 0.0


def chain(**changes: Any) -> SpikingNetwork:
    given: dict[str, Any] = {"gate": "event", "readout": "static", "layers": 1, **changes}
    cells = [LTCCell(8, 8, gate=given["gate"]) for _ in range(given["layers"])]
    return SpikingNetwork(cells, ReadoutCell(8, 10, gate=given["readout"]))


def stacked(name: str) -> SpikingNetwork:
    cells = [ProgramCell(find_model(name), 8, 8) for _ in range(2)]
    return SpikingNetwork(cells, ReadoutCell(8, 10))


def uneven() -> SpikingNetwork:
    module = chain()
    with torch.no_grad():
        cast(ReadoutCell, module.readout).bias[1, 0] += 0.5
    return module


def hooked() -> SpikingNetwork:
    module = chain()
    module.cells[0].register_forward_hook(lambda *_: None)
    return module


def to_graph() -> nn.Module:
    task = load_task("digits-rows")
    generator = torch.Generator().manual_seed(0)
    return build_network(task, ModelOptions(hidden=(5,), dropout=0.1), generator)


REFUSED: dict[str, tuple[Callable[[], nn.Module], dict[str, Any], str]] = {
    "dense gates": (lambda: chain(gate="dense"), {}, "a layer of ltc: .*tau_mem, tau_adp .dense"),
    "a dense readout": (lambda: chain(readout="dense"), {}, "a layer of readout: .*dense gates"),
    "dense gates, fptt": (
        lambda: chain(gate="dense"), {"method": "fptt", "descent": "eligibility"},
        "^descent 'eligibility' cannot express a layer of ltc",
    ),
    "an LSTM": (lambda: LSTMNetwork(8, 5, 10, seed=0), {}, "LSTMNetwork: no chain of dense"),
    "convolutions": (
        to_graph, {}, "GraphNetwork: no chain of dense layers .*use method 'fptt'",
    ),
    "hooks": (hooked, {}, "LTCCell: hooks"),
    "all rounding": (chain, {"rounding": "all"}, "rounding of everything: .*rounding 'weights'"),
    "compiled": (chain, {"backend": "compiled"}, "backend 'compiled': .*use backend 'auto'"),
    "a GPU": (chain, {"device": "cuda"}, "device 'cuda': .*use device 'cpu'"),
    "a layer that answers later": (
        lambda: stacked("alif"), {"method": "ostl"}, "ostl cannot express alif above another layer",
    ),
    "e-prop, event readout": (
        lambda: chain(readout="event"), {"method": "eprop"}, "readout readout: its leak is not one",
    ),
    "e-prop, two layers": (
        lambda: chain(layers=2), {"method": "eprop"}, "2 layers: .*use method 'ostl' or 'hypr'",
    ),
    "filtered, event readout": (
        lambda: chain(readout="event"), {"method": "fptt", "descent": "filtered"},
        "^descent 'filtered' cannot express readout readout: its leak .*or descent 'eligibility'",
    ),
    "filtered, two layers": (
        lambda: chain(layers=2), {"method": "fptt", "descent": "filtered"},
        "^descent 'filtered' cannot express 2 layers: .*use descent 'eligibility'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_learned_this_way_is_refused_by_name(case: str) -> None:
    make, changes, message = REFUSED[case]
    options = TrainingOptions(**{"method": "hypr", **changes})
    with pytest.raises(UnsupportedError, match=message):
        new_learner(make(), load_task("digits-rows"), options)


@pytest.mark.parametrize("given", [{"method": "eprop"}, {"descent": "filtered"}])
def test_a_filter_refuses_leaks_that_differ(given: dict[str, Any]) -> None:
    task, options = load_task("digits-rows"), TrainingOptions(**given)
    with pytest.raises(UnsupportedError, match=r"leaks of the readout: they keep 0.8.* a trace"):
        new_learner(uneven(), task, options)
    learner = new_learner(chain(), task, options)
    learner.load(new_learner(uneven(), task, TrainingOptions(backend="autograd")).values())
    x = torch.from_numpy(task.train.x[:, :4]).float()
    with pytest.raises(UnsupportedError, match=r"leaks of the readout: they keep 0.8.* a trace"):
        learner.learn(x, torch.from_numpy(task.train.labels[:4]), 0.05)


def test_an_eligibility_beyond_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(eligibility, "MOST_CARRIED", 10)
    monkeypatch.setattr(capacity, "MAXIMUM_NUMBERS", 10)
    with pytest.raises(TooLargeError, match=r"eligibility of a layer is .* smaller batches"):
        learned(network("adlif"), method="hypr", piece=4)


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"descent is filtered; .*method bptt"):
        TrainingOptions(method="bptt", descent="filtered")
    with pytest.raises(InvalidValueError, match=r"descent is eligibility; .*method hypr"):
        TrainingOptions(method="hypr", descent="eligibility")
    with pytest.raises(UnknownNameError, match="descent is 'none'"):
        TrainingOptions(descent="none")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match="piece is 0"):
        TrainingOptions(piece=0)


def test_a_gradient_that_is_not_finite_ends_the_batch() -> None:
    module = network("adlif")
    with torch.no_grad():
        module.cells[0].weight_input[0, 0, 0] = 1e308
        module.cells[0].weight_input[0, 0, 1] = 1e308
    learner = EligibleLearner(module, task(), TrainingOptions(method="hypr"))
    before = learner.values()
    with pytest.raises(LostUpdateError):
        learner.learn(*data(), 0.01)
    np.testing.assert_array_equal(learner.values(), before)
