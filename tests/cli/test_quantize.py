"""``ltc2hw quantize``: limits that are exceeded are refused on one line, told where allowed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.converters.populations import Gate, is_model
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.structure import connection_name
from ltc2hw.quantization.limits import LIMITS
from ltc2hw.quantization.report import read_report
from tests.cli.networks import TASK, write_pair


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose readout leaks less than one part in 4096."""
    folder = tmp_path_factory.mktemp("slow")
    network = ltc2hw.load(write_pair(folder)[0])
    assert isinstance(network, Network)
    populations = tuple(
        p.with_constants(Gate(np.full(p.size, -9.0)).constants("tau_mem"))
        if is_model(p, readout)
        else p
        for p in network.populations
    )
    # Without projections onto the gate, its leak is the bias's.
    projections = tuple(
        p for p in network.projections if (p.target, p.port) != ("readout", "tau_mem")
    )
    path = folder / "slow.h5"
    ltc2hw.save(Network(populations, projections, network.output), path)
    return path


def run(network: Path, folder: Path, *more: str) -> int:
    arguments = ["quantize", str(network), "--target", "loihi2", "--task", TASK]
    return main([*arguments, "--out", str(folder / "fixed.h5"), *more])


def test_an_exceeded_limit_is_refused_on_one_line(
    slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(slow, tmp_path) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    assert "[slow-leak] readout.membrane of neuron 0" in printed.err
    assert not (tmp_path / "fixed.h5").exists()


def test_an_allowed_limit_is_told_and_noted(
    slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "fixed.h5"
    measured = tmp_path / "quantize.json"
    allow = ("--allow", "lost-weights", "--allow", "slow-leak", "--json", str(measured))
    assert run(slow, tmp_path, *allow) == 0
    printed = capsys.readouterr().out
    assert "allowed: [slow-leak] readout.membrane" in printed
    assert "leak readout.tau_mem: 0.0001234 asked, 0.0002441 got" in printed
    fixed = ltc2hw.load(out)
    assert isinstance(fixed, FixedNetwork)
    report = read_report(fixed.provenance)
    assert report is not None
    assert json.loads(measured.read_text("utf-8"))["quantization"] == report.to_dict()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--allow", "slow"), "limit to allow is 'slow'; expected one of slow-leak"),
        (("--weight-bits", "1"), "[weight-bits]"),
        (("--weight-bits", "9"), "9 bits, limit 2 to 8 bits"),
        (("--weight-bits", "25"), "weight_bits is 25; expected 1 to 24"),
        (("--bits", "hidden=4"), "name of bits is 'hidden'; expected one of input.value->"),
        (("--bits", "input=9"), "[input-width] input: 9 bits, limit 8 bits"),
        (("--bits", "input=4", "--bits", "input=5"), "--bits input is given twice"),
        (("--scale", "table:hidden0.tau_mem=1"), "name of a scale is 'table:hidden0.tau_mem'"),
    ],
)
def test_bad_options_are_refused_on_one_line(
    slow: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    """Status 2: status 1 would mean that a stated bound was missed."""
    assert run(slow, tmp_path, *arguments) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_demo_refuses_unknown_limits_before_it_trains(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["demo", "--out", str(tmp_path / "demo"), "--allow", "all"]) == 2
    assert "limit to allow is 'all'" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_widths_and_scales_by_name_reach_the_file(slow: Path, tmp_path: Path) -> None:
    out = tmp_path / "fixed.h5"
    first, second = "input.value->hidden0.current", "hidden0.spikes->readout.current"
    allow = [word for limit in LIMITS for word in ("--allow", limit)]
    widths = ["--bits", f"{first}=ternary", "--bits", f"{second}=3", "--bits", "input=6"]
    scales = ["--scale", "input=-1", "--scale", f"{second}=+1"]
    assert run(slow, tmp_path, *widths, *allow) == 0
    plain = ltc2hw.load(out)
    assert run(slow, tmp_path, *widths, *scales, *allow) == 0
    moved = ltc2hw.load(out)
    assert run(slow, tmp_path, *widths, "--rounding", "arriving", *allow) == 0
    rounded = ltc2hw.load(out)
    assert isinstance(plain, FixedNetwork)
    assert isinstance(moved, FixedNetwork)
    assert isinstance(rounded, FixedNetwork)
    bits = {connection_name(p): p.bits for p in plain.projections}
    assert (bits[first], bits[second], plain.input.word.bits) == (2, 3, 6)
    assert moved.input.fraction == plain.input.fraction - 1
    pairs = zip(plain.projections, moved.projections, strict=True)
    assert {connection_name(a): b.weight_fraction - a.weight_fraction for a, b in pairs}[
        second
    ] == 1
    assert [p.weight_fraction for p in rounded.projections] == [
        p.weight_fraction for p in plain.projections
    ]
    assert rounded.projections != plain.projections


def test_check_and_demo_take_the_same_options(
    slow: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checked = ["check", str(slow), "--target", "loihi2", "--task", TASK, "--allow", "slow-leak"]
    assert main([*checked, "--bits", "input=4", "--scale", "input=-1"]) == 0
    assert "samples become 4-bit integers" in capsys.readouterr().out
    assert main([*checked, "--bits", "state:hidden0.current=40"]) == 1
    assert "state-width" in capsys.readouterr().out
    folder = str(tmp_path / "demo")
    assert main(["demo", "--out", folder, "--scale", "input=1", "--scale", "input=2"]) == 2
    assert "--scale input is given twice" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--bits", "input"), "'input' is not NAME=N, N a number of bits or ternary"),
        (("--bits", "input=0"), "'input=0' is not NAME=N"),
        (("--scale", "input=half"), "'input=half' is not NAME=+N or NAME=-N"),
        (("--rounding", "up"), "argument --rounding"),
    ],
)
def test_widths_that_cannot_be_read_are_refused(
    slow: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    message: str,
) -> None:
    with pytest.raises(SystemExit) as caught:
        run(slow, tmp_path, *arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
