"""Tests of neurons as programs."""
