"""Convolutions come in and go out as kernels; sparse weights go out if they are small."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import sparse

import ltc2hw
from ltc2hw.converters import nir as converter
from ltc2hw.errors import DamagedFileError, ShapeError, TooLargeError
from ltc2hw.graph.expansion import without_kernels
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv, average_pool, sum_pool
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.dequantize import dequantize
from tests.converters.test_products import random_convolution
from tests.convolution.test_networks import gated_network

nir = pytest.importorskip("nir", reason="the nir extra is not installed")

DT = 1e-3


def conv(rng: Any, weight: tuple[int, ...], groups: int = 1, **geometry: Any) -> Any:
    given = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), **geometry}
    return nir.Conv2d(
        None, rng.normal(0, 0.7, weight), **given, groups=groups, bias=rng.normal(0, 0.1, weight[0])
    )


def lif(rng: Any, *shape: int) -> Any:
    one = np.ones(shape)
    tau = DT * np.broadcast_to(rng.uniform(2, 5, shape[:1])[:, None, None], shape)
    return nir.LIF(tau=tau, r=3 * one, v_leak=0 * one, v_threshold=0.4 * one, v_reset=0 * one)


def cuba(rng: Any, *shape: int) -> Any:
    one = np.ones(shape)
    return nir.CubaLIF(
        tau_syn=2 * DT * one, tau_mem=3 * DT * one, r=3 * one, v_leak=0 * one,
        v_threshold=0.4 * one, v_reset=0 * one,
    )  # fmt: skip


def fire(shape: tuple[int, ...]) -> Any:
    return nir.IF(r=np.full(shape, 700.0), v_threshold=np.ones(shape), v_reset=np.zeros(shape))


def image_network(rng: Any) -> Any:
    """Convolutions with and without stride, groups, pooling before, and a linear layer behind."""
    two = np.array([2, 2])
    return nir.NIRGraph.from_list(
        nir.Input(np.array([2, 12, 12])),
        conv(rng, (4, 2, 3, 3), stride=(1, 2), padding=(1, 0)),
        lif(rng, 4, 12, 5),
        conv(rng, (6, 2, 3, 2), groups=2, dilation=(2, 1)),
        cuba(rng, 6, 8, 4),
        nir.AvgPool2d(two, two, np.array([0, 0])),
        conv(rng, (3, 6, 2, 2), padding=(1, 1)),
        fire((3, 5, 3)),
        nir.Flatten({"input": np.array([3, 5, 3])}, 0),
        nir.Linear(rng.normal(0, 0.5, (5, 45))),
        nir.LI(tau=3 * DT * np.ones(5), r=np.ones(5), v_leak=np.zeros(5)),
        type_check=False,
    )


def types(path: Path) -> list[str]:
    with h5py.File(path) as file:
        return sorted(node["type"][()].decode() for node in file["node/nodes"].values())


def test_convolutions_come_back_as_they_were(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(0), tmp_path / "net.nir"
    network = converter.from_graph(image_network(rng), dt=DT)
    assert converter.write(network, path) == ()
    assert converter.read(path) == network
    assert [p.shape for p in network.populations if len(p.shape) == 3] == [
        (2, 12, 12), (6, 8, 4), (3, 5, 3), (4, 12, 5),
    ]  # fmt: skip
    kinds = types(path)
    assert kinds.count("Conv2d") == 3
    assert kinds.count("Affine") + kinds.count("Linear") == 1
    assert path.stat().st_size < 200_000
    with h5py.File(path) as file:
        nodes = file["node/nodes"]
        assert nodes["input/shape"][()].tolist() == [2, 12, 12]
        assert nodes["lif_to_cubalif/weight"].shape == (6, 2, 3, 2)
        assert nodes["lif_to_cubalif/dilation"][()].tolist() == [2, 1]
        # Pooling over 2 x 2 before a kernel of 2 x 2 is a kernel of 4 x 4.
        assert nodes["cubalif_to_if/weight"].shape == (3, 6, 4, 4)
        assert nodes["if/v_threshold"].shape == (3, 5, 3)
    # Any other reader gets the same numbers: here without what only we note.
    with h5py.File(path, "r+") as file:
        del file["node/metadata"]
    other = converter.read(path, dt=converter.DEFAULT_DT)
    x = (rng.random((30, 2, 288)) < 0.4).astype(float)
    expected, found = (ltc2hw.simulate(n, x, record="all") for n in (network, other))
    assert all(spikes.any() for spikes in expected.spikes.values())
    for name, spikes in expected.spikes.items():
        assert np.array_equal(found.spikes[name], spikes), name
    assert np.abs(found.outputs - expected.outputs).max() < 1e-9


def test_graphs_in_memory_and_integers_keep_convolutions_too(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(1), tmp_path / "net.nir"
    network = converter.from_graph(image_network(rng), dt=DT)
    graph, _ = converter.to_graph(network, allow={"no-reset-potential"})
    assert sum(isinstance(node, nir.Conv2d) for node in graph.nodes.values()) == 3
    assert converter.from_graph(graph) == network
    x = (rng.random((10, 2, 288)) < 0.4).astype(float)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    converter.write(fixed, path, allow={"dequantize"})
    assert types(path).count("Conv2d") == 3
    assert converter.read(path) == dequantize(fixed)


def test_convolutions_in_one_dimension_come_back(tmp_path: Path) -> None:
    rng, path = np.random.default_rng(2), tmp_path / "net.nir"
    one = np.ones((3, 6))
    neurons = nir.LIF(tau=3 * DT * one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)
    weight = rng.normal(0, 3, (3, 2, 4))
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 11])), nir.Conv1d(None, weight, 2, 2, 1, 1, np.zeros(3)), neurons,
        type_check=False,
    )  # fmt: skip
    network = converter.from_graph(graph, dt=DT)
    converter.write(network, path)
    assert types(path) == ["Conv1d", "Input", "LIF", "Output"]
    with h5py.File(path) as file:
        assert np.allclose(file["node/nodes/input_to_lif/weight"][()], weight / 3, rtol=1e-12)
    assert converter.read(path) == network


def test_large_images_stay_small(tmp_path: Path) -> None:
    """Written out, the two convolutions are 13 million synapses."""
    rng, path = np.random.default_rng(3), tmp_path / "net.nir"
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 128, 128])),
        conv(rng, (16, 2, 3, 3), padding=(1, 1)),
        lif(rng, 16, 128, 128),
        conv(rng, (8, 16, 3, 3), padding=(1, 1), stride=(2, 2)),
        lif(rng, 8, 64, 64),
        type_check=False,
    )
    tracemalloc.start()
    try:
        network = converter.from_graph(graph, dt=DT)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The constants of the neurons alone are 20 MB.
    assert peak < 150 << 20
    assert sum(p.weights.synapses for p in network.projections) > 9_000_000
    assert sum(p.weights.values.size for p in network.projections) == 16 * 18 + 8 * 144
    converter.write(network, path)
    assert path.stat().st_size < 300_000
    assert converter.read(path) == network
    ltc2hw.save(network, tmp_path / "net.h5")
    assert ltc2hw.load(tmp_path / "net.h5") == network


def test_what_is_written_out_would_be_too_large(tmp_path: Path) -> None:
    """A network whose expansion exceeds the limit comes in, goes out and runs."""
    rng, path = np.random.default_rng(4), tmp_path / "net.nir"
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 64, 64])),
        conv(rng, (32, 2, 5, 5), padding=(2, 2), stride=(2, 2)),
        fire((32, 32, 32)),
        nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        conv(rng, (32, 32, 5, 5), padding="same"),
        fire((32, 16, 16)),
        type_check=False,
    )
    network = converter.from_graph(graph, dt=DT)
    with pytest.raises(TooLargeError):
        without_kernels(network)
    converter.write(network, path)
    assert converter.read(path) == network
    weights = network.projections[1].weights
    assert isinstance(weights, Conv)
    assert (weights.kernel.shape, weights.stride) == ((32, 32, 10, 10), (2, 2))


def test_sparse_weights_are_written_densely_if_they_are_small(tmp_path: Path) -> None:
    path, rng = tmp_path / "net.nir", np.random.default_rng(5)
    large = Conv(rng.normal(size=(2, 2, 3, 3)), (2, 128, 128), 1, 1).to_sparse()
    values = np.array(large.values)
    values[7] += 1.0
    small = sparse.random(30, 40, 0.1, "csr", random_state=rng)
    for weights in (large.with_values(values), Sparse.from_scipy(small)):
        network = Network(
            (Input("input", weights.shape[1]), Neurons("a", weights.shape[0], "lif", DECAYS)),
            (Projection("input", "spikes", "a", "current", weights),),
            "a",
        )
        if weights.shape[0] > 100:
            with pytest.raises(TooLargeError, match=r"1073741824 numbers.*no sparse weights"):
                converter.write(network, path)
            assert not path.exists()
        else:
            converter.write(network, path)
            assert types(path) == ["Input", "LIF", "Linear", "Output"]
            assert converter.read(path) == network


DECAYS = {"current_decay": 1.0, "membrane_decay": 0.5}


def chain(*weights: Any) -> Network:
    """LIF populations, one behind the other, and graded readouts of convolutions on gates."""
    names = [f"p{number}" for number in range(len(weights))]
    shapes = [w.targets if isinstance(w, Conv) else (w.shape[0],) for w in weights]
    populations = [
        Neurons(name, w.shape[0], "lif", DECAYS, shape=shape)
        for name, w, shape in zip(names, weights, shapes, strict=True)
    ]
    first = weights[0]
    entry = Input("input", first.shape[1], shape=getattr(first, "sources", ()))
    links = [
        Projection(source, "spikes", name, "current", w)
        for source, name, w in zip(["input", *names], names, weights, strict=False)
    ]
    return Network((entry, *populations), tuple(links), names[-1])


@pytest.mark.parametrize("seed", range(24))
def test_any_convolution_comes_back(seed: int, tmp_path: Path) -> None:
    """Strides, dilations, groups and paddings that differ before and after, in files and memory."""
    rng = np.random.default_rng(seed)
    first = random_convolution(rng, ((3, 17), (2, 11, 10))[seed % 2])
    network = chain(first, random_convolution(rng, first.targets))
    for version in ("1.0.8", "1.0.4"):
        converter.write(
            network, tmp_path / "net.nir", nir_version=version, allow={"no-reset-potential"}
        )
        assert converter.read(tmp_path / "net.nir") == network
    graph, _ = converter.to_graph(network, allow={"no-reset-potential"})
    assert converter.from_graph(graph) == network
    # Without what only we note, the sums are the same.
    path = tmp_path / "net.nir"
    converter.write(network, path)
    with h5py.File(path, "r+") as file:
        del file["node/metadata"]
        for node in file["node/nodes"].values():
            node.pop("metadata", None)
    other = converter.read(path, dt=converter.DEFAULT_DT, allow={"silent-neurons"})
    for written, found in zip(network.projections, other.projections, strict=True):
        assert isinstance(found.weights, Conv)
        assert all(before == after for before, after in found.weights.padding) or (
            set(found.weights.stride) == {1}
        )
        np.testing.assert_allclose(
            found.weights.to_array(), written.weights.to_array(), rtol=1e-9, atol=0
        )


def test_nodes_hold_what_torch_computes(tmp_path: Path) -> None:
    """What stands in the file, given to torch, is what the network sends."""
    torch = pytest.importorskip("torch")
    for seed in range(8):
        rng, path = np.random.default_rng(seed), tmp_path / "net.nir"
        weights = random_convolution(rng, (2, 9, 10))
        converter.write(chain(weights), path)
        image = rng.normal(size=(1, 2, 9, 10))
        with h5py.File(path) as file:
            node = file["node/nodes/input_to_p0"]
            assert node["type"][()] == b"Conv2d"
            padding = node["padding"][()]
            answer = torch.nn.functional.conv2d(
                torch.tensor(image), torch.tensor(node["weight"][()]), None,
                tuple(node["stride"][()].tolist()),
                padding.decode() if isinstance(padding, bytes) else tuple(padding.tolist()),
                tuple(node["dilation"][()].tolist()), int(node["groups"][()]),
            )  # fmt: skip
        expected = weights.apply(image.reshape(1, -1))
        np.testing.assert_allclose(answer.numpy().reshape(1, -1), expected, atol=1e-12)


def test_pooling_goes_out_as_pooling_where_it_is_exactly_that(tmp_path: Path) -> None:
    path, image = tmp_path / "net.nir", (2, 6, 6)
    for weights, kind in (
        (sum_pool(image, 2), "SumPool2d"),
        (average_pool(image, 3), "AvgPool2d"),
        (average_pool(image, 2, padding=1), "AvgPool2d"),
        (average_pool(image, (3, 2)), "AvgPool2d"),
        (sum_pool(image, 2, weight=0.5), "Conv2d"),
        (sum_pool(image, 3, stride=1), "Conv2d"),
        (sum_pool(image, 1), "Conv2d"),
        (Conv(np.ones((2, 2, 2, 2)), image, 2), "Conv2d"),
        (Conv(np.ones((4, 1, 2, 2)), image, 2, groups=2), "Conv2d"),
        (Conv(np.ones((2, 1, 2, 2)), image, 2, ((0, 2), (0, 2)), groups=2), "Conv2d"),
        (sum_pool((2, 6), 2), "Conv1d"),
    ):
        network = chain(weights)
        converter.write(network, path)
        assert kind in types(path)
        assert converter.read(path) == network


def test_convolutions_reach_gates_and_images_mix_with_rows(tmp_path: Path) -> None:
    """LTC networks with event gates; dense recurrence makes rows of an image, and all come back."""
    rng, path = np.random.default_rng(6), tmp_path / "net.nir"
    network = gated_network()
    converter.write(network, path)
    kinds = types(path)
    assert (kinds.count("ltc2hw.Convolution"), kinds.count("Conv2d")) == (2, 3)
    assert converter.read(path) == network
    graph, _ = converter.to_graph(network)
    assert converter.from_graph(graph) == network
    assert graph.nodes["input_to_one_tau_mem"].output_type["output"].tolist() == [4, 9, 8]
    own = Projection("p0", "spikes", "p0", "current", Dense(rng.normal(size=(48, 48))), 1)
    first = Conv(rng.normal(size=(3, 2, 2, 2)), (2, 5, 5))
    mixed = chain(first, Conv(rng.normal(size=(2, 3, 2, 2)), first.targets))
    mixed = replace(mixed, projections=(*mixed.projections, own))
    converter.write(mixed, path)
    assert types(path).count("Flatten") == 1
    assert converter.read(path) == mixed
    # Images that no convolution reaches are remembered as such.
    rows = Projection("input", "spikes", "p0", "current", Dense(rng.normal(size=(48, 50))))
    only = replace(mixed, projections=(rows, *mixed.projections[1:]))
    converter.write(only, path)
    assert converter.read(path) == only
    alone = replace(chain(rows.weights), populations=(Input("input", 50), only.populations[1]))
    assert alone.population("p0").shape == (3, 4, 4)
    converter.write(alone, path)
    assert converter.read(path) == alone


def test_a_bias_of_each_place_is_written_out(tmp_path: Path) -> None:
    """A convolution's bias is one per channel; integrators keep theirs in the node before them."""
    path, bias = tmp_path / "net.nir", np.arange(8.0)
    weights = Conv(np.ones((2, 1, 2, 2)), (1, 3, 3))
    for given, kinds in ((bias, "Affine"), (np.array([0.5, 2.0]).repeat(4), "Conv2d")):
        constants = {"current_decay": 1.0, "membrane_decay": 0.0, "bias": given}
        neurons = Neurons("a", 8, "lif", constants, shape=(2, 2, 2))
        link = Projection("input", "spikes", "a", "current", weights)
        network = Network((Input("input", 9, shape=(1, 3, 3)), neurons), (link,), "a")
        converter.write(network, path)
        assert kinds in types(path)
        again = converter.read(path)
        assert again.population("a") == neurons
        assert np.array_equal(again.projections[0].weights.to_array(), weights.to_array())


def test_biases_of_images_are_what_torch_adds(tmp_path: Path) -> None:
    """Two convolutions and a pool in a row: the first bias passes the second kernel's borders."""
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(7)
    first, second = conv(rng, (3, 2, 3, 3), padding=(1, 1)), conv(rng, (4, 3, 2, 2), padding=(1, 1))
    two = np.array([2, 2])
    pool = nir.AvgPool2d(two, two, np.array([0, 0]))
    size = (4, 5, 5)
    nodes = (nir.Input(np.array([2, 8, 8])), first, pool, second)
    network = converter.from_graph(
        nir.NIRGraph.from_list(*nodes, fire(size), type_check=False), dt=DT
    )
    assert isinstance(network.projections[0].weights, Conv) is False
    image = torch.tensor(rng.normal(size=(1, 2, 8, 8)))

    def plain(x: Any, node: Any) -> Any:
        return torch.nn.functional.conv2d(
            x, torch.tensor(node.weight), torch.tensor(node.bias), padding=1
        )

    expected = plain(torch.nn.functional.avg_pool2d(plain(image, first), 2), second).numpy()
    neurons = network.population("if")
    assert isinstance(neurons, Neurons)
    bias = neurons.constants["bias"]
    found = network.projections[0].weights.apply(image.numpy().reshape(1, -1)) + bias
    np.testing.assert_allclose(found / 0.7, expected.reshape(1, -1), atol=1e-12)


def test_a_damaged_convolution_of_ours_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    for entry, value in (
        ("padding", np.array([1, 1, 1])),
        ("padding", np.array([-1, 1, 1, 1])),
        ("weight", np.ones((2, 2))),
        ("groups", 3),
        ("stride", np.array([0, 1])),
        ("input_shape", np.array([1, 1])),
        ("input_shape", np.array([9, 8, 7])),
    ):
        converter.write(gated_network(), path)
        with h5py.File(path, "r+") as file:
            node = file["node/nodes/input_to_one_tau_mem"]
            del node[entry]
            node[entry] = value
        with pytest.raises((DamagedFileError, ShapeError), match=r"input_to_one_tau_mem|columns"):
            converter.read(path)


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
    assert path.stat().st_size < 1_200_000
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
    assert (kinds.count("Conv2d"), kinds.count("LIF"), kinds.count("IF")) == (4, 1, 4)
    assert converter.read(path) == network


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
