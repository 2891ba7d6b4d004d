"""Experiments: one command each, ``python -m experiments.NAME``, with figures for the docs."""
