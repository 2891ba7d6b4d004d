"""Checksums of what the first version computed, which every later version is held against."""
