"""Measurements of the engines, run by ``python -m benchmarks``; no test depends on them."""
