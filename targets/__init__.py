"""Chips by name: one cited TOML file each."""

from __future__ import annotations

from ltc2hw.targets.loader import TARGETS, load_target

__all__ = ["TARGETS", "load_target"]
