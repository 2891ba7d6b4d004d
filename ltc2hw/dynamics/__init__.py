"""A neuron is a small program, written once; everything else reads it.

A model's file (``ltc2hw/dynamics/models``) states its equations over named ports, constants and
states. They become a :class:`~ltc2hw.dynamics.program.Program` over a closed set of operations,
which is interpreted on reals and on integers, lowered, bounded, differentiated, counted, compiled
and printed.
"""
