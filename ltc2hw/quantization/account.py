"""What quantization made of every number, found by comparing both networks after the fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ltc2hw.graph.fixed import (
    FixedGate,
    FixedInput,
    FixedLIF,
    FixedLTC,
    FixedNetwork,
    FixedReadout,
    message_fraction,
    message_word,
)
from ltc2hw.graph.network import LIF, LTC, Gate, Network, Projection, Readout
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.numbers.nonlinearity import lookup_integer, plan_integer
from ltc2hw.numbers.words import FloatArray, IntArray, Word
from ltc2hw.quantization.calibration import Ranges
from ltc2hw.quantization.mixing import Tensor, float_tensors, real_tensors, tensor_of
from ltc2hw.quantization.report import DecayChange, MessageStep, StateBand, TensorChange

Gated = LTC | Readout
FixedGated = FixedLTC | FixedReadout

STAYS, FALLS = "stays", "falls"
"""What a state within its band does: nothing, or a whole unit per step."""


@dataclass(frozen=True)
class Leak:
    """Leaks per step of one population: asked for and got, (N,) each."""

    population: str
    what: str
    asked: FloatArray
    got: FloatArray

    @property
    def errors(self) -> FloatArray:
        """Relative error of each neuron's leak; infinite where only the integers leak."""
        change = np.abs(self.got - self.asked)
        with np.errstate(divide="ignore", over="ignore"):
            errors: FloatArray = np.divide(
                change, self.asked, out=np.zeros_like(change), where=change > 0
            )
        return errors

    def row(self) -> DecayChange:
        """The neuron whose leak changed most, relative to what it asked for.

        Neurons that asked for no leak at all come last: 1/4096 of a leak is not much then.
        """
        errors = self.errors
        asked = np.where(np.isfinite(errors), errors, -1.0)
        worst = int(np.argmax(asked if np.any(asked > 0) else errors))
        lost = int(np.count_nonzero((self.got == 0) & (self.asked > 0)))
        gained = int(np.count_nonzero(self.got > 2 * self.asked))
        name = f"{self.population}.{self.what}"
        asked_for, got = float(self.asked[worst]), float(self.got[worst])
        return DecayChange(name, asked_for, got, worst, lost, gained)


@dataclass(frozen=True)
class Band:
    """Values of one state that do not decay as they should, for each neuron.

    ``units``: (N,), infinite where no value decays; ``asked``: the leak that was asked for, (N,);
    ``distance``: how far the state is at most from where its leak takes it; see
    :class:`~ltc2hw.quantization.report.StateBand` for the others.
    """

    population: str
    variable: str
    effect: str
    units: FloatArray
    asked: FloatArray
    unit: float
    distance: float
    in_use: float
    register: float
    calibrated: bool

    def effect_on(self, neuron: int) -> str:
        """What a state within the band does; one whose leak was lost stays whatever it is."""
        return self.effect if np.isfinite(self.units[neuron]) else STAYS

    def row(self) -> StateBand:
        """The neuron with the widest band among those that are meant to leak."""
        units = np.where(self.asked > 0, self.units, 0.0)
        worst = int(np.argmax(units))
        band = float(units[worst]) * self.unit
        return StateBand(
            f"{self.population}.{self.variable}",
            self.effect_on(worst),
            band if np.isfinite(band) else None,
            worst,
            self.in_use,
            self.register,
            self.calibrated,
        )


def tensor_changes(
    network: Network, fixed: FixedNetwork, clipped: Mapping[Tensor, int]
) -> Iterator[TensorChange]:
    """Every array that quantization rounds; ``clipped`` counts values beyond their words."""
    rows = {tensor_of(p): p.weights.coordinates[0] for p in network.projections}
    got = real_tensors(fixed)
    for tensor, asked in float_tensors(network).items():
        neurons = rows.get(tensor)
        if neurons is None:
            neurons = np.arange(asked.size)
        yield tensor_change(str(tensor), asked, got[tensor], neurons, clipped.get(tensor, 0))


def tensor_change(
    name: str, asked: FloatArray, got: FloatArray, neurons: IntArray, clipped: int
) -> TensorChange:
    """Account for one array, whose values belong to ``neurons``."""
    # Sums of the largest doubles would be infinite, of the smallest ones nothing.
    largest = float(np.max(np.abs(asked), initial=0.0))
    magnitudes = np.abs(asked) / largest if largest else np.zeros(asked.shape)
    changes = np.abs(got / largest - asked / largest) if largest else np.abs(got)
    wanted = np.bincount(neurons, weights=magnitudes)
    changed = np.bincount(neurons, weights=changes)
    errors = np.divide(changed, wanted, out=np.zeros_like(changed), where=wanted > 0)
    worst = int(np.argmax(errors)) if errors.size else 0
    total = float(wanted.sum())
    return TensorChange(
        name,
        int(asked.size),
        clipped,
        int(np.count_nonzero((asked != 0) & (got == 0))),
        float(changed.sum()) / total if total else 0.0,
        float(errors[worst]) if errors.size else 0.0,
        worst,
    )


def leaks(network: Network, fixed: FixedNetwork) -> Iterator[Leak]:
    """Decays of LIF neurons, and the leaks of all gates at rest."""
    for population in network.populations:
        integer = fixed.population(population.name)
        if isinstance(population, LIF) and isinstance(integer, FixedLIF):
            for what in ("current_decay", "membrane_decay"):
                got = np.ldexp(getattr(integer, what).astype(float), -integer.decay_fraction)
                yield Leak(population.name, what, getattr(population, what), got)
        elif isinstance(population, (LTC, Readout)):
            assert isinstance(integer, (FixedLTC, FixedReadout))
            yield from _gate_leaks(population, integer)


def _gate_leaks(population: Gated, integer: FixedGated) -> Iterator[Leak]:
    gate = integer.tau_mem
    got = np.ldexp(open_at_rest(gate, integer.state).astype(float), -gate.output_fraction)
    yield Leak(population.name, "tau_mem", _at_rest(population.tau_mem, 1.0), got)
    if isinstance(population, LTC) and isinstance(integer, FixedLTC):
        gate = integer.tau_adp
        shut = (1 << gate.output_fraction) - open_at_rest(gate, integer.state)
        got = np.ldexp(shut.astype(float), -gate.output_fraction)
        yield Leak(population.name, "tau_adp", _at_rest(population.tau_adp, -1.0), got)


def _at_rest(gate: Gate, sign: float) -> FloatArray:
    """``σ(sign · bias)``: without input, at current and state 0; ``1 - σ(x)`` is ``σ(-x)``."""
    return gate.evaluate(sign * np.asarray(gate.bias))


def open_at_rest(gate: FixedGate, word: Word) -> IntArray:
    """Integer value of a gate without input, at current and state 0, (N,)."""
    argument, _ = word.fit(gate.bias)
    if gate.function == "plan":
        return plan_integer(argument, gate.fraction, gate.output_fraction)
    return lookup_integer(argument, gate.fraction, gate.table, gate.function)


def bands(network: Network, fixed: FixedNetwork, ranges: Ranges) -> Iterator[Band]:
    """The band of every leaky state: all but those of the input."""
    rest = {(leak.population, leak.what): leak for leak in leaks(network, fixed)}
    for population in network.populations:
        integer = fixed.population(population.name)
        if isinstance(population, LIF) and isinstance(integer, FixedLIF):
            yield from _lif_bands(integer, rest, ranges)
        elif isinstance(population, (LTC, Readout)):
            yield _membrane_band(network, fixed, population, ranges, rest)
            if isinstance(integer, FixedLTC):
                yield _adaptation_band(integer, ranges, rest)


Rest = Mapping[tuple[str, str], Leak]


def _lif_bands(integer: FixedLIF, rest: Rest, ranges: Ranges) -> Iterator[Band]:
    for variable in ("current", "membrane"):
        what = f"{variable}_decay"
        yield Band(
            integer.name,
            variable,
            FALLS,
            still_units(getattr(integer, what), 1 << integer.decay_fraction),
            rest[integer.name, what].asked,
            2.0**-integer.fraction,
            np.inf,
            ranges.magnitude(integer.name, variable),
            float(np.ldexp(integer.state.maximum, -integer.fraction)),
            calibrated=True,
        )


def _membrane_band(
    network: Network, fixed: FixedNetwork, population: Gated, ranges: Ranges, rest: Rest
) -> Band:
    """Distances between membrane and current that even the widest open gate does not move."""
    integer = fixed.population(population.name)
    assert isinstance(integer, (FixedLTC, FixedReadout))
    name, gate = integer.name, integer.tau_mem
    full = 1 << gate.output_fraction
    asked, value = rest[name, "tau_mem"].asked, open_at_rest(gate, integer.state)
    if ranges.largest is not None and not _is_static(network, population):
        asked = ranges.largest[name, "tau_mem"]
        value = np.rint(asked * full).astype(np.int64)
    current, membrane = _in_use(network, fixed, population, ranges)
    return Band(
        name,
        "membrane",
        STAYS,
        still_units(value, full),
        asked,
        2.0**-integer.fraction,
        current + membrane,
        membrane,
        float(np.ldexp(integer.state.maximum, -integer.fraction)),
        ranges.largest is not None,
    )


def _in_use(
    network: Network, fixed: FixedNetwork, population: Gated, ranges: Ranges
) -> tuple[float, float]:
    """Largest current and membrane of the calibration run; without one, the largest conceivable."""
    if ranges.largest is not None:
        name = population.name
        return ranges.magnitude(name, "current"), ranges.magnitude(name, "membrane")
    worst = np.abs(population.bias_current)
    for projection in network.projections:
        if (projection.target, projection.port) == (population.name, "current"):
            limits = np.full(projection.weights.shape[1], message_limit(fixed, projection))
            worst = worst + projection.weights.row_magnitudes(limits)
    return float(worst.max()), float(worst.max())


def _adaptation_band(integer: FixedLTC, ranges: Ranges, rest: Rest) -> Band:
    gate, name = integer.tau_adp, integer.name
    full = 1 << gate.output_fraction
    calibrated = ranges.largest is not None
    return Band(
        name,
        "adaptation",
        FALLS,
        still_units(full - open_at_rest(gate, integer.state), full),
        rest[name, "tau_adp"].asked,
        2.0**-integer.adaptation_fraction,
        np.inf,
        ranges.magnitude(name, "adaptation") if calibrated else 1.0,
        1.0,
        calibrated,
    )


def still_units(leak: IntArray, full: int) -> FloatArray:
    """Largest integer x with ``x · leak < full``, for which the leak is less than a unit.

    Infinite where the leak is 0.

    >>> still_units(np.array([4096, 4, 0]), 4096)
    array([   0., 1023.,   inf])
    """
    units = np.full(leak.shape, np.inf)
    leaky = leak > 0
    units[leaky] = (full - 1) // leak[leaky]
    return units


def _is_static(network: Network, population: Gated) -> bool:
    """Whether nothing but its bias opens a population's membrane gate."""
    gate = population.tau_mem
    if np.any(gate.from_state) or np.any(gate.from_current):
        return False
    name = population.name
    return all((p.target, p.port) != (name, "tau_mem") for p in network.projections)


@dataclass(frozen=True)
class Sent:
    """A graded variable as it is sent in steps of ``unit``, rounded to nearest or ``cut``.

    ``largest``: largest magnitude of each neuron in calibration, (N,).
    """

    population: str
    variable: Variable
    unit: float
    cut: bool
    largest: FloatArray

    @property
    def lost(self) -> FloatArray:
        """What rounding takes from each neuron's messages at most, (N,)."""
        return np.minimum(self.largest, self.unit if self.cut else self.unit / 2)

    def row(self) -> MessageStep:
        """The neuron of whose messages the largest part is lost."""
        sent = np.trunc(self.largest / self.unit) if self.cut else np.rint(self.largest / self.unit)
        silent = (self.largest > 0) & (sent == 0)
        speaking = np.where(self.largest > 0, self.largest, np.inf)
        name = f"{self.population}.{self.variable}"
        in_use, quietest = float(self.largest.max()), int(np.argmin(speaking))
        return MessageStep(name, self.unit, in_use, int(np.count_nonzero(silent)), quietest)


def messages(fixed: FixedNetwork, ranges: Ranges) -> Iterator[Sent]:
    """Every graded variable that some projection sends."""
    if ranges.largest is None:
        return
    seen = {(p.source, p.variable): None for p in fixed.projections if p.variable != "spikes"}
    for source, variable in seen:
        population = fixed.population(source)
        unit = float(np.ldexp(1.0, -message_fraction(population, variable)))
        cut = not isinstance(population, FixedInput)
        yield Sent(source, variable, unit, cut, ranges.largest[source, variable])


@dataclass(frozen=True)
class Drive:
    """What projections can bring to each neuron of a port at most, (N,), in real units.

    ``whole``: ``Σ |w| m`` for the largest messages m; ``changed``: ``Σ |got - w| m``; ``kept``:
    ``Σ |got| m``. ``bits`` is the width of the widest weights that land there.
    """

    population: str
    port: Port
    whole: FloatArray
    changed: FloatArray
    kept: FloatArray
    bits: int


def drives(network: Network, fixed: FixedNetwork) -> Iterator[Drive]:
    """The drive of every port where weights other than 0 land."""
    got = real_tensors(fixed)
    for population in network.populations:
        for port in population.ports:
            landing = [
                (projection, integer.bits, message_limit(fixed, projection))
                for projection, integer in zip(network.projections, fixed.projections, strict=True)
                if (projection.target, projection.port) == (population.name, port)
            ]
            sums = np.zeros((3, population.size))
            for projection, _, limit in landing:
                weights, real = projection.weights, got[tensor_of(projection)]
                limits = np.full(weights.shape[1], limit)
                for total, values in zip(
                    sums, (weights.values, real - weights.values, real), strict=True
                ):
                    total += weights.with_values(values).row_magnitudes(limits)
            if np.any(sums[0]):
                bits = max(bits for _, bits, _ in landing)
                yield Drive(population.name, port, sums[0], sums[1], sums[2], bits)


def message_limit(fixed: FixedNetwork, projection: Projection) -> float:
    """Largest magnitude of what a projection carries, in real units."""
    source = fixed.population(projection.source)
    word = message_word(source, projection.variable)
    fraction = message_fraction(source, projection.variable)
    return float(np.ldexp(max(word.maximum, -word.minimum), -fraction))
