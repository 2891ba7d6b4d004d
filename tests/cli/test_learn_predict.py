"""``ltc2hw learn --predict``: learning without labels, as the library does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.learning.prediction import learn_to_predict, next_step, with_predictor
from ltc2hw.tasks import load_task
from tests.cli.networks import TASK, add_network, write_pair

SAMPLES = 12


@pytest.fixture(scope="module")
def fixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("networks")
    model, out = write_pair(folder)[0], folder / "predicting.h5"
    common = ["--target", "loihi2", "--task", TASK, "--out", str(out), "--quiet"]
    assert main(["quantize", str(model), "--predictor", "hidden0", *common]) == 0
    return out


def learn(fixed: Path, out: Path, *arguments: str) -> int:
    common = ["learn", str(fixed), "--task", TASK, "--out", str(out), "--engine", "integer"]
    return main([*common, "--samples", str(SAMPLES), *arguments])


def test_quantize_adds_the_predictor_that_the_library_adds(fixed: Path) -> None:
    network = with_predictor(add_network(), "hidden0")
    expected = ltc2hw.quantize(network, "loihi2", load_task(TASK).train.x)
    found = ltc2hw.load(fixed)
    assert found.populations == expected.populations
    assert found.projections == expected.projections
    assert found.output == expected.output


@pytest.mark.parametrize("flow", [False, True])
def test_learn_writes_what_the_library_learns(fixed: Path, tmp_path: Path, flow: bool) -> None:
    out, measured = tmp_path / "adapted.h5", tmp_path / "learn.json"
    options = ["--predict", "hidden0", "--json", str(measured), "--weighting", "uniform"]
    assert learn(fixed, out, *options, *(["--no-reset"] if flow else [])) == 0
    network, adapted = ltc2hw.load(fixed), ltc2hw.load(out)
    assert isinstance(network, FixedNetwork)
    task = load_task(TASK)
    count = task.train.samples
    order = np.arange(count) if flow else np.random.default_rng(0).permutation(count)
    # A stream that goes on is read one sample further: the last step of a piece has its next one.
    more = SAMPLES + 1 if flow else SAMPLES
    x = task.train.x[:, order[:more]]
    lengths = None
    if flow:
        lengths = np.full(more, x.shape[0])
        lengths[-1] = 1
    expected = learn_to_predict(
        network, "hidden0", x, ltc2hw.FPTTRule(weighting="uniform"), ltc2hw.PlasticWords(seed=0),
        reset=not flow, lengths=lengths,
    ).network  # fmt: skip
    assert adapted.projections == expected.projections
    assert adapted.output == network.output
    found = json.loads(measured.read_text("utf-8"))
    assert found["predicts"] == "hidden0"
    assert found["readout"] == "hidden0_next"
    assert found["updates"] == SAMPLES * (8 if flow else 7)
    targets = next_step(task.test.x)
    errors = np.nanmean((task.test.x - targets) ** 2)
    assert found["without_learning"]["same_as_now"] == pytest.approx(errors)
    mean = np.nanmean(next_step(task.train.x, reset=not flow), axis=(0, 1))
    assert found["without_learning"]["mean"] == pytest.approx(np.nanmean((mean - targets) ** 2))
    assert set(found["mse"]) == {"before", "after"}


def test_what_learning_without_labels_reaches_is_printed(
    fixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert learn(fixed, tmp_path / "adapted.h5", "--predict", "hidden0", "--verify", "0") == 0
    told = capsys.readouterr().out
    assert "learns: input.value->hidden0.current" in told
    assert "for the same as now" in told
    assert "held: hidden0.spikes->readout" in told


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--predict", "readout"], "predictor of readout is absent; expected a readout"),
        (["--predict", "input"], "layer input: it hears nothing"),
        (["--predict", "nowhere"], "population is 'nowhere'"),
        (["--predict", "hidden0", "--readout", "readout"], "--readout is readout; expected none"),
        (["--predict", "hidden0", "--task", "digits-rows"], "inputs of task digits-rows is 8"),
        (["--predict", "hidden0", "--min-cosine", "nan"], "bound on the cosine is nan"),
    ],
)
def test_what_cannot_be_is_one_line(
    fixed: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    out = tmp_path / "adapted.h5"
    assert learn(fixed, out, *arguments) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1
    assert not out.exists()


def test_a_predictor_of_what_cannot_predict_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, out = write_pair(tmp_path)[0], tmp_path / "predicting.h5"
    common = ["quantize", str(model), "--target", "loihi2", "--task", TASK, "--out", str(out)]
    for layer, message in (("readout", "it sends no spikes"), ("nowhere", "is 'nowhere'")):
        assert main([*common, "--predictor", layer]) == 2
        assert message in capsys.readouterr().err
    assert main([*common, "--predictor", "hidden0", "--predictor", "hidden0"]) == 2
    assert "predictor of hidden0 is there already" in capsys.readouterr().err
    assert not out.exists()
