"""Training that goes on from a network: compiled and by autograd alike, with rounded weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ltc2hw.converters.torch import from_module
from ltc2hw.errors import InvalidValueError, ShapeError
from ltc2hw.graph.network import Network
from ltc2hw.neurons import GraphNetwork, SpikingNetwork
from ltc2hw.numbers.words import Word
from ltc2hw.quantization.scaling import weight_fraction
from ltc2hw.tasks import load_task
from ltc2hw.training import Recipe, TrainingOptions, train
from ltc2hw.training.grid import matrices_of
from ltc2hw.training.trainer import BEFORE
from tests.neurons.test_graph_network import meshed
from tests.random_networks import random_network

TASK = load_task("add-6")


def start(seed: int = 1, outputs: int = 1) -> Network:
    rng = np.random.default_rng(seed)
    return random_network(rng, inputs=TASK.inputs, outputs=outputs, hidden=(7,))


def recipe(**changes: Any) -> Recipe:
    return Recipe(training=TrainingOptions(updates=2, epochs=1, **changes))


@pytest.mark.parametrize(
    "changes", [{}, {"method": "bptt"}, {"weight_bits": 8}, {"weight_limit": 0.5}], ids=str
)
def test_a_chain_learns_as_its_graph_does(changes: dict[str, Any]) -> None:
    network = start()
    chain = train(TASK, recipe(**changes), start=network)
    graph = train(TASK, recipe(**changes), module=GraphNetwork(network))
    assert type(chain.module) is SpikingNetwork
    assert chain.history[0].loss == pytest.approx(graph.history[0].loss, rel=1e-9)
    ours, theirs = from_module(chain.module), from_module(graph.module)
    assert ours.provenance == theirs.provenance == network.provenance
    for one, other, before in zip(
        ours.projections, theirs.projections, network.projections, strict=True
    ):
        np.testing.assert_allclose(one.weights.values, other.weights.values, atol=1e-9)
        assert np.any(one.weights.values != before.weights.values)


def test_rounded_weights_of_a_graph_are_on_the_grid() -> None:
    rng = np.random.default_rng(2)
    network = meshed(rng)
    module = GraphNetwork(network)
    vector = np.zeros(sum(p.numel() for p in module.parameters()))
    sizes = sorted(len(part) for part in matrices_of(module)(vector))
    assert sizes == sorted(p.weights.values.size for p in network.projections)
    task = load_task("add-6")
    grown = random_network(rng, inputs=task.inputs, outputs=1, hidden=(7,))
    result = train(task, recipe(weight_bits=4), module=GraphNetwork(grown))
    for projection in from_module(result.module).projections:
        values = projection.weights.values
        mantissas = values * 2.0 ** weight_fraction(values, Word(4))
        np.testing.assert_array_equal(mantissas, np.round(mantissas))


def test_a_network_of_other_sizes_is_refused() -> None:
    for module in (start(outputs=2), meshed(np.random.default_rng(3))):
        with pytest.raises(ShapeError, match="puts of the network is"):
            train(TASK, recipe(), start=module)
    with pytest.raises(InvalidValueError, match="start is given beside module"):
        train(TASK, recipe(), start=start(), module=GraphNetwork(start()))


def test_a_checkpoint_goes_on_from_the_same_network_alone(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    train(TASK, recipe(), start=start(), checkpoint=path)
    assert len(train(TASK, recipe(), start=start(), checkpoint=path).history) == 1
    with pytest.raises(InvalidValueError, match="start network of checkpoint"):
        train(TASK, recipe(), start=start(seed=2), checkpoint=path)


def test_what_training_spoils_is_not_kept(tmp_path: Path) -> None:
    good = from_module(train(TASK, recipe(learning_rate=1e-2), start=start()).module)
    path = tmp_path / "checkpoint.npz"
    for file in (None, path, path):
        spoiled = train(TASK, recipe(learning_rate=3.0), start=good, checkpoint=file)
        assert spoiled.metrics["epoch"] == BEFORE
        assert from_module(spoiled.module) == good
        assert spoiled.history[0].validation > spoiled.metrics["validation"]
