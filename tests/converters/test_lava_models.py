"""Neurons of any model run in Lava: every integer of every result is the interpreter's."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ltc2hw.converters.lava.runner import run_job
from ltc2hw.dynamics.expression import Expression, port, register, state
from ltc2hw.dynamics.formats import Formats, Held
from ltc2hw.dynamics.lowering import lower
from ltc2hw.dynamics.model import model
from ltc2hw.dynamics.program import Program
from ltc2hw.errors import UnsupportedError
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.words import IntArray, Word
from ltc2hw.targets import load_target
from tests.converters.own_neurons import (
    Interpreted,
    Recorded,
    Wire,
    as_processes,
    chip_steps,
    random_neurons,
    random_wires,
    trading,
    trading_neurons,
)
from tests.loose_neurons import loose
from tests.random_networks import random_lif
from tests.views import rebuilt

pytest.importorskip("lava.magma", reason="the lava extra is not installed")

from ltc2hw.converters.lava.inprocess import make_model, run_models
from ltc2hw.converters.lava.limits import lava_bias_exponent
from ltc2hw.converters.lava.populations import neurons_recipe
from ltc2hw.converters.lava.processes.scheduled import LOST, Run, Timing

ROOT = Path(__file__).parents[2]


def in_lavas_models(
    neurons: FixedNeurons, wires: list[Wire], samples: IntArray
) -> tuple[Recorded, dict[str, int]]:
    """As :class:`Interpreted`, by the processes' models without the runtime."""
    process, source, connections = as_processes(neurons, wires, samples, "")
    own, first = make_model(process), make_model(source)
    models = [make_model(connection) for connection in connections]
    for wire, made in zip(wires, models, strict=True):
        sender = getattr(own, f"{wire.variable}_out") if wire.variable else first.value_out
        made.s_in.senders.append(sender)
        getattr(own, f"{wire.port}_in").senders.append(made.a_out)
    run_models([first, own], models, chip_steps(samples))
    record = own.recorder.record
    lost = {name.removeprefix(LOST): int(v) for name, v in record.items() if name.startswith(LOST)}
    return {name: values for name, values in record.items() if not name.startswith(LOST)}, lost


def assert_same(expected: Recorded, found: Mapping[str, IntArray]) -> None:
    assert set(found) == set(expected)
    for name, values in expected.items():
        assert np.array_equal(found[name], values), name


def test_a_model_of_ones_own_runs_in_lavas_runtime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed, size = 5, 9
    rng = np.random.default_rng(seed)
    neurons = trading_neurons(rng, size)
    wires = random_wires(rng, neurons, 4)
    assert neurons.model is trading
    assert trading.early == ("current",)
    assert ("current", "leak") in {(wire.variable, wire.port) for wire in wires}
    samples = rng.integers(-4, 5, (3, 8, 4))
    np.savez(tmp_path / "input.npz", samples=samples, seed=seed, size=size)
    monkeypatch.setenv("PYTHONPATH", os.fspath(ROOT))
    run_job("tests.converters.lava_jobs.own_neurons:run", tmp_path, 120.0)
    with np.load(tmp_path / "result.npz", allow_pickle=False) as stored:
        record = dict(stored)
    reference = Interpreted(neurons, wires, samples)
    expected, misfits = reference.record, reference.misfits
    assert_same(expected, {k: v for k, v in record.items() if not k.startswith(LOST)})
    assert {k.removeprefix(LOST): v for k, v in record.items() if k.startswith(LOST)} == misfits
    assert {"current", "membrane", "recovery", "message current"} <= set(misfits)
    assert 0.1 < expected["spikes"].mean() < 0.9
    # What a probe of Lava sees at the end is the last step.
    with np.load(tmp_path / "vars.npz", allow_pickle=False) as stored:
        for name in stored.files:
            assert np.array_equal(stored[name], expected[name][-1, -1])


@given(st.integers(0, 2**32))
@settings(max_examples=60)
def test_random_models_equal_the_interpreter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    neurons = random_neurons(rng, int(rng.integers(1, 7)))
    wires = random_wires(rng, neurons, 3)
    samples = rng.integers(-20, 21, (2, 5, 3))
    reference = Interpreted(neurons, wires, samples)
    found, lost = in_lavas_models(neurons, wires, samples)
    assert_same(reference.record, found)
    assert lost == reference.misfits


def made_with(result: str) -> FixedNeurons:
    """Neurons whose one register has this name."""

    def kept() -> Mapping[str, Expression]:
        return {result: register(state(result) + port("current"), result)}

    named = model(output=result)(kept)
    formats = Formats({result: Held.within(Word(16), 0)}, {"current": 0}, {})
    return loose("own", 2, named, formats, lower(named.program, formats), {}, {})


@pytest.mark.parametrize("name", ["time_step", "recorder", "vars", "spikes_out", "_hidden"])
def test_names_that_lava_uses_itself_are_refused(name: str) -> None:
    kind, options = neurons_recipe(made_with(name), Timing(1, 0, 0), Run())
    with pytest.raises(UnsupportedError, match=f"population own: a result named '{name}'"):
        kind(**options)
    kind, options = neurons_recipe(made_with("kept"), Timing(1, 0, 0), Run())
    assert [var.name for var in kind(**options).vars] == ["kept"]


def test_lavas_own_lif_is_known_by_its_program() -> None:
    """Whatever its fraction and exponent; not with another word, shift or operation."""
    rng = np.random.default_rng(3)
    for exponent in range(8):
        drawn = random_lif(rng, "lif", 4, load_target("loihi2"), extreme=True)
        drawn = rebuilt(drawn, bias_exponent=exponent, fraction=int(rng.integers(-5, 30)))
        assert lava_bias_exponent(drawn) == exponent
        for other in (
            rebuilt(drawn, alignment=5),
            rebuilt(drawn, state=Word(23)),
            rebuilt(drawn, decay_fraction=13),
        ):
            assert lava_bias_exponent(other) is None
        same = drawn
        text = Program.from_text(same.program.to_text())
        assert lava_bias_exponent(replace(same, program=text)) == exponent
    assert lava_bias_exponent(trading_neurons(rng, 3)) is None
