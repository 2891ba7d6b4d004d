"""What NIR files leave open: resets, decays and the unit of time, against the tools themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.converters import nir as converter
from ltc2hw.errors import DamagedFileError, InvalidValueError, UnknownNameError, UnsupportedError
from ltc2hw.numbers.words import FloatArray
from tests.random_networks import random_network

nir = pytest.importorskip("nir", reason="the nir extra is not installed")

# nirtorch renames its functions, which snnTorch still calls by their old names.
pytestmark = [
    pytest.mark.filterwarnings("ignore:nirtorch:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The given NumPy array is not writable:UserWarning"),
]

TOOLS = Path(__file__).parents[1] / "golden" / "nir_tools"

DT = 1e-3


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    with np.load(TOOLS / "answers.npz") as stored:
        return {name: stored[name].astype(np.float64) for name in stored.files}


# Each tool's own answers


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_sinabs_is_met_with_exact_decays(reset: Any, answers: dict[str, Any]) -> None:
    path = TOOLS / f"sinabs_{reset}.nir"
    network = converter.read(path, dt=1.0, discretization="exact", reset=reset)
    trace = ltc2hw.simulate(network, answers["sinabs_x"], record="all")
    spikes = answers[f"sinabs_{reset}_spikes"]
    assert spikes.sum() > 20
    assert np.array_equal(trace.spikes["n1"][:, 0], spikes)
    assert np.abs(trace.outputs[:, 0] - answers[f"sinabs_{reset}"]).max() < 1e-6
    assert network.provenance["discretization"] == "exact"
    assert network.provenance["reset"] == f"{reset}, as the caller said, of 1"
    euler = ltc2hw.simulate(converter.read(path, dt=1.0, reset=reset), answers["sinabs_x"])
    assert np.abs(euler.outputs[:, 0] - answers[f"sinabs_{reset}"]).max() > 0.05


def test_sinabs_without_leak_is_met(answers: dict[str, Any]) -> None:
    network = converter.read(TOOLS / "sinabs_iaf.nir", dt=1.0, reset="subtract")
    outputs = ltc2hw.simulate(network, answers["sinabs_iaf_x"]).outputs[:, 0]
    assert answers["sinabs_iaf"].sum() > 40
    assert np.array_equal(outputs, answers["sinabs_iaf"])


@pytest.mark.parametrize(("name", "reset"), [("hard", None), ("soft", "subtract")])
def test_spikingjelly_is_met(name: str, reset: Any, answers: dict[str, Any]) -> None:
    network = converter.read(TOOLS / f"spikingjelly_{name}.nir", dt=1e-4, reset=reset)
    outputs = ltc2hw.simulate(network, answers["spikingjelly_x"]).outputs[:, 0]
    assert answers[f"spikingjelly_{name}"].sum() > 40
    assert np.array_equal(outputs, answers[f"spikingjelly_{name}"])


def test_rockpool_is_met_once_the_lost_gain_is_put_back(
    tmp_path: Path, answers: dict[str, Any]
) -> None:
    path = tmp_path / "rockpool.nir"
    path.write_bytes((TOOLS / "rockpool.nir").read_bytes())
    with h5py.File(path, "r+") as file:
        node = file["node/nodes/1_LIFTorch"]
        membrane, synapse = (
            np.exp(-1e-3 / node[name][()].astype(float)) for name in ("tau_mem", "tau_syn")
        )
        node["w_in"][...] = synapse / ((1 - synapse) * (1 - membrane) * node["r"][()])
    network = converter.read(path, dt=1e-3, discretization="exact", reset="subtract")
    outputs = ltc2hw.simulate(network, answers["rockpool_x"]).outputs[:, 0]
    assert answers["rockpool"].sum() > 40
    assert np.array_equal(outputs, answers["rockpool"])


@pytest.mark.parametrize(
    ("kind", "mechanism", "delayed", "reset"),
    [
        ("Leaky", "subtract", True, "subtract-delayed"),
        ("Leaky", "subtract", False, "subtract"),
        ("Leaky", "zero", True, "zero"),
        ("Leaky", "zero", False, "zero"),
        ("Synaptic", "subtract", True, "subtract-delayed"),
        ("Synaptic", "subtract", False, "subtract"),
        ("Synaptic", "zero", False, "zero"),
        ("RLeaky", "subtract", True, "subtract-delayed"),
        ("RSynaptic", "subtract", True, "subtract-delayed"),
    ],
)
def test_snntorch_is_met(
    kind: str, mechanism: str, delayed: bool, reset: Any, tmp_path: Path
) -> None:
    snntorch = pytest.importorskip("snntorch", reason="the nir-tools extra is not installed")
    torch = pytest.importorskip("torch")
    from snntorch.export_nir import export_to_nir

    torch.manual_seed(2)
    decays = {"beta": torch.rand(5) * 0.5 + 0.3}
    if "Synaptic" in kind:
        decays["alpha"] = torch.rand(5) * 0.3 + 0.1
    linear = torch.nn.Linear(4, 5)
    # snnTorch subtracts otherwise where a membrane is above its threshold even after a spike.
    linear.weight.data.mul_({"Leaky": 1.0, "Synaptic": 0.4}[kind] if reset == "subtract" else 1.6)
    options = {"threshold": torch.full((5,), 0.45), "reset_mechanism": mechanism}
    options = {**options, **decays, "reset_delay": delayed}
    recurrent = kind.startswith("R")
    if recurrent:
        options = {**options, "linear_features": 5, "all_to_all": True}
    written = getattr(snntorch, kind)(**options, init_hidden=True)
    path = tmp_path / "graph.nir"
    nir.write(path, export_to_nir(torch.nn.Sequential(linear, written), torch.rand(4)))
    network = converter.read(path, dt=1e-4, reset=reset)
    x = (np.random.default_rng(3).random((60, 2, 4)) < 0.3).astype(np.float32)
    layer, spikes = getattr(snntorch, kind)(**options), []
    state: list[Any] = []
    if recurrent:
        layer.recurrent.load_state_dict(written.recurrent.state_dict())
        state = [torch.zeros(2, 5) for _ in range(2 + ("Synaptic" in kind))]
    with torch.no_grad():
        for sample in torch.tensor(x):
            fired, *state = layer(linear(sample), *state)
            state = [fired, *state] if recurrent else state
            spikes.append(fired.numpy())
    assert np.sum(spikes) > 10
    assert np.array_equal(ltc2hw.simulate(network, x).outputs, spikes)


# Subtraction against its own recurrence


def graph_of(node: Any, weight: Any) -> Any:
    return nir.NIRGraph.from_list(nir.Linear(weight), node)


def neurons(rng: np.random.Generator, kind: str) -> Any:
    def own(low: float, high: float) -> Any:
        return rng.uniform(low, high, 5)

    zero, threshold = np.zeros(5), own(0.3, 0.8)
    if kind == "IF":
        return nir.IF(r=own(200, 500), v_threshold=threshold, v_reset=zero)
    common = {"r": own(3, 9), "v_leak": own(-0.05, 0.05), "v_threshold": threshold, "v_reset": zero}
    if kind == "LIF":
        return nir.LIF(tau=own(1.5e-3, 2e-2), **common)
    taus = {"tau_syn": own(1.5e-3, 2e-2), "tau_mem": own(1.5e-3, 2e-2)}
    return nir.CubaLIF(**taus, **common, w_in=own(1, 3))


@pytest.mark.parametrize("discretization", ["euler", "exact"])
@pytest.mark.parametrize("reset", ["subtract", "subtract-delayed"])
@pytest.mark.parametrize("kind", ["IF", "LIF", "CubaLIF"])
def test_a_spike_takes_the_threshold(kind: str, reset: Any, discretization: Any) -> None:
    rng = np.random.default_rng(11)
    node, weight = neurons(rng, kind), rng.normal(0, 1, (5, 3))
    network = converter.from_graph(
        graph_of(node, weight), dt=DT, discretization=discretization, reset=reset
    )
    x = (rng.random((80, 4, 3)) < 0.5).astype(float)

    def decay(tau: Any) -> Any:
        return DT / tau if discretization == "euler" else 1 - np.exp(-DT / tau)

    current, v, fired, spikes = np.zeros((4, 5)), np.zeros((4, 5)), np.zeros((4, 5)), []
    for sample in x:
        current = sample @ weight.T if kind != "CubaLIF" else (
            current + decay(node.tau_syn) * (node.w_in * (sample @ weight.T) - current)
        )  # fmt: skip
        if reset == "subtract":
            v = v - fired * node.v_threshold
        if kind == "IF":
            moved = v + DT * node.r * current
        else:
            tau = node.tau if kind == "LIF" else node.tau_mem
            moved = v + decay(tau) * (node.v_leak - v + node.r * current)
        v = moved if reset == "subtract" else moved - fired * node.v_threshold
        fired = (v > node.v_threshold).astype(float)
        spikes.append(fired)
    assert np.sum(spikes) > 50
    assert np.array_equal(ltc2hw.simulate(network, x).outputs, spikes)


def test_integers_of_a_subtracting_network_follow_it() -> None:
    rng = np.random.default_rng(12)
    network = converter.from_graph(
        graph_of(neurons(rng, "LIF"), rng.normal(0, 1, (5, 3))), dt=DT, reset="subtract"
    )
    x = (rng.random((60, 8, 3)) < 0.5).astype(float)
    fixed = ltc2hw.quantize(network, "loihi2", x)
    real = ltc2hw.simulate(network, x).outputs
    assert (ltc2hw.simulate(fixed, x, engine="integer").outputs != real).mean() < 0.03


# What has to be said


def without_reset(tmp_path: Path) -> Path:
    path = tmp_path / "old.nir"
    nir.write(path, graph_of(neurons(np.random.default_rng(13), "LIF"), np.eye(5)))
    with h5py.File(path, "r+") as file:
        del file["node/nodes/lif/v_reset"]
    return path


def test_a_missing_reset_has_to_be_said(tmp_path: Path, capsys: Any) -> None:
    path, out = without_reset(tmp_path), tmp_path / "out.h5"
    with pytest.raises(InvalidValueError, match=r"node 'lif' \(LIF\).*reset='subtract'"):
        converter.read(path, dt=DT)
    zero = converter.read(path, dt=DT, reset="zero")
    assert zero.provenance["reset"] == "zero, as the caller said, of lif"
    assert [p.name for p in zero.populations] == ["input", "lif"]
    arguments = ["import", str(path), "--dt", str(DT), "--out", str(out)]
    assert main(arguments) == 2
    line = capsys.readouterr().err
    assert "--reset subtract" in line
    assert "reset='" not in line
    assert line.count("\n") == 1
    assert main([*arguments, "--reset", "subtract", "--discretization", "exact"]) == 0
    read = converter.read(path, dt=DT, reset="subtract", discretization="exact")
    assert ltc2hw.load(out) == read


def test_what_the_caller_says_does_not_contradict_the_file(tmp_path: Path) -> None:
    node = neurons(np.random.default_rng(14), "LIF")
    node.v_reset = np.full(5, -0.1)
    graph = graph_of(node, np.eye(5))
    with pytest.raises(InvalidValueError, match="its v_reset is not 0"):
        converter.from_graph(graph, dt=DT, reset="subtract")
    assert converter.from_graph(graph, dt=DT, reset="zero").output == "lif"
    with pytest.raises(UnknownNameError, match="subtract-delayed"):
        converter.from_graph(graph, dt=DT, reset="soft")  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="euler, exact"):
        converter.from_graph(graph, dt=DT, discretization="Euler")  # type: ignore[arg-type]
    ours = random_network(np.random.default_rng(15), model="LIF", hidden=(4,))
    path = tmp_path / "ours.nir"
    converter.write(ours, path)
    assert converter.read(path, reset="zero") == ours
    for said in ({"reset": "subtract"}, {"discretization": "exact"}):
        with pytest.raises(InvalidValueError, match="leave it out"):
            converter.read(path, **said)  # type: ignore[arg-type]


@pytest.mark.parametrize("dt", [0.0, -1.0, np.nan, np.inf, "1e-3", True, [1e-3]])
def test_a_step_is_a_number_above_zero(dt: Any, tmp_path: Path) -> None:
    graph = graph_of(neurons(np.random.default_rng(18), "LIF"), np.eye(5))
    with pytest.raises(InvalidValueError, match="a number above 0"):
        converter.from_graph(graph, dt=dt)
    single: Any = np.float32(DT)
    network = converter.from_graph(graph, dt=single)
    with pytest.raises(InvalidValueError, match="a number above 0"):
        converter.write(network, tmp_path / "net.nir", dt=dt)


def test_tensors_that_are_trained_are_read() -> None:
    """As rockpool leaves the time constants of its ExpSyn."""
    torch = pytest.importorskip("torch")
    node = neurons(np.random.default_rng(19), "LIF")
    expected = converter.from_graph(graph_of(node, np.eye(5)), dt=DT)
    node.tau = torch.nn.Parameter(torch.tensor(node.tau))
    assert converter.from_graph(graph_of(node, np.eye(5)), dt=DT) == expected


# A step in the wrong unit


def norse_iaf() -> Any:
    """Norse writes r = 1 for an IAF, whatever its dt."""
    one = np.ones(4)
    return graph_of(nir.IF(r=one, v_threshold=one), np.full((4, 3), 0.7))


def test_a_step_that_silences_neurons_needs_leave() -> None:
    with pytest.raises(UnsupportedError, match=r"'if' \(IF\): 4 of 4 neurons.*silent-neurons"):
        converter.from_graph(norse_iaf(), dt=1e-6)
    silent = converter.from_graph(norse_iaf(), dt=1e-6, allow={"silent-neurons"})
    assert "silent-neurons: node 'if'" in silent.provenance["changes"]
    x = np.ones((20, 1, 3))
    assert not ltc2hw.simulate(silent, x).outputs.any()
    assert ltc2hw.simulate(converter.from_graph(norse_iaf(), dt=1.0), x).outputs.any()


def test_a_time_constant_beyond_every_word_needs_leave() -> None:
    """Norse's main branch writes seconds, which are not for dt=1e-6."""
    one = np.ones(4)
    tau = 1e-2 * one
    node = nir.LIF(tau=tau, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)
    graph = graph_of(node, np.full((4, 3), 5.0))
    with pytest.raises(UnsupportedError, match=r"tau of up to 1e\+04 steps of dt 1e-06"):
        converter.from_graph(graph, dt=1e-6)
    slow = converter.from_graph(graph, dt=1e-6, allow={"slow-decay"})
    assert "slow-decay: node 'lif'" in slow.provenance["changes"]
    assert "changes" not in converter.from_graph(graph, dt=1e-3).provenance


def test_signs_and_what_is_no_spike_are_no_matter_of_scale() -> None:
    """Neurons that only inhibition reaches, that nothing reaches, and that read voltages."""
    one = np.ones(4)
    node = nir.LIF(tau=5 * DT * one, r=one, v_leak=0 * one, v_threshold=one, v_reset=0 * one)
    weight = np.full((4, 3), -9.0)
    weight[0] = 0.0
    assert converter.from_graph(graph_of(node, weight), dt=DT).output == "lif"
    small = nir.NIRGraph.from_list(
        nir.Linear(np.eye(4)), nir.LI(tau=5 * DT * one, r=one, v_leak=0 * one),
        nir.Linear(1e-3 * np.eye(4)), node,
    )  # fmt: skip
    assert converter.from_graph(small, dt=DT).output == "lif"
    graded = graph_of(node, 1e-3 * np.eye(4))
    assert converter.from_graph(graded, dt=DT, graded_input=True).output == "lif"
    with pytest.raises(UnsupportedError, match="silent-neurons"):
        converter.from_graph(graded, dt=DT)


# Infinite constants


def with_entries(node: Any, **entries: Any) -> Any:
    for name, value in entries.items():
        setattr(node, name, value)
    return graph_of(node, np.full((5, 3), 0.3))


def test_an_infinite_time_constant_integrates() -> None:
    """As snnTorch writes a beta of 1: both tau and r = tau / dt are infinite."""
    rng = np.random.default_rng(16)
    node = neurons(rng, "LIF")
    threshold, tau, r = node.v_threshold, node.tau.copy(), node.r.copy()
    tau[:3], r[:3] = np.inf, np.inf
    graph = with_entries(node, tau=tau, r=r, v_leak=np.zeros(5))
    with pytest.raises(UnsupportedError, match=r"allow=\{'infinite-tau'\}"):
        converter.from_graph(graph, dt=DT)
    network = converter.from_graph(graph, dt=DT, allow={"infinite-tau"})
    x = (rng.random((40, 2, 3)) < 0.5).astype(float)
    v: FloatArray = np.zeros((2, 3))
    spikes = []
    for sample in x:
        v = v + (sample @ np.full((3, 3), 0.3))
        spikes.append((v > threshold[:3]).astype(float))
        v = np.where(spikes[-1] > 0, 0.0, v)
    assert np.any(spikes)
    assert np.array_equal(ltc2hw.simulate(network, x).outputs[..., :3], spikes)


def test_an_infinite_synapse_sums() -> None:
    """As snnTorch writes an alpha of 1."""
    rng = np.random.default_rng(20)
    node = neurons(rng, "CubaLIF")
    leak, r, threshold = DT / node.tau_mem, node.r, node.v_threshold
    graph = with_entries(node, tau_syn=np.full(5, np.inf), w_in=np.full(5, np.inf), v_leak=0 * r)
    network = converter.from_graph(graph, dt=DT, allow={"infinite-tau"})
    x = (rng.random((12, 2, 3)) < 0.2).astype(float)
    current: FloatArray = np.zeros((2, 5))
    v, spikes = current, []
    for sample in x:
        current = current + sample @ np.full((3, 5), 0.3)
        v = v + leak * (r * current - v)
        spikes.append((v > threshold).astype(float))
        v = np.where(spikes[-1] > 0, 0.0, v)
    assert 0 < np.mean(spikes) < 1
    assert np.array_equal(ltc2hw.simulate(network, x).outputs, spikes)


@pytest.mark.parametrize(
    ("kind", "entry", "feature"),
    [
        ("LIF", "tau", "nothing reaches the neuron"),
        ("CubaLIF", "tau_syn", "nothing reaches the neuron"),
        ("IF", "v_threshold", "thresholds that are infinite"),
        ("CubaLIF", "v_threshold", "thresholds that are infinite"),
    ],
)
def test_infinite_constants_without_meaning_are_refused(
    kind: str, entry: str, feature: str
) -> None:
    node = neurons(np.random.default_rng(17), kind)
    graph = with_entries(node, **{entry: np.full(5, np.inf)})
    with pytest.raises(UnsupportedError, match=feature):
        converter.from_graph(graph, dt=DT)
    for damage in (np.nan, -np.inf):
        whole = neurons(np.random.default_rng(17), kind)
        graph = with_entries(whole, r=np.full(5, damage))
        with pytest.raises(DamagedFileError, match="r holds no finite numbers"):
            converter.from_graph(graph, dt=DT)
