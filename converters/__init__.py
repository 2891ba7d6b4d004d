"""Converters: networks in and out of other tools, one module per format."""
