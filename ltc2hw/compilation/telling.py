"""Logging that something is compiled: the first run of a kind of network takes its time."""

from __future__ import annotations

import logging

LOG = logging.getLogger("ltc2hw.compilation")
"""Says at level INFO that code is compiled, and warns where it cannot be kept."""

COMPILING = "compiling for this machine, once per kind of network: some seconds"


def tell_compiling() -> None:
    """Log that code is compiled which no process has left for later ones."""
    LOG.info(COMPILING)
