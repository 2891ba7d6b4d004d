"""``ltc2hw quantize``: limits that are exceeded are refused on one line, told where allowed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.converters.populations import Gate, Readout
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.quantization.report import read_report
from tests.cli.networks import TASK, write_pair


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network whose readout leaks less than one part in 4096."""
    folder = tmp_path_factory.mktemp("slow")
    network = ltc2hw.load(write_pair(folder)[0])
    assert isinstance(network, Network)
    populations = tuple(
        replace(p, tau_mem=Gate(np.full(p.size, -9.0))) if isinstance(p, Readout) else p
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
