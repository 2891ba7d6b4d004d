"""What Norse's containers and cells do, beside our engine; what changes a module is refused."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from norse import torch as snn
from norse.torch.module.iaf import IAFCell, IAFParameters
from norse.torch.module.leaky_integrator_box import LIBoxCell, LIBoxParameters
from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters
from torch import nn
from torch.nn.utils import parametrizations, prune

from ltc2hw.converters import norse
from ltc2hw.errors import InvalidValueError, ShapeError, TooLargeError, UnsupportedError
from tests.converters.test_norse import (
    BATCH,
    Rng,
    li_parameters,
    lif_parameters,
    linear,
    lsnn_parameters,
    norse_answer,
    recurrent,
    run,
    samples,
    sequence,
    tensor,
)

# torch warns of weight_norm, which users still have.
pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.*is deprecated")


def plain(rng: Rng, inputs: int, outputs: int) -> Any:
    """A linear layer that nothing lifts."""
    return linear(rng, inputs, outputs).lifted_module


# One object in several places


def shared_linear(rng: Rng) -> Any:
    layer = linear(rng, 7, 7)
    return sequence(layer, snn.LIF(lif_parameters(rng, 7)), layer, snn.LIF(lif_parameters(rng, 7)))


def shared_neurons(rng: Rng) -> Any:
    neurons = snn.LIF(lif_parameters(rng, 7))
    return sequence(linear(rng, 7, 7), neurons, linear(rng, 7, 7), neurons)


def shared_chain(rng: Rng) -> Any:
    part = sequence(linear(rng, 7, 7), snn.LIF(lif_parameters(rng, 7)))
    return sequence(part, part, nn.Sequential(linear(rng, 7, 4)))


def shared_lift(rng: Rng) -> Any:
    cell = snn.Lift(LIFBoxCell(LIFBoxParameters(v_th=tensor(0.05))))
    return nn.Sequential(linear(rng, 7, 7), cell, linear(rng, 7, 7), cell).eval()


@pytest.mark.parametrize("make", [shared_linear, shared_neurons, shared_chain, shared_lift])
def test_an_object_that_stands_twice_is_a_layer_in_both_places(make: Any) -> None:
    rng = np.random.default_rng(1)
    module, x = make(rng), samples(rng, 7)
    answer = norse_answer(module, x)
    assert answer.any()
    assert np.abs(run(norse.from_module(module, input_shape=7), x).outputs - answer).max() < 1e-6


# Cells, one step after the other


def norse_steps(module: Any, x: Any) -> Any:
    """What a module of cells answers when it is called once per step, (T, B, N)."""
    state, answers = None, []
    with torch.no_grad():
        for sample in tensor(x):
            answer, state = module(sample, state)
            answers.append(answer.reshape(BATCH, -1).numpy())
    return np.stack(answers)


def threshold(kind: Any, rng: Rng) -> Any:
    return kind(v_th=tensor(rng.uniform(0.1, 0.6, 12)))


CELLS: dict[str, Callable[[Rng], tuple[Any, ...]]] = {
    "LIFCell": lambda rng: (plain(rng, 7, 12), snn.LIFCell(lif_parameters(rng, 12))),
    "LIFRecurrentCell": lambda rng: (
        recurrent(snn.LIFRecurrentCell, lif_parameters(rng, 12), rng, 7, 12),
    ),
    "LIFBoxCell": lambda rng: (plain(rng, 7, 12), LIFBoxCell(threshold(LIFBoxParameters, rng))),
    "IAFCell": lambda rng: (plain(rng, 7, 12), IAFCell(threshold(IAFParameters, rng))),
    "LSNNCell": lambda rng: (plain(rng, 7, 12), snn.LSNNCell(lsnn_parameters(rng, 12))),
    "LSNNRecurrentCell": lambda rng: (
        recurrent(snn.LSNNRecurrentCell, lsnn_parameters(rng, 12), rng, 7, 12),
    ),
    "LSNNCell, adjoint": lambda rng: (
        plain(rng, 7, 12),
        snn.LSNNCell(lsnn_parameters(rng, 12), adjoint=True),
    ),
    "LIFCell of another slope": lambda rng: (
        plain(rng, 7, 12),
        snn.LIFCell(lif_parameters(rng, 12)._replace(method="tanh")),
        nn.Identity(),
    ),
    "LICell": lambda rng: (plain(rng, 7, 12), snn.LICell(li_parameters(rng, 12))),
    "LILinearCell": lambda rng: (snn.LILinearCell(7, 12).double(),),
    "LIBoxCell": lambda rng: (
        plain(rng, 7, 12),
        LIBoxCell(LIBoxParameters(tau_mem_inv=tensor(120.0))),
    ),
}


@pytest.mark.parametrize("name", list(CELLS))
def test_cells_are_called_step_by_step(name: str) -> None:
    rng = np.random.default_rng(2)
    module = sequence(*CELLS[name](rng), nn.Dropout(), plain(rng, 12, 5))
    x = samples(rng, 7)
    answer = norse_steps(module, x)
    assert np.ptp(answer) > 0
    assert np.abs(run(norse.from_module(module), x).outputs - answer).max() < 1e-6


def test_a_convolutional_network_of_cells() -> None:
    rng = np.random.default_rng(3)
    torch.manual_seed(3)
    module = sequence(
        nn.Conv2d(2, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        snn.LIFCell(snn.LIFParameters(v_th=torch.tensor(0.1))),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * 3 * 4, 5),
        snn.LICell(),
    ).double()
    with torch.no_grad():
        module[0].weight *= 4
        module[1].running_mean += 0.1
    x = samples(rng, 2, 6, 8)
    answer = norse_steps(module, x)
    assert np.ptp(answer) > 0.01
    network = norse.from_module(module, input_shape=(2, 6, 8))
    assert np.abs(run(network, x).outputs - answer).max() < 1e-6
    assert run(network, x).spikes["lifcell_2"].mean() > 0.01


def test_cells_in_a_lifted_chain() -> None:
    rng = np.random.default_rng(4)
    module = sequence(snn.Lift(sequence(*CELLS["LIFCell"](rng), plain(rng, 12, 5))))
    x = samples(rng, 7)
    answer = norse_answer(module, x)
    assert answer.any()
    assert np.abs(run(norse.from_module(module, input_shape=7), x).outputs - answer).max() < 1e-6


@pytest.mark.parametrize(
    ("layers", "who"),
    [
        ((snn.LIFCell(), snn.LIF()), r"layer '1' \(LIF\) beside layer '0' \(LIFCell\)"),
        ((snn.Lift(nn.Linear(3, 3)), snn.LIFCell()), r"layer '0' \(Linear\) beside layer '1'"),
        ((nn.Conv2d(1, 1, 1), snn.LIF()), r"layer '1' \(LIF\) beside layer '0' \(Conv2d\)"),
        ((snn.Lift(snn.LIF()),), r"layer '0' \(LIF\) within Lift"),
        ((snn.Lift(snn.Lift(nn.Linear(3, 3))),), r"layer '0' \(Lift\) within Lift"),
    ],
)
def test_time_has_one_meaning_in_a_chain(layers: Any, who: str) -> None:
    with pytest.raises(UnsupportedError, match=who) as caught:
        norse.from_module(sequence(*layers), input_shape=3)
    assert "put the latter into Lift" in caught.value.remedy


@pytest.mark.parametrize(
    ("module", "who"),
    [
        # Norse starts the second cell from the last state of the first one.
        (nn.Sequential(snn.Lift(LIFBoxCell()), snn.Lift(LIFBoxCell())), "layer '1'.*after layer"),
        (sequence(snn.Lift(LIFBoxCell()), snn.Lift(LIFBoxCell())), "layer '1'.*after layer '0'"),
        (nn.Sequential(snn.LIF(), snn.LIF()), "layer '1'.*after layer '0'"),
        (sequence(nn.Sequential(snn.LIF()), snn.LIF()), "layer '1'.*after layer '0.0'"),
        # Every call starts anew.
        (nn.Sequential(nn.Linear(3, 3), snn.LIFCell()), "layer '1'.*in an nn.Sequential"),
    ],
)
def test_states_that_go_astray_are_refused(module: Any, who: str) -> None:
    with pytest.raises(UnsupportedError, match=who) as caught:
        norse.from_module(module, input_shape=3)
    assert "use SequentialState" in caught.value.remedy


# What changes a module without changing its type


class Doubling(nn.Sequential):
    def forward(self, x: Any) -> Any:
        for layer in self:
            x = 2 * layer(x)
        return x


class Skipping(snn.SequentialState):
    def forward(self, x: Any, state: Any = None) -> Any:
        return super().forward(x, state)[0] + x, state


class Reversed(nn.Sequential):
    def __iter__(self) -> Any:
        return reversed(list(super().__iter__()))


class Late(snn.Lift):
    def forward(self, x: Any) -> Any:
        return super().forward(x.roll(1, 0))


def with_attribute(module: Any, name: str, value: Any) -> Any:
    setattr(module, name, value)
    return module


def hooked(register: str) -> Any:
    layer = nn.Linear(3, 3)
    getattr(layer, register)(lambda *given: None)
    return layer


def pruned() -> Any:
    layer = nn.Linear(3, 3)
    cut: Any = prune.random_unstructured
    cut(layer, "weight", 0.5)
    return layer


CHANGED: dict[str, Callable[[], Any]] = {
    "forward of class Doubling": lambda: Doubling(nn.Linear(3, 3)),
    "forward of class Skipping": lambda: Skipping(snn.LIF()),
    "__iter__ of class Reversed": lambda: Reversed(nn.Linear(3, 3)),
    "forward of class Late": lambda: Late(nn.Linear(3, 3)),
    r"a forward hook \(function\)": lambda: hooked("register_forward_hook"),
    r"a forward pre-hook \(function\)": lambda: hooked("register_forward_pre_hook"),
    r"a forward pre-hook \(RandomUnstructured\)": pruned,
    r"a forward pre-hook \(WeightNorm\)": lambda: torch.nn.utils.weight_norm(nn.Linear(3, 3)),
    "a parametrization": lambda: parametrizations.weight_norm(nn.Linear(3, 3)),
    "forward of its own": lambda: with_attribute(nn.Linear(3, 3), "forward", nn.functional.relu),
    "an activation of its own": lambda: with_attribute(snn.LIF(), "activation", torch.relu),
    "a state_fallback of its own": lambda: with_attribute(snn.LIF(), "state_fallback", torch.relu),
    "initial_state of its own": lambda: with_attribute(snn.LIF(), "initial_state", torch.relu),
    # A copy that still starts where the original does.
    "a state_fallback": lambda: copy.copy(snn.LIF()),
    "return_hidden": lambda: snn.SequentialState(snn.LIF(), return_hidden=True),
    "other stateful_layers": lambda: with_attribute(sequence(nn.Identity()), "0", snn.LIF()),
    "another is_stateful": lambda: with_attribute(
        snn.Lift(nn.Identity()), "lifted_module", LIFBoxCell()
    ),
}


@pytest.mark.parametrize("found", list(CHANGED))
@pytest.mark.parametrize("within", [True, False], ids=["in a chain", "alone"])
def test_what_changes_a_module_is_named(found: str, within: bool) -> None:
    module = CHANGED[found]().eval()
    place = "layer '0'" if within else "layer 0"
    with pytest.raises(UnsupportedError, match=f"{place} .* with .*{found}") as caught:
        norse.from_module(sequence(module) if within else module, input_shape=3)
    assert caught.value.feature.startswith("a module that computes something else")


def test_hooks_for_all_modules_are_seen() -> None:
    handle = nn.modules.module.register_module_forward_hook(lambda *given: None)
    try:
        with pytest.raises(UnsupportedError, match="a global forward hook"):
            norse.from_module(sequence(snn.LIF()), input_shape=3)
    finally:
        handle.remove()
    norse.from_module(sequence(snn.LIF()), input_shape=3)


def test_a_replaced_method_of_a_class_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: x)
    with pytest.raises(UnsupportedError, match="forward of class Linear, which was replaced"):
        norse.from_module(sequence(nn.Linear(3, 3)))


class Network(snn.SequentialState):
    """What users write: a chain with a constructor and methods of its own."""

    def __init__(self, rng: Rng) -> None:
        super().__init__(linear(rng, 7, 5), snn.LIF(lif_parameters(rng, 5)))

    def count(self) -> int:
        return len(self)


def test_derived_chains_and_copies_that_change_nothing_are_read() -> None:
    rng = np.random.default_rng(5)
    module = Network(rng).eval()
    x = samples(rng, 7)
    answer = norse_answer(module, x)
    assert answer.any()
    for same in (module, copy.deepcopy(module)):
        assert np.abs(run(norse.from_module(same, input_shape=7), x).outputs - answer).max() < 1e-6


@pytest.mark.parametrize(
    ("module", "problem"),
    [
        (nn.Linear(3, 3).half(), "float16; expected float32 or float64"),
        (nn.Linear(3, 3).bfloat16(), "bfloat16"),
        (nn.Linear(3, 3, dtype=torch.complex64), "complex64"),
        (nn.Linear(3, 3, device="meta"), "meta"),
        (with_attribute(nn.Linear(3, 3), "weight", nn.Parameter(torch.ones(3, 3) / 0)), "infinite"),
        (
            with_attribute(nn.Linear(3, 3), "weight", nn.Parameter(torch.eye(3).to_sparse())),
            "sparse_coo",
        ),
        (snn.LIF(dt=0.0), "dt of .* is 0.0; expected one number above 0"),
        (snn.LIF(dt=float("nan")), "dt of .* is NaN"),
        (snn.LIF(snn.LIFParameters(v_th=torch.tensor(float("inf")))), "v_th of .* is NaN or inf"),
    ],
)
def test_numbers_are_plain_and_finite(module: Any, problem: str) -> None:
    with pytest.raises(InvalidValueError, match=problem):
        norse.from_module(sequence(module), input_shape=3)


def test_constants_have_the_size_of_their_neurons() -> None:
    module = sequence(snn.LIF(snn.LIFParameters(v_th=torch.ones(4))))
    with pytest.raises(ShapeError, match=r"v_th of layer '0' \(LIF\) is \(4,\)"):
        norse.from_module(module, input_shape=3)


@pytest.mark.parametrize("shape", [0, -1, 2.5, "3", (), (2, 0), None, (1, None)])
def test_shapes_of_inputs_are_positive_integers(shape: Any) -> None:
    with pytest.raises(InvalidValueError, match="input_shape is"):
        norse.from_module(sequence(snn.LIF()), input_shape=shape)


def test_a_huge_input_is_refused_by_its_size() -> None:
    with pytest.raises(TooLargeError, match="input_shape is 1000000000000 numbers"):
        norse.from_module(sequence(snn.LIF()), input_shape=10**12)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_jitted_and_wrapped_modules_are_refused() -> None:
    for wrapped in (torch.jit.script(nn.Linear(3, 3)), torch.compile(nn.Linear(3, 3))):
        with pytest.raises(UnsupportedError):
            norse.from_module(sequence(wrapped), input_shape=3)


@pytest.mark.parametrize("dimensions", [(1, -1), (0, 1), (7, -1), (2, -9), (4, 3)])
def test_flattening_that_torch_would_refuse_is_refused(dimensions: tuple[int, int]) -> None:
    module = sequence(nn.Flatten(*dimensions), snn.LIF())
    with pytest.raises(ShapeError, match="of layer '0'"):
        norse.from_module(module, input_shape=(2, 3, 4))
