"""NIR in and out: graphs of other tools step by step, our own exactly, the rest refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ltc2hw
from ltc2hw.converters import nir as converter
from ltc2hw.converters.assembly import clock
from ltc2hw.converters.populations import LIF, Gate, Readout
from ltc2hw.errors import (
    DamagedFileError,
    InvalidValueError,
    Ltc2hwError,
    ShapeError,
    UnsupportedError,
)
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.numbers.weights import Dense, Sparse
from ltc2hw.quantization.dequantize import dequantize
from tests.converters.extremes import extreme
from tests.random_networks import GATE_KINDS, random_fixed_network, random_network

nir = pytest.importorskip("nir", reason="the nir extra is not installed")

DT = 1e-3

Rng = np.random.Generator


def constants(rng: Rng, size: int, **ranges: tuple[float, float]) -> dict[str, Any]:
    return {name: rng.uniform(*limits, size) for name, limits in ranges.items()}


TAU, R = (1.5e-3, 2e-2), (3.0, 9.0)


def lif(rng: Rng, size: int) -> Any:
    given = constants(rng, size, tau=TAU, r=R, v_leak=(-0.1, 0.1), v_threshold=(0.5, 1.0))
    return nir.LIF(**given, v_reset=rng.uniform(-0.2, 0.2, size))


def cuba(rng: Rng, size: int) -> Any:
    given = constants(
        rng, size, tau_syn=TAU, tau_mem=TAU, r=R, v_leak=(0, 0), v_threshold=(0.3, 0.8)
    )
    return nir.CubaLIF(**given, w_in=rng.uniform(1, 3, size))


def integrate_and_fire(rng: Rng, size: int) -> Any:
    return nir.IF(r=rng.uniform(200, 500, size), v_threshold=rng.uniform(0.5, 1.0, size))


def affine(rng: Rng, inputs: int, outputs: int) -> Any:
    weight = rng.normal(0, 1.2 / np.sqrt(inputs), (outputs, inputs))
    return nir.Affine(weight, rng.normal(0, 0.1, outputs))


def linear(rng: Rng, inputs: int, outputs: int) -> Any:
    return nir.Linear(rng.normal(0, 1.5 / np.sqrt(inputs), (outputs, inputs)))


def foreign_graph(rng: Rng, kind: Any) -> tuple[Any, list[str]]:
    """A recurrent graph with most of NIR's nodes, and an order to visit them in."""
    nodes = {
        "input": nir.Input(np.array([6])),
        "w0": affine(rng, 6, 9),
        "a": kind(rng, 9),
        "back": linear(rng, 9, 9),
        "scale": nir.Scale(rng.uniform(0.5, 1.5, 9)),
        "late": nir.Delay(DT * rng.integers(0, 4, 9)),
        "w1": linear(rng, 9, 7),
        "b": cuba(rng, 7),
        "feedback": affine(rng, 7, 9),
        "w2": linear(rng, 7, 4),
        "skip": linear(rng, 9, 4),
        "li": nir.LI(**constants(rng, 4, tau=TAU, r=R, v_leak=(-0.5, 0.5))),
        "cubali": nir.CubaLI(
            **constants(rng, 4, tau_syn=TAU, tau_mem=TAU, r=R, v_leak=(0, 0), w_in=(1, 2))
        ),
        "w3": affine(rng, 4, 3),
        "output": nir.Output(np.array([3])),
    }
    edges = [
        ("input", "w0"), ("w0", "a"), ("a", "back"), ("back", "a"), ("a", "scale"),
        ("scale", "late"), ("late", "w1"), ("w1", "b"), ("b", "feedback"), ("feedback", "a"),
        ("b", "w2"), ("a", "skip"), ("w2", "li"), ("skip", "li"), ("li", "cubali"),
        ("cubali", "w3"), ("w3", "output"),
    ]  # fmt: skip
    return nir.NIRGraph(nodes, edges), [*nodes]


def reference(graph: Any, order: list[str], x: Any) -> Any:
    from tests.converters.nir_reference import simulate

    # Neurons send what is one step old into cycles; linear nodes on the way take no time.
    cycles = ["back", "feedback"]
    return simulate(graph, [*cycles, *(name for name in order if name not in cycles)], x, DT)


@pytest.mark.parametrize("kind", [lif, cuba, integrate_and_fire], ids=lambda k: k.__name__)
def test_foreign_graphs_are_stepped_as_nir_says(kind: Any, tmp_path: Path) -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        graph, order = foreign_graph(rng, kind)
        nir.write(tmp_path / "graph.nir", graph)
        network = converter.read(tmp_path / "graph.nir", dt=DT)
        x = (rng.random((50, 2, 6)) < 0.4).astype(float)
        sent = reference(graph, order, x)
        trace = ltc2hw.simulate(network, x, record="all")
        assert sent["a"].any()
        for name in ("a", "b"):
            assert np.array_equal(trace.spikes[name], sent[name]), name
        assert np.abs(trace.states["li"]["membrane"] - sent["li"]).max() < 1e-6
        assert np.abs(trace.outputs - sent["output"]).max() < 1e-6


def test_convolutions_and_thresholds(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    parameters = constants(rng, 3 * 4 * 4, tau=TAU, r=R, v_leak=(0, 0), v_threshold=(0.5, 1.0))
    shaped = {name: values.reshape(3, 4, 4) for name, values in parameters.items()}
    weight = rng.normal(0, 0.8, (3, 2, 3, 3))
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([2, 8, 8])),
        nir.Conv2d(None, weight, (2, 2), (1, 1), (1, 1), 1, rng.normal(0, 0.1, 3)),
        nir.LIF(**shaped),
        nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        nir.Flatten({"input": np.array([3, 2, 2])}, 0),
        linear(rng, 12, 5),
        nir.Threshold(np.full(5, 0.1)),
    )
    nir.write(tmp_path / "graph.nir", graph)
    network = converter.read(tmp_path / "graph.nir", dt=DT)
    x = (rng.random((40, 2, 2, 8, 8)) < 0.4).astype(float)
    torch = pytest.importorskip("torch")
    into = torch.nn.functional.conv2d(
        torch.tensor(x.reshape(80, 2, 8, 8)),
        torch.tensor(weight),
        torch.tensor(graph.nodes["conv2d"].bias),
        stride=2,
        padding=1,
    ).numpy().reshape(40, 2, 48)  # fmt: skip
    v, spikes = np.zeros((2, 48)), []
    for current in into:
        v = v + DT / parameters["tau"] * (parameters["r"] * current - v)
        spikes.append((v > parameters["v_threshold"]).astype(float))
        v = v * (1 - spikes[-1])
    trace = ltc2hw.simulate(network, x.reshape(40, 2, -1))
    assert np.any(spikes)
    assert np.array_equal(trace.spikes["lif"], spikes)
    pooled = np.stack(spikes).reshape(40, 2, 3, 2, 2, 2, 2).mean((4, 6)).reshape(40, 2, 12)
    above = pooled @ graph.nodes["linear"].weight.T > 0.1
    assert np.array_equal(trace.outputs, above)


def test_convolutions_in_one_dimension(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(20)
    weight, bias = rng.normal(0, 1, (4, 1, 3)), rng.normal(0, 0.1, 4)
    shape = np.array([2, 11])
    graph = nir.NIRGraph.from_list(
        nir.Input(shape),
        nir.ir.graph.Identity({"input": shape, "output": shape}),
        nir.Conv1d(11, weight, 2, 1, 2, 2, bias),
        nir.Threshold(np.full((4, 5), 0.3)),
        type_check=False,  # nir 1.0.8 takes the channels of one group for all
    )
    nir.write(tmp_path / "graph.nir", graph)
    network = converter.read(tmp_path / "graph.nir", dt=DT, graded_input=True)
    x = rng.normal(0, 1, (1, 30, 2, 11))
    convolved = torch.nn.functional.conv1d(
        torch.tensor(x[0]), torch.tensor(weight), torch.tensor(bias),
        stride=2, padding=1, dilation=2, groups=2,
    ).numpy()  # fmt: skip
    outputs = ltc2hw.simulate(network, x.reshape(1, 30, -1)).outputs
    assert np.array_equal(outputs[0], convolved.reshape(30, -1) > 0.3)


def test_nested_graphs_and_scalars() -> None:
    """As snnTorch writes recurrent layers, and Norse neurons with one constant for all."""
    rng = np.random.default_rng(6)
    inner = nir.NIRGraph(
        {
            "input": nir.Input(np.array([5])),
            "lif": cuba(rng, 5),
            "w_rec": linear(rng, 5, 5),
            "output": nir.Output(np.array([5])),
        },
        [("input", "lif"), ("lif", "w_rec"), ("w_rec", "lif"), ("lif", "output")],
    )
    one = {name: np.array(value) for name, value in (("tau", 5e-3), ("r", 4.0), ("v_leak", 0.0))}
    graph = nir.NIRGraph(
        {
            "input": nir.Input(np.array([4])),
            "w": linear(rng, 4, 5),
            "rnn": inner,
            "lif": nir.LIF(**one, v_threshold=np.array(0.3)),
            "output": nir.Output(np.array([5])),
        },
        [("input", "w"), ("w", "rnn"), ("rnn", "lif"), ("lif", "output")],
        type_check=False,
    )
    network = converter.from_graph(graph, dt=DT)
    delays = {(p.source, p.target): p.delay for p in network.projections}
    assert delays == {
        ("input", "rnn_lif"): 0,
        ("rnn_lif", "rnn_lif"): 1,
        ("rnn_lif", "lif"): 0,
    }
    assert network.population("lif").size == 5


# Networks of our own


def random_lif_graph(rng: Rng) -> Network:
    """LIF populations with every decay, delays, cycles, a clock and sparse weights."""
    sizes = [int(size) for size in rng.integers(1, 6, 4)]
    populations: list[Any] = [Input("input", sizes[0], bool(rng.integers(2)))]
    for index, size in enumerate(sizes[1:]):
        decays = rng.uniform(0.05, 1.0, (2, size))
        if rng.integers(3) == 0:
            decays[0] = 1.0
        if rng.integers(4) == 0:
            decays = np.stack([np.ones(size), np.zeros(size)])
        bias = rng.normal(0, 0.1, size) * int(rng.integers(2))
        threshold = rng.uniform(0.2, 1.0, size)
        populations.append(LIF(f"lif{index}", size, decays[0], decays[1], threshold, bias))
    drafts = {(0, 1, 0), (1, 2, 0), (2, 3, 0)}
    for _ in range(int(rng.integers(0, 5))):
        source, target = (int(end) for end in rng.integers(1, 4, 2))
        drafts.add((source, target, int(rng.integers(1, 4))))
    projections = []
    for source, target, delay in sorted(drafts):
        matrix = rng.normal(0, 1, (sizes[target], sizes[source]))
        weights = Sparse.from_array(matrix * (rng.random(matrix.shape) < 0.6))
        projections.append(
            Projection(
                populations[source].name, populations[source].variables[0],
                populations[target].name, "current",
                weights if rng.integers(2) else Dense(matrix), delay,
            )
        )  # fmt: skip
    if rng.integers(2) and not np.all(populations[2].current_decay == 1.0):
        populations.insert(int(rng.integers(1, 4)), clock("beat"))
        beat = Dense(rng.normal(0, 0.2, (sizes[2], 1)))
        projections.append(Projection("beat", "spikes", "lif1", "current", beat))
    return Network(tuple(populations), tuple(projections), "lif2", {"origin": "test"})


@settings(max_examples=10)
@given(seed=st.integers(0, 1 << 30))
def test_lif_networks_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    network = random_lif_graph(np.random.default_rng(seed))
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    assert converter.write(network, path) == ()
    assert converter.read(path) == network
    graph, _ = converter.to_graph(network)
    assert converter.from_graph(graph) == network
    nir.write(path, graph)
    assert converter.read(path) == network
    assert converter.from_graph(nir.read(path, type_check=False)) == network


@settings(max_examples=15)
@given(seed=st.integers(0, 1 << 30), kind=st.sampled_from(["LIF", *GATE_KINDS]))
def test_extreme_constants_come_back_or_are_refused_at_once(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: Any
) -> None:
    rng = np.random.default_rng(seed)
    options: dict[str, Any] = {"model": "LIF"} if kind == "LIF" else {"gate": kind}
    network = extreme(rng, random_network(rng, hidden=(3, 2), **options))
    path = tmp_path_factory.mktemp("nir") / "net.nir"
    try:
        converter.write(network, path)
    except UnsupportedError:
        assert not path.exists()
    else:
        assert converter.read(path) == network


@pytest.mark.parametrize("gate", GATE_KINDS)
def test_ltc_networks_come_back_and_other_readers_reject_them(gate: Any, tmp_path: Path) -> None:
    rng = np.random.default_rng(9)
    for nonlinearity in ("sigmoid", "plan"):
        network = random_network(rng, gate=gate, hidden=(5, 4), nonlinearity=nonlinearity)
        path = tmp_path / "net.nir"
        converter.write(network, path)
        assert converter.read(path) == network
        graph, _ = converter.to_graph(network)
        assert converter.from_graph(graph) == network
        with pytest.raises(AssertionError):
            nir.read(path)


def test_constants_changed_by_others_count(tmp_path: Path) -> None:
    network = random_network(np.random.default_rng(10), model="LIF", hidden=(5,))
    path = tmp_path / "net.nir"
    converter.write(network, path, dt=0.5)
    with h5py.File(path, "r+") as file:
        file["node/nodes/hidden0/v_threshold"][:] = 2.5
        file["node/nodes/hidden0/tau_mem"][:] = 1.0
    hidden = converter.read(path).population("hidden0")
    assert isinstance(hidden, LIF)
    assert np.all(hidden.threshold == 2.5)
    assert np.allclose(hidden.membrane_decay, 0.5)


def test_integer_networks_are_written_as_the_reals_that_they_stand_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    path = tmp_path / "net.nir"
    for _ in range(8):
        network = random_fixed_network(rng, extreme=False, largest=8)
        with pytest.raises(UnsupportedError, match=r"allow=\{'dequantize'\}"):
            converter.write(network, path)
        changes = converter.write(network, path, allow={"dequantize"})
        assert [change.name for change in changes] == ["dequantize"]
        assert converter.read(path) == dequantize(network)


def test_dequantized_networks_compute_nearly_the_same() -> None:
    rng = np.random.default_rng(12)
    network = random_network(rng, gate="event", hidden=(10,))
    x = rng.uniform(-1, 1, (30, 4, 5))
    fixed = ltc2hw.quantize(network, "loihi2", calibration=x)
    real = dequantize(fixed)
    for first, second in zip(network.projections, real.projections, strict=True):
        assert np.abs(first.weights.to_array() - second.weights.to_array()).max() < 0.05
    ours = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    theirs = ltc2hw.simulate(real, x, record="all")
    assert (ours.spikes["hidden0"] != theirs.spikes["hidden0"]).mean() < 0.05


# What is refused


def small(rng: Rng) -> Any:
    return nir.NIRGraph.from_list(linear(rng, 3, 2), cuba(rng, 2))


def test_dt_is_always_said(tmp_path: Path) -> None:
    rng = np.random.default_rng(13)
    with pytest.raises(InvalidValueError, match="pass dt="):
        converter.from_graph(small(rng))
    with pytest.raises(InvalidValueError, match="a number above 0"):
        converter.from_graph(small(rng), dt=0.0)
    network = converter.from_graph(small(rng), dt=DT)
    converter.write(network, tmp_path / "net.nir", dt=0.25)
    with pytest.raises(InvalidValueError, match="leave it out"):
        converter.read(tmp_path / "net.nir", dt=0.5)
    with pytest.raises(InvalidValueError, match=r"a nir\.NIRGraph"):
        converter.from_graph({})
    with pytest.raises(InvalidValueError, match=r"graph is CubaLIF; expected a nir\.NIRGraph"):
        converter.from_graph(cuba(rng, 2), dt=DT)


def test_fractional_delays_need_leave() -> None:
    rng = np.random.default_rng(14)
    graph = nir.NIRGraph.from_list(
        linear(rng, 3, 2), cuba(rng, 2), nir.Delay(np.array([1.4, 3.0]) * DT), linear(rng, 2, 2),
        nir.Threshold(np.zeros(2)),
    )  # fmt: skip
    with pytest.raises(UnsupportedError, match=r"node 'delay'.*allow=\{'round-delay'\}"):
        converter.from_graph(graph, dt=DT)
    network = converter.from_graph(graph, dt=DT, allow={"round-delay"})
    assert sorted(p.delay for p in network.projections) == [0, 1, 3]
    assert "round-delay: node 'delay'" in network.provenance["changes"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f["node/nodes"].pop("cubalif"), "leads nowhere"),
        (lambda f: f["node"].pop("edges"), "not pairs of names"),
        (lambda f: f.pop("node"), "no NIR graph"),
        (lambda f: f["node/nodes/linear"].pop("type"), "has no type"),
        (lambda f: f["node/nodes/linear"].pop("weight"), "weight is missing"),
        (lambda f: f["node/nodes/cubalif"].create_dataset("extra", data=1), "entry 'extra'"),
        (lambda f: put(f, "node/nodes/linear/weight", np.full((2, 3), np.nan)), "no finite"),
        (lambda f: put(f, "node/nodes/linear/weight", np.zeros((2, 2, 2, 2))), "has shape"),
        (lambda f: put(f, "node/nodes/linear/weight", np.zeros((3, 3))), "size of what reaches"),
        (lambda f: put(f, "node/nodes/cubalif/tau_mem", np.zeros(2)), "is not above 0"),
        (lambda f: put(f, "node/nodes/cubalif/tau_mem", np.ones(3)), "2 numbers for 3 neurons"),
        (lambda f: put(f, "node/nodes/input/shape", np.array([1 << 30])), "its shape"),
        (lambda f: put(f, "node/nodes/input/shape", np.array([3, 1 << 30])), "its shape"),
        (lambda f: put(f, "node/nodes/input/shape", np.array([-3])), "its shape"),
        (lambda f: put(f, "node/nodes/output/shape", np.array([5])), "size of what reaches"),
        (lambda f: put(f, "node/nodes/linear/type", "Unheard"), "Unheard"),
        (lambda f: put(f, "node/metadata/ltc2hw", "{}"), "not what this version writes"),
        (lambda f: put(f, "node/metadata/ltc2hw", '{"schema_version": 2}'), "schema version 2"),
        (lambda f: put(f, "node/metadata/ltc2hw", "[" * 100000), "not what this version writes"),
    ],
)
def test_wrong_files_are_refused(change: Any, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "graph.nir"
    nir.write(path, small(np.random.default_rng(15)))
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(Ltc2hwError, match=problem):
        converter.read(path, dt=DT)


def put(file: Any, name: str, value: Any) -> None:
    if name in file:
        del file[name]
    file[name] = value


def test_wrong_graphs_are_refused() -> None:
    rng = np.random.default_rng(16)
    nodes = {
        "input": nir.Input(np.array([2])),
        "a": nir.Scale(np.ones(2)),
        "b": nir.Scale(np.ones(2)),
        "lif": cuba(rng, 2),
        "output": nir.Output(np.array([2])),
    }
    straight = [("input", "a"), ("a", "lif"), ("lif", "output")]

    def read(nodes: Any, edges: Any) -> Network:
        return converter.from_graph(nir.NIRGraph(nodes, edges, type_check=False), dt=DT)

    assert read(nodes, [*straight, ("b", "lif"), ("a", "b")]).output == "lif"
    with pytest.raises(UnsupportedError, match="put a neuron into the cycle"):
        read(nodes, [*straight, ("a", "b"), ("b", "a")])
    with pytest.raises(UnsupportedError, match="several inputs"):
        read({**nodes, "more": nir.Input(np.array([2]))}, straight)
    with pytest.raises(UnsupportedError, match=r"'a' -> 'lif': an edge that is given twice"):
        read(nodes, [*straight, ("a", "lif")])
    with pytest.raises(ShapeError):
        read({**nodes, "a": linear(rng, 3, 2)}, straight)
    with pytest.raises(ShapeError, match="shape of factors"):
        read({**nodes, "a": nir.Scale(np.ones(7))}, straight)
    chain = {f"s{i}": nir.Scale(np.ones(2)) for i in range(5000)}
    edges = [("input", "s0"), *((f"s{i}", f"s{i + 1}") for i in range(4999)), ("s4999", "lif")]
    with pytest.raises(DamagedFileError, match="too long a chain"):
        read({**nodes, **chain}, [*edges, ("lif", "output")])


def test_what_nir_cannot_hold_is_named(tmp_path: Path) -> None:
    size = np.ones(2)
    link = (Projection("input", "spikes", "out", "current", Dense(np.ones((2, 2)))),)
    cases: dict[str, LIF | Readout] = {
        "infinite": LIF("out", 2, 0.5 * size, 0.0 * size, size, 0.0 * size),
        "use a decay above 0": LIF("out", 2, 0.0 * size, 0.5 * size, size, 0.0 * size),
        "open its gate": Readout("out", 2, size, Gate(-900.0)),
    }
    for problem, population in cases.items():
        network = Network((Input("input", 2), population), link, "out")
        with pytest.raises(UnsupportedError, match=problem):
            converter.write(network, tmp_path / "net.nir")
    assert not (tmp_path / "net.nir").exists()


def test_large_files_of_ours_can_be_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As if readers took little for granted: what unfolds to more has to be stored whole.
    monkeypatch.setattr(converter, "MAXIMUM_NUMBERS", 1000)
    monkeypatch.setattr(converter, "LARGE", 10)
    network = random_network(np.random.default_rng(0), model="LIF", inputs=40, hidden=(60,))
    converter.write(network, tmp_path / "large.nir")
    with h5py.File(tmp_path / "large.nir") as file:
        kinds = [entry for entry in _datasets(file) if entry.compression]
    assert kinds == []
    assert converter.read(tmp_path / "large.nir") == network


def _datasets(group: Any) -> list[Any]:
    found = []
    group.visititems(lambda name, entry: found.append(entry) if hasattr(entry, "shape") else None)
    return found


@pytest.mark.parametrize(
    ("entry", "value"),
    [("graded_input", "false"), ("graded_input", 1), ("dt", True), ("dt", "1"), ("delay", 1.5)],
)
def test_a_record_is_not_taken_for_what_it_does_not_say(
    tmp_path: Path, entry: str, value: Any
) -> None:
    path = tmp_path / "net.nir"
    converter.write(random_network(np.random.default_rng(0), model="LIF"), path)
    with h5py.File(path, "r+") as file:
        record = json.loads(file["node/metadata/ltc2hw"][()])
        if entry == "delay":
            record["projections"][0][-1] = value
        else:
            record[entry] = value
        put(file, "node/metadata/ltc2hw", json.dumps(record))
    with pytest.raises(DamagedFileError, match=r"not what this version writes: .* is no "):
        converter.read(path)
