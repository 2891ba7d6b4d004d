"""Networks of the size of N-MNIST through NIR: kernels, pooling, borders, against torch."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import nir as converter
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Sparse
from ltc2hw.numbers.words import FloatArray
from tests.converters.test_nir_convolution import types, types_of

nir = pytest.importorskip("nir", reason="the nir extra is not installed")


def weigh(rng: Any, *shape: int) -> Any:
    return 3.0 * rng.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)


def kernels(rng: Any, *shape: int, padding: int = 1, stride: int = 1) -> Any:
    pads, steps = (padding, padding), (stride, stride)
    bias = rng.normal(0, 0.01, shape[0])
    return nir.Conv2d(None, weigh(rng, *shape), steps, pads, (1, 1), 1, bias)


def integrate(*shape: int) -> Any:
    return nir.IF(r=np.ones(shape), v_threshold=np.ones(shape), v_reset=np.zeros(shape))


def pool(kind: Any = nir.SumPool2d) -> Any:
    return kind(np.array([2, 2]), np.array([2, 2]), np.array([0, 0]))


def nmnist(rng: Any) -> Any:
    """The layers of the N-MNIST network that sinabs published with NIR, with other weights."""
    return nir.NIRGraph.from_list(
        nir.Input(np.array([2, 34, 34])),
        kernels(rng, 16, 2, 5, 5, stride=2),
        integrate(16, 16, 16),
        kernels(rng, 16, 16, 3, 3),
        integrate(16, 16, 16),
        pool(),
        kernels(rng, 8, 16, 3, 3),
        integrate(8, 8, 8),
        pool(),
        nir.Flatten({"input": np.array([8, 4, 4])}, 0),
        nir.Affine(weigh(rng, 256, 128), rng.normal(0, 0.01, 256)),
        integrate(256),
        nir.Affine(weigh(rng, 10, 256), rng.normal(0, 0.01, 10)),
        integrate(10),
        type_check=False,
    )


def odd_nmnist(rng: Any) -> Any:
    """Pooling leaves a row of 17 out, so that a padded convolution behind it has no one kernel."""
    return nir.NIRGraph.from_list(
        nir.Input(np.array([2, 34, 34])),
        kernels(rng, 16, 2, 3, 3),
        integrate(16, 34, 34),
        pool(),
        kernels(rng, 32, 16, 3, 3),
        integrate(32, 17, 17),
        pool(nir.AvgPool2d),
        kernels(rng, 32, 32, 3, 3),
        integrate(32, 8, 8),
        pool(),
        nir.Flatten({"input": np.array([32, 4, 4])}, 0),
        nir.Affine(weigh(rng, 10, 512), rng.normal(0, 0.01, 10)),
        integrate(10),
        type_check=False,
    )


def answers_of_torch(graph: Any, x: FloatArray) -> FloatArray:
    """Spikes of a chain of nodes, (T, B, ...), stepped one by one in float64."""
    torch = pytest.importorskip("torch")
    functional, answers = torch.nn.functional, []
    membranes: dict[int, Any] = {}
    nodes = [graph.nodes[name] for name, _ in graph.edges]
    for step in torch.tensor(x):
        signal = step
        for index, node in enumerate(nodes):
            if isinstance(node, nir.Conv2d):
                signal = functional.conv2d(
                    signal, torch.tensor(node.weight), torch.tensor(node.bias), node.stride,
                    node.padding,
                )  # fmt: skip
            elif isinstance(node, (nir.SumPool2d, nir.AvgPool2d)):
                factor = 4 if isinstance(node, nir.SumPool2d) else 1
                signal = factor * functional.avg_pool2d(signal, 2)
            elif isinstance(node, nir.Flatten):
                signal = signal.flatten(1)
            elif isinstance(node, nir.Affine):
                signal = signal @ torch.tensor(node.weight).T + torch.tensor(node.bias)
            elif isinstance(node, nir.IF):
                membrane = membranes.get(index, 0.0) + signal
                signal = (membrane > 1.0).double()
                membranes[index] = membrane * (1.0 - signal)
        answers.append(signal.numpy())
    return np.stack(answers)


@pytest.mark.parametrize("make", [nmnist, odd_nmnist])
def test_networks_of_nmnist_answer_as_torch_does(make: Any, tmp_path: Path) -> None:
    graph, path = make(np.random.default_rng(8)), tmp_path / "net.nir"
    tracemalloc.start()
    try:
        network = converter.from_graph(graph, dt=1.0)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60 << 20
    assert not any(isinstance(p.weights, Sparse) for p in network.projections)
    converter.write(network, path)
    assert converter.read(path) == network
    assert types(path) == types_of(graph)
    assert path.stat().st_size < 600_000
    again, _ = converter.to_graph(network, allow={"no-reset-potential"})
    assert converter.from_graph(again) == network
    x = (np.random.default_rng(9).random((12, 2, 2, 34, 34)) < 0.1).astype(float)
    trace = ltc2hw.simulate(network, x.reshape(12, 2, -1), record="all")
    assert all(spikes.any() for spikes in trace.spikes.values())
    assert np.array_equal(trace.outputs, answers_of_torch(graph, x))


def test_kernels_of_nmnist_are_those_of_its_nodes_and_the_pooling_before() -> None:
    network = converter.from_graph(nmnist(np.random.default_rng(8)), dt=1.0)
    shapes = [p.weights.kernel.shape for p in network.projections if isinstance(p.weights, Conv)]
    assert sorted(shapes) == [(8, 16, 6, 6), (16, 2, 5, 5), (16, 16, 3, 3)]


def test_where_a_row_is_left_out_the_rest_is_sent_on(tmp_path: Path) -> None:
    """A kernel of the part of the image that pooling reads, instead of 2 million weights."""
    path = tmp_path / "net.nir"
    network = converter.from_graph(odd_nmnist(np.random.default_rng(8)), dt=1.0)
    inner = network.population("if_1_inner")
    assert isinstance(inner, Neurons)
    assert (inner.model.name, inner.shape) == ("lif", (32, 16, 16))
    x = (np.random.default_rng(9).random((8, 2, 2312)) < 0.1).astype(float)
    spikes = ltc2hw.simulate(network, x, record="all").spikes
    image = spikes["if_1"].reshape(8, 2, 32, 17, 17)[..., :16, :16]
    assert np.array_equal(spikes["if_1_inner"], image.reshape(8, 2, -1))
    # A chip sends it on as it is, too.
    fixed = ltc2hw.quantize(network, "loihi2", x)
    found = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    assert found.spikes["if_1_inner"].any()
    assert np.array_equal(
        found.spikes["if_1_inner"].reshape(8, 2, 32, 16, 16),
        found.spikes["if_1"].reshape(8, 2, 32, 17, 17)[..., :16, :16],
    )
    converter.write(network, path)
    kinds = types(path)
    # Other readers find the layers that there were.
    assert kinds == types_of(odd_nmnist(np.random.default_rng(8)))
    assert converter.read(path) == network
    # Where no import would make them, the neurons that send it on are a node of their own.
    cut = next(p for p in network.projections if p.target == "if_1_inner")
    onward = next(p for p in network.projections if p.source == "if_1_inner")
    others = [p for p in network.projections if p not in (cut, onward)]
    assert isinstance(onward.weights, Conv)
    other = np.random.default_rng(0).normal(size=onward.weights.kernel.shape)
    slower = inner.with_constants({"membrane_decay": 0.5})
    populations = [p for p in network.populations if p is not inner]
    for changed in (
        replace(network, projections=(*others, cut, replace(onward, delay=1))),
        replace(network, projections=(*others, replace(cut, delay=2), onward)),
        replace(
            network,
            projections=(*others, cut, replace(onward, weights=onward.weights.with_values(other))),
        ),
        replace(network, populations=(*populations, slower)),
        network.with_output("if_1_inner"),
    ):
        converter.write(changed, path)
        assert "LIF" in types(path)
        assert converter.read(path) == changed


@pytest.mark.parametrize("kind", [nir.SumPool2d, nir.AvgPool2d])
@pytest.mark.parametrize("size", [(9, 9), (8, 11), (11, 8)])
def test_rows_that_pooling_leaves_out_are_not_seen(kind: Any, size: tuple[int, int]) -> None:
    """With one kernel, with an inner image, and written out: the answers of torch."""
    rng = np.random.default_rng(0)
    for channels in (1, 6):
        pooled = (8, size[0] // 2, size[1] // 2)
        graph = nir.NIRGraph.from_list(
            nir.Input(np.array([channels, *size])),
            pool(kind),
            kernels(rng, 8, channels, 3, 3),
            integrate(*pooled),
            type_check=False,
        )
        x = (rng.random((9, 2, channels, *size)) < 0.4).astype(float)
        network = converter.from_graph(graph, dt=1.0)
        outputs = ltc2hw.simulate(network, x.reshape(9, 2, -1)).outputs
        assert outputs.any()
        assert np.array_equal(outputs, answers_of_torch(graph, x).reshape(9, 2, -1))
        # Numbers that are no spikes have no neurons that send them on.
        graded = converter.from_graph(graph, dt=1.0, graded_input=True)
        assert [p.name for p in graded.populations] == ["input", "if"]
        y = rng.normal(size=x.shape)
        outputs = ltc2hw.simulate(graded, y.reshape(9, 2, -1)).outputs
        assert np.array_equal(outputs, answers_of_torch(graph, y).reshape(9, 2, -1))


def test_an_inner_image_within_a_cycle_takes_no_step_of_its_own(tmp_path: Path) -> None:
    """Feedback through pooling and a padded convolution arrives one step later."""
    rng = np.random.default_rng(10)
    graph = nir.NIRGraph(
        {
            "input": nir.Input(np.array([2, 9, 9])),
            "first": kernels(rng, 6, 2, 3, 3),
            "a": integrate(6, 9, 9),
            "pool": pool(),
            "deep": kernels(rng, 12, 6, 3, 3),
            "b": integrate(12, 4, 4),
            "aside": kernels(rng, 8, 6, 3, 3),
            "c": integrate(8, 4, 4),
            "own": nir.Linear(weigh(rng, 486, 192) / 4),
            "flat": nir.Flatten({"input": np.array([12, 4, 4])}, 0),
            "output": nir.Output(np.array([8, 4, 4])),
        },
        [
            ("input", "first"), ("first", "a"), ("a", "pool"), ("pool", "deep"), ("deep", "b"),
            ("b", "flat"), ("flat", "own"), ("own", "a"), ("pool", "aside"), ("aside", "c"),
            ("c", "output"),
        ],
        type_check=False,
    )  # fmt: skip
    network = converter.from_graph(graph, dt=1.0)
    delays = {(p.source, p.target): p.delay for p in network.projections}
    assert delays == {
        ("input", "a"): 0, ("a", "a_inner"): 0, ("a_inner", "b"): 0, ("a_inner", "c"): 0,
        ("b", "a"): 1,
    }  # fmt: skip
    converter.write(network, tmp_path / "net.nir")
    assert converter.read(tmp_path / "net.nir") == network
