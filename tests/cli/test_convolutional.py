"""``ltc2hw train --conv``: convolutional networks from the command line, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.cli.recipe_options import reasons
from ltc2hw.graph.network import Network
from ltc2hw.numbers.convolution import Conv
from ltc2hw.tasks import Task
from ltc2hw.tasks.saving import save_task

pytest.importorskip("torch", reason="the torch extra is not installed")

from ltc2hw.training import ModelOptions, load_recipe, save_recipe
from ltc2hw.training.convolutional import convolutional_network
from ltc2hw.training.image_layers import fitting_layers
from ltc2hw.training.recipes import chosen_for

torch = pytest.importorskip("torch")


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Noise with places, (samples, steps, channels, height, width), and its labels."""
    rng = np.random.default_rng(0)
    x = (rng.random((40, 4, 2, 7, 6)) < 0.3).astype(np.float32)
    path = tmp_path / "images.npz"
    np.savez(path, x=x, y=np.arange(40) % 2)
    return path


def test_layers_reach_the_file(images: Path, tmp_path: Path) -> None:
    out, recipe = tmp_path / "out.h5", tmp_path / "recipe.toml"
    flags = ["--conv", "4k3", "--conv", "pool2", "--conv", "5k2s1", "--hidden", "none"]
    more = ["--epochs", "1", "--dropout", "0.1", "--shift", "1", "--save-recipe", str(recipe)]
    assert main(["train", str(images), "--out", str(out), *flags, *more]) == 0
    network = ltc2hw.load(out)
    assert isinstance(network, Network)
    assert [p.shape for p in network.populations] == [(2, 7, 6), (4, 5, 4), (5, 1, 1), (2,)]
    kernels = [p.weights for p in network.projections if isinstance(p.weights, Conv)]
    # Averages of windows are folded into the kernels above them.
    assert [k.kernel.shape[2] for k in kernels] == [3, 3, 3, 4, 4, 2]
    saved = load_recipe(recipe)
    assert saved.model.conv == ("4k3", "pool2", "5k2")
    assert (saved.model.hidden, saved.model.dropout, saved.training.shift) == ((), 0.1, 1)
    further = tmp_path / "further.h5"
    assert (
        main(["train", str(images), "--start", str(out), "--out", str(further), "--epochs", "1"])
        == 0
    )


def test_a_hidden_layer_stands_on_the_images(images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.h5"
    flags = ["--conv", "4k3s2", "--hidden", "6", "--batch-norm", "--epochs", "1"]
    assert main(["train", str(images), "--out", str(out), *flags]) == 0
    network = ltc2hw.load(out)
    assert isinstance(network, Network)
    assert [p.name for p in network.populations] == ["input", "conv1", "hidden", "output"]


WRONG: dict[str, tuple[Sequence[str], str]] = {
    "letters": (["--conv", "4c3"], "layer of conv is '4c3'; expected channels and kernel"),
    "a large kernel": (["--conv", "4k9"], "kernel of layer 4k9 is 9; expected at most 6"),
    "no layer": (["--hidden", "none"], "hidden is (); expected at least one layer size"),
    "all dropped": (["--conv", "4k3", "--dropout", "1"], "dropout is 1.0; expected 0 to below 1"),
    "beyond the edge": (["--shift", "6"], "shift is 6; expected below the 7 x 6 places"),
    "norms of rounded weights": (
        ["--conv", "4k3", "--batch-norm", "--weight-bits", "8"],
        "weight_bits is 8; expected none beside batch norm",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_has_no_meaning_is_one_line(
    case: str, images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags, message = WRONG[case]
    out = tmp_path / "out.h5"
    assert main(["train", str(images), "--out", str(out), *flags]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--conv", "4k3"], "shape of samples for conv is (2,)"),
        (["--shift", "1"], "shift is 1; expected 0, as the samples of a step are no image"),
    ],
)
def test_samples_without_places(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "add-4", "--out", str(tmp_path / "out.h5"), *flags]) == 2
    assert message in capsys.readouterr().err


def test_layers_over_images_are_offered_and_fit(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Data of one's own with places have a recipe without convolutions, which says so."""
    out = ["--out", str(tmp_path / "out.h5"), "--epochs", "1"]
    assert main(["train", str(images), *out]) == 0
    (line,) = (each for each in capsys.readouterr().out.splitlines() if "--conv" in each)
    assert line.startswith("  conv = none: nothing is chosen here by the places of a 2 x 7 x 6")
    offered = re.findall(r"--conv \S+", line)
    flags = [word for each in offered for word in each.split()]
    assert flags == ["--conv", "16k3s2"]
    assert main(["train", str(images), *out, *flags, "--hidden", "none"]) == 0
    printed = capsys.readouterr().out
    assert "network: 16k3s2 ltc" in printed
    assert "conv = none" not in printed


def test_layers_of_a_recipe_stay_and_can_be_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = (np.random.default_rng(0).random((40, 4, 2, 19, 19)) < 0.3).astype(float)
    task = Task.from_arrays(x, np.arange(40) % 2, name="nmnist")
    own = chosen_for(task)
    kept, none = own.recipe.with_model(hidden=(8,)), own.recipe.with_model(hidden=(8,), conv=())
    (_, line) = reasons(own, kept, task)
    layers = "16k5s2, 32k3s2, 32k3s2"
    assert (
        line == f"  conv = {layers}: the recipe's own, which --hidden keeps; --conv none does not"
    )
    assert not any("conv" in line for line in reasons(own, own.recipe, task)[1:])
    assert not any("conv" in line for line in reasons(own, none, task)[1:])
    save_task(task, tmp_path / "nmnist.npz")
    recipe, command = (
        tmp_path / "conv.toml",
        ["train", str(tmp_path / "nmnist.npz"), "--epochs", "1"],
    )
    save_recipe(own.recipe.with_model(conv=("2k3s2",)), recipe)
    flags = ["--recipe", str(recipe), "--out", str(tmp_path / "out.h5"), "--hidden", "3"]
    assert main([*command, *flags, "--conv", "none"]) == 0
    assert "network: 3 ltc" in capsys.readouterr().out
    assert main([*command, *flags]) == 0
    assert "network: 2k3s2 + 3 ltc" in capsys.readouterr().out


@pytest.mark.parametrize("shape", [(1, 5), (3, 200), (1, 5, 5), (2, 34, 34), (2, 128, 128)])
def test_offered_layers_fit(shape: tuple[int, ...]) -> None:
    conv = tuple(map(str, fitting_layers(shape)))
    options = ModelOptions(conv=conv, hidden=())
    convolutional_network(shape, 2, options, torch.Generator().manual_seed(0))
    assert conv
