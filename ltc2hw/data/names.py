"""Arrays by name, as ``.npz`` and HDF5 files hold them, and what their names say.

A name is what the array is (``x``, ``y``, ``lengths``, ``offsets``, or a common spelling), and
before or after it the part it belongs to: ``x_train``, ``test/labels``, ``X``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

import numpy as np

from ltc2hw.data.options import KINDS, LAYOUTS, Layout
from ltc2hw.data.parts import PART_NAMES, PartName
from ltc2hw.data.source import Array, Part, Source
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.archive import shown

Role = Literal["x", "y", "lengths", "offsets"]

ROLES: Mapping[str, Role] = {
    **dict.fromkeys(("x", "data", "samples", "inputs", "input"), "x"),
    **dict.fromkeys(("y", "labels", "label", "targets", "target", "classes_of_samples"), "y"),
    **dict.fromkeys(("lengths", "length"), "lengths"),
    **dict.fromkeys(("offsets", "offset"), "offsets"),
}
"""What an array is, by the name it has, in small letters."""

SETTINGS = (
    *("kind", "layout", "every_step", "graded", "decision_steps", "classes", "heads", "shape"),
    "provenance",
)
"""What a file that ltc2hw wrote says of itself."""

PLACE = re.compile(r"[_/.\- ]+")

EXPECTED = "arrays x and y, or x_train, y_train, x_test, y_test"


NETWORK = "content/populations"
"""What names in a file of a network of ltc2hw begin with."""


def arrays_source(arrays: Mapping[str, Array | str], where: str) -> Source:
    """Parts from arrays by name.

    Names that mean nothing here are told in the notes; ``where`` is what errors call the file.

    Raises:
        InvalidValueError: if there are no samples, one thing is there under two names, or labels
            belong to no samples.

    >>> found = arrays_source({"X_test": np.zeros((2, 3, 1)), "labels_test": np.zeros(3)}, "file")
    >>> found.parts["test"].x.shape
    (2, 3, 1)
    """
    if any(name.startswith(NETWORK) for name in arrays):
        remedy = "networks have a place of their own beside the data"
        raise InvalidValueError(where, "a network of ltc2hw", EXPECTED, remedy)
    fields: dict[PartName, dict[Role, tuple[str, Array]]] = {}
    ignored = []
    for name, values in arrays.items():
        place = read_name(name)
        if place is None or isinstance(values, str):
            if name not in SETTINGS:
                ignored.append(name)
            continue
        part, role = place
        before = fields.setdefault(part, {}).get(role)
        if before is not None:
            given = f"{shown(before[0])} and {shown(name)}"
            raise InvalidValueError(f"{role} of {where}", f"there twice, as {given}", "one array")
        fields[part][role] = (name, values)
    notes = {"ignored arrays": ", ".join(map(shown, ignored))} if ignored else {}
    if isinstance(arrays.get("provenance"), str):
        notes["made from"] = str(arrays["provenance"])
    return Source(
        {part: _part(part, found, where, list(arrays)) for part, found in fields.items()}
        or _nothing(where, list(arrays)),
        notes=notes,
        **_settings(arrays, where),
    )


def read_name(name: str) -> tuple[PartName, Role] | None:
    """Part and role that a name says; None where it says none.

    >>> read_name("X_train"), read_name("validation/labels"), read_name("weights")
    (('train', 'x'), ('validation', 'y'), None)
    """
    words = [word for word in PLACE.split(name.casefold()) if word]
    if len(words) == 1 and words[0] in ROLES:
        return "all", ROLES[words[0]]
    for part, role in (words, words[::-1]) if len(words) == 2 else ():
        if part in PART_NAMES and role in ROLES:
            return PART_NAMES[part], ROLES[role]
    # Names without anything between, as Keras spells them in its examples.
    for end, part in PART_NAMES.items():
        if len(words) == 1 and words[0] in (f"x{end}", f"y{end}"):
            return part, "x" if words[0][0] == "x" else "y"
    return None


def only_samples(arrays: Mapping[str, Array | str], where: str) -> Source:
    """Parts from arrays by name; one nameless array of numbers alone is samples, too.

    Raises:
        InvalidValueError: as :func:`arrays_source`.
    """
    if len(arrays) == 1:
        (values,) = arrays.values()
        if not isinstance(values, str):
            return Source({"all": Part(values)})
    return arrays_source(arrays, where)


def _nothing(where: str, names: list[str]) -> dict[PartName, Part]:
    listed = ", ".join(map(shown, names[:12])) or "no array"
    raise InvalidValueError(f"content of {where}", listed, EXPECTED, "rename its arrays")


def _part(
    part: PartName, found: Mapping[Role, tuple[str, Array]], where: str, names: list[str]
) -> Part:
    if "x" not in found:
        of_part = "" if part == "all" else f"{part} "
        listed = ", ".join(map(shown, names[:12]))
        raise InvalidValueError(f"{of_part}samples of {where}", f"not among {listed}", EXPECTED)
    values = {role: np.asanyarray(array) for role, (_, array) in found.items()}
    return Part(values["x"], values.get("y"), values.get("lengths"), values.get("offsets"))


def _settings(arrays: Mapping[str, Array | str], where: str) -> dict[str, Any]:
    """What a file says of itself, where it says it in the types that we write."""
    found: dict[str, Any] = {}
    kind, layout = arrays.get("kind"), arrays.get("layout")
    if isinstance(kind, str) and kind in KINDS:
        found["kind"] = kind
    if isinstance(layout, str):
        if layout not in get_args(Layout):
            raise InvalidValueError(f"layout of {where}", shown(layout), ", ".join(LAYOUTS))
        found["layout"] = layout
    for name in ("every_step", "graded", "decision_steps"):
        value = arrays.get(name)
        if isinstance(value, np.ndarray) and value.shape == () and value.dtype.kind in "bi":
            found[name] = value.item()
    shape = arrays.get("shape")
    if isinstance(shape, np.ndarray) and shape.ndim == 1 and shape.dtype.kind == "i":
        found["shape"] = tuple(shape.tolist())
    heads = arrays.get("heads")
    if isinstance(heads, np.ndarray) and heads.ndim == 1 and heads.dtype.kind == "i":
        found["heads"] = tuple(heads.tolist())
    classes = arrays.get("classes")
    if isinstance(classes, np.ndarray) and classes.ndim == 1 and classes.dtype.kind == "U":
        found["classes"], found["index"] = tuple(map(str, classes)), True
    return found
