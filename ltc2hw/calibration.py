"""What a float run of calibration samples says about the range of every variable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from ltc2hw.errors import InvalidValueError
from ltc2hw.network import Network
from ltc2hw.registry import find_engine
from ltc2hw.trace import ALL
from ltc2hw.words import FloatArray

BATCH = 64
"""Samples per float run while calibrating; bounds the memory of the recorded states."""

Key = tuple[str, str]


@dataclass(frozen=True)
class Ranges:
    """Extremes of each variable, by population and variable, in a float run.

    ``magnitudes``: largest magnitude; ``highest``: largest value, at least 0; ``openness``: largest
    ``tau_mem`` of each neuron, (N,). All are None or empty where there was no calibration, and
    ``steps`` is then None.
    """

    magnitudes: Mapping[Key, float] | None
    input_negative: bool
    highest: Mapping[Key, float] = field(default_factory=dict)
    openness: Mapping[str, FloatArray] = field(default_factory=dict)
    steps: int | None = None

    def magnitude(self, population: str, variable: str) -> float:
        """Largest magnitude seen.

        Raises:
            InvalidValueError: if there was no calibration.
        """
        if self.magnitudes is None:
            raise InvalidValueError(
                f"calibration for {population}.{variable}",
                "missing",
                "samples of shape (T, B, N_in)",
                "pass calibration=x",
            )
        return self.magnitudes[population, variable]


def measure(network: Network, calibration: npt.ArrayLike | None) -> Ranges:
    """Run calibration samples (T, B, N_in) in float and note the extremes of every variable.

    Raises:
        ShapeError, InvalidValueError: for samples that do not fit the network.
    """
    if calibration is None:
        return Ranges(None, input_negative=False)
    x = np.asarray(calibration, dtype=np.float64)
    simulate = find_engine("float64")
    magnitudes: dict[Key, float] = {}
    highest: dict[Key, float] = {}
    openness: dict[str, FloatArray] = {}
    batches = x.shape[1] if x.ndim == 3 else 1
    for start in range(0, max(batches, 1), BATCH):
        # A malformed array goes through whole, so that the engine names what is wrong with it.
        part = x[:, start : start + BATCH] if x.ndim == 3 else x
        for key, values in simulate(network, part, ALL).recorded().items():
            magnitudes[key] = max(magnitudes.get(key, 0.0), float(np.max(np.abs(values))))
            highest[key] = max(highest.get(key, 0.0), float(np.max(values)))
            if key[1] == "tau_mem":
                widest = values.max(axis=(0, 1))
                openness[key[0]] = np.maximum(openness.get(key[0], widest), widest)
    return Ranges(magnitudes, bool(x.min() < 0), highest, openness, int(x.shape[0]))
