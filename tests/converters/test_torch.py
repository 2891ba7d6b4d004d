"""converters/torch: the float64 engine computes what the torch module computes."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch.nn.utils import prune

import ltc2hw
from ltc2hw.converters.torch import from_module
from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError
from ltc2hw.neurons import GATES, GateKind, LIFCell, LTCCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import load_task
from ltc2hw.training import ModelOptions
from ltc2hw.training.model import build_network
from tests.neurons.randomised import randomised


def assert_same(
    module: SpikingNetwork, x: npt.NDArray[np.float64], hidden: tuple[str, ...]
) -> None:
    """Spikes equal, states and outputs equal to 1e-10, at every step."""
    trace = ltc2hw.simulate(from_module(module), x, engine="float64", record="all")
    state, fired = None, 0
    with torch.no_grad():
        for t, values in enumerate(torch.from_numpy(x)):
            output, state = module.step(values, state)
            np.testing.assert_allclose(trace.outputs[t], output.numpy(), rtol=0, atol=1e-10)
            for name, layer in zip(hidden, state.layers, strict=True):
                for variable, value in layer._asdict().items():
                    recorded = {"spikes": trace.spikes[name], **trace.states[name]}
                    found = recorded[variable][t]
                    np.testing.assert_allclose(found, value.numpy(), rtol=0, atol=1e-10)
                fired += int(layer.spikes.sum())
    assert fired > 0


@pytest.mark.parametrize(
    ("gate", "readout", "nonlinearity", "recurrent"),
    list(product(GATES, GATES, ("sigmoid", "plan"), (True, False))),
)
def test_ltc_equals_the_float64_engine(
    gate: GateKind, readout: GateKind, nonlinearity: str, recurrent: bool
) -> None:
    module = SpikingNetwork(
        [
            LTCCell(3, 7, gate=gate, recurrent=recurrent, nonlinearity=nonlinearity),
            LTCCell(7, 5, gate=gate, recurrent=recurrent, nonlinearity=nonlinearity),
        ],
        ReadoutCell(5, 2, gate=readout, nonlinearity=nonlinearity),
    ).double()
    randomised(module, seed=1)
    x = 2.0 * np.random.default_rng(2).random((30, 4, 3))
    assert_same(module, x, ("hidden1", "hidden2"))


@pytest.mark.parametrize("recurrent", [True, False])
def test_lif_equals_the_float64_engine(recurrent: bool) -> None:
    module = SpikingNetwork(
        [LIFCell(3, 7, recurrent=recurrent)], ReadoutCell(7, 2), graded_input=False
    ).double()
    randomised(module, seed=3)
    x = (np.random.default_rng(4).random((30, 4, 3)) < 0.5).astype(np.float64)
    assert_same(module, x, ("hidden",))


def test_readout_of_membranes() -> None:
    module = SpikingNetwork([LTCCell(3, 7)], ReadoutCell(7, 2), read_from="membrane").double()
    randomised(module, seed=5)
    assert_same(module, np.random.default_rng(6).random((30, 4, 3)), ("hidden",))


def test_float32_parameters_are_copied_exactly() -> None:
    task = load_task("add-8")
    module = build_network(task, ModelOptions(), torch.Generator().manual_seed(0))
    assert isinstance(module, SpikingNetwork)
    network = from_module(module, {"task": task.name})
    [projection] = [p for p in network.projections if (p.source, p.port) == ("hidden", "tau_adp")]
    weight = module.cells[0].weight_recurrent
    assert isinstance(weight, torch.Tensor)
    wanted = weight[2].detach().numpy()
    found = projection.weights.apply(np.eye(wanted.shape[1])).T
    np.testing.assert_array_equal(found.astype(np.float32), wanted)
    np.testing.assert_array_equal(found.astype(np.float32).astype(np.float64), found)
    assert projection.delay == 1
    assert network.provenance == {"task": "add-8"}


random_unstructured: Any = prune.random_unstructured


def network_of(layer: torch.nn.Module, readout: torch.nn.Module) -> SpikingNetwork:
    network = SpikingNetwork([LTCCell(3, 5)], ReadoutCell(5, 2))
    network.layers[0], network.readout = layer, readout  # type: ignore[assignment]
    return network


class Louder(LTCCell):
    """Sends its spikes doubled."""

    def window(self, x: torch.Tensor, state: object = None) -> object:  # type: ignore[override]
        spikes, membrane, after = super().window(x)
        return 2 * spikes, membrane, after


class Named(LTCCell):
    """Adds what computes nothing."""

    def parts(self) -> int:
        return len(list(self.parameters()))


@pytest.mark.parametrize(
    ("layer", "problem"),
    [
        (torch.nn.LSTM(3, 5), r"layer 1 \(LSTM\): a cell of a class of its own"),
        (Louder(3, 5), r"layer 1 \(Louder\) with window of class Louder"),
        (
            torch.nn.utils.parametrizations.weight_norm(LTCCell(3, 5), "weight_input"),
            "layer 1 .* with a parametrization",
        ),
        (
            random_unstructured(LTCCell(3, 5), "weight_input", 0.5),
            r"with a forward pre-hook \(RandomUnstructured\)",
        ),
    ],
)
def test_cells_that_compute_something_else_are_refused(
    layer: torch.nn.Module, problem: str
) -> None:
    with pytest.raises(UnsupportedError, match=problem):
        from_module(network_of(layer, ReadoutCell(5, 2)))


def test_hooks_and_replaced_methods_are_refused() -> None:
    for name in ("layers.0", "readout", ""):
        network = network_of(LTCCell(3, 5), ReadoutCell(5, 2))
        handle = network.get_submodule(name).register_forward_hook(lambda *given: None)
        with pytest.raises(UnsupportedError, match="with a forward hook"):
            from_module(network)
        handle.remove()
        from_module(network)
    changed: Any = network.readout
    changed.window = torch.relu
    with pytest.raises(UnsupportedError, match=r"the readout .* with window of its own"):
        from_module(network)


def test_a_nonlinearity_that_was_changed_later_is_refused() -> None:
    for name in ("layers.0", "readout"):
        network = network_of(LTCCell(3, 5), ReadoutCell(5, 2))
        network.get_submodule(name).nonlinearity = "plan"  # type: ignore[assignment]
        with pytest.raises(UnsupportedError, match="another nonlinearity"):
            from_module(network)


def test_parameters_are_plain_finite_numbers() -> None:
    with pytest.raises(InvalidValueError, match="weight_input of layer 1 is float16"):
        from_module(network_of(LTCCell(3, 5).half(), ReadoutCell(5, 2)))
    with pytest.raises(InvalidValueError, match="weight_input of the readout is on the meta"):
        from_module(network_of(LTCCell(3, 5), ReadoutCell(5, 2).to("meta")))
    broken = ReadoutCell(5, 2)
    with torch.no_grad():
        broken.bias.fill_(float("inf"))
    with pytest.raises(InvalidValueError, match="bias of the readout is NaN or infinite"):
        from_module(network_of(LTCCell(3, 5), broken))


@pytest.mark.parametrize(
    ("entry", "shape"),
    [
        ("weight_input", (4, 5, 3)),
        ("weight_input", (3, 5, 4)),
        ("bias", (2, 5)),
        ("tau_mem_from_state", (5, 5)),
    ],
)
def test_parameters_have_the_shapes_of_their_cell(entry: str, shape: tuple[int, ...]) -> None:
    cell = LTCCell(3, 5)
    setattr(cell, entry, torch.nn.Parameter(torch.ones(shape)))
    with pytest.raises(ShapeError, match=f"shape of {entry} of layer 1 is"):
        from_module(network_of(cell, ReadoutCell(5, 2)))


def test_derived_and_shared_cells_that_change_nothing_are_read() -> None:
    cell = Named(4, 4)
    module = SpikingNetwork([cell, cell], ReadoutCell(4, 2)).double()
    randomised(module, seed=1)
    x = 2.0 * np.random.default_rng(2).random((30, 4, 4))
    assert_same(module, x, ("hidden1", "hidden2"))


def test_unknown_modules_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="LSTM"):
        from_module(torch.nn.LSTM(2, 3))
