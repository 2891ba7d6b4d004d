"""Tests of ltc2hw.cli."""
