"""Tests of ltc2hw.targets."""
