"""``ltc2hw tune`` as a user meets it: files, statuses, one line for what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.cli.tuning_tables import paired_text
from ltc2hw.graph.network import Network
from ltc2hw.quantization.history import Source, calibrated_on, read_source
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.tuning.bench import TRYING
from ltc2hw.tuning.material import Material
from ltc2hw.tuning.noise import Paired
from ltc2hw.tuning.tune import tune as library_tune
from tests.browser import open_browser
from tests.tuning.planted import clipped_input, outlier

OUTLIER, CLIPPED = "tests.tuning.planted:outlier_task", "tests.tuning.planted:clipped_input_task"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A network with an outlier, in a file."""
    ltc2hw.save(outlier().network, tmp_path / "model.h5")
    return tmp_path / "model.h5"


def tune(model: Path, *words: str, task: str = OUTLIER) -> int:
    """Run the verb into ``fixed.h5`` beside the model."""
    out = str(model.parent / "fixed.h5")
    told = ("tune", str(model), "--target", "loihi2", "--task", task, "--out", out)
    return main([*told, *words])


def test_networks_trail_and_scores_are_written(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = model.parent
    assert tune(model, "--budget", "4", "--json", str(folder / "out.json")) == 0
    printed = capsys.readouterr().out
    assert "Tried, on accuracy of validation samples" in printed
    assert "test, looked at once" in printed
    assert "kept: equalised neurons" in printed
    told = json.loads((folder / "out.json").read_text())
    assert told["evaluations"] == len(told["trials"]) <= 4
    assert told["test"]["float"] == 1.0
    assert told["test"]["tuned"] - told["test"]["plain"] > 0.5 * (1 - told["test"]["plain"])
    assert told["changes"][0].startswith("equalise")
    trail = json.loads((folder / "fixed.trail.json").read_text())
    assert trail["trials"] == told["trials"]
    # The float network that was changed is the one to compare with.
    changed, fixed = ltc2hw.load(folder / "fixed.float.h5"), ltc2hw.load(folder / "fixed.h5")
    assert isinstance(changed, Network)
    task = outlier().task
    source = Source("task", OUTLIER, samples=64, whole=True)
    again = ltc2hw.quantize(changed, "loihi2", task.train.x, QuantizeOptions(**told["options"]))
    assert calibrated_on(again, source) == fixed
    x = task.test.x
    assert task.score(ltc2hw.simulate(changed, x).outputs, task.test.labels) == 1.0


def test_the_same_command_again_is_the_same(model: Path) -> None:
    words = ("--budget", "2", "--quiet", "--json", str(model.parent / "out.json"))
    assert tune(model, *words) == 0
    first = (model.parent / "out.json").read_bytes(), ltc2hw.load(model.parent / "fixed.h5")
    assert tune(model, *words) == 0
    assert first == (
        (model.parent / "out.json").read_bytes(),
        ltc2hw.load(model.parent / "fixed.h5"),
    )


def test_one_remedy_alone(tmp_path: Path) -> None:
    model = tmp_path / "model.h5"
    ltc2hw.save(clipped_input().network, model)
    words = ("--only", "scale", "--budget", "3", "--quiet", "--json", str(tmp_path / "out.json"))
    assert tune(model, *words, task=CLIPPED) == 0
    told = json.loads((tmp_path / "out.json").read_text())
    assert {trial["remedy"] for trial in told["trials"][1:]} == {"scale"}
    assert told["options"]["scale"]["input"] == -2
    assert not (tmp_path / "fixed.float.h5").exists()


def test_widths_are_searched_for(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = model.parent
    words = ("--max-accuracy-drop", "60", "--budget", "12", "--allow", "lost-weights")
    files = ("--json", str(folder / "out.json"), "--report", str(folder / "out.md"))
    assert tune(model, *words, *files) == 0
    told = json.loads((folder / "out.json").read_text())
    assert told["chosen"]["lost"]["mean"] <= 0.6
    assert told["chosen"]["bytes"] <= told["points"][0]["bytes"]
    assert set(told["chosen"]) == {"bits", "score", "lost", "bytes", "operations", "kept"}
    assert "| bytes | operations | accuracy |" in (folder / "out.md").read_text().replace(
        " ---", ""
    )
    printed = capsys.readouterr().out
    assert "lost on 240 validation samples" in printed
    fixed = ltc2hw.load(folder / "fixed.h5")
    assert isinstance(fixed, ltc2hw.FixedNetwork)


def test_compare_says_what_to_do(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = model.parent
    task = outlier().task
    allowed = ltc2hw.QuantizeOptions(allow=("lost-weights",))
    fixed = ltc2hw.quantize(outlier().network, "loihi2", task.train.x, allowed)
    ltc2hw.save(fixed, folder / "fixed.h5")
    report = folder / "report.json"
    words = (str(model), str(folder / "fixed.h5"), "--task", OUTLIER, "--engines", "fast")
    assert main(["compare", *words, "--out", str(report)]) == 0
    told = json.loads(report.read_text())["advice"]
    assert told[0]["remedy"] == "equalise"
    printed = capsys.readouterr().out
    assert "What to do about it" in printed
    for advice in told[:3]:
        assert advice["command"] in printed
    if len(told) > 3:
        assert told[3]["command"] not in printed
    command = f"tune {model} --target loihi2 --task {OUTLIER} --allow lost-weights --only equalise"
    assert command in told[0]["command"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--budget", "0"), "argument --budget: invalid positive integer value: '0'"),
        (("--budget", "-3"), "argument --budget"),
        (("--only", "prayer"), "invalid choice: 'prayer'"),
        (("--target", "abacus"), "target is 'abacus'"),
        (("--max-accuracy-drop", "-1"), "bound on accuracy is -1.0; expected 0 or more"),
        (("--max-accuracy-drop", "nan"), "bound on accuracy is nan"),
        (("--max-mse-increase", "1"), "bound on mse is 1.0; expected one on accuracy"),
        (("--report", "x.pdf"), "expected a name ending in .html or .md"),
        (("--report", "missing/x.html"), "the folder of this output does not exist"),
        (("--report", "model.h5"), "expected another file than the input"),
        (("--calibration", "missing.npy"), "missing.npy: No such file"),
        (("--calibration-layout", "time-first"), "expected none without --calibration"),
        (("--readout", "nobody"), "output population is 'nobody'"),
        (("--out", ""), ".: Is a directory"),
        (("--out-float", "model.h5"), "expected another file than the input"),
        (("--json", "fixed.trail.json"), "expected another file than --json"),
        (("--bits", "input=4", "--bits", "input=4"), "--bits input is given twice"),
        (("--bits", "nothing=4"), "name of bits is 'nothing'"),
        (("--out", "missing/fixed.h5"), "the folder of this output does not exist"),
        (("--seed", "-1"), "argument --seed"),
    ],
)
def test_bad_input_is_one_line(
    words: tuple[str, ...],
    said: str,
    model: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(model.parent)
    before = sorted(path.name for path in model.parent.iterdir())
    try:
        status = tune(model, *words)
    except SystemExit as error:
        status = int(str(error.code))
    assert status == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert len(told) == 1
    assert said in told[0]
    assert sorted(path.name for path in model.parent.iterdir()) == before


def test_the_float_network_beside_the_output_is_not_the_input(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tuned = model.parent / "fixed.float.h5"
    model.rename(tuned)
    before = tuned.read_bytes()
    out = str(model.parent / "fixed.h5")
    words = ("tune", str(tuned), "--target", "loihi2", "--task", OUTLIER, "--out", out)
    assert main([*words, "--budget", "1"]) == 2
    assert "expected another file than the input, which would be lost" in capsys.readouterr().err
    assert tuned.read_bytes() == before
    assert not (model.parent / "fixed.h5").exists()


def test_a_file_without_labels_calibrates(model: Path) -> None:
    folder = model.parent
    x = outlier().task.train.x[:, :32]
    np.save(folder / "alone.npy", x.transpose(1, 2, 0))
    words = ("--calibration", str(folder / "alone.npy"), "--calibration-layout", "channels-first")
    assert tune(model, *words, "--budget", "1", "--allow", "lost-weights", "--quiet") == 0
    fixed = ltc2hw.load(folder / "fixed.h5")
    assert isinstance(fixed, ltc2hw.FixedNetwork)
    options = ltc2hw.QuantizeOptions(allow=("lost-weights",))
    made = ltc2hw.quantize(outlier().network, "loihi2", x, options)
    assert (fixed.populations, fixed.projections) == (made.populations, made.projections)
    source = read_source(fixed.provenance)
    assert source == Source(
        "calibration", str(folder / "alone.npy"), {"layout": "channels-first"}, 32, whole=True
    )


def test_a_stopped_run_goes_on_where_it_was(model: Path) -> None:
    folder, planted = model.parent, outlier()
    material = Material.of_task(planted.task)
    allowed = ltc2hw.QuantizeOptions(allow=("lost-weights",))

    def stop(what: str, done: int, total: int) -> None:
        if what == TRYING and done == 2:
            raise KeyboardInterrupt

    trail = folder / "fixed.trail.json"
    with pytest.raises(KeyboardInterrupt):
        library_tune(planted.network, "loihi2", material, allowed, trail=trail, progress=stop)
    kept = json.loads(trail.read_text())["trials"]
    assert len(kept) == 2
    assert not (folder / "fixed.h5").exists()
    words = ("--budget", "3", "--allow", "lost-weights", "--quiet")
    assert tune(model, *words) == 0
    went_on = trail.read_bytes()
    assert json.loads(went_on)["trials"][:2] == kept
    whole = str(folder / "whole.json")
    assert tune(model, *words, "--trail", whole) == 0
    assert Path(whole).read_bytes() == went_on


@pytest.mark.parametrize("search", [(), ("--max-accuracy-drop", "60", "--allow", "lost-weights")])
def test_the_page_shows_what_was_tried(search: tuple[str, ...], model: Path) -> None:
    folder = model.parent
    page, record = folder / "out.html", folder / "out.json"
    words = ("--budget", "4", "--report", str(page), "--json", str(record), "--quiet")
    assert tune(model, *words, *search) == 0
    told = json.loads(record.read_text())
    with open_browser(folder / "profile") as browser:
        browser.open(page)
        assert browser.requests() == [page.as_uri()]
        assert browser.complaints() == []
        assert browser.texts("h1")[0].endswith("of a network for loihi2, on planted")
        captions = browser.texts("figure h2")
        assert captions == ["Accuracy against bytes", "Accuracy against operations"]
        loaded = "Array.from(document.images, (i) => i.complete && i.naturalWidth > 100)"
        assert browser.value(loaded) == [True, True]
        cells = browser.texts("section:last-of-type td")
        for trial in told["trials"]:
            assert trial["what"] in cells
        scores = browser.texts("section:first-of-type td")
        for name in ("float", "plain", "tuned"):
            assert f"{100 * told['test'][name]:.2f} %" in scores
        for width in (400, 1200):
            browser.size(width)
            assert browser.value("document.documentElement.scrollWidth") <= width


def test_the_page_and_the_text_have_the_same_tables(model: Path) -> None:
    folder = model.parent
    for name in ("out.md", "out.html"):
        assert tune(model, "--budget", "2", "--report", str(folder / name), "--quiet") == 0
    text, page = ((folder / name).read_text() for name in ("out.md", "out.html"))
    assert text.startswith("# Tuning of a network for loihi2, on planted\n\nAccuracy: ")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["Accuracy", "Tried, on accuracy of validation samples"]
    for heading in headings:
        assert f"<h2>{heading}</h2>" in page
    assert "<script" not in page


def test_a_trail_of_another_network_is_refused(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ltc2hw.save(clipped_input().network, model)
    assert tune(model, "--budget", "1", "--quiet", task=CLIPPED) == 0
    trail = (model.parent / "fixed.trail.json").read_bytes()
    ltc2hw.save(outlier().network, model)
    assert tune(model, "--budget", "1", task=CLIPPED) == 2
    assert "network of trail" in capsys.readouterr().err
    assert tune(model, "--budget", "1", "--trail", str(model)) == 2
    assert "would be lost" in capsys.readouterr().err
    assert (model.parent / "fixed.trail.json").read_bytes() == trail


def test_a_network_that_no_remedy_makes_allowed_is_refused(
    model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(model, "--budget", "1") == 2
    assert "[lost-weights] hidden0.current" in capsys.readouterr().err
    assert not (model.parent / "fixed.h5").exists()


def test_differences_have_their_error_beside_them() -> None:
    assert paired_text("accuracy", Paired(-0.02, 0.01)) == "-2.00 ± 1.00 points"
    assert paired_text("mse", Paired(0.5, 0.25)) == "+0.5 ± 0.25"
    assert paired_text("accuracy", None) == ""
