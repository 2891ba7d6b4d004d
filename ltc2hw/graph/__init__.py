"""Networks of reals and of integers, their states, samples and traces, and what a chip holds."""
