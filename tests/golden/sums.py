"""SHA-256 of variables: what is hashed, how, and which variables of two records differ."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

Sums = dict[str, str]
"""Checksums in hexadecimal, by variable."""

Counts = Mapping[str, Mapping[str, int]]


@dataclass
class Record:
    """Checksums that grow: arrays are appended under the name of their variable.

    What is hashed of an array is its values as little-endian int64 in the order of C, so a
    variable that is recorded in pieces of time has the checksum of the whole.
    """

    integers: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    misfits: Counter[str] = field(default_factory=Counter)
    hashes: dict[str, Any] = field(default_factory=dict)

    def add(self, name: str, values: npt.NDArray[Any]) -> None:
        """Append the integers of a variable.

        Raises:
            TypeError: for values that are no integers.
        """
        if values.dtype.kind not in "iub":
            raise TypeError(f"{name} holds {values.dtype}, not integers")
        self.integers += values.size
        self.sizes[name] += values.size
        wide = np.ascontiguousarray(values, dtype="<i8")
        self.hashes.setdefault(name, hashlib.sha256()).update(wide.tobytes())

    def count(self, saturations: Counts) -> None:
        """Add the misfits of a piece, by ``population.variable``."""
        for name, own in saturations.items():
            for variable, misfits in own.items():
                self.misfits[f"{name}.{variable}"] += int(misfits)

    def sums(self) -> Sums:
        """Checksums so far; that of the misfits is of their JSON, sorted, without zeros."""
        told = {name: value for name, value in self.misfits.items() if value}
        text = json.dumps(told, sort_keys=True, separators=(",", ":"))
        result = {name: kept.hexdigest() for name, kept in self.hashes.items()}
        return {**result, "saturations": hashlib.sha256(text.encode()).hexdigest()}


def differing(found: Sums, expected: Sums) -> list[str]:
    """Variables whose checksums differ, or that only one of the two has."""
    names = dict.fromkeys((*expected, *found))
    return [name for name in names if found.get(name) != expected.get(name)]
