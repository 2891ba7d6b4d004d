"""From real numbers to integers: calibration, scales, rules, limits, and back."""
