"""Fractions of weights chosen by what arrives, in place of the weights' own squared error.

A fraction one bit finer halves the steps and clips the largest weights. Which is better depends on
how often the sources of large weights are active: weights of silent sources may be clipped for
nothing, and many small errors of sources that fire together add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray, weight_word
from ltc2hw.quantization.mixing import worked_out
from ltc2hw.quantization.option_checks import check_options
from ltc2hw.quantization.remedies.arriving import bundles, moments
from ltc2hw.quantization.scaling import QuantizeOptions, weight_fraction
from ltc2hw.registry import find_target

MOVES = (0, 1, -1, 2, -2, 3, 4)
"""Bits by which fractions are tried to be moved; of several as good the first is taken."""


def scaled_by_arrivals(
    network: Network,
    target: str | Target,
    calibration: npt.ArrayLike,
    options: QuantizeOptions | None = None,
    lengths: object = None,
) -> QuantizeOptions:
    """Options whose ``scale`` moves each projection's fraction to the least error of what arrives.

    The float function stays what it is; only ``scale`` of projections is replaced. ``calibration``
    (T, B, N_in) runs in float; ``lengths`` (B,) are the steps of samples that end before T.
    Projections of one name share one move, chosen for all of them.

    Raises:
        UnknownNameError, HardwareRuleError: as :func:`ltc2hw.quantize` for options.
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    chosen, chip = options or QuantizeOptions(), find_target(target)
    check_options(chosen, network, chip)
    network = worked_out(network)
    errors: dict[str, FloatArray] = {}
    for place, power in own_moments(network, calibration, lengths).items():
        projection = network.projections[place]
        word = weight_word(chosen.width_of(projection, chip))
        first = weight_fraction(projection.weights.values, word)
        found = np.array(
            [
                error_of(projection, np.ldexp(word.encode(v, f)[0].astype(np.float64), -f), power)
                for v in (projection.weights.values,)
                for f in (first + move for move in MOVES)
            ]
        )
        name = connection_name(projection)
        errors[name] = errors.get(name, np.zeros(len(MOVES))) + found
    moves = {name: MOVES[int(np.argmin(found))] for name, found in errors.items()}
    return chosen.with_moves(moves)


def own_moments(
    network: Network, calibration: npt.ArrayLike, lengths: object = None
) -> Mapping[int, FloatArray]:
    """Mean of ``x xᵀ`` of each projection's own sources, (groups, S, S), by its place."""
    found: dict[int, FloatArray] = {}
    for bundle, power in zip(bundles(network), moments(network, calibration, lengths), strict=True):
        start = 0
        for place in bundle.places:
            weights = network.projections[place].weights
            size = power.shape[1] if isinstance(weights, Conv) else weights.shape[1]
            part = slice(start, start + size)
            found[place] = power[:, part, part]
            start += size
    return found


def error_of(projection: Projection, values: npt.ArrayLike, power: FloatArray) -> float:
    """Mean squared error of what arrives at all neurons, with other values of the weights."""
    weights = projection.weights
    off = weights.with_values(np.asarray(values) - weights.values)
    rows: Sequence[FloatArray]
    if isinstance(off, Conv):
        rows = list(off.kernel.reshape(off.groups, -1, off.kernel[0].size))
    else:
        rows = [np.asarray(off.to_array())]
    return float(
        sum(np.einsum("ns,ns->", part @ seen, part) for part, seen in zip(rows, power, strict=True))
    )
