"""What a report advises: a remedy, what it may bring, what it costs, and its command."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Advice:
    """One thing to do about a loss.

    ``gain``: what of the score may be won back, positive where it becomes better; ``cost`` in
    words; ``parts``: what it mends; ``command``: what does it.

    >>> Advice("wider", ("input samples",), "input with 8 bits", 0.02, "nothing", "").remedy
    'wider'
    """

    remedy: str
    parts: tuple[str, ...]
    what: str
    gain: float
    cost: str
    command: str
