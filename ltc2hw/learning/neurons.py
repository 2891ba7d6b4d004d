"""What learning asks of a population: its constants that can learn, what they meet, words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ltc2hw.dynamics.bounds import register_ranges
from ltc2hw.dynamics.formats import Held
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.reverse import ONE, messages
from ltc2hw.graph.neurons import FixedNeurons, Neurons
from ltc2hw.numbers.words import IntArray, Overflow, Word

Numbers = npt.NDArray[Any]
Given = TypeVar("Given")
Result = TypeVar("Result")

REMEMBERED = 256
"""Models of which something is remembered."""

BIAS = "bias"
"""Term of the constant that is added where a port lands."""


def by_identity(function: Callable[[Given], Result]) -> Callable[[Given], Result]:
    """Remember the results of a function of objects that never change, by which object it is."""
    known: dict[int, tuple[Given, Result]] = {}

    def remembered(given: Given) -> Result:
        if id(given) not in known:
            if len(known) >= REMEMBERED:
                known.pop(next(iter(known)))
            known[id(given)] = given, function(given)
        return known[id(given)][1]

    return remembered


def fixed_of(population: object) -> FixedNeurons:
    """A population of the integer graph that is not its input."""
    assert isinstance(population, FixedNeurons)
    return population


def neurons_of(population: object) -> Neurons | FixedNeurons | None:
    """A population of either graph; None for the input, which has no neurons."""
    return population if isinstance(population, (Neurons, FixedNeurons)) else None


@dataclass(frozen=True)
class Learnable:
    """A constant that can learn: the factor of its port meets ``message`` there.

    ``message``: ``one``, ``state.<name>`` of a state before the step, or the name of a result.
    """

    port: str
    term: str
    constant: str
    message: str


@by_identity
def learnable(model: Model) -> tuple[Learnable, ...]:
    """Constants of a model that can learn: port by port, each in the order of the equations.

    They are called as in the model, without the port's name before a dot; the first that is added
    where a port lands is the port's ``bias``, unless another has that name.
    """
    found: list[Learnable] = []
    met = messages(model)
    for port in model.ports:
        own = [(name, message) for name, (landing, message) in met.items() if landing == port]
        terms = {name: name.removeprefix(f"{port}.") for name, _ in own}
        first = next((name for name, message in own if message == ONE), None)
        if first is not None and BIAS not in terms.values():
            terms[first] = BIAS
        found += [Learnable(port, terms[name], name, message) for name, message in own]
    return tuple(found)


def learnable_of(population: Any) -> tuple[Learnable, ...]:
    """Constants of a population that can learn."""
    neurons = neurons_of(population)
    return () if neurons is None else learnable(neurons.model)


def learnable_at(population: Any, port: str, term: str) -> Learnable:
    """The constant of that term at that port."""
    return next(one for one in learnable_of(population) if (one.port, one.term) == (port, term))


def constant_of(population: Any, name: str) -> Numbers:
    """A constant per neuron: reals, or the integers of a fixed population."""
    neurons = neurons_of(population)
    assert neurons is not None
    return np.asarray(neurons.constants[name])


def with_format(neurons: FixedNeurons, name: str, values: IntArray, fraction: int) -> FixedNeurons:
    """Return neurons with a constant of another fraction."""
    constants = {**neurons.formats.constants, name: fraction}
    return FixedNeurons(
        neurons.name,
        neurons.size,
        neurons.model,
        replace(neurons.formats, constants=constants),
        {**neurons.constants, name: values},
        neurons.tables,
        neurons.messages,
        shape=neurons.shape,
    )


def is_graded(population: Any) -> bool:
    """Whether the variable that a population is read by is a number, and not one bit."""
    neurons = neurons_of(population)
    if neurons is None:
        return False
    program = neurons.model.program
    place = program.results[neurons.model.output]
    return program.values[place].operation is not Operation.GREATER


def word_of(neurons: FixedNeurons, name: str) -> Word:
    """Word of a register or result; where none of its own holds it, the neuron's widest.

    Of neurons without words, one that holds all that their registers can be.
    """
    held = neurons.formats.held
    if name in held and held[name].overflow is not None:
        return _word(held[name])
    words = [_word(own) for own in held.values() if own.overflow is not None]
    if words:
        return max(words, key=lambda word: word.bits)
    largest = max(interval.magnitude for interval in register_ranges(neurons).values())
    return Word(largest.bit_length() + 1)


def _word(held: Held) -> Word:
    numbers = held.numbers
    if held.overflow is Operation.SATURATE:
        return Word(max(-numbers[0] - 1, numbers[1]).bit_length() + 1)
    if held.overflow is Operation.WRAP:
        return Word(numbers[0], signed=bool(numbers[1]), overflow=Overflow.WRAP)
    return Word(numbers[0])
