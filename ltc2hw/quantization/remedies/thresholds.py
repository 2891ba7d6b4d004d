"""Thresholds moved until integer neurons fire as often as the float ones.

This changes the float network: its thresholds are those at which the *integer* network fires as
the float one did. Everything else stays.

Source: in the manner of Diehl et al. 2015, IJCNN, threshold balancing, by rates in place of
activations.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import SPIKES
from ltc2hw.dynamics.roles import thresholds
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.samples import real_array
from ltc2hw.graph.sequences import own_steps, sample_lengths, silent_after
from ltc2hw.graph.target import Target
from ltc2hw.numbers.scalars import require_range, require_type
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.calibration import run_sizes
from ltc2hw.quantization.quantize import quantize
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.registry import find_engine

FARTHEST = 2.0
"""A threshold is moved by no more than this factor, up or down, in one round."""

FEWEST = 4.0
"""Spikes that are added to each count, so that neurons that hardly fire are hardly moved."""

PACE = 0.5
"""Part of the way, on a scale of ratios, that a threshold goes in one round."""


def balanced_thresholds(
    network: Network,
    target: str | Target,
    calibration: npt.ArrayLike,
    options: QuantizeOptions | None = None,
    lengths: object = None,
    *,
    rounds: int = 4,
    each: bool = True,
) -> Network:
    """The float network with thresholds at which its integers fire as often as it did.

    ``each`` neuron by itself, or a population as a whole. Of all rounds the one whose rates were
    nearest is kept, which may be the network as it is. Thresholds of 0 or less stay.

    Raises:
        HardwareRuleError, InvalidValueError, UnknownNameError: as :func:`ltc2hw.quantize`.
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    require_range("rounds", rounds, 1, 100)
    require_type("each", each, bool)
    wanted = spike_counts(network, calibration, lengths)
    best, least, tried = network, np.inf, network
    for _ in range(rounds + 1):
        fixed = quantize(tried, target, calibration, options, lengths=lengths)
        found = spike_counts(fixed, calibration, lengths)
        off = float(sum(np.abs(found[name] - wanted[name]).sum() for name in wanted))
        if off < least:
            best, least = tried, off
        tried = _moved(tried, wanted, found, each=each)
    return best


def _moved(
    network: Network,
    wanted: Mapping[str, FloatArray],
    found: Mapping[str, FloatArray],
    *,
    each: bool,
) -> Network:
    """Thresholds raised where integers fire more often, lowered where less."""

    def moved(population: Neurons) -> Neurons:
        pair = [counts[population.name] for counts in (found, wanted)]
        if not each:
            pair = [np.full(population.size, counts.mean()) for counts in pair]
        ratio = ((pair[0] + FEWEST) / (pair[1] + FEWEST)) ** PACE
        factor = np.clip(ratio, 1.0 / FARTHEST, FARTHEST)
        return population.with_constants(
            {
                name: np.where(population.constants[name] > 0, factor, 1.0)
                * population.constants[name]
                for name in thresholds(population.model)
            }
        )

    populations = tuple(
        moved(p) if isinstance(p, Neurons) and p.name in wanted else p for p in network.populations
    )
    return Network(populations, network.projections, network.output, network.provenance)


def spike_counts(
    network: Network | FixedNetwork, calibration: npt.ArrayLike, lengths: object = None
) -> dict[str, FloatArray]:
    """Spikes of every neuron over all samples and steps, (N,) by population of those that spike."""
    x = real_array("calibration", calibration)
    is_float = isinstance(network, Network)
    simulate = find_engine("float64" if is_float else "fast")
    samples = run_sizes(network)[0] if isinstance(network, Network) else max(1, x.shape[1])
    own = sample_lengths(lengths, *x.shape[:2]) if x.ndim == 3 else None
    found: dict[str, FloatArray] = {}
    for start in range(0, x.shape[1] if x.ndim == 3 else 1, samples):
        part = slice(start, start + samples)
        ends = None if own is None else own[part]
        trace = simulate(network, silent_after(x[:, part], ends), (SPIKES,))
        counted = own_steps(ends, *trace.outputs.shape[:2])
        for population in network.populations:
            if SPIKES in population.recordable and population.name != network.input.name:
                spikes = trace.spikes[population.name][counted].sum(axis=0, dtype=np.float64)
                found[population.name] = found.get(population.name, 0.0) + spikes
    return found
