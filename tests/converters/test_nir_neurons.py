"""Neurons of any model in NIR: a node of ours, and nodes of NIR for those that subtract."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import nir as converter
from ltc2hw.converters.nir_graph import NEURONS_TYPE, Node
from ltc2hw.converters.nir_neurons import neurons_entries, read_neurons
from ltc2hw.converters.nir_versions import NirVersion
from ltc2hw.dynamics.expression import constant, fires, gate, port, register, state, where
from ltc2hw.dynamics.model import Model, model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import DamagedFileError
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.weights import Dense

SIZE = 4


@model(output="charge", sends=("charge", "spikes"))
def own() -> Any:
    """A neuron that the package does not have, whose ports and answer have names of their own."""
    kept = gate(port("pace") + constant("pace.bias", -1.0), "pace")
    charge = register(kept * state("charge") + port("drive"), "charge")
    spikes = fires(charge, constant("limit", 0.7))
    return {"charge": where(spikes, 0.0, charge), "spikes": spikes}


def network_of(kind: Model, seed: int = 0) -> Network:
    """An input, two populations of a model with a loop, and graded messages where it has them."""
    rng = np.random.default_rng(seed)

    def link(source: str, target: str, size: int, variable: str, place: str, delay: int) -> Any:
        weights = Dense(rng.normal(0, 1, (SIZE, size)))
        return Projection(source, variable, target, place, weights, delay)

    functions: dict[str, Any] = dict.fromkeys(kind.gates, "plan")
    spread = {c.name: np.linspace(c.default, c.default + 1e-3, SIZE) for c in kind.constants}
    inside = {c.name: np.clip(spread[c.name], c.low, c.high) for c in kind.constants}
    first, last = (Neurons(name, SIZE, kind, inside, functions) for name in ("a", "b"))
    links = [
        link("input", "a", 3, "spikes", kind.ports[0], 0),
        link("a", "b", SIZE, kind.output, kind.ports[0], 0),
        link("b", "a", SIZE, kind.output, kind.ports[-1], 2),
        link("a", "a", SIZE, kind.sends[-1], kind.ports[0], 1),
    ]
    return Network((Input("input", 3), first, last), tuple(links), "b", {"origin": "test"})


@pytest.mark.parametrize("kind", [*map(find_model, MODELS), own], ids=lambda kind: kind.name)
def test_networks_of_every_model_come_back_as_they_were(kind: Model, tmp_path: Path) -> None:
    network = network_of(kind)
    path = tmp_path / "net.nir"
    assert converter.write(network, path) == ()
    assert converter.read(path) == network
    pytest.importorskip("nir", reason="the nir extra is not installed")
    graph, _ = converter.to_graph(network, allow={"no-reset-potential"})
    assert converter.from_graph(graph) == network


@pytest.mark.parametrize("kind", ["if_subtract", "if_subtract_delayed"])
@pytest.mark.parametrize("current_decay", [0.3, 1.0])
@pytest.mark.parametrize("membrane_decay", [0.2, 0.0])
def test_neurons_that_subtract_are_nodes_of_nir_where_it_has_no_reset_potential(
    kind: str, current_decay: float, membrane_decay: float, tmp_path: Path
) -> None:
    rng = np.random.default_rng(1)
    constants = {
        "current_decay": np.full(SIZE, current_decay),
        "membrane_decay": np.full(SIZE, membrane_decay),
        "threshold": rng.uniform(0.5, 1.0, SIZE),
        "bias": rng.uniform(0.0, 0.1, SIZE) * (current_decay == 1.0 or membrane_decay > 0.0),
    }
    leaves = current_decay == 1.0 or membrane_decay > 0.0
    links = (Projection("input", "spikes", "a", "current", Dense(rng.normal(0.2, 1, (SIZE, 3)))),)
    network = Network((Input("input", 3), Neurons("a", SIZE, kind, constants)), links, "a")
    path = tmp_path / "net.nir"
    if not leaves:
        with pytest.raises(ltc2hw.errors.UnsupportedError, match="infinite"):
            converter.write(network, path, nir_version="1.0.4")
        return
    assert converter.write(network, path, nir_version="1.0.4") == ()
    with h5py.File(path) as file:
        node = file["node/nodes/a"]
        assert node["type"][()].decode() in ("LIF", "CubaLIF", "IF")
        assert "v_reset" not in node
    x = (rng.random((40, 2, 3)) < 0.5).astype(float)
    spikes = ltc2hw.simulate(network, x).outputs
    assert 0 < spikes.mean() < 1
    back = converter.read(path)
    assert back.population("a").model.name == kind  # type: ignore[union-attr]
    assert np.array_equal(ltc2hw.simulate(back, x).outputs, spikes)
    # A tool of that release knows as much as the file says without our notes.
    with h5py.File(path, "r+") as file:
        del file["node/nodes/a/metadata"], file["node/metadata"]
    reset: Any = "subtract" if kind == "if_subtract" else "subtract-delayed"
    foreign = converter.read(path, dt=converter.DEFAULT_DT, reset=reset)
    assert np.array_equal(ltc2hw.simulate(foreign, x).outputs, spikes)


def test_a_reset_that_nir_fills_in_is_not_taken_for_one(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir", reason="the nir extra is not installed")
    network = network_of(find_model("if_subtract"))
    leaky = {"membrane_decay": np.full(SIZE, 0.2)}
    first, *others = network.populations
    hidden = (p.with_constants(leaky) for p in others if isinstance(p, Neurons))
    plain = tuple(p for p in network.projections if p.variable == "spikes")
    network = replace(network, populations=(first, *hidden), projections=plain)
    path = tmp_path / "net.nir"
    converter.write(network, path, nir_version="1.0.4")
    assert converter.read(path) == network
    assert converter.from_graph(nir.read(path, type_check=False)) == network


@pytest.mark.parametrize("version", ["1.0.8", "1.0.4"])
@pytest.mark.parametrize("kind", ["if_subtract", "alif"])
def test_images_of_any_model_keep_their_kernels(
    kind: str, version: NirVersion, tmp_path: Path
) -> None:
    rng = np.random.default_rng(2)
    weights = Conv(rng.normal(0, 1, (3, 2, 3, 3)), (2, 6, 6))
    size = weights.shape[0]
    constants = {"threshold": rng.uniform(0.5, 1.0, size)}
    network = Network(
        (
            Input("input", 72, shape=weights.sources),
            Neurons("a", size, kind, constants, shape=weights.targets),
        ),
        (Projection("input", "spikes", "a", "current", weights),),
        "a",
    )
    path = tmp_path / "net.nir"
    assert converter.write(network, path, nir_version=version) == ()
    with h5py.File(path) as file:
        assert file["node/nodes/input_to_a/type"][()] == b"Conv2d"
    assert converter.read(path) == network


def test_damaged_models_are_refused_or_read() -> None:
    rng = np.random.default_rng(3)
    population = network_of(own).population("a")
    assert isinstance(population, Neurons)
    entries = neurons_entries(population)
    text = entries["model"]
    refused = 0
    for _ in range(400):
        places = rng.integers(len(text), size=2)
        cut, kept = sorted(int(place) for place in places)
        damaged = (
            text[:cut] + text[kept:],
            text[:cut] + chr(int(rng.integers(32, 127))) + text[cut + 1 :],
            text[:cut] + text[cut:kept] + text[cut:],
        )[int(rng.integers(3))]
        node = Node("a", NEURONS_TYPE, {**entries, "model": damaged}, {})
        try:
            read_neurons(node, "a", SIZE)
        except DamagedFileError:
            refused += 1
    assert refused > 300


@pytest.mark.parametrize(
    ("entry", "value", "problem"),
    [
        ("model", "{}", "model"),
        ("model", "[" * 100_000, "model|chain|nested|recursion"),
        ("constants", np.ones((2, SIZE)), "constants"),
        ("constants", np.full((6, SIZE), np.nan), "finite"),
        ("constants", np.full((6, SIZE), -3.0), "decay"),
        ("shape", np.array([0]), "shape"),
        ("shape", np.array([SIZE + 1]), "constants"),
        ("nonlinearities", '["sigmoid"]', "nonlinearities"),
        ("nonlinearities", "[", "nonlinearities|Expecting"),
    ],
)
def test_damaged_nodes_are_named(entry: str, value: Any, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    converter.write(network_of(find_model("alif")), path)
    with h5py.File(path, "r+") as file:
        del file[f"node/nodes/a/{entry}"]
        file[f"node/nodes/a/{entry}"] = value
    with pytest.raises(DamagedFileError, match=problem):
        converter.read(path)
