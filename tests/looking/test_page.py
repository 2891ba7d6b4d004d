"""The page on looking shows what is shown."""

from __future__ import annotations

import doctest
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "looking.md"


def test_the_page_says_what_happens() -> None:
    for package in ("pandas", "xarray"):
        pytest.importorskip(package)
    done = doctest.testfile(str(PAGE), module_relative=False)
    assert done.attempted > 12
    assert done.failed == 0
