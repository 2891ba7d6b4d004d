"""The command line: ``ltc2hw VERB ...``; one module per verb, which only calls the library."""

from __future__ import annotations

from ltc2hw.starting import ending_quietly

with ending_quietly():
    from ltc2hw.cli.program import main

__all__ = ["main"]
