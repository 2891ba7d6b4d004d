"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

from tests.interrupts import listen_to_interrupts

# No test has a time limit: machines are shared, and compiled engines start slowly.
settings.register_profile("ltc2hw", deadline=None, print_blob=True)
settings.load_profile("ltc2hw")

listen_to_interrupts()
