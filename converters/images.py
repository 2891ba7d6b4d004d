"""Shapes of populations that are images, kept in a network's provenance for exports.

Networks know sizes alone; whoever writes a convolution needs (channels, height, width) too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping

from ltc2hw.converters.lowering import Shape
from ltc2hw.graph.network import Network

IMAGES = "images"
"""Key in provenance: JSON of the shapes (C, L) or (C, H, W) by population."""


def shapes_text(shapes: Mapping[str, Shape]) -> str:
    """What provenance keeps of shapes; empty where none is an image.

    >>> shapes_text({"input": (2, 8, 8), "readout": (10,)})
    '{"input": [2, 8, 8]}'
    """
    kept = {name: [int(n) for n in shape] for name, shape in shapes.items() if len(shape) in (2, 3)}
    return json.dumps(kept) if kept else ""


def image_shapes(network: Network) -> dict[str, Shape]:
    """Shapes that a network's provenance notes, as far as they are of its populations' sizes."""
    try:
        noted = json.loads(network.provenance.get(IMAGES, "{}"))
    except (ValueError, RecursionError):
        return {}
    sizes = {population.name: population.size for population in network.populations}
    return {
        name: tuple(shape)
        for name, shape in (noted.items() if isinstance(noted, dict) else ())
        if isinstance(shape, list)
        and len(shape) in (2, 3)
        and all(type(n) is int and n > 0 for n in shape)
        and math.prod(shape) == sizes.get(name)
    }
