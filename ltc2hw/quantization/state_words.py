"""How fine the words of states are, where they are not as fine as what arrives."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from ltc2hw.dynamics.bounds import Bounds, bounds
from ltc2hw.dynamics.model import LIF_WORDS
from ltc2hw.dynamics.roles import registers, signals, unit_port
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.graph.structure import Port
from ltc2hw.graph.target import Target
from ltc2hw.numbers.words import bits_for
from ltc2hw.quantization.calibration import Key, Ranges
from ltc2hw.quantization.integrator_scale import HEADROOM
from ltc2hw.quantization.rules import worst_arrivals
from ltc2hw.quantization.scaling import QuantizeOptions
from ltc2hw.quantization.widths import STATE, state_name


def names_words(options: QuantizeOptions) -> bool:
    """Whether the options say anything of states' words.

    >>> names_words(QuantizeOptions(bits={"state:hidden.membrane": 16}))
    True
    """
    named = (name.startswith(STATE) for name in (*options.bits, *options.scale))
    return options.fine_states or any(named)


def wide_words(options: QuantizeOptions) -> QuantizeOptions:
    """The same options, with states as wide as the chip's: where no word cuts off what comes."""
    bits = {name: width for name, width in options.bits.items() if not name.startswith(STATE)}
    return replace(options, bits=bits)


def moved_words(
    fixed: FixedNetwork,
    ports: Mapping[tuple[str, Port], int],
    chip: Target,
    ranges: Ranges,
    options: QuantizeOptions,
) -> dict[Key, int]:
    """Bits by which words of populations are finer than what arrives; those of 0 are left out.

    ``fixed`` has states as wide as the chip's, ``ports`` the fractions of what arrives. A word of N
    bits holds :data:`HEADROOM` times what was seen in calibration, or without samples whatever can
    come about. A state that is in no register and was not asked for takes all bits that the state
    word has left, with ``fine_states``.
    """
    arriving = worst_arrivals(fixed)
    found: dict[Key, int] = {}
    for population in fixed.populations:
        if isinstance(population, FixedNeurons) and population.model.words != LIF_WORDS:
            name = population.name
            limits = {port: arriving.get((name, port), 0) for port in population.ports}
            fraction = ports[name, unit_port(population.model)]
            held = _Words(population, fraction, chip, ranges, bounds(population, limits))
            found |= {(name, word): move for word, move in held.moves(options) if move}
    return found


@dataclass(frozen=True)
class _Words:
    """The words of a population, and what can come about in them."""

    population: FixedNeurons
    fraction: int
    """Of what arrives."""
    chip: Target
    ranges: Ranges
    reached: Bounds

    def moves(self, options: QuantizeOptions) -> Iterator[tuple[str, int]]:
        """Every word, and how much finer it is than what arrives."""
        name, model = self.population.name, self.population.model
        for word in signals(model):
            move = options.moved(state_name(name, word))
            asked = options.asked(state_name(name, word))
            if word in registers(model):
                move += 0 if asked is None else min(asked - self.needed(word), 0)
            elif asked is not None:
                move += asked - self.needed(word)
            elif options.fine_states:
                move += self.room()
            yield word, move

    def room(self) -> int:
        """Bits that the state word has left beside the largest state that is in no register."""
        model = self.population.model
        names = set(signals(model)) - set(registers(model))
        largest = (self.at_port(name, self.reached.states[name].magnitude) for name in names)
        return max(0, self.chip.words.state - bits_for(max(largest, default=0)))

    def needed(self, word: str) -> int:
        """Bits that a word needs at the fraction of what arrives."""
        key = (self.population.name, word)
        least = [self.chip.words.state]
        if word in self.reached.results:
            least.append(bits_for(self.at_port(word, self.reached.results[word].magnitude)))
        if self.ranges.largest is not None and key in self.ranges.largest:
            seen = HEADROOM * self.ranges.magnitude(*key)
            least.append(bits_for(math.ceil(math.ldexp(seen, self.fraction))))
        return min(least)

    def at_port(self, word: str, magnitude: int) -> int:
        """A magnitude of a word at the fraction of what arrives."""
        finer = self.population.formats.held[word].fraction - self.fraction
        return -(-magnitude >> finer) if finer >= 0 else magnitude << -finer
