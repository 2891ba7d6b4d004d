"""Modules of ltc2hw as a package that stands alone: a few roots and all that they import."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from pathlib import Path

LIBRARY = "ltc2hw"
HERE = "ltc2hw.converters.lava"
"""Modules below it stand at the top of the copy, those below the library beside them."""


def copied_modules(roots: Iterable[str], package: str) -> dict[str, str]:
    """Texts by path below the package's folder; the copies import each other, not the library.

    >>> sorted(copied_modules(["ltc2hw.numbers.words"], "alone"))
    ['errors.py', 'scalars.py', 'words.py']
    """
    texts: dict[str, str] = {}
    waiting = list(roots)
    known = set(waiting)
    while waiting:
        path, place = _source(waiting.pop())
        text = path.read_text(encoding="utf-8")
        texts[place] = _renamed(text, package)
        for name in _imported(text):
            if name not in known:
                known.add(name)
                waiting.append(name)
    return texts


def _source(name: str) -> tuple[Path, str]:
    """File of a module, and its path in the copy."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    prefix = HERE if name.startswith(f"{HERE}.") else LIBRARY
    place = name.removeprefix(f"{prefix}.").replace(".", "/")
    return Path(spec.origin), f"{place}/__init__.py" if spec.parent == name else f"{place}.py"


def _imported(text: str) -> Iterator[str]:
    """Modules of the library that a text imports anywhere, and the packages that hold them."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{LIBRARY}."):
            parts = (node.module or "").split(".")
            for end in range(2, len(parts) + 1):
                name = ".".join(parts[:end])
                if not f"{HERE}.".startswith(f"{name}."):
                    yield name


def _renamed(text: str, package: str) -> str:
    """Imports, and mentions in docstrings, by the names that the copy has."""
    for name in (HERE, LIBRARY):
        text = re.sub(rf"\b{re.escape(name)}\.(?=\w)", f"{package}.", text)
    return text
