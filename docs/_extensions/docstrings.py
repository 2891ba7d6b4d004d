"""Docstrings as they are written here: their ``Raises:`` sections, and the names in them.

A name of code leads to its entry, whichever of its paths it is given by. A name that exists and has
no entry (of an internal, of NumPy) is shown without a link. A name that does not exist is
reported.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from typing import Any

from docutils import nodes
from sphinx.addnodes import desc_signature, pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.inspect import stringify_signature
from sphinx.util.nodes import make_refnode

RAISES = re.compile(r"^Raises:\n((?:    .*\n?)+)", re.MULTILINE)
DOCSTRING = re.compile(r"docstring of (\S+?)(?::\d+)?$")
ENTRY = re.compile(r"^    (\S[^:]*):", re.MULTILINE)


def raises(
    app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]
) -> None:
    """Turn ``Raises:`` sections into fields, in place."""
    text = "\n".join(lines) + "\n"
    text = RAISES.sub(lambda section: ENTRY.sub(r":raises \1:", section[1]), text)
    lines[:] = text.split("\n")


def as_written(
    app: Sphinx, what: str, name: str, thing: Any, options: object, given: str, returned: str
) -> tuple[str, str] | None:
    """The signature with its types named as the source names them, not spelled out."""
    if given is None or not callable(thing):
        return None
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return None
    if what == "method" and next(iter(signature.parameters), "") in ("self", "cls"):
        signature = signature.replace(parameters=list(signature.parameters.values())[1:])
    if what in ("class", "exception"):
        signature = signature.replace(return_annotation=inspect.Signature.empty)
    # A field that a function makes: its default is shown as Python's own "...".
    text = stringify_signature(signature).replace("<factory>", "...")
    text, arrow, result = text.rpartition(" -> ")
    return (text, result) if arrow else (result, "")


def module(path: str) -> Any:
    """A module of ours, or one that ours import; None for anything else."""
    if path.partition(".")[0] == "ltc2hw":
        with suppress(ImportError):
            return import_module(path)
    return sys.modules.get(path)


def find(path: str) -> Any:
    """What a dotted path leads to.

    Raises:
        LookupError: if it leads nowhere.
    """
    parts = path.split(".")
    for split in range(len(parts), 0, -1):
        found = module(".".join(parts[:split]))
        if found is not None:
            return part_of(found, parts[split:])
    raise LookupError(path)


def part_of(thing: Any, names: list[str]) -> Any:
    """What a chain of attributes leads to; None for a field without a default.

    Raises:
        LookupError: if it leads nowhere.
    """
    for name in names:
        if not hasattr(thing, name):
            if name in getattr(thing, "__dataclass_fields__", {}):
                return None
            raise LookupError(name)
        thing = getattr(thing, name)
    return thing


def owner(node: pending_xref) -> str | None:
    """The path of the thing in whose signature, docstring or row of a summary a name stands."""
    said = DOCSTRING.search(node.source or "")
    if said is not None:
        return said[1]
    outer = node.parent
    while outer is not None and not isinstance(outer, nodes.row | desc_signature):
        outer = outer.parent
    if isinstance(outer, desc_signature):
        return f"{outer['module']}.{outer['fullname']}"
    for found in outer.findall(nodes.Element) if outer is not None else ():
        for key in ("reftarget", "reftitle"):
            if key in found and found is not node:
                return str(found[key])
    return None


def places(node: pending_xref) -> list[str]:
    """The paths that a name in a docstring may mean, the nearest first."""
    target = node["reftarget"].lstrip(".")
    outer = []
    path = owner(node)
    if path is not None:
        outer = list(prefixes(path))
        outer += [getattr(find(prefix), "__module__", "") for prefix in outer]
    outer.append(node.get("py:module") or "")
    return [target, *(f"{place}.{target}" for place in outer if place), f"builtins.{target}"]


def prefixes(path: str) -> Iterator[str]:
    """A dotted path, what holds it, and so on outward."""
    while path:
        yield path
        path = path.rpartition(".")[0]


def resolve(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Node | None:
    """Find what Sphinx does not: other paths of an entry, and names without one."""
    if node.get("refdomain") != "py":
        return None
    for path in places(node):
        try:
            thing = find(path)
        except LookupError:
            continue
        for name, entry in env.get_domain("py").objects.items():
            if name.rpartition(".")[2] == path.rpartition(".")[2] and _same(name, thing):
                return make_refnode(
                    app.builder, node["refdoc"], entry.docname, entry.node_id, content, name
                )
        return content
    return None


def _same(name: str, thing: object) -> bool:
    try:
        return find(name) is thing and thing is not None
    except LookupError:
        return False


def places_of_source(app: Sphinx, doctree: nodes.document) -> None:
    """Give entries the ids by which pages of source lead back to them.

    ``viewcode`` takes one prefix for all entries of a module of source: that of the first.
    """
    taken: set[str] = set()
    for signature in doctree.findall(desc_signature):
        path = f"{signature.get('module')}.{signature.get('fullname')}"
        with suppress(LookupError):
            for prefix in prefixes(getattr(find(path), "__module__", None) or ""):
                place = f"{prefix}.{signature['fullname']}"
                if place not in taken and place not in signature["ids"]:
                    signature["ids"].append(place)
                taken.add(place)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("autodoc-process-docstring", raises)
    app.connect("autodoc-process-signature", as_written)
    app.connect("doctree-read", places_of_source)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True}
