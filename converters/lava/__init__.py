"""Lava processes, their build from a fixed network, and safe running of Lava jobs."""
