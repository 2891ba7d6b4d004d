"""Convolutions in C: kernels as they are. All their integers: ``test_c_export.py``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from ltc2hw.converters.c import write
from ltc2hw.converters.c.plan import make_plan
from ltc2hw.converters.c.source import print_sources
from ltc2hw.graph.expansion import without_kernels
from tests.converters.convolutional import gated, strided


def test_a_kernel_takes_its_own_size() -> None:
    """A byte for every stored weight and no index; written out there are 20 times as many."""
    network, _ = gated()
    sources = print_sources(make_plan(network, "net"))
    tables = re.findall(r"static const int8_t net_\w+_(?:kernel|weights)\[(\d+)\]", sources.source)
    # The kernel that arrives now and two steps later stands there once.
    stored = [p.weights.values.size for p in network.projections if p.delay < 2]
    assert sorted(map(int, tables)) == sorted(stored)
    other = sources.table_bytes - sum(stored)
    assert 0 <= other < 5000
    assert f"Constant tables: {sources.table_bytes} bytes" in sources.header
    assert print_sources(make_plan(without_kernels(network), "net")).table_bytes > 40_000


def test_functions_are_shared_by_geometry() -> None:
    network, _ = gated()
    source = print_sources(make_plan(network, "net")).source
    # Input to current and gate of the first; its own; and to the second, now and later.
    assert len(re.findall(r"^static void net_add_conv_\d+\($", source, re.MULTILINE)) == 3
    assert len(re.findall(r"^    net_add_conv_\d+\($", source, re.MULTILINE)) == 5


def test_nothing_is_divided() -> None:
    """A Cortex-M0 has no division, and nothing is called that would do it."""
    network, _ = strided(graded=True)
    source = print_sources(make_plan(network, "net")).source
    functions = re.findall(r"^static void net_add_conv_\d+\(\n(.*?)^}", source, re.M | re.S)
    assert len(functions) == 3
    for text in functions:
        assert not re.search(r"[/%]", text)


def test_a_kernel_of_zeros_is_left_out(tmp_path: Path) -> None:
    network, x = strided(graded=False)
    zero = network.projections[2]
    empty = zero.weights.with_values(np.zeros_like(zero.weights.values))
    projections = (*network.projections[:2], replace(zero, weights=empty))
    write(replace(network, projections=projections), tmp_path / "net", samples=x)
    assert "membrane_to_two" not in (tmp_path / "net" / "net.c").read_text(encoding="ascii")
