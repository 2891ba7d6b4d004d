"""Graphs in the layout of older releases of ``nir``, which know fewer entries.

Release 1.0.4, which sinabs pins, has neurons without ``v_reset`` and Linear nodes without metadata.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np

from ltc2hw.converters.conversion import Conversion
from ltc2hw.errors import UnknownNameError

NirVersion = Literal["1.0.8", "1.0.4"]

NIR_VERSIONS: tuple[NirVersion, ...] = ("1.0.8", "1.0.4")
"""Releases whose file layout can be written; those of 1.0.4 are read by 1.0.3 to 1.0.8."""

RESETTING = frozenset(("IF", "LIF", "CubaLIF"))


def in_version(
    entries: Mapping[str, Any], version: NirVersion, conversion: Conversion
) -> Mapping[str, Any]:
    """A graph's dictionary as a release of ``nir`` takes it.

    Raises:
        UnknownNameError: for a release whose layout is not known.
        UnsupportedError: if neurons would lose their reset potential without leave.
    """
    if version not in NIR_VERSIONS:
        raise UnknownNameError("nir_version", str(version), NIR_VERSIONS)
    if version == NIR_VERSIONS[0]:
        return entries
    nodes = {name: _older(name, node, conversion) for name, node in entries["nodes"].items()}
    return {**entries, "nodes": nodes}


def _older(name: str, node: Mapping[str, Any], conversion: Conversion) -> Mapping[str, Any]:
    if node["type"] in RESETTING and "v_reset" in node:
        conversion.meet("no-reset-potential", f"node {name!r} ({node['type']})")
        return {entry: value for entry, value in node.items() if entry != "v_reset"}
    if node["type"] == "Linear":
        # Affine nodes have metadata, and sinabs knows no others.
        return {**node, "type": "Affine", "bias": np.zeros(len(node["weight"]))}
    return node
