"""Layers of any model as neurons of the graph: the same numbers, in the float meaning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import ltc2hw
from ltc2hw.converters.cells import neurons_of, synapses_of
from ltc2hw.converters.torch import from_module
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons import ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.numbers.words import FloatArray


@pytest.mark.parametrize("name", MODELS)
def test_neurons_and_synapses_compute_what_the_cell_does(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    cell = ProgramCell(find_model(name), 3, 5, gain=3.0, generator=generator).double()
    neurons, synapses = neurons_of(cell, "hidden"), synapses_of(cell, "hidden", ("in", "value"))
    x = torch.rand(8, 4, 3, generator=generator, dtype=torch.float64)
    state = None
    before: dict[str, FloatArray] = {
        register: np.zeros((4, 5)) for register in neurons.model.results
    }
    for values in x:
        with torch.no_grad():
            _, state = cell(values, state)
        ports = {port: np.zeros((4, 5)) for port in neurons.ports}
        for synapse in synapses:
            sent = values.numpy() if synapse.source == "in" else before[synapse.variable]
            ports[synapse.port] += synapse.weights.apply(sent)
        before = evaluate_real(
            neurons.model.program, neurons.constants, ports, before, neurons.functions
        )
        for register, value in zip(cell.form.registers, state, strict=True):
            np.testing.assert_allclose(before[register], value.numpy(), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", MODELS)
def test_a_network_of_any_model_becomes_one_of_the_graph(name: str) -> None:
    generator = torch.Generator().manual_seed(1)
    gain = {"brf": 200.0, "adlif": 40.0, "izhikevich": 0.5}.get(name, 2.0)
    cell = ProgramCell(find_model(name), 3, 5, gain=gain, generator=generator)
    module = SpikingNetwork([cell], ReadoutCell(5, 2, generator=generator)).double()
    x = torch.rand(9, 4, 3, generator=generator, dtype=torch.float64)
    with torch.no_grad():
        wanted, _ = module(x)
    trace = ltc2hw.simulate(from_module(module), x.numpy(), engine="float64")
    np.testing.assert_allclose(trace.outputs, wanted.numpy(), rtol=1e-9, atol=1e-9)


def test_constants_count_as_they_do_in_the_cell() -> None:
    cell = ProgramCell(find_model("lif"), 3, 2)
    with torch.no_grad():
        cell.get_parameter("constant_membrane_decay").copy_(torch.tensor([1.5, 0.25]))
    assert neurons_of(cell, "hidden").constants["membrane_decay"].tolist() == [1.0, 0.25]
    with torch.no_grad():
        cell.get_parameter("constant_bias").fill_(np.nan)
    with pytest.raises(InvalidValueError, match="bias of hidden"):
        neurons_of(cell, "hidden")
