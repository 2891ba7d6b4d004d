"""Which network learning began with: words are scaled by its weights, so it alone can go on."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.learning.learned import Learning


def fingerprint(network: FixedNetwork) -> str:
    """A checksum of all weights and constants of a network.

    >>> import ltc2hw
    >>> from ltc2hw.graph.network import Input
    >>> net = ltc2hw.Network((Input("input", 1), ltc2hw.Neurons("out", 1, "readout")), (), "out")
    >>> one, two = (ltc2hw.quantize(net, "ideal", [[[x]]]) for x in (0.0, 1.0))
    >>> fingerprint(one) == fingerprint(two)
    True
    """
    sums = blake2b(digest_size=16)
    for projection in network.projections:
        sums.update(np.ascontiguousarray(projection.weights.values, np.int64).tobytes())
    for population in network.populations:
        for name, values in getattr(population, "constants", {}).items():
            sums.update(name.encode())
            sums.update(np.ascontiguousarray(values, np.int64).tobytes())
    return sums.hexdigest()


def require_begun(learning: object, origin: str) -> None:
    """Raise if a state of learning began with another network.

    The adapted network holds rounded weights: its scales, and so its bits, would be others.

    Raises:
        InvalidValueError: if both are known and differ.
    """
    if isinstance(learning, Learning) and learning.begun not in ("", origin):
        raise InvalidValueError(
            "network to go on learning",
            "another one than learning began with",
            "that one, whose weights the state replaces",
            "pass it again, or begin anew from the adapted network without learning=",
        )
