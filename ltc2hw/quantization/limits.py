"""How far integers may leave the float network before ``quantize`` refuses them by name.

Every limit is a named constant; the caller may allow any with ``QuantizeOptions(allow=...)``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.model import SPIKES, Model
from ltc2hw.dynamics.program import Program
from ltc2hw.dynamics.real import evaluate_real
from ltc2hw.dynamics.roles import (
    MEMBRANE,
    binary_states,
    comparison,
    constant_places,
    signals,
    thresholds,
)
from ltc2hw.dynamics.roles import leaks as leaks_of
from ltc2hw.errors import UnknownNameError, Violation
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import FloatPopulation, Input, Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import Port, Variable, neuron_of
from ltc2hw.numbers.words import FloatArray
from ltc2hw.quantization.account import (
    STAYS,
    Band,
    Drive,
    Leak,
    Sent,
    bands,
    drives,
    largest_bias,
    leaks,
    messages,
)
from ltc2hw.quantization.calibration import Ranges, has_integrated_membrane
from ltc2hw.quantization.mixing import Tensor

SLOW_LEAK, LOST_DECAY, LOST_WEIGHTS, LOST_MESSAGES, UNREACHABLE, LOST_FACTOR = (
    "slow-leak",
    "lost-decay",
    "lost-weights",
    "lost-messages",
    "unreachable-threshold",
    "lost-factor",
)
LIMITS: Mapping[str, str] = {
    SLOW_LEAK: "a state stays away from where its leak would take it",
    LOST_DECAY: "a decay or time constant is not the one that was asked for",
    LOST_WEIGHTS: "a neuron's weights are not the ones that were asked for",
    LOST_MESSAGES: "a neuron's graded inputs are too small to be told from 0",
    UNREACHABLE: "a threshold that saturated lies within reach",
    LOST_FACTOR: "a constant that multiplies does not fit its word",
}
"""Names that may be allowed, and what each means."""

LARGEST_BAND = 0.05
"""Part of the range in use by which a state may be held off: what 8-bit inputs and 12-bit messages
do to a state is below a hundredth, so this is no rounding any more."""

LARGEST_DECAY_ERROR = 0.1
"""Relative error of a leak: time constants are rarely known, or trained, better than this."""

SMALLEST_LEAKS = {"decay": 1e-5, "gate": 4e-4}
"""Leaks that the target ``ideal`` holds within that error: decays of 20 bits, tables that end at
σ(±8)."""

LARGEST_DECAY_EFFECT = 0.1
"""Change of a state by a gate's wrong leak over the whole calibration run. A shut gate leaks one
part in 4096, which matters to runs of hundreds of steps and not to shorter ones."""

LARGEST_WEIGHT_ERROR = 0.5
"""Part of what can arrive at a neuron that may be rounded away: at a half it hears other inputs."""

COARSE_BITS = 4
"""Weights of so few bits lose the small weights of many neurons; who asks for them gets them and
is told, unless most neurons of a population lose all of theirs."""

LARGEST_GATE_SHIFT = 0.25
"""Change of a gate's argument that is never refused: it changes σ by less than 0.0625."""

ENDLESS = 1 << 62
"""Steps of a run of unknown length."""

THRESHOLD_MARGIN = 4.0
"""Multiple of the largest membrane seen at which a saturated threshold must lie at least."""


def check_allowed(names: Collection[str]) -> None:
    """Raise unless every name is one of :data:`LIMITS`.

    Raises:
        UnknownNameError: naming the first that is not.
    """
    for name in (names,) if isinstance(names, str) else names:
        if name not in LIMITS:
            raise UnknownNameError("limit to allow", str(name), tuple(LIMITS))


def exceeded(
    network: Network,
    fixed: FixedNetwork,
    ranges: Ranges,
    clipped: Collection[Tensor],
    *,
    learns: bool,
    coarse_messages: Collection[tuple[str, Variable]],
    function_chosen: Collection[tuple[str, str]],
) -> Iterator[Violation]:
    """Every limit that an integer network exceeds, allowed or not.

    ``clipped``: tensors with values beyond their words; ``learns``: weights were given room to
    learn; ``coarse_messages``: populations and variables whose messages were asked to be coarse;
    ``function_chosen``: populations and gates whose function the caller chose.
    """
    for band in bands(network, fixed, ranges):
        yield from slow_leak(network, band, ranges.steps)
    for leak in leaks(network, fixed):
        if not leak.form.gated:
            yield from lost_decay(network, leak, leak.errors > LARGEST_DECAY_ERROR)
        elif ranges.steps is not None:
            vanished = (leak.got == 0) & (leak.asked > 0)
            chosen = (leak.population, leak.form.what) in function_chosen
            wrong = vanished if chosen else leak.errors > LARGEST_DECAY_ERROR
            effect = np.abs(leak.got - leak.asked) * ranges.steps
            yield from lost_decay(network, leak, wrong & (effect > LARGEST_DECAY_EFFECT))
    for drive in drives(network, fixed):
        coarse = learns or drive.bits <= COARSE_BITS
        yield from lost_weights(network, drive, coarse=coarse)
    rounded = {
        (sent.population, sent.variable): sent
        for sent in messages(fixed, ranges)
        if (sent.population, sent.variable) not in coarse_messages
    }
    for population in network.populations:
        for port in population.ports:
            yield from lost_messages(network, population, port, ranges, rounded)
    for integer in fixed.populations:
        if isinstance(integer, FixedNeurons):
            yield from lost_constants(network, integer, ranges, clipped)


def slow_leak(network: Network, band: Band, steps: int | None) -> Iterator[Violation]:
    """A state is held off by more than :data:`LARGEST_BAND` of the range in use.

    In T steps a state is held off by T units at most, and by no more than its leak would have
    moved it.
    """
    run = float(ENDLESS if steps is None else steps)
    distance = np.where(np.isfinite(band.units), band.distance, band.in_use)
    with np.errstate(divide="ignore", over="ignore"):
        way = run * distance / band.unit
        moved = np.multiply(band.asked, way, out=np.zeros(band.units.shape), where=band.asked > 0)
    held = np.minimum(band.units, np.minimum(run, moved))
    worst = int(np.argmax(held))
    off = float(held[worst]) * band.unit
    if off <= LARGEST_BAND * band.in_use or band.in_use == 0.0:
        return
    width = float(band.units[worst]) * band.unit
    where = f"within {width:.3g}" if np.isfinite(width) else "anywhere"
    stays = band.effect_on(worst) == STAYS
    neuron = neuron_of(network.population(band.population), worst)
    fate = f"{'does not decay' if stays else 'falls a unit per step'} {where}"
    yield Violation(
        SLOW_LEAK,
        f"{band.population}.{band.variable} of {neuron}",
        f"leak {band.asked[worst]:.3g} {fate}, of {band.in_use:.3g} in use",
        f"{LARGEST_BAND:.0%} of the range in use",
        "give states more bits (fine_states, --fine-states), make the leak larger, take several"
        f" steps as one, use wider words (target ideal), or allow {SLOW_LEAK}",
    )


def lost_decay(network: Network, leak: Leak, wrong: npt.NDArray[np.bool_]) -> Iterator[Violation]:
    """A leak is wrong for some neurons; tells of the worst."""
    if not np.any(wrong):
        return
    change = np.where(wrong, np.abs(leak.got - leak.asked), -1.0)
    errors = np.where(wrong, leak.errors, -1.0)
    worst = int(np.argmax(change if np.any(np.isinf(errors)) else errors))
    smallest = SMALLEST_LEAKS["gate" if leak.form.gated else "decay"]
    yield Violation(
        LOST_DECAY,
        f"{leak.population}.{leak.what} of {neuron_of(network.population(leak.population), worst)}",
        f"leak {leak.asked[worst]:.3g} became {leak.got[worst]:.3g}"
        f" ({int(np.count_nonzero(wrong))} neurons)",
        f"{LARGEST_DECAY_ERROR:.0%} off",
        "make the leak larger, take several steps as one, use wider words (target ideal holds leaks"
        f" from {smallest:.0e} on), or allow {LOST_DECAY}",
    )


def lost_weights(network: Network, drive: Drive, *, coarse: bool) -> Iterator[Violation]:
    """Some neuron lost more than :data:`LARGEST_WEIGHT_ERROR` of what can arrive at a port.

    Neurons whose inputs can never make them fire lose nothing by it. Of ``coarse`` weights, most
    neurons must have lost all.
    """
    population = network.population(drive.population)
    if drive.port == population.ports[0]:
        bias = bias_of(population, drive.port)
        lost = drive.changed > LARGEST_WEIGHT_ERROR * (drive.whole + bias)
        lost &= ~is_silent(network, population, drive.whole + bias)
    else:
        lost = drive.changed > LARGEST_WEIGHT_ERROR * drive.whole
        lost &= drive.changed > LARGEST_GATE_SHIFT
    if coarse:
        lost &= drive.kept == 0
        if 2 * np.count_nonzero(lost) <= np.count_nonzero(drive.whole):
            return
    if not np.any(lost):
        return
    worst = int(np.argmax(np.where(lost, drive.changed, -1.0)))
    yield Violation(
        LOST_WEIGHTS,
        f"{drive.population}.{drive.port} of {neuron_of(population, worst)}",
        f"{drive.changed[worst]:.3g} of {drive.whole[worst]:.3g} that can arrive was rounded away"
        f" ({int(np.count_nonzero(lost))} neurons)",
        f"{LARGEST_WEIGHT_ERROR:.0%} of a neuron's inputs",
        "bring the neurons' weights, biases and thresholds closer together, use wider weights, or"
        f" allow {LOST_WEIGHTS}",
    )


def lost_messages(
    network: Network,
    population: FloatPopulation,
    port: Port,
    ranges: Ranges,
    rounded: Mapping[tuple[str, Variable], Sent],
) -> Iterator[Violation]:
    """Rounded messages take more than :data:`LARGEST_WEIGHT_ERROR` of what some neuron hears."""
    whole, lost = np.zeros((2, population.size))
    for p in network.projections:
        if (p.target, p.port) == (population.name, port) and ranges.largest is not None:
            whole = whole + p.weights.row_magnitudes(ranges.largest[p.source, p.variable])
            if (p.source, p.variable) in rounded:
                lost = lost + p.weights.row_magnitudes(rounded[p.source, p.variable].lost)
    wrong = lost > LARGEST_WEIGHT_ERROR * (whole + bias_of(population, port))
    if port == population.ports[0]:
        wrong &= ~is_silent(network, population, whole + bias_of(population, port))
    else:
        wrong &= lost > LARGEST_GATE_SHIFT
    if not np.any(wrong):
        return
    worst = int(np.argmax(np.where(wrong, lost, -1.0)))
    yield Violation(
        LOST_MESSAGES,
        f"{population.name}.{port} of {neuron_of(population, worst)}",
        f"{lost[worst]:.3g} of {whole[worst]:.3g} that arrived in calibration was rounded away"
        f" ({int(np.count_nonzero(wrong))} neurons)",
        f"{LARGEST_WEIGHT_ERROR:.0%} of a neuron's inputs",
        "bring the ranges of the inputs or of the sending neurons closer together, or allow"
        f" {LOST_MESSAGES}",
    )


def bias_of(population: FloatPopulation, port: Port) -> FloatArray:
    """Magnitude of what a population adds to what arrives at its first port, (N,)."""
    if isinstance(population, Input) or port != population.ports[0]:
        return np.zeros(population.size)
    return largest_bias(population)


def is_silent(
    network: Network, population: FloatPopulation, arriving: FloatArray
) -> npt.NDArray[np.bool_]:
    """Neurons of which only spikes are used, and that can never spike, (N,).

    What charges is at most what arrives, times one over the leak of every state that adds it up.
    """
    sent = {p.variable for p in network.projections if p.source == population.name}
    nobody = np.zeros(population.size, dtype=bool)
    if isinstance(population, Input) or SPIKES not in population.variables or sent - {SPIKES}:
        return nobody
    lowest = lowest_threshold(population)
    if lowest is None:
        return nobody
    leak: FloatArray = np.ones(population.size)
    forms = {form.state: form for form in leaks_of(population.model)}
    for state in signals(population.model):
        if state not in population.model.states:
            continue
        form = forms.get(state)
        if form is None or (not form.difference and form.gated):
            return nobody
        if not form.difference:
            leak = leak * population.constants[form.what]
    return np.asarray(arriving < leak * lowest)


def lowest_threshold(population: Neurons) -> FloatArray | None:
    """Lowest level at which each neuron may fire, (N,); None where fractions do not bound it.

    The threshold is a constant, and fractions times constants.
    """
    fires = comparison(population.model)
    if fires is None:
        return None
    program, model = population.model.program, population.model
    level = Program("real", program.values, {"level": fires.threshold}).needed(("level",))
    if set(level.states) - set(model.unit) - binary_states(model):
        return None
    zero = dict.fromkeys(level.ports, np.zeros(population.size))
    lows = [
        evaluate_real(
            level, population.constants, zero,
            dict.fromkeys(level.states, np.full(population.size, end)), population.functions,
        )["level"]
        for end in (0.0, 1.0)
    ]  # fmt: skip
    lowest: FloatArray = np.minimum(*lows)
    return lowest


def lost_constants(
    network: Network, integer: FixedNeurons, ranges: Ranges, clipped: Collection[Tensor]
) -> Iterator[Violation]:
    """Thresholds and factors of a population that saturated."""
    if has_integrated_membrane(integer.model):
        yield from unreachable_thresholds(integer, ranges, clipped)
    population = network.population(integer.name)
    assert isinstance(population, Neurons)
    yield from lost_factors(population, integer, clipped)


def lost_factors(
    population: Neurons, integer: FixedNeurons, clipped: Collection[Tensor]
) -> Iterator[Violation]:
    """Constants that multiply and saturated by more than :data:`LARGEST_DECAY_ERROR`.

    Arguments of gates are flat where such a constant takes them, and thresholds out of reach.
    """
    model = population.model
    fires = comparison(model)
    level = () if fires is None else constants_of(model, fires.threshold)
    for name, place in constant_places(model).items():
        flat = place.operand is None or place.word in model.gates or name in level
        if flat or Tensor(population.name, name) not in clipped:
            continue
        asked = population.constants[name]
        got = np.ldexp(integer.constants[name].astype(np.float64), -integer.formats.constants[name])
        worst = int(np.argmax(np.abs(asked - got)))
        if abs(asked[worst] - got[worst]) > LARGEST_DECAY_ERROR * abs(asked[worst]):
            yield Violation(
                LOST_FACTOR,
                f"{population.name}.{name} of {neuron_of(population, worst)}",
                f"{asked[worst]:.4g} became {got[worst]:.4g}",
                f"{LARGEST_DECAY_ERROR:.0%} off",
                "bring what it multiplies, or other constants of the product, closer to it,"
                f" or allow {LOST_FACTOR}",
            )


def constants_of(model: Model, index: int) -> tuple[str, ...]:
    """Constants that a value of a model's program is made of."""
    values = model.program.values
    return Program("real", values, {"value": index}).needed(("value",)).parameters


def unreachable_thresholds(
    population: FixedNeurons, ranges: Ranges, clipped: Collection[Tensor]
) -> Iterator[Violation]:
    """Thresholds that saturated within reach of what was seen in calibration."""
    for name in thresholds(population.model):
        if Tensor(population.name, name) in clipped:
            seen = ranges.peak(population.name, MEMBRANE)
            yield from unreachable_threshold(population, name, seen)


def unreachable_threshold(population: FixedNeurons, name: str, seen: float) -> Iterator[Violation]:
    """A threshold that saturated lies within reach of what was seen in calibration."""
    values = population.constants[name]
    saturated = float(np.ldexp(int(values.max()), -population.formats.constants[name]))
    if saturated < THRESHOLD_MARGIN * seen:
        yield Violation(
            UNREACHABLE,
            f"{population.name}.{name} of {neuron_of(population, int(np.argmax(values)))}",
            f"saturated at {saturated:.3g} beside membranes up to {seen:.3g}",
            f"{THRESHOLD_MARGIN:g} times the largest membrane",
            f"lower the threshold to what can be reached, or allow {UNREACHABLE}",
        )
