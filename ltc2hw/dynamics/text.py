"""Models and formats as JSON texts, as files hold them; reading suspects everything."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from ltc2hw.dynamics.expression import Constant
from ltc2hw.dynamics.formats import Formats, GateFormat, Held
from ltc2hw.dynamics.model import Model
from ltc2hw.dynamics.operations import COUNTED, Operation
from ltc2hw.dynamics.program import Program
from ltc2hw.errors import InvalidValueError
from ltc2hw.numbers.nonlinearity import GATE_FUNCTIONS


def model_text(model: Model) -> str:
    """A model as JSON: what it is called, its program, and what a network needs beside it."""
    constants = [
        [c.name, c.default, c.meaning, _finite(c.low), _finite(c.high)] for c in model.constants
    ]
    return json.dumps(
        {
            "name": model.name,
            "program": model.program.to_text(),
            "constants": constants,
            "output": model.output,
            "sends": model.sends,
            "source": model.source,
            "words": model.words,
            "unit": model.unit,
        }
    )


def _finite(end: float) -> float | None:
    return end if math.isfinite(end) else None


def read_model(text: str) -> Model:
    """The model of :func:`model_text`, checked as one that is made anew.

    Raises:
        InvalidValueError: for any text that is none.
    """
    what = "model"
    tree = _object(what, text)
    keys = ("name", "program", "constants", "output", "sends", "source", "words", "unit")
    if set(tree) != set(keys):
        _refuse(what, f"entries {sorted(tree)}", ", ".join(keys))
    constants = tuple(_constant(row) for row in _list(what, tree["constants"]))
    model = Model(
        _text(what, tree["name"]),
        Program.from_text(_text(what, tree["program"])),
        constants,
        _text(what, tree["output"]),
        _texts(what, tree["sends"]),
        _text(what, tree["source"]),
        _text(what, tree["words"]),
        _texts(what, tree["unit"]),
    )
    names = [constant.name for constant in constants]
    if sorted(names) != sorted(model.program.parameters):
        _refuse(what, f"constants {names}", f"those of its program: {model.program.parameters}")
    return model


def _constant(row: Any) -> Constant:
    what = "constant of a model"
    fields = _list(what, row)
    if len(fields) != 5:
        _refuse(what, f"{len(fields)} fields", "5")
    name, default, meaning, low, high = fields
    return Constant(
        _text(what, name),
        _real(what, default),
        _text(what, meaning),
        -math.inf if low is None else _real(what, low),
        math.inf if high is None else _real(what, high),
    )


def formats_text(formats: Formats) -> str:
    """Formats of an integer population as JSON."""
    held = {
        name: [h.fraction, h.overflow.value if h.overflow else None, h.numbers]
        for name, h in formats.held.items()
    }
    gates = {
        name: [g.function, g.output_fraction, g.index_bits] for name, g in formats.gates.items()
    }
    return json.dumps(
        {
            "held": held,
            "ports": dict(formats.ports),
            "constants": dict(formats.constants),
            "gates": gates,
        }
    )


def read_formats(text: str) -> Formats:
    """The formats of :func:`formats_text`.

    Raises:
        InvalidValueError: for any text that holds none.
    """
    what = "formats"
    tree = _object(what, text)
    keys = {"held", "ports", "constants", "gates"}
    if set(tree) != keys:
        _refuse(what, f"entries {sorted(tree)}", ", ".join(sorted(keys)))
    held = {name: _held(row) for name, row in _mapping(what, tree["held"]).items()}
    gates = {name: _gate(row) for name, row in _mapping(what, tree["gates"]).items()}
    ports, constants = (
        {name: _integer(what, value) for name, value in _mapping(what, tree[key]).items()}
        for key in ("ports", "constants")
    )
    return Formats(held, ports, constants, gates)


def _held(row: Any) -> Held:
    what = "word of a neuron"
    fields = _list(what, row)
    overflows = {operation.value: operation for operation in COUNTED}
    if len(fields) != 3 or fields[1] not in (None, *overflows):
        _refuse(what, row, f"a fraction, one of {', '.join(overflows)} or none, and its numbers")
    fraction, overflow, numbers = fields
    found: Operation | None = None if overflow is None else overflows[overflow]
    bits = tuple(_integer(what, number) for number in _list(what, numbers))
    if len(bits) != (2 if found else 0):
        _refuse(what, row, "two numbers with an overflow, none without")
    return Held(_integer(what, fraction), found, bits)


def _gate(row: Any) -> GateFormat:
    what = "format of a gate"
    fields = _list(what, row)
    if len(fields) != 3 or fields[0] not in tuple(GATE_FUNCTIONS):
        _refuse(what, row, f"one of {', '.join(GATE_FUNCTIONS)} and two numbers")
    return GateFormat(fields[0], _integer(what, fields[1]), _integer(what, fields[2]))


def _object(what: str, text: str) -> Mapping[str, Any]:
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidValueError(what, str(error), "JSON") from error
    return _mapping(what, tree)


def _mapping(what: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        _refuse(what, repr(value), "values by name")
    return value


def _list(what: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        _refuse(what, repr(value), "a list")
    return value


def _text(what: str, value: Any) -> str:
    if not isinstance(value, str):
        _refuse(what, repr(value), "a text")
    return value


def _texts(what: str, value: Any) -> tuple[str, ...]:
    return tuple(_text(what, entry) for entry in _list(what, value))


def _integer(what: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        _refuse(what, repr(value), "an integer")
    return value


def _real(what: str, value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        _refuse(what, repr(value), "a finite number")
    return float(value)


def _refuse(what: str, value: object, limit: str) -> NoReturn:
    raise InvalidValueError(what, value, limit)
