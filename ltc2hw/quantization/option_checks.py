"""Options of quantization that mean nothing or that a chip cannot have, refused at the start."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

import numpy as np

from ltc2hw.dynamics.model import LIF_WORDS
from ltc2hw.errors import HardwareRuleError, InvalidValueError, UnknownNameError, Violation
from ltc2hw.graph.network import Network
from ltc2hw.graph.neurons import Neurons
from ltc2hw.graph.structure import connection_name
from ltc2hw.graph.target import Target
from ltc2hw.numbers.nonlinearity import GATE_FUNCTIONS, TABLE_SPAN_BITS
from ltc2hw.numbers.scalars import is_integer, require_type
from ltc2hw.numbers.words import TERNARY, WIDEST_WORD, Width, weight_word
from ltc2hw.quantization.limits import check_allowed
from ltc2hw.quantization.rules import weight_bits_violation
from ltc2hw.quantization.scaling import (
    QuantizeOptions,
    WeightRounding,
    coarsest_gate,
    named_function,
)
from ltc2hw.quantization.widths import (
    INPUT,
    STATE,
    TABLE,
    scale_names,
    state_name,
    table_name,
    width_names,
    words_of,
)

WIDEST_OPTION = 24
"""Most bits that any width but a state's may be asked to have; targets allow less."""

NARROWEST = 2
"""Fewest bits of a signed number: sign and magnitude."""

FARTHEST = 24
"""Most bits by which a fraction may be moved."""


def check_options(options: QuantizeOptions, network: Network, chip: Target) -> None:
    """Raise for options that mean nothing.

    Raises:
        UnknownNameError: an unknown gate function, rounding or limit, or a name of a width or scale
            that the network does not have.
        InvalidValueError: a width that is not in its range.
        HardwareRuleError: weights, inputs or states wider or narrower than the chip's.
    """
    if options.gate_function is not None and options.gate_function not in GATE_FUNCTIONS:
        raise UnknownNameError("gate function", options.gate_function, GATE_FUNCTIONS)
    if options.rounding not in get_args(WeightRounding):
        raise UnknownNameError("rounding", str(options.rounding), get_args(WeightRounding))
    check_allowed(options.allow)
    require_type("fine_states", options.fine_states, bool)
    require_weight_width("weight_bits", options.weight_bits)
    require_width("message_bits", options.message_bits, NARROWEST)
    require_width("table_index_bits", options.table_index_bits, 1)
    _check_names(options, network)
    _check_tables(options, network, chip)
    _check_reach(options, network, chip)
    # No scale exists for weights of one bit, so these rules are asked before scales are chosen.
    violations = (*_weights(options, network, chip), *_words(options, network, chip))
    if violations:
        raise HardwareRuleError(chip.name, violations)


def _check_names(options: QuantizeOptions, network: Network) -> None:
    """Names of widths and scales are the network's, their numbers in range."""
    projections = [connection_name(projection) for projection in network.projections]
    require_type("bits", options.bits, Mapping)
    require_type("scale", options.scale, Mapping)
    _require_known("projection", options.projection_bits or {}, projections)
    _require_known("name of bits", options.bits, width_names(network))
    _require_known("name of a scale", options.scale, scale_names(network))
    for name, width in {**(options.projection_bits or {}), **options.bits}.items():
        if name in projections:
            require_weight_width(f"bits of {name}", width)
        else:
            narrowest = 1 if name.startswith(TABLE) else NARROWEST
            widest = WIDEST_WORD if name.startswith(STATE) else WIDEST_OPTION
            require_width(f"bits of {name}", width, narrowest, widest)
    for name, move in options.scale.items():
        limit = f"an integer, {-FARTHEST} to {FARTHEST}"
        if not is_integer(move):
            raise InvalidValueError(f"scale of {name}", repr(move), limit)
        if not -FARTHEST <= move <= FARTHEST:
            raise InvalidValueError(f"scale of {name}", move, limit)


def _require_known(what: str, given: Mapping[str, object], known: Sequence[str]) -> None:
    for name in given:
        if name not in known:
            raise UnknownNameError(what, str(name), known)


def require_weight_width(what: str, width: Width | None) -> None:
    """Raise unless a width of weights is an integer in its range, ``"ternary"``, or None.

    Raises:
        InvalidValueError: naming the width.
    """
    if width != TERNARY:
        require_width(what, width, 1)


def require_width(what: str, bits: object, narrowest: int, widest: int = WIDEST_OPTION) -> None:
    """Raise unless a width is an integer in its range, or None.

    Raises:
        InvalidValueError: naming the width.
    """
    if bits is None:
        return
    if not isinstance(bits, (int, np.integer)) or isinstance(bits, bool):
        raise InvalidValueError(what, repr(bits), f"an integer, {narrowest} to {widest}")
    if not narrowest <= bits <= widest:
        raise InvalidValueError(what, bits, f"{narrowest} to {widest}")


def _check_tables(options: QuantizeOptions, network: Network, chip: Target) -> None:
    """Gates whose table has a width of its own have a table."""
    for population in network.populations:
        for gate in population.model.gates if isinstance(population, Neurons) else ():
            assert isinstance(population, Neurons)
            name = table_name(population.name, gate)
            if name not in options.bits:
                continue
            if options.function_of(named_function(population, gate), chip) == "plan":
                raise InvalidValueError(
                    f"bits of {name}", options.bits[name], "none for a gate of plan",
                    "plan has no table; leave it out",
                )  # fmt: skip


def _check_reach(options: QuantizeOptions, network: Network, chip: Target) -> None:
    """Room to learn is a number, and words that learn hold both signs alike or are two's."""
    reach = options.weight_reach
    if reach is None:
        return
    if not 0 < reach < np.inf:
        raise InvalidValueError("weight_reach", reach, "a finite number > 0")
    for projection in network.projections:
        if options.width_of(projection, chip) == TERNARY:
            raise InvalidValueError(
                f"bits of {connection_name(projection)}", TERNARY, "2 or more with weight_reach",
                "ternary weights do not learn on the chip",
            )  # fmt: skip


def _weights(options: QuantizeOptions, network: Network, chip: Target) -> Iterator[Violation]:
    """Projections whose weights are wider or narrower than the chip's."""
    for projection in network.projections:
        bits = weight_word(options.width_of(projection, chip)).bits
        violation = weight_bits_violation(connection_name(projection), bits, chip)
        if violation is not None:
            yield violation


def _words(options: QuantizeOptions, network: Network, chip: Target) -> Iterator[Violation]:
    """Inputs and states that do not fit the chip's words."""
    asked = options.asked(INPUT)
    if asked is not None and asked > chip.words.input:
        limit = f"{chip.words.input} bits"
        yield Violation("input-width", INPUT, f"{asked} bits", limit, "choose another width")
    for population in network.populations:
        for word in words_of(population.model) if isinstance(population, Neurons) else ():
            assert isinstance(population, Neurons)
            bits = options.asked(state_name(population.name, word))
            lowest, highest = _state_range(population, word, chip, options)
            if bits is not None and not lowest <= bits <= highest:
                limit = f"{lowest} to {highest} bits" if lowest < highest else f"{lowest} bits"
                yield Violation(
                    "state-width", f"{population.name}.{word}", f"{bits} bits", limit,
                    "choose another width",
                )  # fmt: skip


def _state_range(
    population: Neurons, word: str, chip: Target, options: QuantizeOptions
) -> tuple[int, int]:
    """Fewest and most bits of a word: Lava's LIF has one width, a gate's argument what it needs."""
    model, words = population.model, chip.words
    if model.words == LIF_WORDS:
        return words.state, words.state
    if word in model.gates:
        return coarsest_gate(population, word, chip, options) + 1 + TABLE_SPAN_BITS, words.state
    if word in model.unit:
        return words.gate, words.adaptation
    return NARROWEST, words.state
