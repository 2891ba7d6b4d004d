"""``ltc2hw learn`` on data of one's own: unequal samples, labels at every step, streams."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import adapting, main
from ltc2hw.cli.adapting import Adaptation, Stream
from ltc2hw.cli.console import Console
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.labels import labelled_steps
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.tasks import Task, load_task
from tests.random_networks import random_network
from tests.test_readouts import FIXED as TWO_READOUTS

STEPS, SAMPLES, INPUTS, CLASSES = 7, 30, 4, 3
RULE = ltc2hw.FPTTRule(learning_rate=2.0**-4)
KINDS = ("labels", "labels of steps", "targets of steps")


def write_data(path: Path, kind: str, inputs: int = INPUTS) -> None:
    """Samples of three to seven steps, of which every third has no label of its own."""
    rng = np.random.default_rng(4)
    x = rng.uniform(0, 1, (STEPS, SAMPLES, inputs))
    y: Any = rng.permutation(np.arange(SAMPLES) % CLASSES)
    if kind != "labels":
        y = rng.integers(0, CLASSES, (STEPS, SAMPLES))
        missing = np.arange(STEPS * SAMPLES).reshape(STEPS, SAMPLES) % 4 == 1
        missing[0] = False
        y = np.where(missing, -1, y)
        if kind == "targets of steps":
            y = np.where(missing[:, :, None], np.nan, rng.normal(0, 1, (STEPS, SAMPLES, CLASSES)))
    np.savez(path, x=x, y=y, lengths=rng.integers(3, STEPS + 1, SAMPLES))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    rng = np.random.default_rng(3)
    network = random_network(rng, inputs=INPUTS, hidden=(6,), outputs=CLASSES)
    samples = rng.uniform(0, 1, (STEPS, 8, INPUTS))
    options = ltc2hw.QuantizeOptions(weight_reach=2.0)
    ltc2hw.save(ltc2hw.quantize(network, "loihi2", samples, options), folder / "fixed.h5")
    for kind in KINDS:
        write_data(folder / f"{kind}.npz", kind)
    return folder


def loaded(folder: Path, kind: str) -> tuple[FixedNetwork, Task]:
    network = ltc2hw.load(folder / "fixed.h5")
    assert isinstance(network, FixedNetwork)
    return network, load_task(folder / f"{kind}.npz")


def learn(folder: Path, kind: str, out: Path, *arguments: str) -> dict[str, Any]:
    """The verb; what it measured."""
    common = ["learn", str(folder / "fixed.h5"), "--task", str(folder / f"{kind}.npz")]
    measured = out.with_suffix(".json")
    options = ["--out", str(out), "--json", str(measured), "--learning-rate", "2^-4", "--quiet"]
    assert main([*common, *options, *arguments]) == 0
    found: dict[str, Any] = json.loads(measured.read_text("utf-8"))
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_learn_writes_what_the_library_learns(kind: str, folder: Path, tmp_path: Path) -> None:
    found = learn(folder, kind, tmp_path / "out.h5", "--seed", "2", "--verify", "2")
    network, task = loaded(folder, kind)
    train = task.train.take(np.random.default_rng(2).permutation(task.train.samples))
    rule = ltc2hw.FPTTRule(2.0**-4, error="linear" if task.kind == "regression" else "softmax")
    words = ltc2hw.PlasticWords(seed=2)
    expected = ltc2hw.learn(
        network, train.x, train.labels, rule, words, "integer", lengths=train.lengths
    )
    adapted = ltc2hw.load(tmp_path / "out.h5")
    assert isinstance(adapted, FixedNetwork)
    assert adapted.projections == expected.network.projections
    assert adapted.populations == expected.network.populations
    assert train.lengths is not None
    updates = train.lengths if kind == "labels" else labelled_steps(train.labels).sum(axis=0)
    assert found["updates"] == expected.learning.step == updates.sum()
    assert len(found["verification"]["per_step"]) == updates[:2].sum()
    for when, one in (("before", network), ("after", adapted)):
        trace = ltc2hw.simulate(one, task.test.x, lengths=task.test.lengths)
        score = task.score(real_outputs(one, trace), task.test.labels, task.test.lengths)
        assert found[task.metric][when] == pytest.approx(score)


def adaptation(folder: Path, kind: str, *, reset: bool) -> Adaptation:
    network, task = loaded(folder, kind)
    error: Any = "linear" if task.kind == "regression" else "softmax"
    chip = integer_rule(network, ltc2hw.FPTTRule(error=error, weighting="uniform"), None)
    return Adaptation(chip, network, task, Stream.of(task, None, 2, 0, reset=reset), "fast")


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_interrupted_goes_on_to_the_same_bits(
    kind: str, reset: bool, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = adaptation(folder, kind, reset=reset)
    whole.run(Console(quiet=True), None, ())
    monkeypatch.setattr(adapting, "BURST", 2 * STEPS)
    part = adaptation(folder, kind, reset=reset)
    for _ in range(7):
        end = next(end for end in part.stream.ends() if end > part.progress.samples)
        part.learn(end, Console(quiet=True), ())
    part.save(tmp_path / "check.h5")
    rest = adaptation(folder, kind, reset=reset)
    rest.resume(tmp_path / "check.h5")
    rest.run(Console(quiet=True), None, ())
    assert rest.measured() == whole.measured()
    with pytest.raises(ltc2hw.errors.InvalidValueError, match="of checkpoint"):
        adaptation(folder, kind, reset=not reset).resume(tmp_path / "check.h5")


def test_pieces_of_one_stream_keep_their_order_and_registers(folder: Path, tmp_path: Path) -> None:
    """Where registers go on and all steps count alike, samples are one long sample."""
    stream = ("--no-reset", "--weighting", "uniform", "--verify", "0", "--rounding", "nearest")
    learn(folder, "labels of steps", tmp_path / "out.h5", *stream)
    network, task = loaded(folder, "labels of steps")
    train, lengths = task.train, task.train.lengths
    assert lengths is not None
    x = np.concatenate([train.x[:n, s] for s, n in enumerate(lengths)])
    labels = np.concatenate([train.labels[:n, s] for s, n in enumerate(lengths)])
    expected = ltc2hw.learn(
        network, x[:, None], labels[:, None], ltc2hw.FPTTRule(2.0**-4, weighting="uniform"),
        ltc2hw.PlasticWords(rounding="nearest"),
    )  # fmt: skip
    adapted = ltc2hw.load(tmp_path / "out.h5")
    assert isinstance(adapted, FixedNetwork)
    assert adapted.projections == expected.network.projections


def test_a_readout_by_name_learns_and_the_output_stays(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ltc2hw.save(TWO_READOUTS, tmp_path / "two.h5")
    data = str(folder / "labels.npz")
    common = ["learn", str(tmp_path / "two.h5"), "--task", data, "--out", str(tmp_path / "out.h5")]
    common += ["--verify", "0", "--learning-rate", "2^-2"]
    assert main(common) == 0
    assert "readout: readout; --readout speaker learns another\n" in capsys.readouterr().out
    assert main([*common, "--readout", "speaker"]) == 0
    assert "readout: speaker; --readout readout learns another\n" in capsys.readouterr().out
    adapted = ltc2hw.load(tmp_path / "out.h5")
    assert isinstance(adapted, FixedNetwork)
    assert adapted.output == TWO_READOUTS.output == "readout"
    pairs = zip(TWO_READOUTS.projections, adapted.projections, strict=True)
    changed = {before.target for before, after in pairs if before != after}
    assert changed == {"hidden0", "speaker"}
    assert main([*common, "--readout", "nowhere"]) == 2
    assert "output population is 'nowhere'; expected one of" in capsys.readouterr().err


def test_long_streams_are_verified_in_part(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ltc2hw.cli.learn.MOST_VERIFIED", 9)
    found = learn(folder, "labels", tmp_path / "out.h5")
    assert len(found["verification"]["per_step"]) == 9
