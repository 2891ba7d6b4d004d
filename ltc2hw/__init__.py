"""ltc2hw: spiking networks trained online by FPTT, on neuromorphic integers."""
