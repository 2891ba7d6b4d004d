"""Files that earlier versions wrote still open, and the networks answer as they did."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import ltc2hw
from ltc2hw.converters import netx, nir
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.numbers.words import FloatArray

GOLDEN = Path(__file__).parents[1] / "golden" / "formats"


def samples(network: Network | FixedNetwork) -> FloatArray:
    """Spikes (40, 2, N) in a pattern that no generator has to repeat."""
    t, b, n = np.ogrid[:40, :2, : network.input.size]
    values: FloatArray = ((t * (n + 2) + 3 * b + n) % 5 < 2).astype(np.float64)
    return values


@pytest.mark.parametrize("name", ["chain.netx.h5", "ltc.nir", "lif.nir"])
def test_files_of_schema_version_1_are_read(name: str) -> None:
    network = netx.read(GOLDEN / name) if name.endswith(".h5") else nir.read(GOLDEN / name)
    assert network.provenance["origin"] in ("test", "random")
    with np.load(GOLDEN / "expected.npz") as stored:
        expected = stored[name]
    assert expected.any()
    engine = "integer" if isinstance(network, FixedNetwork) else "float64"
    outputs = ltc2hw.simulate(network, samples(network), engine=engine).outputs
    if engine == "integer":
        assert np.array_equal(outputs, expected)
    else:
        assert np.abs(outputs - expected).max() < 1e-9
