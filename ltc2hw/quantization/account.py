"""What quantization made of every number, found by comparing both networks after the fact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from ltc2hw.dynamics import roles
from ltc2hw.dynamics.bounds import register_ranges
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.lowering import lower, natural_fraction
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.graph.fixed import (
    FixedInput,
    FixedNetwork,
    message_fraction,
    message_word,
    variable_fraction,
)
from ltc2hw.graph.network import Network, Projection
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import Port, Variable
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.nonlinearity import evaluate
from ltc2hw.numbers.operators import Weights
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.quantization.calibration import Ranges
from ltc2hw.quantization.mixing import Tensor, float_tensors, real_tensors, tensor_of
from ltc2hw.quantization.report import DecayChange, MessageStep, StateBand, TensorChange

STAYS, FALLS = "stays", "falls"
"""What a state within its band does: nothing, or a whole unit per step."""


@dataclass(frozen=True)
class Leak:
    """Leaks per step of one population: asked for and got, (N,) each."""

    population: str
    form: roles.Leak
    asked: FloatArray
    got: FloatArray

    @property
    def what(self) -> str:
        """The gate or constant that says how fast."""
        return self.form.what

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
    weights = {tensor_of(p): p.weights for p in network.projections}
    got = real_tensors(fixed)
    for tensor, asked in float_tensors(network).items():
        operator = weights.get(tensor)
        neurons = np.arange(asked.size) if operator is None else operator.rows
        row = tensor_change(str(tensor), asked, got[tensor], neurons, clipped.get(tensor, 0))
        yield replace(row, worst=in_the_middle(operator, row.worst))


def in_the_middle(weights: Weights | None, row: int) -> int:
    """The neuron that a row of weights stands for: of a kernel's channel, that in the middle.

    >>> in_the_middle(Conv(np.ones((2, 1, 3)), (1, 5)), 1)
    4
    """
    if not isinstance(weights, Conv):
        return row
    middle = tuple(size // 2 for size in weights.targets[1:])
    return int(np.ravel_multi_index((row, *middle), weights.targets))


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
    errors = np.divide(changed, wanted, out=np.zeros(changed.shape), where=wanted > 0)
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
    """The leaks of all states that have one: decays, and gates at rest."""
    for population in network.populations:
        integer = fixed.population(population.name)
        if isinstance(population, Neurons) and isinstance(integer, FixedNeurons):
            for form in roles.leaks(population.model):
                yield Leak(population.name, form, *_leak_at_rest(population, integer, form))


def _leak_at_rest(
    population: Neurons, integer: FixedNeurons, form: roles.Leak
) -> tuple[FloatArray, FloatArray]:
    """A leak as asked for and as got, (N,) each: nothing arrives, currents and states are 0."""
    rest = roles.at_rest(population.model.program, form.factor)
    factor = _real_at_rest(population, rest, form)
    got, full = integer_at_rest(integer, form)
    share = got if form.difference else full - got
    return factor, np.ldexp(share.astype(float), 1 - full.bit_length())


def _real_at_rest(population: Neurons, rest: Program, form: roles.Leak) -> FloatArray:
    """The leak itself; of a gate that keeps it is ``1 - σ(x) = σ(-x)``, which loses no digits."""
    if form.gated and not form.difference and rest.values[-1].operation is Operation.GATE:
        argument = rest.values[-1].arguments[0]
        inner = Program("real", rest.values, {"rest": argument}).needed(("rest",))
        at_rest = evaluate_real(inner, population.constants, {}, {}, population.functions)["rest"]
        return evaluate(population.functions[form.what], -np.asarray(at_rest))
    value = evaluate_real(rest, population.constants, {}, {}, population.functions)["rest"]
    factor: FloatArray = np.broadcast_to(value, (population.size,)).astype(np.float64)
    if form.difference:
        return factor
    # Where the program says 1 - decay, the decay itself is the leak.
    if form.what in population.constants and np.array_equal(
        factor, 1.0 - population.constants[form.what]
    ):
        return population.constants[form.what]
    return 1.0 - factor


def integer_at_rest(integer: FixedNeurons, form: roles.Leak) -> tuple[IntArray, int]:
    """The integers (N,) of a leak's factor at rest, and the integer that stands for 1."""
    rest = roles.at_rest(integer.model.program, form.factor)
    fraction = natural_fraction(rest, integer.formats, rest.results["rest"])
    program = lower(rest, integer.formats)
    values, _ = evaluate_integer(program, integer.constants, integer.tables, {}, {})
    return np.broadcast_to(values["rest"], (integer.size,)), 1 << fraction


def bands(network: Network, fixed: FixedNetwork, ranges: Ranges) -> Iterator[Band]:
    """The band of every state with a leak."""
    for leak in leaks(network, fixed):
        population, integer = network.population(leak.population), fixed.population(leak.population)
        assert isinstance(population, Neurons)
        assert isinstance(integer, FixedNeurons)
        form = leak.form
        value, full = integer_at_rest(integer, form)
        asked, calibrated = leak.asked, ranges.largest is not None
        if form.difference:
            if calibrated and not _is_static(network, population, form):
                asked = ranges.each(leak.population, form.what)
                value = np.rint(asked * full).astype(np.int64)
            other, in_use = _in_use(network, fixed, population, form, ranges)
            distance = other + in_use
        else:
            value, distance = full - value, np.inf
            in_use = _falling_range(population, form, ranges)
        fraction = variable_fraction(integer, form.state)
        yield Band(
            leak.population,
            form.state,
            STAYS if form.difference else FALLS,
            still_units(value, full),
            asked,
            2.0**-fraction,
            distance,
            in_use,
            _register_end(integer, form.state, fraction),
            calibrated,
        )


def _falling_range(population: Neurons, form: roles.Leak, ranges: Ranges) -> float:
    """Largest magnitude of a state that falls: seen, or 1 for a fraction that nobody ran."""
    if ranges.largest is None and form.state in population.model.unit:
        return 1.0
    return ranges.magnitude(population.name, form.state)


def _register_end(integer: FixedNeurons, state: str, fraction: int) -> float:
    """Largest value of a state, in real units."""
    return float(np.ldexp(float(register_ranges(integer)[state].high), -fraction))


def _in_use(
    network: Network,
    fixed: FixedNetwork,
    population: Neurons,
    form: roles.Leak,
    ranges: Ranges,
) -> tuple[float, float]:
    """Largest value that a state moves toward, and largest of the state, in the calibration run.

    Without one, the largest conceivable.
    """
    name = population.name
    port = roles.unit_port(population.model)
    towards = roles.landing_register(population.model, port)
    if ranges.largest is not None and towards in population.recordable:
        return ranges.magnitude(name, towards), ranges.magnitude(name, form.state)
    worst = largest_bias(population)
    for projection in network.projections:
        if (projection.target, projection.port) == (name, port):
            limits = np.full(projection.weights.shape[1], message_limit(fixed, projection))
            worst = worst + projection.weights.row_magnitudes(limits)
    return float(worst.max()), float(worst.max())


def largest_bias(population: Neurons) -> FloatArray:
    """Magnitude of what a population adds to what arrives at its first port, (N,)."""
    total: FloatArray = np.zeros(population.size)
    for name in roles.biases(population.model):
        total = total + np.abs(population.constants[name])
    return total


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


def _is_static(network: Network, population: Neurons, form: roles.Leak) -> bool:
    """Whether nothing but constants that are added opens a gate."""
    ports = roles.gate_ports(population.model, form.what)
    factors = roles.gate_factors(population.model, form.what)
    if any(np.any(population.constants[name]) for name in factors):
        return False
    name = population.name
    return all(
        (p.target, p.port) not in {(name, port) for port in ports} for p in network.projections
    )


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
