"""Words, rounding, weights and functions: the only code that rounds, shifts or clips."""
