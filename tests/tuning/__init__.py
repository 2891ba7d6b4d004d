"""Tests of advice, tuning and the search for widths."""
