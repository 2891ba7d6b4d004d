"""Lava processes, their build from a fixed network, and safe running of Lava jobs."""

from ltc2hw.converters.lava.shim import install_finder

install_finder()
