"""Engines that learn: on-chip FPTT in real numbers, in integers, and in compiled integers."""
