"""``ltc2hw learn --checkpoint``: interrupted anywhere, resumed to the same bits; else refused."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw import FPTTRule, PlasticWords
from ltc2hw.cli import adapting, main
from ltc2hw.cli.adapting import Adaptation, Stream
from ltc2hw.cli.console import Console
from ltc2hw.errors import DamagedFileError, InvalidValueError
from ltc2hw.files.hdf5 import read_tree, write_tree
from ltc2hw.files.learning_file import load_learning, save_learning
from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.labels import Labels
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.numbers.words import FloatArray
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, write_pair

SAMPLES = 30
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pair(tmp_path_factory.mktemp("networks"))[1]


def adaptation(fixed: Path, engine: str = "fast", **stream: Any) -> Adaptation:
    network, task = ltc2hw.load(fixed), load_task(TASK)
    assert isinstance(network, FixedNetwork)
    chip = integer_rule(network, FPTTRule(error="linear"), PlasticWords(seed=5))
    chosen = {"samples": SAMPLES, "passes": 2, "seed": 5, **stream}
    return Adaptation(chip, network, task, Stream.of(task, **chosen), engine)


def run_whole(fixed: Path, engine: str = "fast") -> Adaptation:
    whole = adaptation(fixed, engine)
    whole.run(QUIET, None, ())
    return whole


def assert_same(first: Adaptation, second: Adaptation) -> None:
    """Networks, states, curves, saturations."""
    networks = first.measured(), second.measured()
    assert networks[0] == networks[1]
    assert first.learning is not None
    assert second.learning is not None
    assert first.learning.step == second.learning.step
    for parameter, memory in first.learning.memories.items():
        for ours, theirs in zip(memory, second.learning.memories[parameter], strict=True):
            assert np.array_equal(ours, theirs)


@dataclass
class Pressed:
    """A decision during whose n-th call Ctrl-C is pressed."""

    decision: Decision
    calls: int

    @property
    def metric(self) -> str:
        return self.decision.metric

    @property
    def higher_is_better(self) -> bool:
        return self.decision.higher_is_better

    def judge(self, outputs: FloatArray, labels: Labels, lengths: object = None) -> FloatArray:
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        return self.decision.judge(outputs, labels, lengths)


@pytest.mark.parametrize("save_after", [0.0, 1e9])
def test_interrupted_anywhere_it_ends_in_the_same_bits(
    save_after: float, fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within pieces, at their ends, in scoring; saved often, or by the interrupt alone."""
    whole = run_whole(fixed)
    monkeypatch.setattr(adapting, "BURST", 8)
    monkeypatch.setattr(adapting, "SAVE_AFTER", save_after)
    file, done = tmp_path / "check.h5", [0]
    for calls in (0, 1, 2, 5, 6, 7, 20, 33, 1000):
        again = adaptation(fixed)
        assert file.exists() == (done[-1] > 0)
        if file.exists():
            again.resume(file)
        assert again.progress.samples == done[-1]
        if calls < 1000:
            again.decision = Pressed(again.decision, calls)
            with pytest.raises(KeyboardInterrupt):
                again.run(QUIET, file, ())
            done.append(again.progress.samples)
    again.run(QUIET, file, ())
    assert len({min(done), *done}) > 5
    assert_same(again, whole)
    assert [path.name for path in tmp_path.iterdir()] == ["check.h5"]


def test_a_checkpoint_goes_on_in_another_engine_and_from_its_end(
    fixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_whole(fixed, "integer")
    monkeypatch.setattr(adapting, "BURST", 8)
    file = tmp_path / "check.h5"
    part = adaptation(fixed, "integer")
    for _ in range(37):
        ends = [end for end in part.stream.ends() if end > part.progress.samples]
        part.learn(ends[0], QUIET, ())
    part.save(file)
    rest = adaptation(fixed, "fast")
    rest.resume(file)
    assert rest.progress == part.progress
    rest.run(QUIET, file, ())
    assert_same(rest, whole)
    done = adaptation(fixed, "fast")
    done.resume(file)
    done.run(QUIET, file, ())
    assert_same(done, whole)


def test_ctrl_c_of_the_command_line_ends_it_and_loses_little(fixed: Path, tmp_path: Path) -> None:
    """A real process, a real signal: status 130 long before the end, then the same network."""
    common = [str(fixed), "--task", TASK, "--verify", "0", "--passes", "30"]
    options = ["--checkpoint", str(tmp_path / "check.h5"), "--out", str(tmp_path / "out.h5")]
    command = [sys.executable, "-m", "ltc2hw", "learn", *common, *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if "validation" in line:
            break
    process.send_signal(signal.SIGINT)
    _, error = process.communicate()
    assert process.returncode == 130
    assert error == "ltc2hw learn: interrupted\n"
    assert not (tmp_path / "out.h5").exists()
    assert (tmp_path / "check.h5").exists()
    assert main(["learn", *common, *options, "--quiet"]) == 0
    assert main(["learn", *common, "--out", str(tmp_path / "whole.h5"), "--quiet"]) == 0
    assert ltc2hw.load(tmp_path / "out.h5") == ltc2hw.load(tmp_path / "whole.h5")


def test_a_checkpoint_of_something_else_is_refused(fixed: Path, tmp_path: Path) -> None:
    file = tmp_path / "check.h5"
    part = adaptation(fixed)
    part.learn(6, QUIET, ())
    part.save(file)
    others: list[dict[str, Any]] = [{"seed": 6}, {"passes": 3}, {"samples": SAMPLES - 1}]
    for other in others:
        with pytest.raises(InvalidValueError, match="stream of checkpoint"):
            adaptation(fixed, **other).resume(file)
    with pytest.raises(DamagedFileError, match="name another file"):
        adaptation(fixed).resume(fixed)


def damaged(tree: dict[str, Any]) -> list[dict[str, Any]]:
    """The same tree with one thing wrong at a time; every file has a right checksum."""
    memories, registers = tree["memories"], tree["registers"]
    first = memories["0"]
    progress, plan = json.loads(tree["progress"]), json.loads(tree["plan"])

    def told(**changed: Any) -> dict[str, Any]:
        return {**tree, "progress": json.dumps({**progress, **changed})}

    def memory(**changed: Any) -> dict[str, Any]:
        return {**tree, "memories": {**memories, "0": {**first, **changed}}}

    return [
        *({key: value for key, value in tree.items() if key != name} for name in tree),
        *({**tree, name: 7} for name in tree if name != "step"),
        *({**tree, name: "7"} for name in tree),
        {**tree, "plan": "[" * 100_000},
        {**tree, "step": tree["step"] + 1},
        {**tree, "step": -1},
        {**tree, "memories": {}},
        {**tree, "registers": {}},
        {**tree, "registers": {**registers, "input": {"extra": np.zeros((1, 2), np.int64)}}},
        *(memory(**{name: "text"}) for name in first),
        *(memory(**{name: 99}) for name in first if name != "projection"),
        *(memory(**{name: np.zeros(2)}) for name in ("population", "port", "term")),
        *({**tree, name: np.zeros(size)} for name in ("format", "schema") for size in (0, 2)),
        memory(projection=-1),
        memory(value=first["value"].astype(np.float64)),
        memory(mean=first["mean"][:-1]),
        memory(gradient=first["gradient"] + (1 << 40)),
        told(samples=7),
        told(samples=True),
        told(samples="6"),
        told(curve=[{}]),
        told(curve=[]),
        told(curve=3),
        told(judged=[1.0]),
        told(judged="text"),
        told(lost={"input": 3}),
        told(lost={"input": {"value": -1}}),
        {**tree, "progress": json.dumps({})},
        {**tree, "plan": json.dumps({**plan, "words": None})},
    ]


def test_every_damaged_checkpoint_is_one_typed_error(fixed: Path, tmp_path: Path) -> None:
    file = tmp_path / "check.h5"
    part = adaptation(fixed)
    part.learn(6, QUIET, ())
    part.save(file)
    tree = dict(read_tree(file))
    for broken in damaged(tree):
        write_tree(file, broken)
        with pytest.raises((DamagedFileError, InvalidValueError)):
            adaptation(fixed).resume(file)
    for size in (0, 1, 100, 5000):
        file.write_bytes(file.read_bytes()[:size])
        with pytest.raises(DamagedFileError):
            adaptation(fixed).resume(file)


@pytest.mark.parametrize("kind", ["integers", "reals"])
def test_states_of_learning_round_trip(kind: str, fixed: Path, tmp_path: Path) -> None:
    """What ``learned.learning`` holds, kept in a file between two halves of a stream."""
    network = ltc2hw.load(fixed if kind == "integers" else fixed.with_name("model.h5"))
    task = load_task(TASK)
    x, targets = task.train.x[:, :8], task.train.labels[:8]
    rule = FPTTRule(error="linear")
    first = ltc2hw.learn(network, x[:, :4], targets[:4], rule, reset=False)
    save_learning(first.learning, tmp_path / "state.h5")
    state = load_learning(tmp_path / "state.h5")
    assert state.memories.keys() == first.learning.memories.keys()
    second = ltc2hw.learn(network, x[:, 4:], targets[4:], rule, learning=state, reset=False)
    whole = ltc2hw.learn(network, x, targets, rule, reset=False)
    assert second.network == whole.network
    assert np.array_equal(second.outputs, whole.outputs[:, 4:])
    with pytest.raises(InvalidValueError):
        ltc2hw.learn(network, x, targets, rule, learning=replace(state, memories={}))
