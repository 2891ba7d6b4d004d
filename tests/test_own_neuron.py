"""The page on one's own neuron does what it says, and its file runs where its code is not."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.dynamics import (
    Model,
    constant,
    fires,
    gate,
    larger,
    mix,
    model,
    port,
    register,
    state,
    where,
)
from ltc2hw.dynamics.expression import Expression
from ltc2hw.dynamics.printing import equations
from ltc2hw.graph.fixed import variable_fraction
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.numbers.weights import Dense

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
    assert round(float(names["agreement"]), 2) == 0.99
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


def test_its_equations_are_printed_as_shown(page: tuple[Path, dict[str, Any]]) -> None:
    _, names = page
    assert f"```\n{equations(names['mat'].program)}\n```" in PAGE.read_text(encoding="utf-8")


def test_it_is_trained_as_shown(page: tuple[Path, dict[str, Any]]) -> None:
    pytest.importorskip("torch")
    _, names = page
    (block,) = re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)
    exec(compile(block, str(PAGE), "exec"), names)
    hidden = names["network"].populations[1]
    assert (hidden.size, hidden.model) == (32, names["mat"])
    assert not np.array_equal(hidden.constants["threshold"], np.full(32, 0.3))


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


@model(sends=("spikes", "dendrite"), source="a test")
def two_compartments() -> Mapping[str, Expression]:
    """No result is called membrane; the soma charges, and waits after a spike."""
    kept = constant("dendrite_kept", 0.8, "part that stays per step", low=0, high=1)
    dendrite = register(kept * state("dendrite") + port("excitation"), "dendrite")
    waiting = state("waiting")
    charged = mix(state("soma"), dendrite, constant("coupling", 0.3)) - port("inhibition")
    soma = register(where(fires(waiting, 0.0), 0.0, charged), "soma")
    spikes = fires(soma, constant("threshold", 0.5))
    return {
        "dendrite": dendrite,
        "soma": where(spikes, 0.0, soma),
        "waiting": where(spikes, constant("refractory", 3.0), larger(waiting - 1.0, 0.0)),
        "spikes": spikes,
    }


@model(output="rate", source="a test")
def rate_unit() -> Mapping[str, Expression]:
    """No spikes; no port lands in the argument of the gate."""
    drive = register(port("excitation") - port("inhibition"), "drive")
    firing = gate(constant("gain", 2.0) * drive, "firing")
    return {"drive": drive, "rate": mix(state("rate"), firing, constant("share", 0.2))}


@pytest.mark.parametrize(
    ("own", "sent"),
    [(two_compartments, "dendrite"), (rate_unit, "rate")],
    ids=["two_compartments", "rate_unit"],
)
def test_neurons_of_other_names_are_quantized_and_compared(own: Model, sent: str) -> None:
    rng = np.random.default_rng(1)
    network = Network(
        populations=(
            Input("input", 4, graded=True),
            ltc2hw.Neurons("hidden", 6, own),
            ltc2hw.Neurons("readout", 3, "readout", {"tau_mem.bias": -1.0}),
        ),
        projections=(
            Projection("input", "value", "hidden", "excitation", Dense(rng.normal(0, 1, (6, 4)))),
            Projection(
                "hidden", own.output, "hidden", "inhibition", Dense(rng.uniform(0, 0.1, (6, 6))), 1
            ),
            Projection("hidden", sent, "readout", "current", Dense(rng.normal(0, 0.3, (3, 6)))),
        ),
        output="readout",
    )
    x = rng.uniform(-1, 1, (40, 5, 4))
    fixed = ltc2hw.quantize(network, "loihi2", calibration=x)
    real = ltc2hw.simulate(network, x, record="all").states["hidden"]
    integer = ltc2hw.simulate(fixed, x, engine="integer", record="all").states["hidden"]
    fraction = variable_fraction(fixed.population("hidden"), sent)
    assert np.abs(real[sent] - np.ldexp(integer[sent], -fraction)).max() < 0.1
    report = ltc2hw.compare(network, fixed, x, rng.integers(0, 3, 5), engines=("integer",))
    pictured = report.excerpt.membranes
    assert len(pictured) == (6 if own.output == "spikes" else 0)
    sample = report.excerpt.sample
    for shown in pictured:
        soma = real["soma"][:, sample, shown.neuron]
        assert np.allclose(shown.float_membrane, soma)
        assert np.all(shown.float_threshold == 0.5)
