"""Every command that is advised runs as it is printed, and repeats how the network was made."""

from __future__ import annotations

import argparse
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.cli.data_options import add_data_options
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.quantization.history import CALIBRATION, DATA_OPTIONS, OPTIONS, Source, read_source
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.targets import load_target
from ltc2hw.tuning.commands import (
    SWITCHES,
    Names,
    data_flags,
    named,
    quantize_command,
    train_command,
    tune_command,
)
from ltc2hw.tuning.made_with import made_with, shown_by
from tests.tuning.planted import plain, task_of

SYNAPSES = "input.value->hidden0.current"
LAYOUT = ("--layout", "batch-first")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A network, data with labels, and samples alone, in a folder that commands run in."""
    network = plain()
    task = task_of(network, 5)
    ltc2hw.save(network, tmp_path / "-my net.h5")
    arrays = {}
    for split, count in (("train", 64), ("validation", 40), ("test", 120)):
        own = getattr(task, split)
        arrays[f"x_{split}"] = own.x.transpose(1, 0, 2)[:count]
        arrays[f"y_{split}"] = own.labels[:count]
    np.savez(tmp_path / "own data.npz", **arrays)
    np.save(tmp_path / "alone.npy", task.train.x.transpose(1, 0, 2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


MADE = {
    "task": ("--task", "own data.npz", *LAYOUT, "--weight-bits", "3"),
    "samples": ("--task", "own data.npz", *LAYOUT, "--weight-bits", "3", "--samples", "20"),
    "file": ("--calibration", "alone.npy", *LAYOUT, "--scale", "input=-3", "--weight-bits", "4"),
    "everything": (
        *("--calibration", "alone.npy", *LAYOUT, "--samples", "32", "--weight-bits", "3"),
        *("--rounding", "arriving", "--fine-states", "--bits", f"{SYNAPSES}=ternary"),
        *("--bits", "input=5", "--scale", "input=-1", "--scale", f"{SYNAPSES}=+1"),
        *("--allow", "lost-weights", "--allow", "slow-leak"),
    ),
}
"""How the networks are quantized."""


def quantized(*words: str) -> FixedNetwork:
    """The network of the verb ``quantize`` with these options."""
    made = ("quantize", "./-my net.h5", "--target", "loihi2", *words, "--out", "fixed.h5")
    assert main([*made, "--quiet"]) == 0
    return loaded("fixed.h5")


def loaded(name: str) -> FixedNetwork:
    """An integer network from a file."""
    found = ltc2hw.load(name)
    assert isinstance(found, FixedNetwork)
    return found


def perform(command: str, *more: str) -> int:
    """Run a command as a shell would."""
    program, *words = shlex.split(command)
    assert program == "ltc2hw"
    return main([*words, *more, "--quiet"])


@pytest.mark.parametrize("kind", MADE)
def test_a_network_tells_the_command_that_made_it(kind: str, folder: Path) -> None:
    fixed = quantized(*MADE[kind])
    network, chip = plain(), load_target("loihi2")
    names = Names("-my net.h5", out="again.h5", calibrated=read_source(fixed.provenance))
    command = quantize_command(names, made_with(network, fixed, chip))
    # Limits that were allowed and not exceeded are not repeated: they change nothing.
    for word in set(MADE[kind]) - {"--allow", *LIMITS}:
        assert word in shlex.split(command)
    assert perform(command) == 0
    assert loaded("again.h5") == fixed


@pytest.mark.parametrize("kind", MADE)
def test_every_advised_command_runs(kind: str, folder: Path) -> None:
    before = quantized(*MADE[kind])
    words = ("--task", "own data.npz", *LAYOUT, "--engines", "fast", "--out", "report.json")
    assert main(["compare", "./-my net.h5", "fixed.h5", *words, "--quiet"]) == 0
    advice = json.loads((folder / "report.json").read_text())["advice"]
    assert advice
    source = read_source(before.provenance)
    assert source is not None
    for number, one in enumerate({own["command"]: own for own in advice}.values()):
        own = shlex.split(one["command"])
        verb = own[1]
        if verb == "train":
            assert perform(one["command"], "--epochs", "1") == 0
            assert isinstance(ltc2hw.load("trained.h5"), ltc2hw.Network)
            continue
        out = f"{number}.h5"
        more = ("--budget", "1") if verb == "tune" else ()
        assert perform(one["command"], "--out", out, *more) == 0
        after = loaded(out)
        assert source.origin in (word[2:] for word in own)
        if one["remedy"] != "recalibrate":
            assert read_source(after.provenance) == source
        # What is not mended is as it was.
        told = json.loads(before.provenance[OPTIONS])
        now = json.loads(after.provenance[OPTIONS])
        assert set(told) <= set(now)
        assert told["weight_bits"] == now["weight_bits"]


def test_training_is_advised_through_what_costs(folder: Path) -> None:
    quantized(*MADE["file"])
    words = ("--task", "own data.npz", *LAYOUT, "--engines", "fast", "--out", "report.json")
    assert main(["compare", "./-my net.h5", "fixed.h5", *words, "--quiet"]) == 0
    advice = json.loads((folder / "report.json").read_text())["advice"]
    (trained,) = (one for one in advice if one["remedy"] == "train")
    assert trained["what"] == "trained further, through all that the chip rounds"
    assert trained["command"] == (
        "ltc2hw train 'own data.npz' --layout batch-first --start './-my net.h5' --round all"
        " --target loihi2 --weight-bits 4 --out trained.h5"
    )


def test_samples_that_are_gone_are_said_to_be(folder: Path) -> None:
    quantized(*MADE["file"])
    (folder / "alone.npy").unlink()
    words = ("--task", "own data.npz", *LAYOUT, "--engines", "fast", "--out", "report.json")
    assert main(["compare", "./-my net.h5", "fixed.h5", *words, "--quiet"]) == 0
    advice = json.loads((folder / "report.json").read_text())["advice"]
    for one in advice:
        if one["remedy"] != "train":
            assert one["command"].startswith("# alone.npy is not here: ltc2hw ")


def test_integers_are_asked_where_there_is_no_history(folder: Path) -> None:
    fixed = quantized("--calibration", "alone.npy", *LAYOUT, "--weight-bits", "4")
    network, chip = plain(), load_target("loihi2")
    assert made_with(network, fixed, chip) == shown_by(network, fixed, chip)
    assert set(fixed.provenance) >= {OPTIONS, CALIBRATION}


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "no JSON",
        '{"task": "a", "calibration": "b"}',
        '{"task": 3}',
        '{"task": "a", "samples": 0}',
        '{"task": "a", "samples": true}',
        '{"task": "a", "whole": 1}',
        '{"task": "a", "data": {"out": "x"}}',
        '{"task": "a", "data": {"layout": 3}}',
        '{"task": "a", "data": []}',
        '{"task": "a\\nrm b"}',
        '{"task": "a", "more": 1}',
    ],
)
def test_a_history_of_another_form_is_none(text: str) -> None:
    assert read_source({CALIBRATION: text}) is None


def test_names_with_a_dash_are_no_options() -> None:
    assert named("-x.npz") == "./-x.npz"
    assert list(data_flags({"test": "-t.npz"})) == ["--test=-t.npz"]
    source = Source("calibration", "-x.npy")
    options = ltc2hw.QuantizeOptions()
    command = quantize_command(Names(calibrated=source), options)
    assert "--calibration ./-x.npy" in command


def test_options_of_a_function_are_not_those_of_a_file(folder: Path) -> None:
    source = Source("calibration", "alone.npy", {"layout": "batch-first"}, 64, whole=True)
    own = Names("-my net.h5", task="tests.tuning.planted:outlier_task", calibrated=source)
    command = tune_command(own, ltc2hw.QuantizeOptions(weight_bits=4), "round")
    assert "--calibration-layout batch-first" in command
    assert perform(command, "--budget", "1") == 0
    assert read_source(loaded("fixed.h5").provenance) == source
    other = Names(
        task="x.npz", data={"layout": "time-first"}, calibrated=Source("calibration", "y")
    )
    command = tune_command(other, ltc2hw.QuantizeOptions(), "round")
    assert command.startswith("# the task and the file to calibrate on are read by different")


def test_what_is_not_known_is_said() -> None:
    options = ltc2hw.QuantizeOptions(weight_bits=4)
    source = Source("calibration", "x.npy")
    start = "# the task is not known, put its name for TASK: ltc2hw "
    assert tune_command(Names(calibrated=source), options, "round").startswith(start + "tune")
    assert train_command(Names(calibrated=source), options).startswith(start + "train TASK")
    assert quantize_command(Names(), options).startswith(start + "quantize")
    assert not quantize_command(Names(calibrated=source), options).startswith("#")
    python = replace(options, weight_reach=2.0)
    command = quantize_command(Names(calibrated=source), python)
    assert command.startswith("# in Python alone, weight_reach=2.0: ltc2hw quantize")


def test_the_options_of_data_are_those_of_the_verbs() -> None:
    parser = argparse.ArgumentParser()
    add_data_options(parser)
    actions = {own.option_strings[-1][2:]: own for own in parser._actions}
    del actions["help"]
    assert set(DATA_OPTIONS) == set(actions)
    assert set(SWITCHES) == {name for name, own in actions.items() if own.nargs == 0}
