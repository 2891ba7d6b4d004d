"""Tests of ltc2hw.training."""
