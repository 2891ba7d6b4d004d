"""``ltc2hw learn``: adapts as the library does, reports, refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.files.learning_file import load_learning, save_learning
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.learning.scope import PARTIAL
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, write_pair
from tests.random_networks import random_network

SAMPLES = 12


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("networks"))[1]


def learn(fixed: Path, out: Path, *arguments: str) -> int:
    common = ["learn", str(fixed), "--task", TASK, "--out", str(out), "--engine", "integer"]
    return main([*common, "--samples", str(SAMPLES), *arguments])


def test_learn_writes_what_the_library_learns(
    fixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, measured = tmp_path / "adapted.h5", tmp_path / "learn.json"
    assert learn(fixed, out, "--json", str(measured), "--seed", "3", "--passes", "2") == 0
    network, adapted = ltc2hw.load(fixed), ltc2hw.load(out)
    assert isinstance(network, FixedNetwork)
    assert isinstance(adapted, FixedNetwork)
    train = load_task(TASK).train
    rng = np.random.default_rng(3)
    order = np.concatenate([rng.permutation(train.samples)[:SAMPLES] for _ in range(2)])
    rule, words = ltc2hw.FPTTRule(error="linear"), ltc2hw.PlasticWords(seed=3)
    targets = train.labels[order].reshape(-1, 1)
    expected = ltc2hw.learn(network, train.x[:, order], targets, rule, words, "integer").network
    assert adapted.projections == expected.projections
    assert adapted.populations == expected.populations
    found = json.loads(measured.read_text("utf-8"))
    assert found["samples"] == 2 * SAMPLES
    assert found["updates"] == 2 * SAMPLES * 8
    assert found["curve"][-1]["samples"] == 2 * SAMPLES
    assert len(found["verification"]["per_step"]) == 5 * 8
    assert found["verification"]["cosine"]["lowest"] > 0.99
    assert found["memory"]["bytes_per_synapse"] == 6
    assert {"before", "after"} == set(found["mse"])
    assert "cosine" in capsys.readouterr().out


def test_a_rule_with_eligibility_goes_on_from_its_checkpoint(fixed: Path, tmp_path: Path) -> None:
    out, measured, kept = (tmp_path / name for name in ("adapted.h5", "learn.json", "kept.h5"))
    options = ["--rule", "eligibility", "--eligibility-bits", "12", "--eligibility-range", "2"]
    assert learn(fixed, out, "--json", str(measured), *options) == 0
    found = json.loads(measured.read_text("utf-8"))
    assert found["rule"]["descent"] == "eligibility"
    assert (found["words"]["eligibility"], found["words"]["eligibility_range"]) == (12, 2)
    assert found["memory"]["bytes_per_synapse"] == 6 + 3 * 1.5
    assert found["verification"]["cosine"]["lowest"] > 0.99
    network, adapted = ltc2hw.load(fixed), ltc2hw.load(out)
    assert isinstance(network, FixedNetwork)
    assert isinstance(adapted, FixedNetwork)
    train = load_task(TASK).train
    order = np.random.default_rng(0).permutation(train.samples)[:SAMPLES]
    rule = ltc2hw.FPTTRule(error="linear", descent="eligibility")
    words = ltc2hw.PlasticWords(eligibility=12, eligibility_range=2)
    targets = train.labels[order].reshape(-1, 1)
    whole = ltc2hw.learn(network, train.x[:, order], targets, rule, words, "integer")
    assert adapted.projections == whole.network.projections
    learning = None
    for half in (order[:3], order[3:]):
        targets = train.labels[half].reshape(-1, 1)
        part = ltc2hw.learn(network, train.x[:, half], targets, rule, words, learning=learning)
        save_learning(part.learning, kept)
        learning = load_learning(kept)
    assert learning is not None
    assert learning.moves == SAMPLES * 8
    assert part.network.projections == whole.network.projections
    for parameter, own in whole.learning.eligibility.items():
        for state, words_ in own.items():
            assert np.array_equal(words_, learning.eligibility[parameter][state])


def test_only_what_is_named_learns(fixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapted.h5"
    rates = ["--learning-rate", "2^-1", "--rounding", "nearest", "--verify", "0", "--quiet"]
    assert learn(fixed, out, "--learns", "readout:current", *rates) == 0
    before, after = ltc2hw.load(fixed), ltc2hw.load(out)
    assert isinstance(before, FixedNetwork)
    assert isinstance(after, FixedNetwork)
    for old, new in zip(before.projections, after.projections, strict=True):
        assert (old == new) == (old.target != "readout")


def test_a_missed_bound_is_status_1_and_the_network_is_kept(fixed: Path, tmp_path: Path) -> None:
    out = tmp_path / "adapted.h5"
    assert learn(fixed, out, "--min-cosine", "1.5", "--verify", "1", "--quiet") == 1
    assert out.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--learning-rate", "0.01"], "learning_rate of an integer rule is 0.01"),
        (["--learning-rate", "3^-1"], "--learning-rate: invalid rate like 2^-6 value: '3^-1'"),
        (["--value-bits", "4"], "expected at least the 8 bits of the weight"),
        (["--mean-bits", "80"], "plastic word mean is 80"),
        (["--eligibility-bits", "8"], "--eligibility-bits is 8; expected none with --rule fptt"),
        (["--eligibility-range", "0"], "--eligibility-range is 0; expected none with --rule fptt"),
        (["--rule", "eligibility", "--eligibility-bits", "1"], "plastic word eligibility is 1"),
        (["--learns", "input"], "plastic path to input is absent"),
        (["--learns", "nowhere"], "population is 'nowhere'"),
        (["--learns", "readout:tau_adp"], "plastic port"),
        (["--min-cosine", "0.9", "--verify", "0"], "samples to verify is 0"),
        (["--passes", "0"], "--passes: invalid positive integer"),
        (
            ["--passes", "100000000"],
            "samples of all passes is 1200000000 numbers",
        ),
        (["--learning-rate", "2^99999"], "--learning-rate: invalid rate like 2^-6 value"),
        (["--learning-rate", "2^-99999"], "learning_rate is 0.0"),
        (["--learning-rate", "2^-1074"], "widest sum of input.value->hidden0.current"),
        (["--alpha", "nan"], "alpha is nan"),
        (["--seed", "99999999999999999999"], "--seed: 99999999999999999999 is too large"),
        (
            ["--value-bits", "99999999999999999999"],
            "--value-bits: 99999999999999999999 is too large",
        ),
        (["--value-bits", "999999999999999999"], "plastic word value is 999999999999999999"),
        (["--learns", "hidden0:tau_mem,tau_mem"], "plastic port of hidden0 is tau_mem 2 times"),
        (["--learns", "hidden0", "--learns", "hidden0:current"], "hidden0 of what learns is named"),
        (["--learns", "hidden0:"], "--learns: invalid population or population:port,port value"),
        (["--min-cosine", "nan"], "bound on the cosine is nan"),
        (["--allow", "anything"], "change to allow is 'anything'"),
        (["--checkpoint", "/nowhere/at/all"], "/nowhere/at/all"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    fixed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    out = tmp_path / "adapted.h5"
    try:
        status = learn(fixed, out, *arguments)
    except SystemExit as ended:
        status = int(ended.code or 0)
    error = capsys.readouterr().err
    assert status == 2
    assert message in error
    assert error.count("\n") == 1
    assert not out.exists()


def late_file(folder: Path) -> Path:
    """An integer network that fits the Add task, with a delay before its readout."""
    network = random_network(np.random.default_rng(0), inputs=2, hidden=(6,), outputs=1)
    late = tuple(replace(p, delay=1) if p.target == "readout" else p for p in network.projections)
    network = replace(network, projections=late)
    fixed = ltc2hw.quantize(network, "loihi2", load_task(TASK).train.x)
    ltc2hw.save(fixed, folder / "late.h5")
    return folder / "late.h5"


def test_what_is_held_is_told_everywhere_or_nothing_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, out, measured = late_file(tmp_path), tmp_path / "out.h5", tmp_path / "learn.json"
    held = "input.value->hidden0.current"
    reason = "no error enters hidden0: its way to readout has a delay, and the past is held fixed"
    assert learn(fixed, out, "--json", str(measured)) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for part in (held, reason, "only readout would learn", f"allow {PARTIAL}"):
        assert part in error
    assert not out.exists()
    assert not measured.exists()
    for asked in (["--allow", PARTIAL], ["--learns", "readout"]):
        assert learn(fixed, out, "--json", str(measured), *asked) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith("learns: hidden0.spikes->readout.current")
        assert lines[1].startswith(f"held: {held}")
        assert reason in lines[1]
        found = json.loads(measured.read_text("utf-8"))
        assert found["held"][held] == reason
        assert "hidden0.spikes->readout.current" in found["learns"]
        provenance = ltc2hw.load(out).provenance
        assert provenance["learns"] == ", ".join(found["learns"])
        assert f"{held}, " in provenance["held"]
        assert reason in provenance["held"]


def test_clipped_inputs_are_counted(fixed: Path, tmp_path: Path) -> None:
    """An input word whose range is far below the samples: every larger sample is a misfit."""
    network = ltc2hw.load(fixed)
    assert isinstance(network, FixedNetwork)
    entry = network.input
    narrow = replace(entry, fraction=entry.fraction + 2)
    populations = (narrow, *(p for p in network.populations if p != entry))
    path, measured = tmp_path / "narrow.h5", tmp_path / "learn.json"
    ltc2hw.save(replace(network, populations=populations), path)
    assert learn(path, tmp_path / "out.h5", "--json", str(measured), "--verify", "0") == 0
    train = load_task(TASK).train
    order = np.random.default_rng(0).permutation(train.samples)[:SAMPLES]
    samples = np.rint(train.x[:, order] * 2.0**narrow.fraction)
    clipped = int(np.sum(samples > 2**narrow.word.bits - 1))
    assert clipped > 0
    found = json.loads(measured.read_text("utf-8"))["saturations"]
    assert found["input"] == {"value": clipped}
