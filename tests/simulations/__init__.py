"""Tests of ltc2hw.simulations."""
