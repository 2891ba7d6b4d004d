"""converters/torch: the float64 engine computes what the torch module computes."""

from __future__ import annotations

from itertools import product

import numpy as np
import numpy.typing as npt
import pytest
import torch

import ltc2hw
from ltc2hw.converters.torch import from_module
from ltc2hw.errors import UnsupportedError
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
    network = from_module(module, {"task": task.name})
    [projection] = [p for p in network.projections if (p.source, p.port) == ("hidden", "tau_adp")]
    weight = module.cells[0].weight_recurrent
    assert weight is not None
    wanted = weight[2].detach().numpy()
    found = projection.weights.apply(np.eye(wanted.shape[1])).T
    np.testing.assert_array_equal(found.astype(np.float32), wanted)
    np.testing.assert_array_equal(found.astype(np.float32).astype(np.float64), found)
    assert projection.delay == 1
    assert network.provenance == {"task": "add-8"}


def test_unknown_modules_are_refused_by_name() -> None:
    with pytest.raises(UnsupportedError, match="LSTM"):
        from_module(torch.nn.LSTM(2, 3))
