"""Settings of all tests."""

from __future__ import annotations

import sys

import pytest
from hypothesis import settings

from tests.interrupts import listen_to_interrupts

# No test has a time limit: machines are shared, and compiled engines start slowly.
settings.register_profile("ltc2hw", deadline=None, print_blob=True)
settings.load_profile("ltc2hw")

listen_to_interrupts()


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Torch draws the same numbers in a test whichever tests ran before it, and wherever."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.manual_seed(0)
