"""Tests of ltc2hw.neurons."""
