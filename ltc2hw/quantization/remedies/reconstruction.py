"""Weights, factors of neurons and biases chosen so that integers do what the float network did.

Rounding of one layer changes what the next one hears. So populations are worked on one after the
other, and their weights hear what the *integers* before them send, ``q``, and have to make of it
what the float weights made of the float messages, ``x``: the least mean of ``(W x - Q q)²``. With
``A = mean(q qᵀ)`` and ``C = mean(x qᵀ)`` that is, up to what no ``Q`` changes,
``(V - Q) A (V - Q)ᵀ`` with ``V = W C A⁻¹``, which
:func:`~ltc2hw.quantization.remedies.rounding.least_error` makes small. Messages may be summed over
time first, as membranes sum them. A spiking neuron also gets the factor
(:mod:`~ltc2hw.quantization.remedies.equalise`) at which its weights, rounded like this, err least,
and a bias for what is left of the mean. Every step is held against the integers' outputs, and is
kept only if they come closer to float; no label is looked at.

This changes the float network: its weights become numbers that the integers hold exactly.

Source: Li et al. 2021, arXiv 2102.05426 (BRECQ), reconstruction block by block; Li et al. 2025,
arXiv 2504.02692 (GPTAQ), the asymmetric objective.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.roles import biases, unit_port
from ltc2hw.errors import HardwareRuleError, InvalidValueError
from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.words import FloatArray, IntArray, weight_word
from ltc2hw.quantization.mixing import real_tensors, tensor_of, worked_out
from ltc2hw.quantization.quantize import quantize
from ltc2hw.quantization.remedies.arriving import Bundle, bundles
from ltc2hw.quantization.remedies.biases import entries
from ltc2hw.quantization.remedies.equalise import (
    channels,
    equalisable,
    multiplied,
    with_factors,
)
from ltc2hw.quantization.remedies.messages import Moments, Runs, Sent
from ltc2hw.quantization.remedies.rounding import (
    Rows,
    errors_of,
    least_error,
    rows_of,
    with_mantissas,
)
from ltc2hw.quantization.remedies.symmetry import Symmetry
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.registry import find_target

KEPT = (0.0, 0.8, 1.0)
"""Parts of sums over time that stay from step to step, as tried: none to all."""

OCTAVES = np.arange(-16, 9) / 8
"""Factors that are tried, in octaves from that at which a neuron's largest weight just fits."""

ROUNDS = 3
"""Times that all populations are worked on; it ends before when little is gained."""

WORTH = 0.02
"""Part of the error that a round must take away for there to be another."""


MOST_STRETCHED = 4.0
"""Most that is made of what arrives at an output."""

CALIBRATING = 128
"""Samples that ranges are taken from while factors are tried."""


def on_grid(options: QuantizeOptions, network: Network) -> QuantizeOptions:
    """Options with which weights that are whole numbers of steps stay exactly what they are.

    Scales of weights are then those that quantization chooses, and rounding has nothing to do.
    """
    free = options.with_moves({connection_name(p): 0 for p in network.projections})
    return replace(free, rounding="nearest")


def reconstructed(
    network: Network,
    target: str | Target,
    calibration: npt.ArrayLike,
    options: QuantizeOptions | None = None,
    lengths: object = None,
    decision: Decision | None = None,
) -> Network:
    """The float network that becomes, by the options of :func:`on_grid`, integers that err less.

    ``calibration`` (T, B, N_in) runs in float and as integers; ``lengths`` (B,) are the steps of
    samples that end before T. The error of the outputs on these samples is no larger than with the
    options as they are, whether weights are rounded to nearest or by what arrives.

    Raises:
        HardwareRuleError, InvalidValueError, UnknownNameError: as :func:`ltc2hw.quantize`.
        ShapeError, InvalidValueError: for samples or lengths that do not fit the network.
    """
    work = _Work(worked_out(network), find_target(target), calibration, options, lengths, decision)
    best = work.start()
    for _ in range(ROUNDS):
        before = best.error
        for population in network.populations:
            best = work.improved(best, population.name)
        if best.error >= (1.0 - WORTH) * before:
            break
    return best.grid


@dataclass(frozen=True, eq=False)
class _Standing:
    """Float weights with the factors of neurons so far, the same on their grid, and the integers.

    ``grid`` has biases that were moved, too.
    """

    real: Network
    grid: Network
    fixed: FixedNetwork
    sent: Sent
    error: float


class _Work:
    """Steps from one standing to a better one."""

    def __init__(
        self,
        network: Network,
        chip: Target,
        calibration: npt.ArrayLike,
        options: QuantizeOptions | None,
        lengths: object,
        decision: Decision | None,
    ) -> None:
        self.network, self.chip = network, chip
        self.asked = options or QuantizeOptions()
        self.options = on_grid(self.asked, network)
        self.runs = Runs(network, calibration, lengths, decision)
        self.words = tuple(
            weight_word(self.asked.width_of(projection, chip)) for projection in network.projections
        )
        self.symmetries = equalisable(network)

    def start(self) -> _Standing:
        """The better of both roundings."""
        found = []
        for rounding in ("nearest", "arriving"):
            asked = replace(self.asked, rounding=rounding)
            fixed = self.quantized(self.network, asked, self.runs.x.shape[1])
            found.append(self.standing(self.network, on_its_grid(self.network, fixed), fixed))
        return min(found, key=lambda standing: standing.error)

    def quantized(
        self, network: Network, options: QuantizeOptions, samples: int = CALIBRATING
    ) -> FixedNetwork:
        """Integers of the first samples that are looked at."""
        ends = None if self.runs.lengths is None else self.runs.lengths[:samples]
        return quantize(network, self.chip, self.runs.x[:, :samples], options, lengths=ends)

    def standing(self, real: Network, grid: Network, fixed: FixedNetwork) -> _Standing:
        """With what it sends, and how far it is from float."""
        sent = self.runs.sent(fixed)
        return _Standing(real, grid, fixed, sent, self.runs.error(sent))

    def improved(self, best: _Standing, name: str) -> _Standing:
        """A population's factors, then the weights of each of its ports, then its biases."""
        start = best
        for tried in self.factored(start, name):
            best = min(best, tried, key=lambda standing: standing.error)
        for bundle in bundles(self.network):
            if self.network.projections[bundle.places[0]].target == name:
                for start in (best, *self.stretched(best, name)):
                    for tried in self.rounded(start, bundle):
                        best = min(best, tried, key=lambda standing: standing.error)
        for tried in self.biased(best, name):
            best = min(best, tried, key=lambda standing: standing.error)
        return best

    def aims(self, start: _Standing, bundle: Bundle) -> Iterator[tuple[list[Rows], list[Moments]]]:
        """What a bundle's mantissas may be held against: its weights, or those that make up."""
        pairs = [(start.real.projections[p], start.fixed.projections[p]) for p in bundle.places]
        groups = rows_of(pairs, [self.words[place] for place in bundle.places])
        for kept in KEPT:
            moments = self.runs.moments(bundle, start.sent, kept)
            yield groups, moments
            both = zip(groups, moments, strict=True)
            yield [made_up_for(rows, moment) for rows, moment in both], moments

    def stretched(self, start: _Standing, name: str) -> Iterator[_Standing]:
        """With more, or less, to arrive at outputs that move too little, or too much.

        A leak that is a few steps of what holds it may be off by half; what arrives makes up for
        it. Only what weights are to come to is changed here.
        """
        population = start.real.population(name)
        if name != self.network.output or not isinstance(population, Neurons) or self.runs.spiking:
            return
        wanted, found = self.runs.real.raw[self.runs.own], start.sent.raw[self.runs.own]
        size = np.sum(found**2, axis=0)
        ratio = np.divide(
            np.sum(wanted * found, axis=0), size, out=np.ones(len(size)), where=size > 0
        )
        factors = np.clip(ratio, 1.0 / MOST_STRETCHED, MOST_STRETCHED)
        port = unit_port(population.model)
        projections = tuple(
            replace(p, weights=multiplied(p.weights, rows=factors))
            if (p.target, p.port) == (name, port)
            else p
            for p in start.real.projections
        )
        moved = replace(start.real, projections=projections)
        bias = {key: population.constants[key] * factors for key in biases(population.model)}
        real = with_constants(moved, name, bias)
        yield from self.requantized(real, with_constants(start.grid, name, bias))

    def rounded(self, start: _Standing, bundle: Bundle) -> Iterator[_Standing]:
        """Other mantissas for a bundle."""
        for groups, moments in self.aims(start, bundle):
            found = [least_error(r, m.power) for r, m in zip(groups, moments, strict=True)]
            fixed = self.replaced(start.fixed, bundle, found)
            yield self.standing(start.real, on_its_grid(start.grid, fixed, bundle), fixed)

    def replaced(self, fixed: FixedNetwork, bundle: Bundle, found: list[IntArray]) -> FixedNetwork:
        """The integer network with a bundle's mantissas."""
        projections = list(fixed.projections)
        integers = with_mantissas([projections[place] for place in bundle.places], found)
        for place, projection in zip(bundle.places, integers, strict=True):
            projections[place] = projection
        return replace(fixed, projections=tuple(projections))

    def factored(self, start: _Standing, name: str) -> Iterator[_Standing]:
        """Other factors for a population's neurons, with the weights that land there."""
        symmetry = self.symmetries.get(name)
        if symmetry is None:
            return
        groups = channels(self.network, name, symmetry)
        landing = self.landing(name, symmetry, groups)
        if not landing:
            return
        for tried in zip(*(self.aims(start, bundle) for bundle in landing), strict=True):
            factors, mantissas = scaled_least(
                [[(rows, m.power) for rows, m in zip(*one, strict=True)] for one in tried]
            )
            fixed = start.fixed
            for bundle, found in zip(landing, mantissas, strict=True):
                fixed = self.replaced(fixed, bundle, found)
            own = factors[groups]
            real = with_factors(start.real, name, symmetry, own)
            grid = with_factors(start.grid, name, symmetry, own)
            for bundle in landing:
                grid = on_its_grid(grid, fixed, bundle)
            yield from self.requantized(real, grid)

    def landing(self, name: str, symmetry: Symmetry, groups: IntArray) -> list[Bundle]:
        """Bundles of a population that scale as its neurons do; none where others do as well.

        What graded neurons send would scale, too; and one row of weights has to be one factor.
        """
        sends = {p.variable for p in self.network.projections if p.source == name}
        if any(symmetry.results.get(variable, 0) for variable in sends):
            return []
        found = []
        for bundle in bundles(self.network):
            first = self.network.projections[bundle.places[0]]
            power = symmetry.ports.get(first.port, 0) if first.target == name else 0
            if power:
                found.append(bundle)
                if power != 1 or rows_in(first.weights) != groups.max() + 1:
                    return []
        return found

    def biased(self, start: _Standing, name: str) -> Iterator[_Standing]:
        """Biases that take back the mean of what arrives less, or more."""
        population = start.real.population(name)
        if not isinstance(population, Neurons):
            return
        off: dict[str, FloatArray] = {}
        for real, grid in zip(start.real.projections, start.grid.projections, strict=True):
            if real.target == name:
                wanted = real.weights.apply(self.runs.means(real, self.runs.real)[None])[0]
                found = grid.weights.apply(self.runs.means(real, start.sent)[None])[0]
                off[real.port] = off.get(real.port, 0.0) + wanted - found
        changed = shifted(population, off)
        if changed:
            yield from self.requantized(start.real, with_constants(start.grid, name, changed))

    def requantized(self, real: Network, grid: Network) -> Iterator[_Standing]:
        """A standing after its constants have changed; none where the target refuses it."""
        try:
            fixed = self.quantized(grid, self.options)
        except (HardwareRuleError, InvalidValueError):
            return
        yield self.standing(real, grid, fixed)


def made_up_for(rows: Rows, moments: Moments) -> Rows:
    """Weights that make of the integers' messages, as nearly as any, what they made of float's."""
    power = float(np.mean(np.diag(moments.power)))
    damping = moments.ridge * power * np.eye(len(moments.power))
    if not damping.any():
        return rows
    wanted = np.linalg.solve(moments.power + damping, (rows.real @ (moments.cross + damping)).T)
    # Synapses that are not there stay 0.
    return replace(rows, real=np.where(rows.high > rows.low, wanted.T, 0.0))


def scaled_least(
    landing: list[list[tuple[Rows, FloatArray]]],
) -> tuple[FloatArray, list[list[IntArray]]]:
    """The factor of each row at which all that lands errs least, (N,), and its mantissas.

    ``landing`` has for each port its groups of rows with their moments; the groups of one port
    together have N rows.
    """
    fits = np.min([np.concatenate([fitting(r) for r, _ in groups]) for groups in landing], axis=0)
    fits = np.where(np.isfinite(fits), fits, 1.0)
    best: FloatArray = np.ones(fits.size)
    least: FloatArray = np.full(fits.size, np.inf)
    found: list[list[IntArray]] = [[rows.mantissas.copy() for rows, _ in g] for g in landing]
    for octaves in OCTAVES:
        factors = fits * np.exp2(octaves)
        tried = [_scaled(groups, factors) for groups in landing]
        errors = np.sum([error for _, error in tried], axis=0)
        better = errors < least
        best, least = np.where(better, factors, best), np.where(better, errors, least)
        for held, (mantissas, _) in zip(found, tried, strict=True):
            for own, new, part in zip(held, mantissas, _parts(mantissas, better), strict=True):
                own[part] = new[part]
    return best, found


def fitting(rows: Rows) -> FloatArray:
    """The factor at which the largest weight of each row just fits its word, (N,)."""
    reach = np.max(np.abs(rows.real) / rows.steps, axis=1, initial=0.0)
    room = np.max(rows.high, axis=1, initial=0).astype(np.float64)
    factors: FloatArray = np.divide(room, reach, out=np.full(len(reach), np.inf), where=reach > 0.0)
    return factors


def _scaled(
    groups: list[tuple[Rows, FloatArray]], factors: FloatArray
) -> tuple[list[IntArray], FloatArray]:
    """Mantissas of rows times their factors, and the errors in the rows' own unit."""
    mantissas, errors = [], []
    parts = _parts([rows.mantissas for rows, _ in groups], factors)
    for (rows, power), own in zip(groups, parts, strict=True):
        wanted = rows.real * own[:, None]
        nearest = np.clip(np.rint(wanted / rows.steps), rows.low, rows.high).astype(np.int64)
        scaled = replace(rows, real=wanted, mantissas=nearest)
        found = least_error(scaled, power)
        mantissas.append(found)
        errors.append(errors_of(scaled, found, power) / own**2)
    return mantissas, np.concatenate(errors)


def _parts(like: list[IntArray], values: FloatArray) -> list[FloatArray]:
    """Values (N,) of all rows, by their groups."""
    return np.split(values, np.cumsum([len(rows) for rows in like])[:-1])


def rows_in(weights: object) -> int:
    """Rows of weights that have a factor of their own: targets, or output channels."""
    return len(weights.kernel) if isinstance(weights, Conv) else int(weights.shape[0])  # type: ignore[attr-defined]


def on_its_grid(network: Network, fixed: FixedNetwork, bundle: Bundle | None = None) -> Network:
    """The float network with weights, all or a bundle's, as the integer network has them."""
    values = real_tensors(fixed)
    projections = tuple(
        replace(p, weights=p.weights.with_values(values[tensor_of(p)]))
        if bundle is None or place in bundle.places
        else p
        for place, p in enumerate(network.projections)
    )
    return replace(network, projections=projections)


def shifted(population: Neurons, off: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Constants that add, as far as they may, what is missing of arrivals at ports, (N,) each."""
    changed = {}
    for port, (name, gain) in entries(population).items():
        if port in off:
            constant = next(c for c in population.model.constants if c.name == name)
            shift = population.constants[name] + off[port] * gain
            changed[name] = np.clip(shift, constant.low, constant.high)
    return changed


def with_constants(network: Network, name: str, changed: Mapping[str, FloatArray]) -> Network:
    """The network with other constants of one population."""

    def moved(population: FloatPopulation) -> FloatPopulation:
        if population.name != name or not isinstance(population, Neurons):
            return population
        return population.with_constants(changed)

    return replace(network, populations=tuple(map(moved, network.populations)))
