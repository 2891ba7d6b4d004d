"""Networks of other tools: imported, trained further, quantized, with the spikes of their tool."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import Word
from ltc2hw.quantization.scaling import weight_fraction

torch = pytest.importorskip("torch", reason="the torch extra is not installed")
pytest.importorskip("sklearn", reason="the torch extra is not installed")

from ltc2hw.converters.torch import from_module, to_module  # noqa: E402
from ltc2hw.tasks import load_task  # noqa: E402
from ltc2hw.training import Recipe, TrainingOptions, train  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore:nirtorch:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning"),
]

SIZES = (8, 24, 16, 10)


def refined(network: Network, x: Any) -> None:
    """Train a network further, with weights of 8 bits, and make it integers."""
    task = load_task("digits-rows")
    module = to_module(network)
    assert from_module(module) == network
    outputs = module(torch.from_numpy(x))[0].detach().numpy()
    before = ltc2hw.simulate(network, x, engine="float64")
    np.testing.assert_allclose(outputs, before.outputs, rtol=0, atol=1e-9)
    options = TrainingOptions(updates=2, epochs=1, batch_size=256, weight_bits=8)
    result = train(task, Recipe(training=options), start=network)
    trained = from_module(result.module)
    assert trained.provenance == network.provenance
    for one, other in zip(trained.projections, network.projections, strict=True):
        values = one.weights.values
        mantissas = values * 2.0 ** weight_fraction(values, Word(8))
        np.testing.assert_array_equal(mantissas, np.round(mantissas))
        if one.source != "constant":
            assert np.any(values != other.weights.values)
    samples = task.test.x[:, :40]
    fixed = ltc2hw.quantize(trained, "loihi2", task.train.x)
    exact = ltc2hw.simulate(fixed, samples, engine="integer")
    real = ltc2hw.simulate(trained, samples, engine="float64")
    for name, spikes in real.spikes.items():
        assert np.mean(exact.spikes[name] != spikes) < 0.05, name


def test_a_norse_network_of_ones_own() -> None:
    snn = pytest.importorskip("norse.torch", reason="the norse extra is not installed")
    from ltc2hw.converters import norse

    torch.manual_seed(1)
    layers: list[Any] = []
    for index, (inputs, outputs) in enumerate(pairwise(SIZES)):
        layers.append(torch.nn.Linear(inputs, outputs))
        threshold = snn.LIFParameters(v_th=torch.tensor(0.05))
        layers.append(snn.LICell() if index == 2 else snn.LIFCell(threshold))
    module = snn.SequentialState(*layers).double()
    network = norse.from_module(module, graded_input=True)
    x = load_task("digits-rows").test.x[:, :20]
    state: Any = None
    answers: list[Any] = []
    with torch.no_grad():
        for sample in torch.from_numpy(x):
            output, state = module(sample, state)
            answers.append(output.numpy())
    trace = ltc2hw.simulate(network, x, engine="float64")
    fired = sum(float(spikes.sum()) for n, spikes in trace.spikes.items() if n != "constant")
    assert fired > 0
    np.testing.assert_allclose(trace.outputs, np.stack(answers), rtol=0, atol=1e-6)
    refined(network, x)


def test_an_snntorch_network_of_ones_own(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir", reason="the nir extra is not installed")
    snntorch = pytest.importorskip("snntorch", reason="the nir-tools extra is not installed")
    from snntorch.export_nir import export_to_nir

    from ltc2hw.converters import nir as converter

    def layers(**options: Any) -> list[Any]:
        torch.manual_seed(2)
        found: list[Any] = []
        for inputs, outputs in pairwise(SIZES):
            found.append(torch.nn.Linear(inputs, outputs))
            # One number for all neurons has no size, which NIR cannot store.
            decay, threshold = torch.full((outputs,), 0.8), torch.full((outputs,), 0.3)
            found.append(
                snntorch.Leaky(
                    beta=decay, threshold=threshold, reset_mechanism="zero", **options
                )
            )  # fmt: skip
        return found

    graph = export_to_nir(torch.nn.Sequential(*layers(init_hidden=True)), torch.rand(SIZES[0]))
    nir.write(tmp_path / "graph.nir", graph)
    network = converter.read(tmp_path / "graph.nir", dt=1e-4, graded_input=True)
    x = load_task("digits-rows").test.x[:, :20]
    parts = layers(reset_delay=False)
    memories = [torch.zeros(20, size) for size in SIZES[1:]]
    outputs: list[Any] = []
    with torch.no_grad():
        for sample in torch.from_numpy(x).float():
            values = sample
            for index in range(3):
                values, memories[index] = parts[2 * index + 1](
                    parts[2 * index](values), memories[index]
                )
            outputs.append(values.numpy())
    assert np.any(outputs)
    np.testing.assert_array_equal(ltc2hw.simulate(network, x).outputs, outputs)
    refined(network, x)
