"""Tests of ltc2hw.converters."""
