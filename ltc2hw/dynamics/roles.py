"""What a model's constants and registers are for, as its program tells."""

from __future__ import annotations

from dataclasses import dataclass

from ltc2hw.dynamics.model import SPIKES, Model
from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program
from ltc2hw.dynamics.verify import constant_only

_LINEAR = (Operation.ADD, Operation.SUBTRACT)


def binary_states(model: Model) -> frozenset[str]:
    """States that are 0 or 1: the results of comparisons."""
    return model.program.comparisons & set(model.states)


def registers(model: Model) -> tuple[str, ...]:
    """Names of the words that values are put into."""
    return model.program.names(Operation.REGISTER)


def integrates(model: Model) -> bool:
    """Whether what arrives does not bound the words, so that their range is measured.

    A state is put into one, or a port is multiplied on its way there.
    """
    return bool(set(registers(model)) & set(model.states)) or _scales_a_port(model.program)


def _scales_a_port(program: Program) -> bool:
    """Whether a port, or a sum that it is part of, is multiplied before any word or gate."""
    summed: set[int] = set()
    for index, value in enumerate(program.values):
        met = not summed.isdisjoint(value.arguments)
        if met and value.operation is Operation.MULTIPLY:
            return True
        if value.operation is Operation.PORT or (met and value.operation in _LINEAR):
            summed.add(index)
    return False


def signals(model: Model) -> tuple[str, ...]:
    """Registers and states in the unit of the first port: all but gates' arguments and fractions.

    A model says which of its states are fractions, 0 .. 1 (``unit``).
    """
    held = dict.fromkeys((*registers(model), *model.states))
    other = {*model.gates, *model.unit, *binary_states(model)}
    return tuple(name for name in held if name not in other)


def landing_register(model: Model, port: str) -> str | None:
    """The word that a port lands in; None where it lands in none."""
    program = model.program
    for value in program.values:
        lands = value.operation is Operation.REGISTER
        if lands and port in _added_ports(program, value.arguments[0]):
            return value.name
    return None


def unit_port(model: Model) -> str:
    """The port in whose unit registers and states are: the first that is no part of a gate.

    Empty where there is none; the registers then have a scale of their own.
    """
    others = (port for port in model.ports if landing_register(model, port) not in model.gates)
    return next(others, "")


def _added_ports(program: Program, index: int) -> set[str]:
    """Ports that are summands of a value; a program may have very many paths to one."""
    found, reached = set(), {index}
    for place in range(index, -1, -1):
        value = program.values[place]
        if place not in reached:
            continue
        if value.operation is Operation.PORT:
            found.add(value.name)
        elif value.operation is Operation.ADD:
            reached.update(value.arguments)
        elif value.operation is Operation.SUBTRACT:
            reached.add(value.arguments[0])
    return found


@dataclass(frozen=True)
class Comparison:
    """Both sides of the comparison that fires: what charges, and what it is compared with."""

    charged: int
    threshold: int


def comparison(model: Model) -> Comparison | None:
    """The comparison behind the spikes, or the first one of a model without; None without any.

    None, too, where spikes are made of several.
    """
    results = model.program.results
    for index in (results[SPIKES],) if SPIKES in results else results.values():
        value = model.program.values[index]
        if value.operation is Operation.GREATER:
            return Comparison(*value.arguments)
    return None


MEMBRANE = "membrane"
"""The result that is compared with the threshold, where a model has one of that name."""


def charging(model: Model) -> str | None:
    """The result that charges until it fires; None where no result holds it.

    >>> from ltc2hw.dynamics.models.brf import brf
    >>> charging(brf)
    'membrane'
    """
    if MEMBRANE in model.results:
        return MEMBRANE
    fires = comparison(model)
    for name, index in model.program.results.items():
        if fires is not None and fires.charged in _kept_of(model.program, index):
            return name
    return None


def _kept_of(program: Program, index: int) -> set[int]:
    """What a value is made of, but for what only decides."""
    found = {index}
    for place in range(index, -1, -1):
        if place in found and program.values[place].operation is not Operation.GREATER:
            found.update(program.values[place].arguments)
    return found


def biases(model: Model) -> tuple[str, ...]:
    """Constants that are added on the way from the first port to what charges, or to the output."""
    fires = comparison(model)
    start = model.program.results[model.output] if fires is None else fires.charged
    found: dict[str, None] = {}
    _collect_added(model.program, start, found, set())
    return tuple(found)


def _collect_added(program: Program, index: int, found: dict[str, None], seen: set[int]) -> None:
    """Parameters that are summands of a value or of what it is made of, but for gates."""
    if index in seen:
        return
    seen.add(index)
    value = program.values[index]
    if value.operation in (Operation.GATE, Operation.GREATER):
        return
    for argument in value.arguments:
        inner = program.values[argument]
        if inner.operation is Operation.PARAMETER and value.operation in _LINEAR:
            found[inner.name] = None
        elif not constant_only(program, argument):
            _collect_added(program, argument, found, seen)


def thresholds(model: Model) -> tuple[str, ...]:
    """Constants that are summands of what charges is compared with."""
    fires = comparison(model)
    if fires is None:
        return ()
    value = model.program.values[fires.threshold]
    if value.operation is Operation.PARAMETER:
        return (value.name,)
    found: dict[str, None] = {}
    _collect_added(model.program, fires.threshold, found, set())
    return tuple(name for name in found if name not in biases(model))


@dataclass(frozen=True)
class Place:
    """Where a constant is used: the word whose value it becomes part of (empty for none).

    ``operand`` is the value that it multiplies, None where it is added or ``compared``.
    """

    word: str
    operand: int | None
    compared: bool


def constant_places(model: Model) -> dict[str, Place]:
    """The place of every constant; of one that is used in several, a product comes first."""
    program, users = model.program, model.program.users()
    words = {i: v.name for i, v in enumerate(program.values) if v.operation is Operation.REGISTER}
    words |= {i: name for name, i in program.results.items() if name in model.states}
    found: dict[str, list[Place]] = {}
    for index, value in enumerate(program.values):
        if value.operation is Operation.PARAMETER:
            found[value.name] = [
                _place(program, users, words, index, user) for user in users[index]
            ]
    nowhere = Place("", None, False)  # a constant that is nothing but a result
    return {
        name: min(
            places, key=lambda place: (place.operand is None, not place.compared), default=nowhere
        )
        for name, places in found.items()
    }


def _place(
    program: Program,
    users: tuple[tuple[int, ...], ...],
    words: dict[int, str],
    index: int,
    user: int,
) -> Place:
    """Follow a constant from a value that uses it to the word that it becomes part of."""
    operand: int | None = None
    compared = False
    while True:
        value = program.values[user]
        if value.operation is Operation.MULTIPLY and operand is None:
            others = [a for a in value.arguments if not constant_only(program, a)]
            operand = others[0] if others else None
        if value.operation is Operation.GREATER:
            charged = [w for i, w in words.items() if i in _made_of(program, value.arguments[0])]
            return Place(charged[-1] if charged else "", operand, True)
        if user in words or not users[user]:
            return Place(words.get(user, ""), operand, compared)
        user = users[user][0]


def _made_of(program: Program, index: int) -> set[int]:
    found = {index}
    for place in range(index, -1, -1):
        if place in found:
            found.update(program.values[place].arguments)
    return found


@dataclass(frozen=True)
class Leak:
    """How a state forgets: by ``difference`` toward another value, or by keeping a part of itself.

    ``what``: the gate or constant that says how fast; ``factor``: the share of the difference, or
    the part that is kept, a value of the model's program.
    """

    state: str
    what: str
    factor: int
    difference: bool
    gated: bool


def leaks(model: Model) -> tuple[Leak, ...]:
    """The leak of every state that has one the program shows."""
    found = []
    for state in model.states:
        if state in binary_states(model):
            continue
        leak = _leak_of(model.program, state)
        if leak is not None:
            found.append(leak)
    return tuple(found)


def _leak_of(program: Program, state: str) -> Leak | None:
    seen: set[int] = set()
    waiting = [program.results[state]]
    for index in waiting:
        value = program.values[index]
        if value.operation is Operation.MULTIPLY:
            for factor, other in (value.arguments, value.arguments[::-1]):
                difference = _leaves(program, other, state)
                name = _speed(program, factor)
                if name and (difference or _is_state(program, other, state)):
                    gated = name in program.names(Operation.GATE)
                    return Leak(state, name, factor, difference, gated)
        if value.operation is Operation.GATE:
            continue
        for argument in value.arguments:
            if argument not in seen:
                seen.add(argument)
                waiting.append(argument)
    return None


def _is_state(program: Program, index: int, state: str) -> bool:
    value = program.values[index]
    return value.operation is Operation.STATE and value.name == state


def _leaves(program: Program, index: int, state: str) -> bool:
    """Whether a value is ``y - state``."""
    value = program.values[index]
    return value.operation is Operation.SUBTRACT and _is_state(program, value.arguments[1], state)


def _speed(program: Program, index: int) -> str:
    """The gate, or the constant, that a factor is made of; empty for anything else."""
    value = program.values[index]
    if value.operation in (Operation.GATE, Operation.PARAMETER):
        return value.name
    if value.operation in _LINEAR:
        parts = dict.fromkeys(value.arguments)
        return next((name for a in parts if (name := _speed(program, a))), "")
    return ""


def at_rest(program: Program, index: int) -> Program:
    """The value, as ``rest``, where nothing arrives and all states and currents are 0."""
    builder = Builder("real")
    done: dict[int, int] = {}
    gates = set(program.names(Operation.GATE))

    def place(inner: int) -> int:
        value = program.values[inner]
        still = value.operation in (Operation.PORT, Operation.STATE) or (
            value.operation is Operation.REGISTER and value.name not in gates
        )
        if still:
            return builder.number(0.0)
        if inner not in done:
            arguments = [place(argument) for argument in value.arguments]
            done[inner] = builder.add(
                value.operation, *arguments, name=value.name, numbers=value.numbers
            )
        return done[inner]

    return builder.program({"rest": place(index)})


def gate_ports(model: Model, gate: str) -> tuple[str, ...]:
    """Ports that are part of a gate's argument."""
    return tuple(port for port in model.ports if landing_register(model, port) == gate)


def gate_factors(model: Model, gate: str) -> tuple[str, ...]:
    """Constants with which a gate's argument depends on states and registers."""
    places = constant_places(model)
    return tuple(
        name for name, place in places.items() if place.word == gate and place.operand is not None
    )
