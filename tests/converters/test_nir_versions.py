"""Files for older releases of nir: the entries that those know, and the same network back."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from pathlib import Path

import h5py
import numpy as np
import pytest

from ltc2hw.cli import main
from ltc2hw.converters import nir as converter
from ltc2hw.converters.populations import LIF, Gate, Readout
from ltc2hw.errors import UnknownNameError, UnsupportedError
from ltc2hw.files.bundle import save
from ltc2hw.graph.network import Input, Network, Projection
from ltc2hw.numbers.weights import Dense, Sparse

# What the constructors of nir 1.0.4 take, by type, and which of them take metadata.
KNOWN: Mapping[str, frozenset[str]] = {
    "Input": frozenset(("shape",)),
    "Output": frozenset(("shape",)),
    "Affine": frozenset(("weight", "bias")),
    "Delay": frozenset(("delay",)),
    "IF": frozenset(("r", "v_threshold")),
    "LI": frozenset(("tau", "r", "v_leak")),
    "LIF": frozenset(("tau", "r", "v_leak", "v_threshold")),
    "CubaLIF": frozenset(("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "w_in")),
}
WITH_METADATA = frozenset(("Affine", "Delay", "IF", "LI", "LIF", "CubaLIF"))


def network() -> Network:
    """One of each neuron that NIR has, a delay, and weights that are sparse."""
    one = np.ones(3)
    weights = np.eye(3) + 0.25
    chain = ("input", "cuba", "lif", "fire", "readout")
    return Network(
        (
            Input("input", 3),
            LIF("cuba", 3, 0.5 * one, 0.25 * one, one, 0.1 * one),
            LIF("lif", 3, one, 0.25 * one, one, 0 * one),
            LIF("fire", 3, one, 0 * one, one, 0 * one),
            Readout("readout", 3, 0.5 * one, Gate(0.4 * one)),
        ),
        tuple(
            Projection(
                a, "spikes", b, "current",
                Sparse.from_array(weights) if b == "lif" else Dense(weights), int(b == "fire"),
            )
            for a, b in itertools.pairwise(chain)
        ),
        "readout",
    )  # fmt: skip


def test_files_for_nir_1_0_4_hold_what_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    with pytest.raises(UnsupportedError, match=r"'cuba' \(CubaLIF\).*no-reset-potential"):
        converter.write(network(), path, nir_version="1.0.4")
    assert not path.exists()
    changes = converter.write(network(), path, nir_version="1.0.4", allow={"no-reset-potential"})
    assert [change.name for change in changes] == ["no-reset-potential"] * 3
    seen = set()
    with h5py.File(path) as file:
        assert file["version"][()] == b"1.0.4"
        for name, node in file["node/nodes"].items():
            kind = node["type"][()].decode()
            entries = set(node) - {"type", "metadata"}
            assert entries == KNOWN[kind], name
            assert kind in WITH_METADATA or "metadata" not in node, name
            seen.add(kind)
    assert seen == set(KNOWN)
    # A file of ours resets to zero, whether it says so or not.
    assert converter.read(path) == network()
    with pytest.raises(UnknownNameError, match=r"expected one of 1\.0\.8, 1\.0\.4"):
        converter.write(network(), path, nir_version="1.0.5")  # type: ignore[arg-type]


def test_graphs_in_memory_are_of_the_installed_release() -> None:
    pytest.importorskip("nir", reason="the nir extra is not installed")
    graph, changes = converter.to_graph(network(), allow={"no-reset-potential"})
    kept = all(hasattr(graph.nodes[name], "v_reset") for name in ("cuba", "lif", "fire"))
    assert kept == (not changes)
    assert converter.from_graph(graph) == network()


def test_the_command_line_writes_for_older_releases(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given, out = tmp_path / "net.h5", tmp_path / "net.nir"
    save(network(), given)
    arguments = ["export", str(given), "--to", "nir", "--nir-version", "1.0.4", "--out", str(out)]
    assert main(arguments) == 2
    assert "--allow no-reset-potential" in capsys.readouterr().err
    assert main([*arguments, "--allow", "no-reset-potential"]) == 0
    assert "changed: no-reset-potential: node 'cuba'" in capsys.readouterr().out
    assert converter.read(out) == network()
    assert main(["export", str(given), "--to", "lava", "--nir-version", "1.0.4", "--out", "x"]) == 2
    assert "none but with --to nir" in capsys.readouterr().err
