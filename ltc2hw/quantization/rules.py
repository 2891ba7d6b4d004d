"""Hardware limits as small named rules. Every rule is asked; all violations come back at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from ltc2hw.dynamics.model import LIF_WORDS, SPIKES, Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.roles import Place, constant_places, landing_register, leaks
from ltc2hw.dynamics.survey import Survey
from ltc2hw.errors import HardwareRuleError, Violation
from ltc2hw.graph.fixed import FixedInput, FixedNetwork, FixedProjection, message_word
from ltc2hw.graph.network import Input, Network
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.graph.structure import Port, connection_name, size_of
from ltc2hw.graph.target import LIFWords, Resources, Target
from ltc2hw.numbers.convolution import Conv
from ltc2hw.numbers.operators import Weights, described
from ltc2hw.numbers.words import IntArray, Word, bits_for

NetworkRule = Callable[[Network, Target], Iterator[Violation]]
FixedRule = Callable[[FixedNetwork, Target], Iterator[Violation]]


def check_network(network: Network, target: Target) -> None:
    """Raise unless a chip can express a float network at all.

    Raises:
        HardwareRuleError: with every violation.
    """
    raise_violations(target, (v for rule in NETWORK_RULES for v in rule(network, target)))


def check_fixed(network: FixedNetwork, target: Target) -> None:
    """Raise unless an integer network keeps every limit of a chip.

    Raises:
        HardwareRuleError: with every violation.
    """
    raise_violations(target, fixed_violations(network, target))


def fixed_violations(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """Every rule that an integer network breaks on a chip."""
    return (violation for rule in FIXED_RULES for violation in rule(network, target))


def raise_violations(target: Target, violations: Iterator[Violation]) -> None:
    """Raise one error that carries all violations, if there are any."""
    found = tuple(violations)
    if found:
        raise HardwareRuleError(target.name, found)


def neuron_model(network: Network | FixedNetwork, target: Target) -> Iterator[Violation]:
    """Every population's neuron model exists on the chip."""
    for population in network.populations:
        if isinstance(population, (Input, FixedInput)):
            continue
        model = population.model
        if not target.can_run(model):
            remedy = (
                "use a target with programmable neurons (loihi2), or read spikes out"
                if SPIKES not in model.results
                else "use a target with programmable neurons (loihi2), or train with static gates"
                " and no adaptation and convert with ltc2hw.static_form"
            )
            yield Violation(
                "neuron-model", population.name, model.name, ", ".join(target.neuron_models), remedy
            )


def graded_input(network: Network, target: Target) -> Iterator[Violation]:
    """A chip with binary spikes only takes no graded input."""
    if target.words.message > 1:
        return
    for population in network.populations:
        if isinstance(population, Input) and population.graded:
            yield Violation(
                "graded-input", population.name, "graded values", "binary spikes",
                "encode the samples as spikes",
            )  # fmt: skip


def decay_range(network: Network, target: Target) -> Iterator[Violation]:
    """A LIF current must decay by at least one unit per step (Lava's du + 1)."""
    smallest = 0.5 / (1 << target.lif.decay)
    for population in network.populations:
        if isinstance(population, Neurons) and population.model.words == LIF_WORDS:
            for name in wrapping_decays(population.model):
                decay = population.constants[name].min()
                if decay <= smallest:
                    yield Violation(
                        "current-decay", population.name, f"{decay:g}",
                        f"more than {smallest:g}", "use a current that decays",
                    )  # fmt: skip


def wrapping_decays(model: Model) -> tuple[str, ...]:
    """Constants that say how fast a register forgets in which something lands."""
    landing = {landing_register(model, port) for port in model.ports}
    return tuple(leak.what for leak in leaks(model) if leak.state in landing)


def delays(network: Network | FixedNetwork, target: Target) -> Iterator[Violation]:
    """Delays fit the chip's delay word."""
    limit = target.resources.delay_maximum
    for projection in network.projections:
        if projection.delay > limit:
            yield Violation(
                "delay", connection_name(projection), f"{projection.delay} steps",
                f"{limit} steps", "shorten the delay or insert a relay population",
            )  # fmt: skip


def weight_bits(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """Weights are as wide as the chip's synapses allow."""
    for projection in network.projections:
        violation = weight_bits_violation(connection_name(projection), projection.bits, target)
        if violation is not None:
            yield violation


def weight_bits_violation(name: str, bits: int, target: Target) -> Violation | None:
    """The broken rule, if a projection's weights cannot have this width."""
    lowest, highest = target.words.weight_minimum, target.words.weight_maximum
    if lowest <= bits <= highest:
        return None
    limit = f"{lowest} to {highest} bits"
    return Violation("weight-bits", name, f"{bits} bits", limit, "choose another width")


def weight_exponent(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """The synaptic sum is shifted left, by no more than the chip's exponent allows."""
    for projection in network.projections:
        lowest, highest = exponent_range(projection.bits, target)
        if not lowest <= projection.exponent <= highest:
            yield Violation(
                "weight-exponent", connection_name(projection), str(projection.exponent),
                f"{lowest} to {highest}", "quantize again with another scale",
            )  # fmt: skip


def exponent_range(bits: int, target: Target) -> tuple[int, int]:
    """Exponents of mantissas of ``bits`` bits that Lava's Dense expresses exactly.

    Dense keeps weights of mixed sign as multiples of ``2^(9 - bits)`` in [-256, 254], so a mantissa
    m is emitted as ``m << (9 - bits)`` and ``weight_exp = exponent - (9 - bits) >= 0``: a negative
    one would floor the sum. Source: Lava 0.10.0, ``lava/utils/weightutils.py``. Targets whose
    weights are wider than 8 bits are not Lava's, and need no such multiple.
    """
    lowest = max(9 - bits, 0)
    return lowest, lowest + target.words.weight_exponent_maximum


def synapse_width(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """A weight shifted by its exponent fits what one synapse can add."""
    for projection in network.projections:
        values = projection.weights.values
        for worst in (int(values.min(initial=0)), int(values.max(initial=0))):
            if not fits_synapse(worst, projection.exponent, target):
                yield Violation(
                    "synapse-width", connection_name(projection),
                    f"{worst} << {projection.exponent}", f"±{largest_synapse(target)}",
                    "lower the exponent, or clip the mantissa",
                )  # fmt: skip


def fits_synapse(mantissa: int, exponent: int, target: Target) -> bool:
    """Whether one synapse can add ``mantissa << exponent``."""
    largest = largest_synapse(target)
    return largest is None or abs(mantissa) << exponent <= largest


def largest_synapse(target: Target) -> int | None:
    """Largest magnitude that one synapse can add, the same for both signs; None for any."""
    bits = target.words.synapse
    return Word(bits).maximum if bits else None


def accumulator_width(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """No message, however extreme, can overflow a port's accumulator."""
    limit = Word(target.words.accumulator).maximum
    for (name, port), worst in worst_arrivals(network).items():
        if worst > limit:
            yield Violation(
                "accumulator-width", f"{name}.{port}", f"{bits_for(worst)} bits at worst",
                f"{target.words.accumulator} bits", "scale the weights down or reduce the fan-in",
            )  # fmt: skip


def worst_arrivals(network: FixedNetwork) -> dict[tuple[str, Port], int]:
    """Largest magnitude that can arrive at each port, whatever the messages."""
    worst: dict[tuple[str, Port], IntArray] = {}
    for projection in network.projections:
        source = network.population(projection.source)
        word = message_word(source, projection.variable)
        limits = np.full(source.size, max(word.maximum, -word.minimum), dtype=np.int64)
        magnitude = projection.weights.row_magnitudes(limits) << projection.exponent
        key = (projection.target, projection.port)
        worst[key] = worst.get(key, np.zeros_like(magnitude)) + magnitude
    return {key: int(magnitude.max()) for key, magnitude in worst.items()}


def message_width(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """Messages fit the chip's payload."""
    for projection in network.projections:
        word = message_word(network.population(projection.source), projection.variable)
        if word.bits > target.words.message:
            yield Violation(
                "message-width", connection_name(projection), f"{word.bits} bits",
                f"{target.words.message} bits", "send fewer bits",
            )  # fmt: skip


def state_width(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """State registers are no wider than the chip's, and constants fit them.

    Those of Lava's LIF, of which one wraps, are as wide as the chip's.
    """
    word = Word(target.words.state)
    for population in network.populations:
        if isinstance(population, FixedInput):
            continue
        bits = state_bits(population)
        if not bits:
            yield Violation(
                "state-width", population.name, "no register", f"{word.bits} bits",
                "put the neuron's values into register(..., name)",
            )  # fmt: skip
        elif bits > word.bits or (bits < word.bits and population.model.words == LIF_WORDS):
            yield Violation(
                "state-width", population.name, f"{bits} bits",
                f"{word.bits} bits", "quantize for this target",
            )  # fmt: skip
        if population.model.words != LIF_WORDS:
            yield from _wide_constants(population, target)


def state_bits(population: FixedNeurons) -> int:
    """Bits of the widest register of a population, that of what wraps once apart from its own."""
    widths = [
        held.numbers[0] if held.overflow is not Operation.SATURATE else bits_for(held.numbers[1])
        for held in population.formats.held.values()
        if held.overflow is not None
    ]
    return max(widths, default=0)


def _wide_constants(population: FixedNeurons, target: Target) -> Iterator[Violation]:
    factors = Survey(population.model.program, population.formats).factors
    for name, values in population.constants.items():
        limits = Word(target.words.factor if name in factors else target.words.state)
        if values.min() < limits.minimum or values.max() > limits.maximum:
            worst = int(values[np.argmax(np.abs(values))])
            yield Violation(
                "constant-range", f"{population.name} {name}", str(worst),
                f"{limits.minimum} to {limits.maximum}", "lower the scale of the population",
            )  # fmt: skip


def lif_constants(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """Thresholds and biases of neurons with the words of Lava's LIF fit their mantissas."""
    lif = target.lif
    for population in network.populations:
        if not isinstance(population, FixedNeurons) or population.model.words != LIF_WORDS:
            continue
        for name, place in constant_places(population.model).items():
            held = population.formats.held[place.word].fraction
            shift = held - population.formats.constants[name]
            yield from _lif_constant(population, name, place, shift, lif)


def _lif_constant(
    population: FixedNeurons, name: str, place: Place, shift: int, lif: LIFWords
) -> Iterator[Violation]:
    values = population.constants[name]
    if place.operand is not None:
        what, value, limit = "decay_fraction", population.formats.constants[name], lif.decay
        word = Word(lif.decay + 1, signed=False)
    elif place.compared:
        what, value, limit = "alignment", shift, lif.alignment
        word = Word(lif.threshold_mantissa, signed=False)
    else:
        what, value, limit = "bias_exponent", shift, (1 << lif.bias_exponent) - 1
        word = Word(lif.bias_mantissa)
    if values.min() < word.minimum or values.max() > word.maximum:
        worst = int(values[np.argmax(np.abs(values))])
        yield Violation(
            "lif-constant", f"{population.name} {name}", str(worst),
            f"{word.minimum} to {word.maximum}", "lower the scale of the population",
        )  # fmt: skip
    if value > limit:
        yield Violation(
            "lif-constant", f"{population.name} {what}", str(value), f"at most {limit}",
            "quantize for this target",
        )  # fmt: skip


def chip_size(network: FixedNetwork, target: Target) -> Iterator[Violation]:
    """Neurons and synaptic memory fit one chip."""
    for resource, (used, limit) in utilization(network, target).items():
        if resource in ("neurons", "synaptic memory (bytes)") and limit and used > limit:
            yield Violation(
                "chip-size", resource, str(used), str(limit),
                f"use a smaller or sparser network; {largest_part(network, resource, target)}",
            )  # fmt: skip


def largest_part(network: FixedNetwork, resource: str, target: Target) -> str:
    """What takes most of a resource, in words."""
    if resource == "neurons":
        neurons = (p for p in network.populations if not isinstance(p, FixedInput))
        most = max(neurons, key=lambda population: population.size)
        return f"most are those of {most.name} ({size_of(most)})"
    widest = max(network.projections, key=lambda p: synapse_bytes(p, target.resources))
    return f"most is that of {connection_name(widest)} ({described(widest.weights)})"


def stored_weights(weights: Weights, resources: Resources) -> int:
    """Weights that a chip stores: each of its own, or a kernel once on every core that needs it.

    A core needs what reaches the output channels that it holds, so a kernel is stored once for each
    core that the neurons of one channel fill.
    """
    if not isinstance(weights, Conv) or not resources.shares_kernels:
        return weights.synapses
    channel = math.prod(weights.targets[1:])
    return weights.values.size * max(1, _ceiling(channel, resources.neurons_per_core))


def synapse_bytes(projection: FixedProjection, resources: Resources) -> int:
    """Bytes of the mantissas of a projection on a chip, without any index overhead."""
    return (stored_weights(projection.weights, resources) * projection.bits + 7) // 8


SHARED = "stored weights (kernels shared)"
"""The resource that tells how many weights are stored where that is not one for each synapse."""


def utilization(network: FixedNetwork, target: Target) -> dict[str, tuple[int, int]]:
    """Used and limit of each resource; a limit of 0 means unlimited.

    Cores are a lower bound: what neurons and synaptic memory need when packed perfectly. Where the
    chip shares kernels, a network of convolutions has the weights stored beside its synapses.
    """
    resources = target.resources
    neurons = sum(p.size for p in network.populations if not isinstance(p, FixedInput))
    memory = sum(synapse_bytes(p, resources) for p in network.projections)
    synapses = sum(p.weights.synapses for p in network.projections)
    stored = sum(stored_weights(p.weights, resources) for p in network.projections)
    cores = max(
        _ceiling(neurons, resources.neurons_per_core),
        _ceiling(memory, resources.synaptic_memory_per_core),
    )
    return {
        "neurons": (neurons, target.neurons),
        "synapses": (synapses, 0),
        **({SHARED: (stored, 0)} if stored != synapses else {}),
        "synaptic memory (bytes)": (memory, target.synaptic_memory),
        "cores (at least)": (cores, resources.cores),
        "weight bits": (
            max((p.bits for p in network.projections), default=0),
            target.words.weight_maximum,
        ),
        "accumulator bits (worst case)": (
            max((bits_for(w) for w in worst_arrivals(network).values()), default=0),
            target.words.accumulator,
        ),
        "delay (steps)": (
            max((p.delay for p in network.projections), default=0),
            resources.delay_maximum,
        ),
    }


def _ceiling(used: int, per_core: int) -> int:
    return -(-used // per_core) if per_core else 0


NETWORK_RULES: tuple[NetworkRule, ...] = (neuron_model, graded_input, decay_range, delays)
FIXED_RULES: tuple[FixedRule, ...] = (
    neuron_model,
    delays,
    weight_bits,
    weight_exponent,
    synapse_width,
    accumulator_width,
    message_width,
    state_width,
    lif_constants,
    chip_size,
)
