"""Convolutions come in and go out as such; other sparse weights go out if they are small."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import sparse

import ltc2hw
from ltc2hw.converters import nir as converter
from ltc2hw.converters.lowering import Window, convolution
from ltc2hw.converters.nir_convolution import find_kernel
from ltc2hw.converters.populations import LIF
from ltc2hw.errors import TooLargeError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.numbers.weights import Sparse
from ltc2hw.quantization.dequantize import dequantize

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
    rng, path = np.random.default_rng(3), tmp_path / "net.nir"
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 128, 128])),
        conv(rng, (2, 2, 3, 3), padding=(1, 1)),
        lif(rng, 2, 128, 128),
        type_check=False,
    )
    network = converter.from_graph(graph, dt=DT)
    converter.write(network, path)
    assert path.stat().st_size < 5_000_000
    assert converter.read(path) == network
    # Weights that are no convolution would be 2^30 numbers.
    weights = network.projections[0].weights
    values = np.array(weights.values)
    values[7] += 1.0
    odd = Network(
        network.populations,
        (Projection("input", "spikes", "lif", "current", weights.with_values(values)),),
        "lif",
        network.provenance,
    )
    with pytest.raises(
        TooLargeError, match=r"input.*lif.* is 1073741824 numbers.*no sparse weights"
    ):
        converter.write(odd, tmp_path / "odd.nir")
    assert not (tmp_path / "odd.nir").exists()


@pytest.mark.parametrize("seed", range(12))
def test_kernels_are_found_in_their_matrices(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = int(rng.integers(1, 3))
    kernel, stride, padding, dilation = (
        (int(numbers[0]), int(numbers[1]))
        for numbers in (
            rng.integers(1, 4, 2), rng.integers(1, 3, 2), rng.integers(0, 3, 2),
            rng.integers(1, 3, 2),
        )
    )  # fmt: skip
    window = Window(kernel, stride, padding, dilation)
    weight = rng.normal(size=(2 * groups, 2, *kernel))
    before = (2 * groups, int(rng.integers(8, 12)), int(rng.integers(8, 12)))
    matrix, after = convolution(before, weight, window, groups)
    found = find_kernel(Sparse.from_scipy(matrix), before, after)
    assert found is not None
    again, _ = convolution(before, found.weight, found.window, found.groups)
    assert Sparse.from_scipy(again) == Sparse.from_scipy(matrix)
    assert found.weight.size <= weight.size


def test_long_images_cost_what_their_weights_do() -> None:
    """Neither places times pixels nor channels times channels are ever held."""
    for before, kernel, groups in (
        ((1, 1, 400_000), (1, 1, 1, 3), 1),
        ((400_000, 1, 1), (400_000, 1, 1, 1), 400_000),
    ):
        matrix, after = convolution(before, np.ones(kernel), Window(kernel[2:]), groups)
        found = find_kernel(Sparse.from_scipy(matrix), before, after)
        assert found is not None
        assert (found.weight.shape, found.groups) == (kernel, groups)
        rng = np.random.default_rng(0)
        ends = (rng.integers(0, 100_000, 200_000), rng.integers(0, 400_000, 200_000))
        mixed = sparse.csr_matrix((np.ones(200_000), ends), (100_000, 400_000))
        assert find_kernel(Sparse.from_scipy(mixed), before, (1, 1, 100_000)) is None
        empty = Sparse.from_scipy(sparse.csr_matrix((100_000, 400_000)))
        assert find_kernel(empty, before, (1, 1, 100_000)) is None


def test_what_is_no_convolution_is_written_densely(tmp_path: Path) -> None:
    """Wrong notes of shapes, a bias per place, or a matrix of any other kind."""
    path, one = tmp_path / "net.nir", np.ones(9)
    matrix, after = convolution((1, 4, 4), np.ones((1, 1, 2, 2)), Window((2, 2)))
    right = '{"input": [1, 4, 4], "lif": [1, 3, 3]}'
    odd = matrix.copy()
    odd.data[3] = 2.0
    for weights, noted, bias, kind in (
        (matrix, right, 0.0, "Conv2d"),
        (odd, right, 0.0, "Linear"),
        (matrix, '{"input": [1, 4, 4], "lif": [9, 1, 1]}', 0.0, "Linear"),
        (matrix, '{"input": [2, 2, 4], "lif": [1, 3, 3]}', 0.0, "Linear"),
        (matrix, '{"input": [1, 4, 5], "lif": [1, 3, 3]}', 0.0, "Linear"),
        (matrix, '{"input": [1, -4, -4], "lif": "x"}', 0.0, "Linear"),
        (matrix, "[" * 9999, 0.0, "Linear"),
        (matrix, "7", 0.0, "Linear"),
        (matrix, right, np.arange(9.0), "Affine"),
    ):
        network = Network(
            (Input("input", 16), LIF("lif", 9, one, 0 * one, one, bias * one)),
            (Projection("input", "spikes", "lif", "current", Sparse.from_scipy(weights)),),
            "lif",
            {"images": noted},
        )
        converter.write(network, path)
        assert kind in types(path)
        assert converter.read(path) == network
    assert after == (1, 3, 3)
