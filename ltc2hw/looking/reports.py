"""Reports, and what verbs wrote with ``--json``, as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ltc2hw.comparison.report import Report
from ltc2hw.comparison.tables import summary, tables, title
from ltc2hw.looking.view import View, is_section


def view(report: Report) -> View:
    """The report's own tables."""
    return View(f"{title(report)}: {summary(report)}", report.to_dict(), tables(report))


def written_view(what: str, content: Mapping[str, Any]) -> View:
    """The content of a JSON file: values that stand alone, then a table of each part.

    >>> written_view("record", {"seed": 0, "accuracy": {"test": 0.9}}).tables[1].rows
    (('test', '0.9'),)
    """
    facts: dict[str, Any] = {}
    for name, value in content.items():
        facts |= resources(value) if name == "utilization" else parts(name, value)
    return View(what, facts)


def resources(pairs: Any) -> dict[str, Any]:
    """Used and available resources of a report as rows."""
    if not isinstance(pairs, Mapping) or any(not isinstance(p, list) for p in pairs.values()):
        return {"utilization": pairs}
    rows = [
        {"resource": name, "used": pair[0], "limit": pair[1] or None}
        for name, pair in pairs.items()
        if len(pair) == 2
    ]
    return {"resources": rows}


def parts(name: str, value: Any) -> dict[str, Any]:
    """A value, or the sections of one that holds sections itself.

    >>> parts("a", {"b": {"c": [{"d": 1}]}, "e": 2})
    {'a': {'e': 2}, 'a b c': [{'d': 1}]}
    """
    if not isinstance(value, Mapping) or not any(map(is_section, value.values())):
        return {name: value}
    found: dict[str, Any] = {}
    if alone := {key: own for key, own in value.items() if not is_section(own)}:
        found[name] = alone
    inner = {key: own for key, own in value.items() if is_section(own)}
    if not alone and all(isinstance(own, Mapping) and not any(map(is_section, own.values()))
                         for own in inner.values()):  # fmt: skip
        return {name: value}
    for key, own in inner.items():
        found |= parts(f"{name} {key}", own)
    return found
