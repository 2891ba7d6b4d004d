"""Tests of ltc2hw.dynamics."""
