"""Layers of any model as neurons of the graph: the same numbers, in the float meaning."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ltc2hw.converters.cells import neurons_of, synapses_of
from ltc2hw.dynamics.bridge import real_neurons
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.errors import InvalidValueError
from ltc2hw.neurons import GATES, GateKind, LTCCell, ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.words import FloatArray
from tests.neurons.randomised import randomised


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


@pytest.mark.parametrize("gate", GATES)
def test_the_cells_of_gates_become_what_the_network_holds(gate: GateKind) -> None:
    from ltc2hw.converters.torch import from_module

    module = SpikingNetwork([LTCCell(3, 5, gate=gate)], ReadoutCell(5, 2, gate=gate))
    randomised(module, seed=2)
    network = from_module(module)
    for cell, population in zip((*module.cells, module.readout), network.populations[1:],
                                strict=True):  # fmt: skip
        found, wanted = neurons_of(cell, population.name), real_neurons(population)  # type: ignore[arg-type]
        assert found.functions == wanted.functions
        assert found.constants.keys() == wanted.constants.keys()
        for name, values in wanted.constants.items():
            np.testing.assert_array_equal(found.constants[name], values)


def test_constants_count_as_they_do_in_the_cell() -> None:
    cell = ProgramCell(find_model("lif"), 3, 2)
    with torch.no_grad():
        cell.get_parameter("constant_membrane_decay").copy_(torch.tensor([1.5, 0.25]))
    assert neurons_of(cell, "hidden").constants["membrane_decay"].tolist() == [1.0, 0.25]
    with torch.no_grad():
        cell.get_parameter("constant_bias").fill_(np.nan)
    with pytest.raises(InvalidValueError, match="bias of hidden"):
        neurons_of(cell, "hidden")
