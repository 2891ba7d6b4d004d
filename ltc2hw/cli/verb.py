"""What a verb of the command line is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

from ltc2hw.cli.console import Console


@dataclass(frozen=True)
class Verb:
    """A line of help, its arguments, and what it does.

    ``run`` returns whether every stated bound was met; errors are raised. ``prints_result``: what
    it prints is its result, so that it failed if that cannot be printed.
    """

    summary: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Console], bool]
    prints_result: bool = False
