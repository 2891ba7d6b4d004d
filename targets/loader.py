"""Read a chip's TOML file into a :class:`~ltc2hw.graph.target.Target`."""

from __future__ import annotations

import sys
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from ltc2hw.errors import DamagedFileError, UnknownNameError
from ltc2hw.graph.target import GateHardware, LIFWords, Resources, Target, Words

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TARGETS: dict[str, str] = {
    "loihi2": "loihi2.toml",
    "loihi1": "loihi1.toml",
    "ideal": "ideal.toml",
}
"""File of each target, beside this module."""

_SECTIONS: dict[str, type] = {
    "words": Words,
    "gates": GateHardware,
    "lif": LIFWords,
    "resources": Resources,
}

T = TypeVar("T")


def load_target(name: str) -> Target:
    """Return the chip of that name.

    Raises:
        UnknownNameError: if there is no such target; lists the known ones.

    >>> load_target("loihi2").words.state
    24
    """
    if name not in TARGETS:
        raise UnknownNameError("target", name, tuple(TARGETS))
    return read_target(Path(__file__).with_name(TARGETS[name]))


def read_target(path: Path) -> Target:
    """Read a target from a TOML file of the same form as the ones here.

    Raises:
        DamagedFileError: if the file is not TOML, lacks a key, or has an unknown or mistyped one.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DamagedFileError(path, str(error)) from error
    if isinstance(content.get("neuron_models"), list):
        content["neuron_models"] = tuple(content["neuron_models"])
    for key, section in _SECTIONS.items():
        content[key] = _section(path, section, content.get(key), key)
    return _section(path, Target, content, "target")


def _section(path: Path, kind: type[T], content: Any, where: str) -> T:
    assert is_dataclass(kind)
    if not isinstance(content, dict):
        raise DamagedFileError(path, f"section [{where}] is missing")
    known = {field.name for field in fields(kind)}
    wanted = {field.name for field in fields(kind) if field.default is MISSING}
    if not wanted <= set(content) <= known:
        missing = ", ".join(sorted(wanted - set(content))) or "none"
        unknown = ", ".join(sorted(set(content) - known)) or "none"
        raise DamagedFileError(path, f"[{where}] missing keys: {missing}; unknown keys: {unknown}")
    hints = get_type_hints(kind)
    for key, value in content.items():
        if hints[key] is int and type(value) is not int:
            raise DamagedFileError(path, f"[{where}] {key} is {value!r}, expected an integer")
        if hints[key] is bool and type(value) is not bool:
            raise DamagedFileError(path, f"[{where}] {key} is {value!r}, expected true or false")
    return kind(**content)
