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

    Packages that only hold an imported module keep their docstring alone.

    >>> sorted(copied_modules(["ltc2hw.numbers.words"], "alone"))
    ['errors.py', 'extras.py', 'numbers/__init__.py', 'numbers/scalars.py', 'numbers/words.py']
    """
    texts: dict[str, str] = {}
    waiting = list(roots)
    known = set(waiting)
    while waiting:
        name = waiting.pop()
        path, place = _source(name)
        text = path.read_text(encoding="utf-8")
        texts[place] = _renamed(text, package)
        for holder in _holders(name):
            path, place = _source(holder)
            if holder not in known:
                docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
                texts.setdefault(place, f'"""{(docstring or "").splitlines()[0]}"""\n')
        for imported in _imported(text):
            if imported not in known:
                known.add(imported)
                waiting.append(imported)
    return texts


def _holders(name: str) -> Iterator[str]:
    """Packages that a module lies in, but for those that the copy itself stands for."""
    parts = name.split(".")
    for end in range(2, len(parts)):
        holder = ".".join(parts[:end])
        if not f"{HERE}.".startswith(f"{holder}."):
            yield holder


def _source(name: str) -> tuple[Path, str]:
    """File of a module, and its path in the copy."""
    spec = find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    prefix = HERE if name.startswith(f"{HERE}.") else LIBRARY
    place = name.removeprefix(f"{prefix}.").replace(".", "/")
    return Path(spec.origin), f"{place}/__init__.py" if spec.parent == name else f"{place}.py"


def _imported(text: str) -> Iterator[str]:
    """Modules of the library that a text imports anywhere."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{LIBRARY}."):
            yield node.module or ""


def _renamed(text: str, package: str) -> str:
    """Imports, and mentions in docstrings, by the names that the copy has."""
    for name in (HERE, LIBRARY):
        text = re.sub(rf"\b{re.escape(name)}\.(?=\w)", f"{package}.", text)
    return text
