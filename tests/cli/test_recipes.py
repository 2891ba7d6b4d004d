"""``ltc2hw train`` from a recipe file, by single options, and from a network that there is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main, recipe_options
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from tests.random_networks import random_network

pytest.importorskip("torch", reason="the torch extra is not installed")

from ltc2hw.tasks import load_task
from ltc2hw.training import load_recipe, options
from ltc2hw.training.recipes import recipe_for

OWN = "tests.zoo:gated_and_tired"


def train(folder: Path, *arguments: str, task: str = "add-4") -> Network:
    out = folder / "out.h5"
    assert main(["train", task, "--out", str(out), *arguments]) == 0
    network = ltc2hw.load(out)
    assert isinstance(network, Network)
    return network


def test_choices_are_those_of_training() -> None:
    assert recipe_options.METHODS == options.METHODS
    assert recipe_options.OPTIMIZERS == options.OPTIMIZERS
    assert recipe_options.SCHEDULES == options.SCHEDULES
    assert recipe_options.LOSS_WEIGHTINGS == options.LOSS_WEIGHTINGS
    assert recipe_options.DEVICES == options.DEVICES
    assert recipe_options.DESCENTS == options.DESCENTS


def test_every_option_reaches_the_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {
        "--hidden": "5,3", "--method": "fptt", "--epochs": "1", "--updates": "2", "--rate": "0.01",
        "--schedule": "constant", "--batch-size": "200", "--optimizer": "adamax",
        "--loss-weighting": "uniform", "--weight-bits": "6", "--seed": "7", "--threads": "2",
        "--gate": "static", "--device": "cpu",
    }  # fmt: skip
    file, record = tmp_path / "recipe.toml", tmp_path / "record.json"
    flags = [text for pair in given.items() for text in pair]
    network = train(
        tmp_path, *flags, "--no-augment", "--save-recipe", str(file), "--json", str(record)
    )
    assert [p.size for p in network.populations] == [2, 5, 3, 1]
    wanted = (
        recipe_for(load_task("add-4"))
        .with_model(hidden=(5, 3), gate="static")
        .with_training(
            method="fptt", epochs=1, updates=2, learning_rate=0.01, schedule="constant",
            batch_size=200, optimizer="adamax", loss_weighting="uniform", weight_bits=6, seed=7,
            threads=2, device="cpu", augment=False,
        )
    )  # fmt: skip
    assert load_recipe(file) == wanted
    measured = json.loads(record.read_text())
    assert measured["model"] == json.loads(json.dumps(wanted.to_dict()["model"]))
    assert measured["training"] == wanted.to_dict()["training"]
    printed = capsys.readouterr().out
    assert "network: 5 + 3 ltc (static gates)" in printed
    assert "recipe: fptt, 2 updates per sequence, 1 epoch, batches of 200, adamax 0.01" in printed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--method", "eprop", "--piece", "3"), "recipe: eprop, 1 epoch"),
        (
            ("--descent", "eligibility", "--updates", "4"),
            "recipe: fptt, 4 updates per sequence, descent eligibility, ",
        ),
        (
            ("--descent", "filtered", "--updates", "2"),
            "recipe: fptt, 2 updates per sequence, descent filtered, ",
        ),
    ],
)
def test_networks_learn_by_eligibility(
    given: Sequence[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "recipe.toml"
    network = train(tmp_path, *given, "--hidden", "3", "--epochs", "1", "--save-recipe", str(file))
    assert said in capsys.readouterr().out
    used = load_recipe(file).training
    assert network.provenance["method"] == used.method
    assert network.provenance.get("descent", "instantaneous") == used.descent
    assert network == train(tmp_path, "--recipe", str(file))


def test_an_option_goes_before_the_file_and_the_file_before_the_task(tmp_path: Path) -> None:
    file, used = tmp_path / "mine.toml", tmp_path / "used.toml"
    file.write_text("[model]\nhidden = [4]\n[training]\nepochs = 9\nseed = 3\nupdates = 1\n")
    train(tmp_path, "--recipe", str(file), "--epochs", "1", "--save-recipe", str(used))
    task = recipe_for(load_task("add-4"))
    wanted = task.with_model(hidden=(4,)).with_training(epochs=1, seed=3, updates=1)
    assert load_recipe(used) == wanted
    first = ltc2hw.load(tmp_path / "out.h5")
    assert first == train(tmp_path, "--recipe", str(used))


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    network = train(
        tmp_path, "--neuron", OWN, "--constant", "threshold=0.2", "--hidden", "3", "--epochs", "1"
    )
    hidden = network.population("hidden")
    assert isinstance(hidden, Neurons)
    assert hidden.model.name == "gated_and_tired"


@pytest.fixture
def start(tmp_path: Path) -> Path:
    rng = np.random.default_rng(1)
    path = tmp_path / "start.h5"
    ltc2hw.save(random_network(rng, inputs=2, outputs=1, hidden=(4, 3)), path)
    return path


def test_training_goes_on_from_a_network(
    tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = tmp_path / "record.json"
    options = ["--start", str(start), "--epochs", "1", "--weight-bits", "8", "--json", str(record)]
    network, before = train(tmp_path, *options), ltc2hw.load(start)
    assert isinstance(before, Network)
    assert [p.name for p in network.populations] == [p.name for p in before.populations]
    assert network.projections != before.projections
    assert network.provenance["origin"] == "random"
    assert network.provenance["task"] == "add-4"
    assert "gate" not in network.provenance
    assert "model" not in json.loads(record.read_text())
    assert "network: hidden0 (4), hidden1 (3), readout (1)" in capsys.readouterr().out
    for projection in network.projections:
        largest = np.abs(projection.weights.values).max()
        step = 2.0 ** np.floor(np.log2(largest) - 8)
        np.testing.assert_array_equal(
            projection.weights.values / step, np.round(projection.weights.values / step)
        )


def spiking(path: Path) -> Path:
    rng = np.random.default_rng(2)
    ltc2hw.save(random_network(rng, inputs=2, outputs=1, graded=False), path)
    return path


WRONG: dict[str, tuple[Sequence[str], str]] = {
    "another size": (("--start", "{start}"), "number of inputs is 2; expected 8"),
    "new layers": (("--start", "{start}", "--hidden", "3"), "option is --hidden; expected no"),
    "a new neuron": (("--start", "{start}", "--neuron", "lif"), "option is --neuron"),
    "no network": (("--start", "{toml}"), "cannot read"),
    "no file": (("--start", "none.h5"), "none.h5: No such file"),
    "no recipe": (("--recipe", "none.toml"), "none.toml: No such file"),
    "a folder": (("--recipe", "{folder}"), "Is a directory"),
    "an unknown key": (("--recipe", "{toml}"), "key of [training] in"),
    "no TOML": (("--recipe", "{start}"), "no TOML"),
    "the same file": (
        ("--recipe", "{toml}", "--save-recipe", "{toml}"),
        "--save-recipe is {toml}; expected another file than the input",
    ),
    "no sizes": (("--hidden", "3,x"), "--hidden: invalid list of positive integers"),
    "an empty size": (("--hidden", "3,"), "--hidden: invalid list of positive integers"),
    "no layer": (("--conv", "8c5", "--data-root", "none"), "layer of conv is '8c5'; expected"),
    "a layer of images": (("--hidden", "8k5"), "(convolutions: --conv)"),
    "no rate": (("--rate", "0"), "learning_rate is 0.0"),
    "pieces of steps": (
        ("--method", "ostl", "--piece", "4"),
        "--piece is 4; expected none, as ostl takes step after step (leave it out, or use --method "
        "hypr",
    ),
    "pieces of nothing": (("--piece", "4"), "expected none for fptt without --descent eligib"),
    "eligibility of bptt": (
        ("--method", "bptt", "--descent", "eligibility"),
        "descent is eligibility; expected instantaneous for method bptt, which has the whole past",
    ),
    "a filter of a readout of event gates": (
        ("--descent", "filtered"),
        "descent 'filtered' cannot express readout readout: its leak is not one number, so the "
        "filter is one per synapse and output (use static gates there (readout_gate), or descent",
    ),
    "updates of hypr": (("--method", "hypr", "--updates", "2"), "as hypr learns at the end of a"),
    "dense eligibility": (
        ("--descent", "eligibility", "--gate", "dense"),
        "all neurons of the layer steer each other's tau_mem, tau_adp (dense gates), not local",
    ),
    "convolutions by hypr": (
        ("--method", "hypr", "--batch-norm"),
        "method 'hypr' cannot express GraphNetwork",
    ),
    "too many updates": (("--updates", "9"), "updates per sequence is 9; expected 1 to 8"),
    "no model": (("--neuron", "tests.zoo:INPUTS"), "a int; expected a neuron model"),
    "no module": (("--neuron", "nothing.of:that"), "module of nothing.of:that is nothing, not"),
    "an own model in a file": (
        ("--neuron", OWN, "--save-recipe", "{folder}/recipe.toml"),
        "neuron of a recipe file is gated_and_tired",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_one_line(
    case: str, tmp_path: Path, start: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("sklearn")
    arguments, message = WRONG[case]
    folder, toml = tmp_path / "folder", tmp_path / "recipe.toml"
    folder.mkdir()
    toml.write_text("[training]\nepoch = 3\n")
    places: dict[str, Any] = {"start": start, "toml": toml, "folder": folder}
    given = [argument.format(**places) for argument in arguments]
    try:
        ended: object = main(["train", "digits-rows", "--out", str(folder / "out.h5"), *given])
    except SystemExit as error:
        ended = error.code
    printed = capsys.readouterr()
    assert ended == 2
    assert printed.err.count("\n") == 1
    assert message.format(**places) in printed.err
    assert printed.out == ""
    assert list(folder.iterdir()) == []


def test_spikes_are_not_trained_on_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = spiking(tmp_path / "spiking.h5")
    arguments = ["train", "add-4", "--start", str(path), "--out", str(tmp_path / "out.h5")]
    assert main(arguments) == 2
    assert "is spikes; expected graded values for task add-4" in capsys.readouterr().err
