"""Shapes in NIR graphs: constants per channel, padding by name, and errors that name their node."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import nir as converter
from ltc2hw.converters.populations import is_model
from ltc2hw.dynamics.models import find_model
from ltc2hw.errors import InvalidValueError, ShapeError, UnsupportedError

nir = pytest.importorskip("nir", reason="the nir extra is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same':UserWarning")

DT = 1e-3


def read(*nodes: Any, **options: Any) -> Any:
    graph = nir.NIRGraph.from_list(*nodes, type_check=False)
    return converter.from_graph(graph, dt=DT, **options)


def conv(weight: Any, padding: Any = (0, 0), stride: Any = (1, 1), dilation: Any = (1, 1)) -> Any:
    return nir.Conv2d(None, weight, stride, padding, dilation, 1, np.zeros(len(weight)))


def constants(shape: tuple[int, ...], values: Any) -> dict[str, Any]:
    """Constants of a LIF of which three differ by channel."""
    one = np.ones(shape)
    return {
        "tau": np.reshape(values, shape) * DT,
        "r": np.reshape(values, shape),
        "v_leak": 0 * one,
        "v_threshold": 0.1 * np.reshape(values, shape),
        "v_reset": 0 * one,
    }


@pytest.mark.parametrize("shape", [(3, 1, 1), (3,)])
def test_constants_per_channel_hold_for_all_its_places(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    image, weight = nir.Input(np.array([2, 6, 7])), rng.normal(0, 1, (3, 2, 3, 3))
    values = np.array([2.0, 3.0, 5.0])
    full = np.broadcast_to(values[:, None, None], (3, 4, 5))
    network = read(image, conv(weight), nir.LIF(**constants(shape, values)))
    assert network == read(image, conv(weight), nir.LIF(**constants((3, 4, 5), full)))
    lif = network.population("lif")
    assert is_model(lif, find_model("lif"))
    assert np.array_equal(lif.constants["membrane_decay"], (1 / full).ravel())
    # What comes behind still knows the image; so do scales and delays per channel.
    two = np.array([2, 2])
    pool = (nir.AvgPool2d(two, two, 0 * two), nir.Output(np.array([3, 2, 2])))
    more = (nir.Scale(np.reshape(values, shape)), nir.Delay(DT * np.reshape(values, shape)))
    behind = read(image, conv(weight), nir.LIF(**constants(shape, values)), *more, *pool)
    wide = (nir.Scale(full), nir.Delay(DT * full))
    assert behind == read(image, conv(weight), nir.LIF(**constants((3, 4, 5), full)), *wide, *pool)
    assert sorted(p.delay for p in behind.projections if p.target == "output") == [2, 3, 5]
    assert behind.population("output").size == 3 * 2 * 2


def test_constants_that_may_be_rows_or_channels_say_too_little() -> None:
    weight, values = np.ones((3, 2, 4, 4)), np.array([2.0, 3.0, 5.0])
    image = nir.Input(np.array([2, 6, 6]))
    with pytest.raises(ShapeError, match=r"tau of node 'lif'.*which says whether channels"):
        read(image, conv(weight), nir.LIF(**constants((3,), values)))
    assert read(image, conv(weight), nir.LIF(**constants((3, 1, 1), values))).output == "lif"
    same = nir.LIF(**constants((3,), np.full(3, 2.0)))
    assert read(image, conv(weight), same).output == "lif"


@pytest.mark.parametrize("kernel", [(1, 1), (2, 3), (3, 2), (4, 5), (2, 2)])
@pytest.mark.parametrize("dilation", [(1, 1), (2, 1)])
@pytest.mark.parametrize("padding", ["same", "valid"])
def test_padding_by_name_is_torchs(kernel: Any, dilation: Any, padding: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    weight = rng.normal(0, 1, (3, 2, *kernel))
    x = rng.normal(0, 1, (1, 4, 2, 8, 6))
    expected = torch.nn.functional.conv2d(
        torch.tensor(x[0]), torch.tensor(weight), padding=padding, dilation=dilation
    ).numpy()
    network = read(
        nir.Input(np.array([2, 8, 6])),
        conv(weight, padding, dilation=dilation),
        nir.Output(np.array(expected.shape[1:])),
        graded_input=True,
    )
    assert is_model(network.population("output"), find_model("readout"))
    outputs = ltc2hw.simulate(network, x.reshape(1, 4, -1)).outputs
    assert np.abs(outputs[0] - expected.reshape(4, -1)).max() < 1e-12
    strided = conv(weight, padding, (2, 2), dilation)
    image = nir.Input(np.array([2, 8, 6]))
    if padding == "same":
        with pytest.raises(UnsupportedError, match=r"'conv2d'.*with a stride of 1"):
            read(image, strided, nir.Output(np.array([2])), graded_input=True)


def test_padding_by_name_in_one_dimension() -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(2)
    weight, x = rng.normal(0, 1, (3, 2, 4)), rng.normal(0, 1, (1, 5, 2, 9))
    expected = torch.nn.functional.conv1d(
        torch.tensor(x[0]), torch.tensor(weight), padding="same", dilation=3
    ).numpy()
    network = read(
        nir.Input(np.array([2, 9])),
        nir.Conv1d(None, weight, 1, "same", 3, 1, np.zeros(3)),
        nir.Output(np.array([3, 9])),
        graded_input=True,
    )
    outputs = ltc2hw.simulate(network, x.reshape(1, 5, -1)).outputs
    assert np.abs(outputs[0] - expected.reshape(5, -1)).max() < 1e-12


@pytest.mark.parametrize("size", [(6, 6), (7, 6), (5, 8)])
@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (1, 1)])
@pytest.mark.parametrize("stride", [(2, 2), (3, 1)])
def test_options_of_torchs_pooling_count_where_they_change_something(
    size: Any, padding: Any, stride: Any, tmp_path: Path
) -> None:
    torch = pytest.importorskip("torch")
    image, path = torch.rand(1, 2, *size), tmp_path / "pool.nir"
    shape = [np.array(pair) for pair in ((3, 2), stride, padding)]
    plain = torch.nn.AvgPool2d((3, 2), stride, padding)(image)
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, *size])), nir.AvgPool2d(*shape),
        nir.Output(np.array(plain.shape[1:])), type_check=False,
    )  # fmt: skip
    for options in ({"ceil_mode": True}, {"count_include_pad": False}):
        other = torch.nn.AvgPool2d((3, 2), stride, padding, **options)(image)
        nir.write(path, graph)
        with h5py.File(path, "r+") as file:
            for name, value in options.items():
                file[f"node/nodes/avgpool2d/{name}"] = value
        if torch.equal(plain, other):
            converter.read(path, dt=DT, graded_input=True)
        else:
            with pytest.raises(UnsupportedError, match=r"'avgpool2d'.*other divisors"):
                converter.read(path, dt=DT, graded_input=True)


# Errors name their node


def test_errors_of_shapes_name_their_node() -> None:
    weight, two = np.ones((3, 2, 3, 3)), np.array([2, 2])
    batch = nir.Input(np.array([1, 2, 8, 8]))
    fire = nir.Output(np.array([2]))
    cases: dict[str, tuple[Any, ...]] = {
        r"image, node 'conv2d' \(Conv2d\) is \(1, 2, 8, 8\).*leave out the dimension of batches": (
            batch, conv(weight), fire,
        ),
        r"image, node 'sumpool2d' .*leave out the dimension": (
            batch, nir.SumPool2d(two, two, np.zeros(2, int)), fire,
        ),
        r"shape of a kernel, node 'conv2d' .*fits in \(2, 2\)": (
            nir.Input(np.array([2, 2, 2])), conv(weight), fire,
        ),
        r"delays, node 'delay' \(Delay\)": (
            nir.Linear(np.ones((2, 3))), nir.Delay(DT * np.ones(5)), fire,
        ),
        r"factors, node 'scale' \(Scale\)": (
            nir.Linear(np.ones((2, 3))), nir.Scale(np.ones(5)), fire,
        ),
        r"columns of a matrix, node 'linear_1' \(Linear\)": (
            nir.Linear(np.ones((2, 3))), nir.Linear(np.ones((2, 5))), fire,
        ),
        r"stride of a convolution of node 'conv2d' \(Conv2d\)": (
            nir.Input(np.array([2, 8, 8])), conv(weight, stride=(0, 1)), fire,
        ),
    }  # fmt: skip
    for message, nodes in cases.items():
        with pytest.raises(InvalidValueError, match=message):
            read(*nodes)


def test_nodes_that_are_none_are_named() -> None:
    """What tools put where they do not know a module."""
    inner = nir.NIRGraph(
        {"input": nir.Input(np.array([2])), "odd": None, "output": nir.Output(np.array([2]))},
        [("input", "odd"), ("odd", "output")],
        type_check=False,
    )
    nodes = {"input": nir.Input(np.array([2])), "rnn": inner, "output": nir.Output(np.array([2]))}
    graph = nir.NIRGraph(nodes, [("input", "rnn"), ("rnn", "output")], type_check=False)
    for given, name in ((graph, "rnn.odd"), (inner, "odd")):
        with pytest.raises(UnsupportedError, match=rf"node '{name}' \(NoneType\): something that"):
            converter.from_graph(given, dt=DT)


def test_duplicate_edges_count_once() -> None:
    fire = nir.Threshold(np.full(2, 1.5))
    nodes = {
        "input": nir.Input(np.array([2])), "fire": fire, "output": nir.Output(np.array([2])),
    }  # fmt: skip
    edges = [("input", "fire"), ("fire", "output")]
    graph = nir.NIRGraph(nodes, [*edges, edges[0]], type_check=False)
    with pytest.raises(UnsupportedError, match="duplicate-edges"):
        converter.from_graph(graph, dt=DT)
    network = converter.from_graph(graph, dt=DT, allow={"duplicate-edges"})
    once = converter.from_graph(nir.NIRGraph(nodes, edges, type_check=False), dt=DT)
    assert network.projections == once.projections


def test_names_of_other_alphabets_are_kept() -> None:
    names = {"größe": "größe", "神经元": "神经元", "n·1": "n·1", "a-b.c²": "a_b_c_", "1é": "n1é"}
    nodes: dict[str, Any] = {"input": nir.Input(np.array([2]))}
    nodes.update({name: nir.Threshold(np.full(2, 0.5)) for name in names})
    chain = [*nodes, "output"]
    nodes["output"] = nir.Output(np.array([2]))
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(chain)), type_check=False)
    network = converter.from_graph(graph, dt=DT)
    assert {p.name for p in network.populations} == {"input", *names.values()}
    back, _ = converter.to_graph(network, allow={"no-reset-potential"})
    assert converter.from_graph(back) == network


def test_a_convolution_over_another_image_than_arrives_is_refused() -> None:
    weight, image = np.ones((3, 2, 2, 2)), nir.Input(np.array([2, 6, 7]))
    node = nir.Conv2d((7, 6), weight, (1, 1), (0, 0), (1, 1), 1, np.zeros(3))
    lif = nir.LIF(**constants((3, 1, 1), np.full(3, 2.0)))
    message = r"input_shape, node 'conv2d'.*is \(7, 6\); expected \(6, 7\), as arrives there"
    with pytest.raises(ShapeError, match=message):
        read(image, node, lif)
    node = nir.Conv2d((6, 7), weight, (1, 1), (0, 0), (1, 1), 1, np.zeros(3))
    assert read(image, node, lif).population("lif").shape == (3, 5, 6)


@pytest.mark.parametrize("dimensions", [(-4, -1), (0, 4), (2, 1), (-1, -2)])
def test_dimensions_that_cannot_be_joined_are_refused(dimensions: tuple[int, int]) -> None:
    image = np.array([2, 3, 4])
    flat = nir.Flatten({"input": image}, *dimensions)
    graph = nir.NIRGraph(
        {
            "input": nir.Input(image),
            "flat": flat,
            "linear": nir.Affine(np.ones((1, 24)), np.zeros(1)),
            "li": nir.LI(np.array([2 * DT]), np.ones(1), np.zeros(1)),
        },
        [("input", "flat"), ("flat", "linear"), ("linear", "li")],
        type_check=False,
    )
    with pytest.raises(ShapeError, match="start_dim and end_dim"):
        converter.from_graph(graph, dt=DT)
