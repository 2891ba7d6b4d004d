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


def types_of(graph: Any) -> list[str]:
    """Types of a graph's nodes, a pool of means as one of sums."""
    kinds = [type(node).__name__ for node in graph.nodes.values()]
    return sorted(kind.replace("AvgPool", "SumPool") for kind in kinds)


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
        # Pooling over 2 x 2 before a kernel of 2 x 2 is a kernel of 4 x 4 here, two nodes there.
        assert nodes["cubalif_to_if/weight"].shape == (3, 6, 2, 2)
        assert nodes["cubalif_to_if_pool/type"][()] == b"SumPool2d"
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


@pytest.mark.parametrize("seed", range(12))
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
    for seed in range(4):
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
