"""Engines and targets by name: literal tables, imported on use.

This is the only place where the core reaches its providers, and it does so by name, so that
``import ltc2hw`` costs little and no provider is needed unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, cast

from ltc2hw.errors import InvalidValueError, UnknownNameError
from ltc2hw.graph.target import Target
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.scalars import require_type

Simulate = Callable[..., Trace]

ENGINES: dict[str, str] = {
    "float64": "ltc2hw.simulations.float64",
    "integer": "ltc2hw.simulations.integer",
    "fast": "ltc2hw.simulations.fast",
    "torch": "ltc2hw.simulations.torch",
    "lava": "ltc2hw.converters.lava.engine",
}
"""Module of each engine; its function ``simulate(network, x, record, state)`` runs it."""

LEARNERS: dict[str, str] = {
    "integer": "ltc2hw.simulations.plasticity.integer",
    "fast": "ltc2hw.simulations.plasticity.fast",
}
"""Module of each engine that learns; its function ``learn(network, x, targets, ...)`` runs it."""

FLOAT_LEARNERS: dict[str, str] = {
    "float64": "ltc2hw.simulations.plasticity.float64",
    "fast": "ltc2hw.simulations.plasticity.fast_float",
}
"""The same for float networks."""

FORCED = "ltc2hw.simulations.forced"
"""Module whose function ``forced(network, heard, record, before)`` runs integers on given ones."""

OLD_SCHEMAS: dict[int, str] = {1: "ltc2hw.converters.schema1"}
"""Module that reads files of each older schema; its ``decode_old`` builds what they hold."""

MODULE_READER = "ltc2hw.converters.torch"
"""Module whose ``from_module`` makes a network of a torch module."""

FLOAT_ENGINES: tuple[str, ...] = ("float64",)
"""Engines that run a Network; the others run a FixedNetwork."""


def find_engine(name: str) -> Simulate:
    """Return the ``simulate`` function of an engine.

    Raises:
        UnknownNameError: if there is no such engine; lists the known ones.
        MissingExtraError: if its optional component is not installed.
    """
    require_type("engine", name, str)
    if name not in ENGINES:
        raise UnknownNameError("engine", name, tuple(ENGINES))
    return cast(Simulate, import_module(ENGINES[name]).simulate)


def find_forced() -> Simulate:
    """Return the integer engine that begins steps from given registers and messages."""
    return cast(Simulate, import_module(FORCED).forced)


def default_engine(*, is_float: bool) -> str:
    """The engine of a kind of network where none is named."""
    return "float64" if is_float else "fast"


def require_kind(what: str, name: str, *, is_float: bool, otherwise: str) -> None:
    """Check that an engine runs the kind of network that it is given.

    Raises:
        InvalidValueError: if not; ``otherwise`` is the remedy for integer networks.
    """
    if is_float != (name in FLOAT_ENGINES):
        kind = "Network" if is_float else "FixedNetwork"
        remedy = "quantize the network first" if is_float else otherwise
        raise InvalidValueError(what, repr(name), f"one that runs a {kind}", remedy)


DEFAULT_LEARNER = "fast"
"""The engine that learns where none is named."""


def find_learner(name: str, *, is_float: bool) -> Callable[..., Any]:
    """Return the ``learn`` function of an engine for a kind of network.

    Raises:
        UnknownNameError: if there is no such engine; lists the known ones.
        InvalidValueError: if it runs the other kind alone.
    """
    known, others = (FLOAT_LEARNERS, LEARNERS) if is_float else (LEARNERS, FLOAT_LEARNERS)
    if name in known:
        return cast(Callable[..., Any], import_module(known[name]).learn)
    if name not in others:
        raise UnknownNameError("learning engine", name, tuple({**known, **others}))
    kind = "Network" if is_float else "FixedNetwork"
    remedy = f"use {' or '.join(known)}"
    raise InvalidValueError("learning engine", repr(name), f"one that runs a {kind}", remedy)


def find_schema(version: int) -> Callable[[Any, tuple[type, ...]], Any]:
    """Return the function that builds objects from trees of an older schema.

    Raises:
        UnknownNameError: if there is no such version.
    """
    if version not in OLD_SCHEMAS:
        raise UnknownNameError("schema version", str(version), tuple(map(str, OLD_SCHEMAS)))
    reader = import_module(OLD_SCHEMAS[version]).decode_old
    return cast(Callable[[Any, tuple[type, ...]], Any], reader)


def find_module_reader() -> Callable[..., Any]:
    """Return the function that makes a network of a torch module of this package's cells."""
    return cast(Callable[..., Any], import_module(MODULE_READER).from_module)


def find_target(target: str | Target) -> Target:
    """Return a target as it is, or load it by name.

    Raises:
        UnknownNameError: if there is no such target; lists the known ones.
    """
    if isinstance(target, Target):
        return target
    return cast(Target, import_module("ltc2hw.targets").load_target(target))
