"""The command that trains convolutional networks on real recordings, small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from experiments import convolution
from tests.shared_data import shared_data

RECIPE = """
[model]
conv = ["3k6s4"]
[training]
epochs = 1
batch_size = 300
updates = 3
"""


def test_a_small_network_is_trained_deployed_and_read_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = shared_data("nmnist").parent
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE, encoding="utf-8")
    folder = tmp_path / "runs"
    command = ["nmnist", "--data-root", str(root), "--out", str(folder), "--recipe", str(recipe)]
    convolution.main(command)
    (path,) = folder.iterdir()
    found = json.loads(path.read_text(encoding="utf-8"))
    assert path.stem.startswith("nmnist-event-3k6s4-k3-b300")
    assert 0 <= found["float"] <= 1
    assert abs(found["integer"] - found["float"]) < 0.2
    assert found["fast_seconds"] > 0
    printed = capsys.readouterr().out.splitlines()
    assert "192 neurons" in printed[-1]
    convolution.main(command)
    assert capsys.readouterr().out.splitlines() == printed[-1:]


def test_files_that_are_not_there_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        convolution.main(["nmnist", "--data-root", str(tmp_path), "--out", str(tmp_path / "runs")])
    assert ended.value.code == 2
    assert "files of N-MNIST" in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
