"""What projections carry in calibration: its means, and the moments that weigh rounding errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.samples import real_array
from ltc2hw.graph.sequences import own_steps, sample_lengths, silent_after
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.quantization.calibration import Key, run_sizes
from ltc2hw.registry import find_engine

LONGER = 8
"""Multiple of what a calibration run records that a run here may: only what projections carry."""


@dataclass(frozen=True)
class Bundle:
    """Projections whose sums add up, by their places in the network.

    They land at one port of one population; a convolution has a bundle of its own.
    """

    places: tuple[int, ...]


def bundles(network: Network) -> tuple[Bundle, ...]:
    """Projections of a network by what they add up to, convolutions each by itself.

    >>> from ltc2hw.graph.network import Input
    >>> from ltc2hw.graph.neurons import Neurons
    >>> from ltc2hw.numbers.weights import Dense
    >>> link = Projection("input", "spikes", "out", "current", Dense([[0.5, 1.0]]))
    >>> net = Network((Input("input", 2), Neurons("out", 1, "readout")), (link,), "out")
    >>> bundles(net)
    (Bundle(places=(0,)),)
    """
    together: dict[tuple[str, str], list[int]] = {}
    alone: list[int] = []
    for place, projection in enumerate(network.projections):
        if isinstance(projection.weights, Conv):
            alone.append(place)
        else:
            together.setdefault((projection.target, projection.port), []).append(place)
    return (*(Bundle(tuple(p)) for p in together.values()), *(Bundle((p,)) for p in alone))


def moments(
    network: Network, calibration: npt.ArrayLike, lengths: object = None
) -> tuple[FloatArray, ...]:
    """Mean of ``x xᵀ`` over steps and samples of what each bundle's weights multiply.

    Of shape (groups, S, S): for matrices one group of all sources one after the other, for a
    convolution the values of its kernel that one output channel has, a group each. ``calibration``
    is (T, B, N_in), float; ``lengths`` (B,) are the steps of samples that end before T.

    Raises:
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    parts = bundles(network)
    sums: list[FloatArray] = [np.zeros(())] * len(parts)
    count = 0
    for sent, own in runs(network, calibration, lengths):
        count += int(own.sum())
        for place, bundle in enumerate(parts):
            sums[place] = sums[place] + _products(network, bundle, sent, own)
    return tuple(total / max(count, 1) for total in sums)


def means(
    network: Network, calibration: npt.ArrayLike, lengths: object = None
) -> tuple[FloatArray, ...]:
    """Mean (N_source,) over steps and samples of what each projection carries, in float.

    Raises:
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    sums = [np.zeros(projection.weights.shape[1]) for projection in network.projections]
    count = 0
    for sent, own in runs(network, calibration, lengths):
        count += int(own.sum())
        for total, projection in zip(sums, network.projections, strict=True):
            total += _heard(projection, sent)[own].sum(axis=0)
    return tuple(total / max(count, 1) for total in sums)


def runs(
    network: Network, calibration: npt.ArrayLike, lengths: object
) -> Iterator[tuple[Mapping[Key, FloatArray], npt.NDArray[np.bool_]]]:
    """What projections carry in float runs of some samples at a time, and which steps count."""
    x = real_array("calibration", calibration)
    simulate = find_engine("float64")
    carried = {projection.variable for projection in network.projections}
    samples, steps = run_sizes(network)
    if x.ndim != 3 or 0 in x.shape:
        simulate(network, x)  # which names what is wrong
    samples = max(1, min(samples, LONGER * samples * steps // len(x)))
    own: IntArray | None = sample_lengths(lengths, *x.shape[:2])
    for start in range(0, x.shape[1], samples):
        part = slice(start, start + samples)
        ends = None if own is None else own[part]
        trace = simulate(network, silent_after(x[:, part], ends), tuple(sorted(carried)))
        yield trace.recorded(), own_steps(ends, *x[:, part].shape[:2])


def _products(
    network: Network,
    bundle: Bundle,
    sent: Mapping[Key, FloatArray],
    own: npt.NDArray[np.bool_],
) -> FloatArray:
    """Sum of ``x xᵀ`` over the steps that count, (groups, S, S)."""
    projections = [network.projections[place] for place in bundle.places]
    heard = [_heard(projection, sent)[own] for projection in projections]
    weights = projections[0].weights
    if not isinstance(weights, Conv):
        rows = np.concatenate(heard, axis=1)
        return np.asarray((rows.T @ rows)[None])
    total = np.zeros((weights.groups, *(weights.kernel[0].size,) * 2))
    for messages in heard[0]:
        seen = weights.patches(messages)
        total += seen @ seen.transpose(0, 2, 1)
    return total


def _heard(projection: Projection, sent: Mapping[Key, FloatArray]) -> FloatArray:
    """Messages (T, B, N_source) in the step in which they arrive."""
    messages = np.asarray(sent[projection.source, projection.variable], dtype=np.float64)
    if not projection.delay:
        return messages
    late = np.zeros_like(messages)
    late[projection.delay :] = messages[: -projection.delay]
    return late
