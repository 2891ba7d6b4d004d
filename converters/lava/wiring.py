"""How ports of Lava's processes are connected: flat populations and images."""

from __future__ import annotations

from lava.magma.core.process.ports.ports import InPort, OutPort

IMAGE_DIMENSIONS = 3
"""Lava's images are (W, H, C)."""


def connect(sender: OutPort, receiver: InPort) -> None:
    """Connect two ports; where one is flat and the other an image, the flat one is (C, H, W)."""
    if sender.shape == receiver.shape:
        sender.connect(receiver)
    elif len(receiver.shape) == IMAGE_DIMENSIONS:
        sender.reshape(receiver.shape[::-1]).transpose((2, 1, 0)).connect(receiver)
    else:
        sender.transpose((2, 1, 0)).reshape(receiver.shape).connect(receiver)
