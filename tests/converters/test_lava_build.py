"""The built processes as a Lava user meets them: ports to connect, Lava's stock models."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters.lava import build
from ltc2hw.converters.lava.runner import run_job
from ltc2hw.errors import InvalidValueError, LavaError, UnknownNameError
from ltc2hw.files.bundle import save
from ltc2hw.graph.fixed import FixedNetwork
from tests.random_networks import GateKind, Model, random_network, random_samples
from tests.views import kind

pytest.importorskip("lava.magma", reason="the lava extra is not installed")

from lava.proc.lif.process import LIF as LavaLIF

from ltc2hw.converters.lava.assembly import Feed, build_network

ROOT = Path(__file__).parents[2]


def quantized(model: Model, gate: GateKind, *, graded: bool = True) -> FixedNetwork:
    """One recurrent layer; LIF neurons without bias, so that they are Lava's own."""
    rng = np.random.default_rng(11)
    network = random_network(rng, model=model, gate=gate, hidden=(15,), graded=graded)
    populations = tuple(
        p.with_constants({"bias": 0.0}) if kind(p) == "lif" else p  # type: ignore[union-attr]
        for p in network.populations
    )
    network = replace(network, populations=populations)
    return ltc2hw.quantize(network, "loihi2", random_samples(rng, network, 20, 4))


@pytest.mark.parametrize(("model", "gate", "period"), [("LIF", "static", 1), ("LTC", "dense", 2)])
def test_a_built_network_runs_between_foreign_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: Model, gate: GateKind, period: int
) -> None:
    """Integers of step t enter at chip step t·M and leave at t·M + skew, stock models within."""
    fixed = quantized(model, gate, graded=model == "LTC")
    x = random_samples(np.random.default_rng(4), fixed, steps=12, batch=1)
    built = build(fixed)
    schedule = built.schedule
    assert schedule.period == period
    assert isinstance(built.populations["hidden0"], LavaLIF) == (model == "LIF")
    encoded, _ = fixed.input.word.encode(x, fixed.input.fraction)
    messages = np.zeros((schedule.chip_steps(12), fixed.input.size), dtype=np.int64)
    messages[: 12 * period : period] = encoded[:, 0]
    save(fixed, tmp_path / "network.h5")
    np.savez(tmp_path / "input.npz", messages=messages)
    monkeypatch.setenv("PYTHONPATH", os.fspath(ROOT))
    run_job("tests.converters.lava_jobs.built_network:run", tmp_path)
    with np.load(tmp_path / "result.npz", allow_pickle=False) as stored:
        received = dict(stored)
    expected = ltc2hw.simulate(fixed, x, engine="integer", record="all")
    for name, values, population in (
        ("output", expected.outputs, "readout"),
        ("hidden", expected.spikes["hidden0"], "hidden0"),
    ):
        first = schedule.skew(population)
        assert np.array_equal(received[name][first::period][:12], values[:, 0])
        assert values.any()


def test_only_ports_that_exist_are_given() -> None:
    built = build(quantized("LTC", "event"))
    assert built.in_port("hidden0", "tau_adp").shape == (15,)
    with pytest.raises(UnknownNameError, match=r"port of readout is 'tau_adp'"):
        built.in_port("readout", "tau_adp")
    with pytest.raises(UnknownNameError, match=r"variable of hidden0 is 'value'"):
        built.out_port("hidden0", "value")


def test_samples_come_from_one_place() -> None:
    fixed = quantized("LTC", "event")
    fed = build_network(fixed, Feed(np.zeros((2, 1, 5), dtype=np.int64)))
    other = build_network(fixed, Feed(np.zeros((2, 1, 5), dtype=np.int64)))
    with pytest.raises(InvalidValueError, match="input input is built with samples"):
        fed.connect_input(other.out_port("input", "value"))


def test_building_leaves_the_root_logger_alone() -> None:
    before = list(logging.getLogger().handlers)
    build(quantized("LTC", "event"))
    assert logging.getLogger().handlers == before


def test_a_run_that_takes_too_long_ends_in_an_error() -> None:
    from ltc2hw.converters.lava.engine import simulate

    fixed = quantized("LTC", "event")
    with pytest.raises(LavaError, match=r"did not end within 0\.1 seconds"):
        simulate(fixed, np.zeros((4, 1, 5)), timeout=0.1)


@pytest.mark.filterwarnings("error")
def test_lava_finds_our_models_and_executes_nothing_else() -> None:
    """Its search warns about each neighbour of a process's module that it cannot execute."""
    from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs

    fixed = quantized("LTC", "event")
    built = build_network(fixed, Feed(np.zeros((2, 1, 5), dtype=np.int64)))
    for process in built.populations.values():
        (model,) = ProcGroupDiGraphs._find_proc_models(process)
        assert model.__module__ == type(process).__module__
