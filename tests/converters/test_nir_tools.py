"""NIR between tools: graphs that snnTorch, Norse and sinabs write, and one that Norse reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import nir as converter
from ltc2hw.converters.populations import LIF
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.numbers.weights import Dense

nir = pytest.importorskip("nir", reason="the nir extra is not installed")
torch = pytest.importorskip("torch", reason="the torch extra is not installed")

# nirtorch renames its functions, which these tools still call by their old names.
pytestmark = [
    pytest.mark.filterwarnings("ignore:nirtorch:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning"),
]


def step_by_step(module: Any, x: Any) -> Any:
    """What a stateful Norse module answers to samples (T, B, N)."""
    state, answers = None, []
    with torch.no_grad():
        for sample in torch.tensor(x):
            answer, state = module(sample, state)
            answers.append(answer.numpy())
    return np.stack(answers)


def snntorch_layers(snntorch: Any, **options: Any) -> list[Any]:
    """Two feed-forward layers of neurons and a recurrent one, the same at every call."""
    torch.manual_seed(1)

    def own(size: int) -> Any:
        return torch.rand(size) * 0.5 + 0.3

    zero = {"reset_mechanism": "zero", **options}
    return [
        torch.nn.Linear(4, 6),
        snntorch.Leaky(beta=own(6), threshold=torch.full((6,), 0.5), **zero),
        torch.nn.Linear(6, 5, bias=False),
        snntorch.Synaptic(alpha=own(5), beta=own(5), threshold=torch.full((5,), 0.4), **zero),
        torch.nn.Linear(5, 5),
        snntorch.RSynaptic(
            alpha=own(5), beta=own(5), threshold=torch.full((5,), 0.4),
            linear_features=5, all_to_all=True, **zero,
        ),
    ]  # fmt: skip


def test_snntorch_writes_and_we_read(tmp_path: Path) -> None:
    snntorch = pytest.importorskip("snntorch", reason="the nir-tools extra is not installed")
    from snntorch.export_nir import export_to_nir

    written = torch.nn.Sequential(*snntorch_layers(snntorch, init_hidden=True))
    nir.write(tmp_path / "graph.nir", export_to_nir(written, torch.rand(4)))
    network = converter.read(tmp_path / "graph.nir", dt=1e-4)
    x = (np.random.default_rng(7).random((60, 3, 4)) < 0.5).astype(np.float32)
    layers = snntorch_layers(snntorch, reset_delay=False)
    linear1, leaky, linear2, synaptic, linear3, recurrent = layers
    recurrent.reset_mechanism = "none"
    v1, i2, v2 = torch.zeros(3, 6), torch.zeros(3, 5), torch.zeros(3, 5)
    s3, i3, v3, spikes = torch.zeros(3, 5), torch.zeros(3, 5), torch.zeros(3, 5), []
    with torch.no_grad():
        for sample in torch.tensor(x):
            s1, v1 = leaky(linear1(sample), v1)
            s2, i2, v2 = synaptic(linear2(s1), i2, v2)
            s3, i3, v3 = recurrent(linear3(s2), s3, i3, v3)
            # snnTorch 1.0.0 forgets the reset of its recurrent neurons when it is not delayed.
            v3 = v3 * (1 - s3)
            spikes.append(s3.numpy())
    assert np.any(spikes)
    assert np.array_equal(ltc2hw.simulate(network, x).outputs, spikes)


def test_norse_writes_and_we_read(tmp_path: Path) -> None:
    norse = pytest.importorskip("norse.torch", reason="the norse extra is not installed")
    from norse.torch.module.leaky_integrator_box import LIBoxCell, LIBoxParameters
    from norse.torch.module.lif_box import LIFBoxCell, LIFBoxParameters

    rng = np.random.default_rng(17)

    def tensor(values: Any) -> Any:
        return torch.tensor(values, dtype=torch.float64)

    torch.manual_seed(17)
    neurons = LIFBoxParameters(
        tau_mem_inv=tensor(rng.uniform(50, 900, 6)),
        v_th=tensor(rng.uniform(0.1, 0.3, 6)),
        v_leak=tensor(np.zeros(6)),
    )
    readouts = LIBoxParameters(tensor(rng.uniform(50, 900, 3)), v_leak=tensor(np.zeros(3)))
    linear1, linear2 = torch.nn.Linear(4, 6), torch.nn.Linear(6, 3)
    module = norse.SequentialState(linear1, LIFBoxCell(neurons), linear2, LIBoxCell(readouts))
    module = module.double()
    graph = norse.to_nir(module, tensor(np.zeros((1, 4))))
    nir.write(tmp_path / "graph.nir", graph)
    # Norse 1.1.0 writes its time constants times dt = 0.001, so a step is that much shorter, too.
    network = converter.read(tmp_path / "graph.nir", dt=1e-6)
    x = (rng.random((60, 3, 4)) < 0.5).astype(float)
    answers = step_by_step(module, x)
    assert answers.any()
    assert np.abs(ltc2hw.simulate(network, x).outputs - answers).max() < 1e-12


def test_norse_reads_what_we_write() -> None:
    norse = pytest.importorskip("norse.torch", reason="the norse extra is not installed")
    rng = np.random.default_rng(8)
    decays = rng.uniform(0.1, 0.6, (2, 9))
    network = Network(
        (
            Input("input", 6),
            LIF("a", 9, decays[0], decays[1], rng.uniform(0.5, 1.0, 9), np.zeros(9)),
            LIF("b", 4, 0.3 * np.ones(4), 0.2 * np.ones(4), np.ones(4), np.zeros(4)),
        ),
        (
            Projection("input", "spikes", "a", "current", Dense(rng.normal(0, 1, (9, 6)))),
            Projection("a", "spikes", "b", "current", Dense(rng.normal(0, 1, (4, 9)))),
        ),
        "b",
    )
    graph, changes = converter.to_graph(network, dt=1e-4)
    assert changes == ()
    module = norse.from_nir(graph, dt=1e-4).double()
    x = (rng.random((60, 1, 6)) < 0.4).astype(float)
    spikes = step_by_step(module, x)
    assert spikes.any()
    # Norse computes with NIR's constants in float32.
    assert np.array_equal(ltc2hw.simulate(network, x).outputs, spikes)


def test_sinabs_writes_and_we_read() -> None:
    layers = pytest.importorskip("sinabs.layers", reason="sinabs is not installed")
    from sinabs.activation import MembraneReset, SingleSpike
    from sinabs.nir import to_nir

    torch.manual_seed(19)

    def neurons() -> Any:
        reset = MembraneReset()
        return layers.IAFSqueeze(batch_size=1, spike_fn=SingleSpike, reset_fn=reset, min_v_mem=None)

    first, second = neurons(), neurons()
    module = torch.nn.Sequential(
        torch.nn.Conv2d(2, 3, 3, padding=1),
        first,
        layers.SumPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(27, 4),
        second,
    )
    with torch.no_grad():
        module[0].weight.mul_(3.0)
        module[4].weight.mul_(2.0)
        x = (torch.rand(80, 2, 6, 6) < 0.4).float()
        # sinabs 3.1 writes layers whose shapes newer releases of nir do not store in files.
        graph = to_nir(module, x)
        for layer in (first, second):
            layer.reset_states()
        spikes = module(x).numpy()
    network = converter.from_graph(graph, dt=1.0, reset="zero")
    assert spikes.sum() > 10
    outputs = ltc2hw.simulate(network, x.numpy().reshape(80, 1, -1)).outputs
    assert np.array_equal(outputs[:, 0], spikes)
