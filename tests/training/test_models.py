"""Networks of any model learn: compiled as by autograd, through options, and from checkpoints."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch

from ltc2hw.converters.torch import from_module
from ltc2hw.dynamics.expression import Expression, constant, fires, mix, port, state
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.models import MODELS, find_model
from ltc2hw.errors import InvalidValueError, TrainingError, UnknownNameError, UnsupportedError
from ltc2hw.graph.neurons import Neurons
from ltc2hw.neurons import ProgramCell, ReadoutCell, SpikingNetwork
from ltc2hw.tasks import load_task
from ltc2hw.training import ModelOptions, Recipe, TrainingOptions, train
from ltc2hw.training.learner import CompiledNetworkLearner, new_learner
from ltc2hw.training.model import build_network
from ltc2hw.training.recipes import recipe_for
from tests.training.test_compiled import BATCH, INPUTS, OUTPUTS, RATE, learn_by_steps, task_of

GAINS = {"brf": 200.0, "adlif": 40.0, "izhikevich": 0.5}


@model()
def bouncing() -> Mapping[str, Expression]:
    """A model of this test: what is above the threshold is taken off, whatever it is."""
    charged = mix(state("membrane"), port("current"), constant("pace", 0.4, low=0.0, high=1.0))
    threshold = constant("threshold", 0.3)
    spikes = fires(charged, threshold)
    return {"membrane": charged - threshold * spikes, "spikes": spikes}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("method", ["fptt", "bptt"])
def test_every_model_learns_compiled_as_by_autograd(name: str, method: str) -> None:
    task = task_of("regression", 8, seed=3)
    options = TrainingOptions(method=method, updates=4, optimizer="sgd")  # type: ignore[arg-type]

    def network() -> SpikingNetwork:
        generator = torch.Generator().manual_seed(4)
        gain = GAINS.get(name, 2.0)
        cell = ProgramCell(find_model(name), INPUTS, 6, gain=gain, generator=generator)
        return SpikingNetwork([cell], ReadoutCell(6, OUTPUTS, generator=generator)).double()

    compiled, wanted = network(), network()
    x, labels = torch.from_numpy(task.train.x), torch.from_numpy(task.train.labels)
    batches = [(x[:, :BATCH], labels[:BATCH]), (x[:, BATCH:], labels[BATCH:])]
    learner = CompiledNetworkLearner(compiled, task, options)
    losses = [loss for x, labels in batches for loss in learner.learn(x, labels, RATE)]
    expected = learn_by_steps(wanted, task, options, batches)
    np.testing.assert_allclose(losses, expected, rtol=1e-9, atol=1e-10)
    learner.store()
    for found, value in zip(compiled.parameters(), wanted.parameters(), strict=True):
        scale = max(1.0, float(value.detach().abs().max()))
        torch.testing.assert_close(found, value, rtol=0, atol=1e-8 * scale)


@pytest.mark.parametrize("neuron", ["alif", bouncing])
def test_training_takes_a_model(neuron: object, tmp_path: Path) -> None:
    options = ModelOptions(hidden=(8,), neuron=neuron, gain=2.0)  # type: ignore[arg-type]
    training = TrainingOptions(updates=2, epochs=2, batch_size=64)
    task, path = load_task("add-4"), tmp_path / "run.npz"
    result = train(task, Recipe(options, training), checkpoint=path)
    assert type(result.module.cells[0]) is ProgramCell
    assert all(np.isfinite(record.loss) for record in result.history)
    again = train(task, Recipe(options, training), checkpoint=path)
    assert again.metrics == result.metrics
    other = ModelOptions(hidden=(8,), neuron="lif", gain=2.0)
    with pytest.raises(InvalidValueError, match="neuron"):
        train(task, Recipe(other, training), checkpoint=path)


def test_a_recipe_of_another_neuron() -> None:
    recipe = recipe_for(load_task("add-6")).with_model(neuron="alif", constants={"jump": 0.5})
    assert (recipe.model.threshold, recipe.model.hidden) == (0.1, (64,))
    cell = new_network(recipe.model).cells[0]
    assert cell.get_parameter("constant_jump").tolist() == [0.5] * 64


@pytest.mark.parametrize("conv", [(), ("2k2",)])
def test_constants_start_apart_and_some_stay(conv: tuple[str, ...]) -> None:
    """Uniform in ``start ± spread``, one for each neuron; what is fixed is no parameter."""
    options = ModelOptions(
        hidden=(50,), neuron="brf", constants={"omega": 30.0}, spreads={"omega": 20.0},
        fixed=("dt", "threshold"), conv=conv,
    )  # fmt: skip
    task = load_task("digits-rows")
    if conv:
        task = dataclasses.replace(task, shape=(2, 4))
    module = build_network(task, options, torch.Generator().manual_seed(0))
    names = [name for name, _ in module.named_parameters()]
    found = from_module(module).population("hidden")
    assert isinstance(found, Neurons)
    omega = found.constants["omega"]
    assert len(np.unique(omega)) == 50
    assert 10.0 <= omega.min() < 15.0 < 45.0 < omega.max() <= 50.0
    assert np.all(np.float32(found.constants["dt"]) == np.float32(0.01))
    assert any("damping" in name for name in names)
    assert not any(name.endswith(("dt", "threshold")) for name in names)


@pytest.mark.parametrize("conv", [(), ("2k2",)])
@pytest.mark.parametrize("seed", range(5))
def test_a_spread_beyond_the_range_is_refused_whatever_is_drawn(
    conv: tuple[str, ...], seed: int
) -> None:
    task = dataclasses.replace(load_task("digits-rows"), shape=(2, 4) if conv else (8,))
    options = ModelOptions(hidden=(1,), neuron="brf", spreads={"omega": 11.0}, conv=conv)
    with pytest.raises(InvalidValueError, match=r"omega of brf is -1\.0; expected 0\.0 to inf"):
        build_network(task, options, torch.Generator().manual_seed(seed))


def new_network(options: ModelOptions) -> SpikingNetwork:
    made = build_network(load_task("add-6"), options, torch.Generator().manual_seed(0))
    assert isinstance(made, SpikingNetwork)
    return made


def test_options_of_another_neuron_are_refused() -> None:
    with pytest.raises(InvalidValueError, match=r"threshold is 0\.5; expected an option of the L"):
        ModelOptions(neuron="alif", threshold=0.5)
    with pytest.raises(InvalidValueError, match="constants"):
        ModelOptions(constants={"jump": 0.5})
    with pytest.raises(InvalidValueError, match=r"spreads is .*none for the LTC"):
        ModelOptions(spreads={"jump": 0.5})
    with pytest.raises(InvalidValueError, match="fixed is 'jump'; expected a list of names"):
        ModelOptions(neuron="alif", fixed="jump")  # type: ignore[arg-type]
    with pytest.raises(InvalidValueError, match=r"spreads is .*numbers by name"):
        ModelOptions(neuron="alif", spreads=("jump",))  # type: ignore[arg-type]
    for own in ({"spreads": {"leak": 0.5}}, {"fixed": ("leak",)}):
        with pytest.raises(UnknownNameError, match="leak"):
            new_network(ModelOptions(neuron="alif", **own))
    with pytest.raises(InvalidValueError, match="neuron is int"):
        ModelOptions(neuron=3)  # type: ignore[arg-type]
    with pytest.raises(UnknownNameError, match="model is 'hodgkin'"):
        new_network(ModelOptions(neuron="hodgkin"))
    with pytest.raises(UnknownNameError, match="constant of model alif is 'leak'"):
        new_network(ModelOptions(neuron="alif", constants={"leak": 0.5}))


def test_what_breaks_before_the_first_update_is_not_put_down_to_the_rate() -> None:
    options = ModelOptions(hidden=(4,), neuron="brf", constants={"omega": 200.0})
    with pytest.raises(
        TrainingError, match=r"update 0; nothing was learned yet, .* dt times omega"
    ):
        train(load_task("add-6"), Recipe(options, TrainingOptions(epochs=1, updates=2)))


def test_a_cell_of_a_class_of_its_own_learns_by_autograd() -> None:
    class Mine(ProgramCell):
        pass

    cell = Mine(find_model("lif"), 2, 4)
    module = SpikingNetwork([cell], ReadoutCell(4, 1))
    with pytest.raises(UnsupportedError, match="Mine: a cell of a class of its own"):
        new_learner(module, load_task("add-6"), TrainingOptions(updates=2, backend="compiled"))
