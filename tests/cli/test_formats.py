"""Files of other tools on the command line: read by contents or by name, written on request."""

from __future__ import annotations

import inspect
import re
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import ltc2hw
from ltc2hw.cli import main
from ltc2hw.cli.foreign import READERS
from ltc2hw.cli.program import make_parser
from ltc2hw.cli.wording import FLAGS
from ltc2hw.converters import netx, nir, sfptt
from ltc2hw.converters.netx_network import rescaled
from ltc2hw.files.bundle import save
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from tests.random_networks import random_network


def lif_network(hidden: tuple[int, ...] = (6, 4)) -> Network:
    return random_network(np.random.default_rng(1), model="LIF", graded=False, hidden=hidden)


def integers(network: Network) -> FixedNetwork:
    x = np.random.default_rng(2).integers(0, 2, (20, 4, network.input.size)).astype(float)
    return ltc2hw.quantize(network, "loihi2", x)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.h5"


def test_a_nir_file_comes_in(tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network, file = lif_network(), tmp_path / "net.nir"
    nir.write(network, file)
    assert main(["import", str(file), "--out", str(out)]) == 0
    assert ltc2hw.load(out) == network
    printed = capsys.readouterr().out
    assert f"float network: {out}" in printed
    assert f"next: ltc2hw quantize {out} --target loihi2 --task DATA" in printed
    assert f"or: ltc2hw train DATA --start {out}" in printed


def test_a_netx_file_comes_in_and_goes_out(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, given, file = integers(lif_chain()), tmp_path / "fixed.h5", tmp_path / "net.h5"
    save(fixed, given)
    assert main(["export", str(given), "--to", "netx", "--out", str(file)]) == 2
    assert "--allow rescale converts it so" in capsys.readouterr().err
    arguments = ["export", str(given), "--to", "netx", "--allow", "rescale", "--out", str(file)]
    assert main(arguments) == 0
    assert "changed: rescale: " in capsys.readouterr().out
    assert main(["import", str(file), "--out", str(out)]) == 0
    assert ltc2hw.load(out) == rescaled(fixed) == netx.read(file)


def lif_chain() -> Network:
    """As a netx file wants it: spikes at its end."""
    network = lif_network(hidden=(6,))
    kept = [p for p in network.populations if p.name != "readout"]
    return Network(
        tuple(kept),
        tuple(p for p in network.projections if "readout" not in (p.source, p.target)),
        kept[-1].name,
    )


def test_a_state_dict_comes_in(
    tmp_path: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng, file = np.random.default_rng(3), tmp_path / "state.npz"
    state: dict[str, Any] = {
        "layer1_x.weight": rng.normal(size=(4, 3)),
        "layer1_r.weight": rng.normal(size=(4, 4)),
        "tau_m_r1": rng.normal(size=4),
        "tau_adp_r1": rng.normal(size=4),
        "layer3_x.weight": rng.normal(size=(2, 4)),
        "tau_m_o": rng.normal(size=2),
    }
    np.savez(file, **state)
    assert main(["import", str(file), "--out", str(out)]) == 2
    assert "--allow initial-state converts it so" in capsys.readouterr().err
    arguments = ["import", str(file), "--allow", "initial-state", "--input", "spikes"]
    assert main([*arguments, "--out", str(out)]) == 0
    assert "changed: initial-state: layer1" in capsys.readouterr().out
    expected = sfptt.read(file, graded_input=False, allow={"initial-state"})
    assert ltc2hw.load(out) == expected


def test_float_networks_go_out_as_nir(tmp_path: Path) -> None:
    network, given, file = lif_network(), tmp_path / "model.h5", tmp_path / "net.nir"
    save(network, given)
    assert main(["export", str(given), "--to", "nir", "--out", str(file), "--quiet"]) == 0
    assert nir.read(file) == network


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["import", "{nir}", "--input-bits", "4"],
            "expected --dt, --discretization, --reset, --input, --allow for nir",
        ),
        (["import", "{nir}", "--from", "netx"], "it has no layers"),
        (["import", "{ours}"], "say --from"),
        (["import", "{ours}", "--from", "nir"], "cannot read"),
        (["import", "{none}"], "No such file"),
        (["import", "{nir}", "--allow", "everything"], "expected one of duplicate-edges"),
        (["quantize", "{nir}", "--target", "loihi2", "--task", "add-8"], "ltc2hw import first"),
        (["simulate", "{nir}", "--task", "add-8"], "ltc2hw import first"),
        (["export", "{nir}", "--to", "lava"], "ltc2hw import first"),
    ],
)
def test_what_does_not_fit_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    out: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places: dict[str, Any] = {name: tmp_path / name for name in ("nir", "ours", "none")}
    nir.write(lif_network(), places["nir"])
    save(lif_network(), places["ours"])
    filled = [argument.format(**places) for argument in arguments]
    assert main([*filled, "--out", str(out)]) == 2
    printed = capsys.readouterr()
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.out == ""
    assert not out.exists()


def test_the_page_shows_what_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    commands = re.findall(r"^ltc2hw (\w+ .*?)(?: +#.*)?$", page, flags=re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        make_parser().parse_args(command.split())
    (example,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    monkeypatch.chdir(tmp_path)
    nir.write(lif_network(), "graph.nir")
    exec(compile(example, "docs/formats.md", "exec"), {})
    assert isinstance(nir.read("fixed.nir"), Network)


def test_every_option_of_a_reader_is_an_argument() -> None:
    for module, options in READERS.values():
        parameters = inspect.signature(import_module(module).read).parameters
        assert set(options) <= set(parameters)
        assert set(options) <= set(FLAGS)
