"""Training through all rounding: what is trained are the integers, gradients pass straight."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import ltc2hw
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.converters.torch import from_module
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnknownNameError, UnsupportedError
from ltc2hw.neurons import LIFCell, LTCCell, ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.neurons.form import Form
from ltc2hw.neurons.layer_step import LayerStep
from ltc2hw.dynamics.models import find_model
from ltc2hw.quantization.quantize import quantize
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.tasks import Split, Task, load_task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, train
from ltc2hw.training.autograd import AutogradLearner
from ltc2hw.training.chain import ChainState, run_chain
from ltc2hw.training.compiled import CompiledLearner
from ltc2hw.training.learner import CompiledNetworkLearner
from ltc2hw.training.rounding import Rounder, forms_of, grids_of

STEPS, INPUTS, OUTPUTS = 9, 3, 4


def task_of(seed: int = 0, samples: int = 24) -> Task:
    """Random samples, and classes that some of them tell."""
    rng = np.random.default_rng(seed)
    x = 2.0 * rng.random((STEPS, samples, INPUTS)) * (rng.random((STEPS, samples, INPUTS)) < 0.7)
    split = Split(x, rng.integers(0, OUTPUTS, samples))
    return Task("random", "classification", STEPS, INPUTS, OUTPUTS, split, split, split)


def module_of(family: str, nonlinearity: str = "plan", seed: int = 0) -> SpikingNetwork:
    """A small chain: two layers of a family, and a readout of spikes or of membranes."""
    draw = torch.Generator().manual_seed(seed)
    layers: list[Any] = []
    for inputs, size in ((INPUTS, 6), (6, 5)):
        if family in ("event", "dense", "static"):
            cell: Any = LTCCell(
                inputs, size, gate=family, nonlinearity=nonlinearity, generator=draw  # type: ignore[arg-type]
            )
        elif family == "lif":
            cell = LIFCell(inputs, size, generator=draw)
        else:
            cell = ProgramCell(find_model(family), inputs, size, gain=20.0, generator=draw)
        layers.append(cell)
    gate = family if family in ("event", "dense", "static") else "static"
    readout = ReadoutCell(5, OUTPUTS, gate=gate, nonlinearity=nonlinearity, generator=draw)  # type: ignore[arg-type]
    shown = "membrane" if family == "dense" else "spikes"
    return SpikingNetwork(layers, readout, read_from=shown)  # type: ignore[arg-type]


def options_of(**changes: Any) -> TrainingOptions:
    return TrainingOptions(**{"rounding": "all", "weight_bits": 4, "updates": 3, **changes})


FAMILIES = ("event", "dense", "static", "lif", "alif", "brf")


@pytest.mark.parametrize(
    ("family", "nonlinearity"), [*((family, "plan") for family in FAMILIES), ("dense", "sigmoid")]
)
def test_the_trained_numbers_are_the_integers(family: str, nonlinearity: str) -> None:
    task, module = task_of(), module_of(family, nonlinearity).double()
    options = options_of()
    rounder = Rounder(module, task, options)
    learner = AutogradLearner(module, task, options)
    with learner.deployed():
        rounded = rounder.fit()
        forms = forms_of(module, rounded)
        x = torch.from_numpy(task.train.x)
        with torch.no_grad():
            outputs, _ = run_chain(module, forms, rounded.entering(x))
        network = from_module(module)
    allowed = QuantizeOptions(weight_bits=4, allow=tuple(v.rule for v in rounded.refused))
    fixed = quantize(network, "loihi2", task.train.x, allowed)
    trace = ltc2hw.simulate(fixed, task.train.x, engine="integer")
    assert np.any(trace.outputs)
    np.testing.assert_array_equal(outputs.numpy(), real_outputs(fixed, trace))


def stepped(module: SpikingNetwork, forms: list[Form], x: Tensor, state: Any) -> tuple[Tensor, Any]:
    """A chain's window by single steps of torch's own operations."""
    cells, outputs = (*module.cells, module.readout), []
    for values in x:
        after = []
        for index, (cell, form) in enumerate(zip(cells, forms, strict=True)):
            zeros = tuple(x.new_zeros(x.shape[1], cell.size) for _ in form.registers)
            before = zeros if state is None else state[index]
            registers = LayerStep(form)(cell.tensors(), before, values)
            last = index == len(module.cells) - 1
            seen = form.sent(module.seen) if last else form.model.output
            values = registers[form.registers.index(seen)]
            after.append(registers)
        state = after
        outputs.append(values)
    return torch.stack(outputs), state


@pytest.mark.parametrize(
    ("family", "method"), [*((family, "fptt") for family in FAMILIES), ("dense", "bptt")]
)
def test_gradients_are_those_of_autograd(family: str, method: str) -> None:
    task = task_of()
    options = options_of(method=method, optimizer="sgd", learning_rate=0.1)
    module, same = (module_of(family, "sigmoid", seed=3).double() for _ in range(2))
    learner = CompiledNetworkLearner(module, task, options)
    reference = AutogradLearner(same, task, options)
    reference.run = lambda x, state: _detachable(  # type: ignore[method-assign]
        stepped(same, reference.forms, x, None if state is None else state.layers)
    )
    x, labels = torch.from_numpy(task.train.x), torch.from_numpy(task.train.labels)
    x = reference.rounded.entering(x)  # type: ignore[union-attr]
    for _ in range(2):
        ours, theirs = (each.learn(x, labels, 0.1) for each in (learner, reference))
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    learner.store()
    for one, other in zip(module.parameters(), same.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10)


def _detachable(made: tuple[Tensor, Any]) -> tuple[Tensor, ChainState]:
    return made[0], ChainState(tuple(made[1]))
