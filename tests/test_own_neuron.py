"""The page on one's own neuron does what it says, and its file runs where its code is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).parents[1] / "docs" / "own-neuron.md"

ALONE = """
import numpy as np, ltc2hw
fixed = ltc2hw.load("fixed.h5")
x = np.load("x.npy")
np.save("outputs.npy", ltc2hw.simulate(fixed, x, engine="integer").outputs)
"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Names that the page's code leaves behind, run in a folder of its own."""
    folder = tmp_path_factory.mktemp("own")
    names: dict[str, Any] = {}
    before = Path.cwd()
    os.chdir(folder)
    try:
        for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S):
            exec(compile(block, str(PAGE), "exec"), names)
    finally:
        os.chdir(before)
    return folder, names


def test_the_page_runs_and_its_neuron_fires_alike(page: tuple[Path, dict[str, Any]]) -> None:
    _, names = page
    assert 0.02 < names["trace"].spikes["hidden"].mean() < 0.5
    assert round(float(names["agreement"]), 2) == 0.98
    weights = [p.weights.values for p in names["fixed"].projections]
    adapted = [p.weights.values for p in names["learned"].network.projections]
    assert any(not np.array_equal(a, b) for a, b in zip(weights, adapted, strict=True))


def test_its_membrane_is_the_paper_s(page: tuple[Path, dict[str, Any]]) -> None:
    """The equations written out once more, for one neuron at a time."""
    _, names = page
    hidden, x = names["net"].population("hidden"), names["x"]
    weights = names["net"].projections[0].weights.to_array()
    constants = dict(hidden.constants)
    fired = names["trace"].spikes["hidden"]
    u = fast = slow = before = np.zeros((x.shape[1], hidden.size))
    for t, sample in enumerate(x):
        u = constants["membrane_kept"] * u + sample @ weights.T
        fast = constants["fast_kept"] * fast + constants["fast_jump"] * before
        slow = constants["slow_kept"] * slow + constants["slow_jump"] * before
        before = (u > constants["threshold"] + fast + slow).astype(float)
        assert np.array_equal(before, fired[t])


def test_its_file_runs_where_its_code_is_not(page: tuple[Path, dict[str, Any]]) -> None:
    folder, names = page
    np.save(folder / "x.npy", names["x"])
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(folder / "outputs.npy"), names["integers"].outputs)
