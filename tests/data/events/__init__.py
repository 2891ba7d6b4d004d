"""Tests of ltc2hw.data.events."""
