"""Settings of all tests."""

from __future__ import annotations

from hypothesis import settings

# No test has a time limit: machines are shared, and compiled engines start slowly.
settings.register_profile("ltc2hw", deadline=None, print_blob=True)
settings.load_profile("ltc2hw")
