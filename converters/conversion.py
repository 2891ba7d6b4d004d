"""What a conversion may change, what it did change, and the error for what it cannot keep."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from ltc2hw.converters.features import COLUMNS, FEATURES, Column, Status, changes_of
from ltc2hw.errors import UnknownNameError, UnsupportedError


@dataclass(frozen=True)
class Change:
    """One change that the user allowed: its name, where it was made, and what it did.

    >>> print(Change("initial-membrane", "layer 2", "starts at the reset potential"))
    initial-membrane: layer 2: starts at the reset potential
    """

    name: str
    node: str
    text: str

    def __str__(self) -> str:
        return f"{self.name}: {self.node}: {self.text}"


class Conversion:
    """One conversion under way: asks the table about every feature that it meets.

    ``allow`` names the changes that may be made; ``changes`` lists those that were.
    """

    def __init__(self, column: Column, allow: Collection[str] = ()) -> None:
        known = changes_of(column)
        for name in allow:
            if name not in known:
                raise UnknownNameError(f"change to allow ({column})", name, known or ("none",))
        self.column = column
        self.allow = frozenset(allow)
        self.changes: list[Change] = []

    def meet(self, feature: str, node: str) -> None:
        """Note a feature of a node, or refuse it.

        Raises:
            UnsupportedError: if the format cannot hold the feature, or only after a change that
                was not allowed; the remedy says which.
        """
        cell = FEATURES[feature].cells[self.column]
        if cell.status is Status.CHANGED:
            if cell.change not in self.allow:
                remedy = f"allow={{'{cell.change}'}} converts it so: {cell.text}"
                raise self.refusal(feature, node, remedy)
            self.changes.append(Change(cell.change, node, cell.text))
        elif cell.status is not Status.EXACT:
            raise self.refusal(feature, node, cell.text)

    def refusal(self, feature: str, node: str, remedy: str) -> UnsupportedError:
        """The error that names node, feature and remedy."""
        return UnsupportedError(COLUMNS[self.column], node, FEATURES[feature].title, remedy)

    def provenance(self, origin: str) -> dict[str, str]:
        """Where a converted network came from and what was changed on the way."""
        record = {"converted_from": origin}
        if self.changes:
            record["changes"] = "; ".join(map(str, self.changes))
        return record
