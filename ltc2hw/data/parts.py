"""Parts of data, and what they may be called."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

PartName = Literal["all", "train", "validation", "test"]
"""``all`` are samples that nobody has split yet."""

PART_NAMES: Mapping[str, PartName] = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}
"""What a part may be called, in small letters."""


def samples_of(name: str, where: str) -> str:
    """Samples of a part, as errors call them.

    >>> samples_of("test", "a.npz"), samples_of("all", "a.npz")
    ('test samples of a.npz', 'samples of a.npz')
    """
    return f"samples of {where}" if name == "all" else f"{name} samples of {where}"
