"""Lava's learning engine: its arithmetic bit for bit, and networks that learn with it."""
