"""What a layer rounds as a chip does while it is trained: its words, constants, gates, messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ltc2hw.dynamics.derived import fold
from ltc2hw.dynamics.formats import Formats, GateFormat
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.rounding import rounded
from ltc2hw.numbers.nonlinearity import Nonlinearity
from ltc2hw.numbers.words import Word

MESSAGE = "message."
"""What rounded messages of a variable are called among the results of a step."""


@dataclass(frozen=True)
class RoundedFunction:
    """A gate's integer plan or table, for arguments of ``fraction`` bits; ``smooth`` has its slope.

    Trained with it, a gate has the integers' values, and the gradient of the function that they
    stand for.
    """

    form: GateFormat
    fraction: int
    table: tuple[int, ...]
    smooth: Nonlinearity


GateFunction = str | RoundedFunction
"""The name of a non-linearity, or an integer form of one."""


def smooth_name(function: GateFunction) -> str:
    """The non-linearity that a gate's slope is taken of."""
    return function.smooth if isinstance(function, RoundedFunction) else function


@dataclass(frozen=True)
class MessageFormat:
    """The word and the fractional bits that a graded variable is sent with."""

    word: Word
    fraction: int


@dataclass(frozen=True)
class LayerRounding:
    """Everything that is rounded between what arrives at a layer and what it sends.

    ``formats`` are those of the model whose constants are worked out, as integer neurons have them;
    ``ends`` the least and largest mantissa of constants that do not fit their word; ``functions``
    those of all gates; ``messages`` the graded variables that are sent.
    """

    formats: Formats = field(hash=False)
    ends: Mapping[str, tuple[int, int]] = field(hash=False)
    functions: Mapping[str, RoundedFunction] = field(hash=False)
    messages: Mapping[str, MessageFormat] = field(hash=False)

    def program(self, model: Model) -> Program:
        """A model's step as integers compute it, from constants that are not rounded yet.

        Constants are worked out and rounded first; what a layer sends is among the results, under
        the names of :func:`message_result`.
        """
        worked = model.worked_out.program
        names = frozenset((*self.formats.held, *worked.results))
        step = rounded(worked, self.formats, names, names)
        builder = Builder("rounded")
        constants = self._constants(builder, model)
        place: list[int] = []
        for value in step.values:
            if value.operation is Operation.PARAMETER:
                place.append(constants[value.name])
                continue
            arguments = (place[argument] for argument in value.arguments)
            made = builder.add(value.operation, *arguments, name=value.name, numbers=value.numbers)
            place.append(made)
        results = {name: place[index] for name, index in step.results.items()}
        for variable, message in self.messages.items():
            sent = (message.fraction, message.word.minimum, message.word.maximum)
            results[message_result(variable)] = _sent(builder, results[variable], variable, *sent)
        return builder.program(results)

    def _constants(self, builder: Builder, model: Model) -> dict[str, int]:
        """Every constant as a chip holds it, made of the model's own."""
        derived, found = fold(model.program).derived, dict[str, int]()
        if derived is not None:
            place: list[int] = []
            for value in derived.values:
                arguments = (place[argument] for argument in value.arguments)
                made = builder.add(
                    value.operation, *arguments, name=value.name, numbers=value.numbers
                )
                place.append(made)
            found = {name: place[index] for name, index in derived.results.items()}
        for name, fraction in self.formats.constants.items():
            exact = found.get(name)
            if exact is None:
                exact = builder.add(Operation.PARAMETER, name=name)
            held = builder.add(Operation.NEAREST, exact, name=name, numbers=(fraction,))
            if name in self.ends:
                ends = (*self.ends[name], fraction)
                held = builder.add(Operation.SATURATE, held, name=name, numbers=ends)
            found[name] = held
        return found


def _sent(
    builder: Builder, index: int, variable: str, fraction: int, lowest: int, highest: int
) -> int:
    cut = builder.add(Operation.TRUNCATE, index, name=variable, numbers=(fraction,))
    ends = (lowest, highest, fraction)
    return builder.add(Operation.SATURATE, cut, name=variable, numbers=ends)


def message_result(variable: str) -> str:
    """The result of a step that is a variable as it is sent.

    >>> message_result("membrane")
    'message.membrane'
    """
    return f"{MESSAGE}{variable}"
