"""Fractions of graded inputs and messages chosen by their mean error, in place of their largest.

Quantization makes room for the largest value of all calibration samples, so that a single outlier
takes a bit from all others. Here values are rounded and clipped at every scale that is near, and
that with the least squared error of all values is taken: what is beyond it saturates.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.graph.network import Network
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import FloatArray, Rounding, Word, largest_fraction
from ltc2hw.quantization.calibration import Key
from ltc2hw.quantization.option_checks import check_options
from ltc2hw.quantization.remedies.arriving import runs
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.quantization.widths import INPUT, message_name
from ltc2hw.registry import find_target

MOVES = (0, 1, 2, 3, 4, 5)
"""Bits by which a fraction is tried to be finer; of several as good the first is taken."""


def recalibrated(
    network: Network,
    target: str | Target,
    calibration: npt.ArrayLike,
    options: QuantizeOptions | None = None,
    lengths: object = None,
) -> QuantizeOptions:
    """Options whose ``scale`` clips outliers of the graded input and of graded messages.

    The float function stays what it is; only the scales of the input and of messages are replaced.
    ``calibration`` (T, B, N_in) runs in float; ``lengths`` (B,) are the steps of samples that end
    before T.

    Raises:
        UnknownNameError, HardwareRuleError: as :func:`ltc2hw.quantize` for options.
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    chosen, chip = options or QuantizeOptions(), find_target(target)
    check_options(chosen, network, chip)
    words: dict[Key, tuple[str, int, Rounding]] = {}
    for projection in network.projections:
        key = (projection.source, projection.variable)
        if projection.source == network.input.name and network.input.graded:
            words[key] = INPUT, chosen.asked(INPUT) or chip.words.input, Rounding.NEAREST_EVEN
        elif projection.variable != SPIKES:
            bits = chosen.message_bits_of(*key, chip.words.message_default)
            words[key] = message_name(*key), bits, Rounding.TOWARD_ZERO
    values = _values(network, tuple(words), calibration, lengths)
    moves = {
        name: least_move(values[key], bits, rounding)
        for key, (name, bits, rounding) in words.items()
    }
    return chosen.with_moves(moves)


def least_move(values: FloatArray, bits: int, rounding: Rounding) -> int:
    """Bits by which steps of a word may be finer than for the largest value, to err least.

    >>> least_move(np.array([8.0] + [0.1, 0.3, 0.4] * 900), 4, Rounding.NEAREST_EVEN)
    2
    """
    signed = rounding is Rounding.TOWARD_ZERO or bool(values.min(initial=0.0) < 0)
    word = Word(bits, signed=signed, rounding=rounding)
    first = largest_fraction(float(np.abs(values).max(initial=0.0)), word)

    def error(move: int) -> float:
        encoded, _ = word.encode(values, first + move)
        return float(np.mean((values - np.ldexp(encoded.astype(np.float64), -first - move)) ** 2))

    return min(MOVES, key=error) if values.any() else 0


def _values(
    network: Network, keys: tuple[Key, ...], calibration: npt.ArrayLike, lengths: object
) -> Mapping[Key, FloatArray]:
    """All values of some variables in a float run."""
    found: dict[Key, list[FloatArray]] = {key: [] for key in keys}
    for sent, own in runs(network, calibration, lengths):
        for key in keys:
            found[key].append(np.asarray(sent[key], dtype=np.float64)[own].ravel())
    return {key: np.concatenate(parts) for key, parts in found.items()}
