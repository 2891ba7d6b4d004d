"""What cells are given: right in every type and layout, refused in every other shape and place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ltc2hw.errors import InvalidValueError, ShapeError, TooLargeError, UnsupportedError
from ltc2hw.neurons import (
    LIFCell,
    LIFState,
    LTCCell,
    LTCState,
    NetworkState,
    ReadoutCell,
    ReadoutState,
    SpikingNetwork,
)
from ltc2hw.neurons.lstm import LSTMNetwork, LSTMState
from ltc2hw.neurons.window import run_window
from tests.neurons.randomised import randomised

T, B, N_IN, N, N_OUT = 5, 4, 3, 6, 2

Kind = type[torch.nn.Module]


def network() -> SpikingNetwork:
    module = SpikingNetwork([LTCCell(N_IN, N), LIFCell(N, 5)], ReadoutCell(5, N_OUT)).double()
    randomised(module, seed=5)
    return module


WINDOWS: dict[str, Callable[[], Callable[..., Any]]] = {
    "network": network,
    "LTC": lambda: LTCCell(N_IN, N).double().window,
    "LIF": lambda: LIFCell(N_IN, N).double().window,
    "readout": lambda: ReadoutCell(N_IN, N).double().window,
    "LSTM": lambda: LSTMNetwork(N_IN, N, N_OUT, seed=0).double(),
}

STEPS: dict[str, Callable[[], Callable[..., Any]]] = {
    "network": lambda: network().step,
    "LTC": lambda: LTCCell(N_IN, N).double(),
    "LIF": lambda: LIFCell(N_IN, N).double(),
    "readout": lambda: ReadoutCell(N_IN, N).double(),
}


def samples(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


@pytest.mark.parametrize("entry", WINDOWS)
@pytest.mark.parametrize(
    "shape",
    [(T, B, N_IN + 1), (T, B, N_IN - 1), (B, N_IN), (T, B, 1, N_IN), (0, B, N_IN), (T, 0, N_IN)],
)
def test_windows_take_no_other_shape(entry: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="input of"):
        WINDOWS[entry]()(samples(*shape))


@pytest.mark.parametrize("entry", STEPS)
@pytest.mark.parametrize("shape", [(B, N_IN + 1), (N_IN,), (T, B, N_IN), (0, N_IN)])
def test_steps_take_no_other_shape(entry: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="input of"):
        STEPS[entry]()(samples(*shape))


def test_the_network_of_the_report_is_refused() -> None:
    module = SpikingNetwork([LTCCell(40, 16)], ReadoutCell(16, 9))
    with pytest.raises(ShapeError, match=r"input of LTCCell is \(29, 8, 12\); expected .* 40\)"):
        module(torch.rand(29, 8, 12))


@pytest.mark.parametrize("entry", WINDOWS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((T, B, N_IN)), "a ndarray; expected a tensor"),
        (samples(T, B, N_IN) + 0j, "complex128"),
        (samples(T, B, N_IN).to_sparse(), "sparse_coo"),
        (samples(T, B, N_IN).to("meta"), "device of input of .* is meta; expected cpu"),
    ],
)
def test_inputs_are_dense_tensors_beside_the_parameters(
    entry: str, wrong: Any, message: str
) -> None:
    with pytest.raises(InvalidValueError, match=message):
        WINDOWS[entry]()(wrong)


@pytest.mark.parametrize("entry", [name for name in WINDOWS if name != "LSTM"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_window_takes_finite_numbers(entry: str, bad: float) -> None:
    x = samples(T, B, N_IN)
    x[1, 2, 0] = bad
    with pytest.raises(InvalidValueError, match=r"input of a window\[1, 2, 0\]"):
        WINDOWS[entry]()(x)


def by_steps(module: SpikingNetwork, x: Tensor) -> Tensor:
    outputs, state = [], None
    for values in x:
        output, state = module.step(values, state)
        outputs.append(output)
    return torch.stack(outputs)


@pytest.mark.parametrize("kind", ["float16", "bfloat16", "float32", "int64", "uint8", "bool"])
def test_every_type_of_input_is_that_of_the_parameters(kind: str) -> None:
    module = network()
    x = (2.0 * samples(T, B, N_IN)).to(getattr(torch, kind))
    wanted = by_steps(module, x.double())
    torch.testing.assert_close(module(x)[0], wanted, rtol=0, atol=1e-12)
    torch.testing.assert_close(by_steps(module, x), wanted, rtol=0, atol=0)


def test_every_layout_of_input() -> None:
    module = network()
    x = samples(T, B, N_IN)
    wanted = by_steps(module, x)
    for other in (
        x.permute(2, 1, 0).contiguous().permute(2, 1, 0),
        x.repeat_interleave(2, dim=2)[..., ::2],
        x.clone().requires_grad_(True),
    ):
        torch.testing.assert_close(module(other)[0], wanted, rtol=0, atol=1e-12)
    one = x[:1, :1].expand(T, B, N_IN)
    torch.testing.assert_close(module(one)[0], by_steps(module, one), rtol=0, atol=1e-12)


def registers(count: int, *shape: int) -> list[Tensor]:
    return [samples(*shape) for _ in range(count)]


@pytest.mark.parametrize(
    ("make", "state", "message"),
    [
        (
            lambda: LTCCell(N_IN, N),
            LTCState(*registers(3, 1, N)),
            r"is \(1, 6\); expected \(4, 6\)",
        ),
        (lambda: LTCCell(N_IN, N), LTCState(*registers(3, B, N + 1)), "membrane of the state"),
        (lambda: LTCCell(N_IN, N), LIFState(*registers(3, B, N)), "LIFState; expected LTCState"),
        (lambda: LTCCell(N_IN, N), tuple(registers(3, B, N)), "tuple; expected LTCState"),
        (lambda: LIFCell(N_IN, N), LIFState(*registers(3, N)), "current of the state of LIFCell"),
        (lambda: ReadoutCell(N_IN, N), ReadoutState(samples(B, 1)), "membrane of the state"),
        (lambda: ReadoutCell(N_IN, N), ReadoutState(None), "a NoneType"),  # type: ignore[arg-type]
    ],
)
def test_given_states_have_the_cells_shape(
    make: Callable[[], Any], state: Any, message: str
) -> None:
    cell = make().double()
    with pytest.raises(InvalidValueError, match=message):
        cell(samples(B, N_IN), state)
    with pytest.raises(InvalidValueError, match=message):
        cell.window(samples(T, B, N_IN), state)


def test_states_of_a_network_and_of_an_lstm() -> None:
    module, x = network(), samples(T, B, N_IN)
    _, state = module(x)
    wrong: tuple[Any, ...] = (
        NetworkState(state.layers[:1], state.readout),
        NetworkState((*state.layers, state.layers[0]), state.readout),
        tuple(state),
        NetworkState(state.layers[::-1], state.readout),
    )
    for other in wrong:
        for run, values in ((module, x), (module.step, x[0])):
            with pytest.raises(InvalidValueError, match="state of"):
                run(values, other)
    lstm = LSTMNetwork(N_IN, N, N_OUT, seed=0).double()
    with pytest.raises(ShapeError, match="hidden of the state of LSTMNetwork"):
        lstm(x, LSTMState(*registers(2, 1, B, N + 1)))
    spoiled = state._replace(readout=ReadoutState(torch.full_like(state.readout.membrane, np.nan)))
    with pytest.raises(InvalidValueError, match="state of a window"):
        module(x, spoiled)


def replaced(name: str, value: Any) -> LTCCell:
    cell = LTCCell(N_IN, N).double()
    if isinstance(value, nn.Parameter) and name == "threshold":
        del cell.threshold
    setattr(cell, name, value)
    return cell


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("weight_input", nn.Parameter(samples(3, N - 1, N_IN)), ShapeError),
        ("weight_input", nn.Parameter(samples(1, N, N_IN)), ShapeError),
        ("weight_recurrent", nn.Parameter(samples(3, N, 1)), ShapeError),
        ("bias", nn.Parameter(samples(2, N)), ShapeError),
        ("tau_mem_from_state", nn.Parameter(samples(1)), ShapeError),
        ("threshold", samples(N - 1), ShapeError),
        ("threshold", nn.Parameter(samples(N)), UnsupportedError),
        ("weight_recurrent", nn.Parameter(samples(3, N, N).float()), InvalidValueError),
        ("weight_recurrent", nn.Parameter(np.nan * samples(3, N, N)), InvalidValueError),
    ],
)
def test_compiled_windows_read_no_parameter_of_another_shape(
    name: str, value: Any, error: type[Exception]
) -> None:
    with pytest.raises(error):
        replaced(name, value).window(samples(T, B, N_IN))


def test_compiled_windows_compute_in_two_types() -> None:
    module = network().half()
    with pytest.raises(InvalidValueError, match="float16; expected float32 or float64"):
        module(samples(T, B, N_IN).half())


def test_a_window_itself_checks_what_it_is_given() -> None:
    cell = LTCCell(N_IN, N)
    states = tuple(cell.initial_state(B))
    for x, given in (
        (torch.zeros(T, B, N_IN + 1), states),
        (torch.zeros(T, B + 1, N_IN), states),
        (torch.zeros(T, B, N_IN, dtype=torch.float64), states),
        (torch.zeros(T, B, N_IN), (*states[:2], torch.zeros(B, 1))),
    ):
        with pytest.raises(ShapeError, match="input of a window"):
            run_window(cell.form, cell.tensors(), given, x)


def test_outputs_changed_in_place_give_no_wrong_gradient() -> None:
    x = samples(T, B, N_IN).requires_grad_(True)
    spikes, membrane, _ = LTCCell(N_IN, N).double().window(x)
    loss = (spikes * 1.0).sum() + membrane.sum()
    with torch.no_grad():
        membrane.mul_(0.0)
    with pytest.raises(RuntimeError, match="inplace"):
        torch.autograd.backward(loss)


class Silenced(LTCCell):
    """Steps of its own, and the window of its parent."""

    def forward(self, x: Tensor, state: LTCState | None = None) -> tuple[Tensor, LTCState]:
        spikes, after = super().forward(x, state)
        return 0.0 * spikes, after


def test_a_window_that_would_not_do_what_steps_do_is_refused() -> None:
    hooked = LTCCell(N_IN, N)
    hooked.register_forward_hook(lambda cell, values, outputs: (0.0 * outputs[0], outputs[1]))
    for cell, message in ((hooked, "hooks around its forward"), (Silenced(N_IN, N), "of its own")):
        module = SpikingNetwork([cell], ReadoutCell(N, N_OUT))
        assert module.step(torch.rand(B, N_IN))[0].shape == (B, N_OUT)
        with pytest.raises(UnsupportedError, match=message):
            module(torch.rand(T, B, N_IN))


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: LTCCell(2, 10**9), TooLargeError),
        (lambda: LTCCell(2, 10**20), TooLargeError),
        (lambda: LTCCell(10**9, 2), TooLargeError),
        (lambda: LTCCell(2, 5000, gate="dense"), TooLargeError),
        (lambda: LIFCell(2, 10**9, recurrent=True), TooLargeError),
        (lambda: ReadoutCell(10**9, 10**9), TooLargeError),
        (lambda: LSTMNetwork(2, 10**9, 1, seed=0), TooLargeError),
        (lambda: LTCCell(2, 2.5), InvalidValueError),  # type: ignore[arg-type]
        (lambda: LTCCell(2, True), InvalidValueError),
        (lambda: LTCCell(2, "3"), InvalidValueError),  # type: ignore[arg-type]
        (lambda: LTCCell(2, 3, threshold=np.nan), InvalidValueError),
        (lambda: ReadoutCell(2, 3, gain=np.inf), InvalidValueError),
        (lambda: LIFCell(2, 3, current_decay=np.nan), InvalidValueError),
    ],
)
def test_cells_of_no_size_or_number(make: Callable[[], Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()
