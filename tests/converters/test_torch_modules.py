"""Modules of a user's own: the float64 engine does what their forward does, or they are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import ltc2hw
from ltc2hw.converters.torch import from_module, to_module
from ltc2hw.dynamics.models.alif import alif
from ltc2hw.errors import InvalidValueError, Ltc2hwError, ShapeError, UnsupportedError
from ltc2hw.neurons import (
    GraphNetwork,
    LIFCell,
    LTCCell,
    ProgramCell,
    ReadoutCell,
    SpikingNetwork,
)

STEPS, BATCH = 25, 4


class OneStep(nn.Module):
    """Skips, sums, concatenation, feedback of the step before, and two readouts."""

    def __init__(self) -> None:
        super().__init__()
        self.encode = nn.Linear(4, 6)
        self.a = LTCCell(6, 8, gain=3.0)
        self.b = LIFCell(8, 8, recurrent=True, gain=3.0)
        self.skip = nn.Linear(6, 8, bias=False)
        self.back = nn.Linear(8, 6)
        self.one, self.two = ReadoutCell(16, 2), ReadoutCell(8, 3)

    def forward(self, x: Tensor, state: Any = None) -> Any:
        a, b, one, two, fed = (None,) * 5 if state is None else state
        h = self.encode(x) * 2 - 0.1
        if fed is not None:
            h = h + self.back(fed)
        first, a = self.a(h, a)
        second, b = self.b(first + self.skip(h), b)
        left, one = self.one(torch.cat([first, second], 1), one)
        order = torch.tensor([1, 0, 2, 3, 4, 5, 6, 7])
        right, two = self.two(second[:, order] - first + 0.5 * a.membrane, two)
        return {"left": left, "right": right}, (a, b, one, two, second)


class Windows(nn.Module):
    """Cells that run over time, and layers between."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 6), nn.Identity(), nn.Dropout(0.5))
        adaptive = ProgramCell(alif, 8, 5, gain=4.0, constants={"threshold": 0.05})
        self.cells = nn.ModuleDict({"a": LTCCell(6, 8, gain=3.0), "b": adaptive})
        self.out = ReadoutCell(5, 2)

    def forward(self, x: Tensor) -> Tensor:
        first, second = self.cells.values()
        h, *_ = cast(LTCCell, first).window(self.net(x))
        h, *_ = cast(ProgramCell, second).window(3.0 * h)
        outputs: Tensor = self.out.window(h)[0]
        return outputs


class Loop(nn.Module):
    """A loop over time, a list of cells, batch norm, and input of two steps ago."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(4)
        self.cells = nn.ModuleList([LTCCell(8, 8, gain=4.0), LIFCell(8, 5, gain=3.0)])
        self.out = nn.Linear(5, 2)

    def forward(self, x: Tensor, state: None = None) -> Any:
        states: list[Any] = [None, None]
        outputs, silent = [], torch.zeros_like(x[0])
        for t in range(len(x)):
            h = torch.cat([self.norm(x[t]), x[t - 2] if t > 1 else silent], dim=-1)
            for index, cell in enumerate(self.cells):
                h, states[index] = cell(h, states[index])
            outputs.append(self.out(h))
        return torch.stack(outputs), None


class Images(nn.Module):
    """Convolutions in two and one dimensions, batch norm, pooling."""

    graded_input = False

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(4)
        self.first = LIFCell(144, 144, gain=2.0)
        self.pool = nn.AvgPool2d(2)
        self.line = nn.Conv1d(4, 2, 3, stride=2, groups=2)
        self.second = LIFCell(8, 10, gain=3.0)
        self.out = ReadoutCell(10, 3)

    def forward(self, x: Tensor, state: Any = None) -> Any:
        a, b, c = state or (None,) * 3
        h, a = self.first(self.norm(self.conv(x)).flatten(1), a)
        h = self.pool(h.view(-1, 4, 6, 6)).flatten(2)
        h, b = self.second(self.line(h).flatten(1), b)
        h, c = self.out(h, c)
        return h, (a, b, c)


class Nested(nn.Module):
    """A network of ours inside, and the same cell in two places."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = SpikingNetwork([LTCCell(4, 6, gain=3.0)], ReadoutCell(6, 5))
        self.twice = LTCCell(5, 5, gain=3.0)

    def forward(self, x: Tensor, state: Any = None) -> Any:
        inner, a, b = state or (None,) * 3
        h, inner = self.inner.step(x, inner)
        first, a = self.twice(10 * h, a)
        second, b = self.twice(first, b)
        return first.sum(-1, keepdim=True) + second.mean(-1, True), (inner, a, b)


def over_steps(module: nn.Module, x: Tensor) -> Tensor:
    state, outputs = None, []
    for sample in x:
        output, state = module(sample, state)
        parts = list(output.values()) if isinstance(output, dict) else [output]
        outputs.append(torch.cat(parts, 1))
    return torch.stack(outputs)


CASES: dict[str, tuple[type[nn.Module], Callable[[Any, Tensor], Tensor], tuple[int, ...]]] = {
    "one step": (OneStep, over_steps, (4,)),
    "windows": (Windows, lambda module, x: module(x), (4,)),
    "loop": (Loop, lambda module, x: module(x)[0], (4,)),
    "images": (Images, over_steps, (2, 6, 6)),
    "nested": (Nested, over_steps, (4,)),
}


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_engine_does_what_forward_does(case: str, double: bool) -> None:
    kind, run, shape = CASES[case]
    torch.manual_seed(0)
    module = kind().eval()
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            if "running" in name:
                buffer.add_(torch.rand_like(buffer) * 0.3)
    module = module.double() if double else module
    rng = np.random.default_rng(1)
    x = 2.0 * rng.random((STEPS, BATCH, *shape)).astype(np.float32)
    if case == "images":
        x = np.round(x / 2)
    before = {name: dict(vars(part)) for name, part in module.named_modules()}
    network = from_module(module, input_shape=shape if len(shape) > 1 else None)
    assert before == {name: dict(vars(part)) for name, part in module.named_modules()}
    with torch.no_grad():
        wanted = run(module, torch.from_numpy(x).to(torch.float64 if double else torch.float32))
    flat = x.reshape(STEPS, BATCH, -1).astype(np.float64)
    trace = ltc2hw.simulate(network, flat, engine="float64")
    assert all(s.any() for name, s in trace.spikes.items() if name != "constant")
    np.testing.assert_allclose(
        trace.outputs, wanted.numpy(), rtol=0, atol=1e-12 if double else 1e-5
    )
    assert network.input.graded == (case != "images")
    # And back, without a difference.
    again = to_module(network)
    assert from_module(again) == network
    outputs = again(torch.from_numpy(flat))[0].detach().numpy()
    np.testing.assert_allclose(outputs, trace.outputs, rtol=0, atol=1e-5)


def test_two_readouts_stand_side_by_side() -> None:
    network = from_module(OneStep())
    assert json.loads(network.provenance["outputs"]) == {"left": [0, 2], "right": [2, 5]}
    assert network.population(network.output).size == 5
    assert isinstance(to_module(network), GraphNetwork)


def test_chains_of_cells_are_chains_again() -> None:
    assert isinstance(to_module(from_module(Windows().eval())), GraphNetwork) is False


class Given(nn.Module):
    """A module of a linear layer, a cell and a readout, with some forward."""

    def __init__(self, call: Callable[..., Any]) -> None:
        super().__init__()
        self.call = call
        self.linear, self.other = nn.Linear(4, 6), nn.Linear(6, 6)
        self.cell, self.out = LTCCell(6, 6), ReadoutCell(6, 2)
        self.kept: Any = None

    def forward(self, x: Tensor, state: Any = None) -> Any:
        return self.call(self, x, state)


def between(change: Callable[[Any, Tensor], Tensor]) -> Callable[..., Any]:
    """A step with something between the linear layer and the cell."""

    def call(module: Any, x: Tensor, state: Any) -> Any:
        cell, out = state or (None, None)
        h, cell = module.cell(change(module, module.linear(x)), cell)
        h, out = module.out(h, out)
        return h, (cell, out)

    return call


def over_time(change: Callable[[Any, Tensor], Tensor]) -> Callable[..., Any]:
    """A sequence with something between the cell and the readout."""

    def call(module: Any, x: Tensor, state: Any) -> Any:
        h, *_ = module.cell.window(module.linear(x))
        return module.out.window(change(module, h))[0], None

    return call


def if_it_fires(module: Any, h: Tensor) -> Tensor:
    return 2 * h if h.sum(-1).sum(-1) > 0 else h


def if_one_is_set(module: Any, h: Tensor) -> Tensor:
    return 2 * h if h[:, :1] else h


def set_in_place(module: Any, h: Tensor) -> Tensor:
    h[:, 0] = 0
    return h


def view_in_place(module: Any, h: Tensor) -> Tensor:
    part = h[:, :3]
    part += 1
    return h


def forgotten(module: Any, x: Tensor, state: Any) -> Any:
    h, _ = module.cell(module.linear(x))
    h, out = module.out(h, state)
    return h, out


def swapped(module: Any, x: Tensor, state: Any) -> Any:
    cell, out = state or (None, None)
    h, cell = module.cell(module.linear(x), out)
    h, out = module.out(h, out)
    return h, (cell, out)


def later(module: Any, x: Tensor, state: Any) -> Any:
    cell = out = None
    outputs = []
    for t in range(len(x)):
        h, cell = module.cell(module.linear(x[t]) * (2 if t == 5 else 1), cell)
        h, out = module.out(h, out)
        outputs.append(h)
    return torch.stack(outputs), None


def stepwise(change: Callable[[Any, Tensor], Tensor]) -> Given:
    return Given(between(change))


REFUSED: dict[str, tuple[nn.Module, type[Ltc2hwError], str]] = {
    "relu": (stepwise(lambda m, h: torch.relu(h)), UnsupportedError, "relu .test_torch_modules.py"),
    "product": (stepwise(lambda m, h: h * h), UnsupportedError, "product of two signals"),
    "comparison": (stepwise(lambda m, h: (h > 0).float()), UnsupportedError, "gt .* line"),
    "if": (stepwise(if_it_fires), UnsupportedError, "sum .*samples"),
    "if one": (stepwise(if_one_is_set), UnsupportedError, "bool .*depends on the numbers"),
    "in place": (stepwise(set_in_place), UnsupportedError, "setitem"),
    "view": (stepwise(view_in_place), UnsupportedError, "in place"),
    "noise": (stepwise(lambda m, h: h + torch.randn_like(h)), UnsupportedError, "randn_like"),
    "samples": (stepwise(lambda m, h: h + torch.rand(3, 6)), UnsupportedError, "differ between"),
    "pooling": (
        stepwise(lambda m, h: F.max_pool1d(h[:, None], 1)[:, 0]),
        UnsupportedError,
        "use average pooling",
    ),
    "dropped": (
        stepwise(lambda m, h: F.dropout(h, 0.5, training=True)),
        UnsupportedError,
        "at random",
    ),
    "numpy": (stepwise(lambda m, h: torch.from_numpy(h.numpy())), UnsupportedError, "numpy"),
    "half": (stepwise(lambda m, h: h.to(torch.float16)), UnsupportedError, "float16"),
    "mean over time": (
        Given(over_time(lambda m, h: h - h.mean(0))),
        UnsupportedError,
        "over steps",
    ),
    "from behind": (Given(over_time(lambda m, h: h.flip(0))), UnsupportedError, "still to come"),
    "other samples": (Given(over_time(lambda m, h: h.flip(1))), UnsupportedError, "mixed"),
    "long ago": (
        Given(over_time(lambda m, h: torch.cat([torch.zeros_like(h[:9]), h[:-9]]))),
        UnsupportedError,
        "9 steps ago",
    ),
    "forgotten state": (Given(forgotten), UnsupportedError, "cell 'cell': called in 1 of 12"),
    "swapped state": (Given(swapped), UnsupportedError, "cell 'cell': a state that is not its own"),
    "one odd step": (Given(later), UnsupportedError, "something else at step 5"),
    "no answer": (Given(lambda m, x, s: (None, s)), InvalidValueError, "answer of forward is"),
    "no state": (
        Given(lambda m, x, s: m.cell(m.linear(x), s)[0]),
        UnsupportedError,
        "not returned",
    ),
    "wrong width": (
        Given(lambda m, x, s: m.cell(m.out(m.linear(x))[0])),
        ShapeError,
        r"features before cell 'cell' is \(2,\); expected \(6,\)",
    ),
    "unpacked": (Given(lambda m, x, s: s[0]), UnsupportedError, "forward of Given: TypeError"),
    "training": (nn.Sequential(nn.Dropout(0.5), LTCCell(2, 2)), UnsupportedError, "module.eval()"),
    "no cell": (nn.Sequential(nn.Linear(2, 2)), UnsupportedError, "Sequential: a module without"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_has_no_meaning_is_refused_by_name(case: str) -> None:
    module, kind, message = REFUSED[case]
    with pytest.raises(kind, match=message):
        from_module(module)


KEPT: dict[str, Callable[[], nn.Module]] = {
    "in place": lambda: stepwise(lambda m, h: h.add_(1.0)),
    "joined in place": lambda: stepwise(lambda m, h: h.mul(2).__iadd__(m.other(h))),
    "moved": lambda: stepwise(
        lambda m, h: torch.stack(h.chunk(2, -1), 1).transpose(1, 2).flatten(1)
    ),
    "matrix": lambda: stepwise(lambda m, h: h @ m.other.weight.T / 2),
    "scaled": lambda: stepwise(lambda m, h: 1.0 - h * m.other.bias),
    "python's sum": lambda: stepwise(lambda m, h: sum([h, m.other(h)])),  # type: ignore[arg-type,return-value]
    "late": lambda: Given(over_time(lambda m, h: torch.cat([torch.zeros_like(h[:2]), h[:-2]]))),
}


@pytest.mark.parametrize("case", KEPT)
def test_what_is_linear_is_kept(case: str) -> None:
    torch.manual_seed(3)
    module = KEPT[case]().double()
    x = 4.0 * np.random.default_rng(4).random((STEPS, BATCH, 4))
    run = over_steps if case != "late" else lambda module, x: module(x)[0]
    with torch.no_grad():
        wanted = run(module, torch.from_numpy(x)).numpy()
    trace = ltc2hw.simulate(from_module(module), x, engine="float64")
    assert trace.spikes["cell"].any()
    np.testing.assert_allclose(trace.outputs, wanted, rtol=0, atol=1e-12)


def test_a_module_that_keeps_its_state_is_as_before() -> None:
    def call(module: Any, x: Tensor, state: Any) -> Any:
        h, module.kept = module.cell(module.linear(x), module.kept)
        return module.out(h, state)

    module = Given(call)
    network = from_module(module)
    assert module.kept is None
    assert [p.name for p in network.populations] == ["input", "cell", "out"]


def test_states_of_zeros_are_where_cells_start() -> None:
    def call(module: Any, x: Tensor, state: Any) -> Any:
        state = state or (module.cell.initial_state(len(x)), module.out.initial_state(x.size(0)))
        h, cell = module.cell(module.linear(x), state[0])
        h, out = module.out(h, state[1])
        return h, (cell, out.detach())

    assert len(from_module(Given(call)).populations) == 3


def test_the_size_of_samples_is_told_or_asked_for() -> None:
    with pytest.raises(InvalidValueError, match=r"input_shape is None; .*pass input_shape"):
        from_module(Images().eval())
    with pytest.raises(InvalidValueError, match="input_shape is"):
        from_module(Images().eval(), input_shape=(2, 0, 6))
    either = Given(lambda m, x, s: m.cell(x.sum(-1, keepdim=True).expand(-1, 6), s))
    with pytest.raises(InvalidValueError, match="unsaid, and may be 4 and 6"):
        from_module(either)
    assert from_module(either, input_shape=5).input.size == 5
    assert not from_module(either, input_shape=5, graded_input=False).input.graded
