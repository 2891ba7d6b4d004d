"""Tests of ltc2hw.tasks."""
