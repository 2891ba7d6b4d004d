"""Real programs at random, every operation among them."""

from __future__ import annotations

import numpy as np

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Builder, Program

BINARY = (
    Operation.ADD,
    Operation.SUBTRACT,
    Operation.MULTIPLY,
    Operation.MINIMUM,
    Operation.MAXIMUM,
    Operation.GREATER,
)


def random_program(seed: int, length: int = 25) -> Program:
    """A step of two ports, two states and three constants; its result is made of all of them."""
    rng = np.random.default_rng(seed)
    builder = Builder("real")
    leaves = [
        *(builder.add(Operation.PORT, name=name) for name in ("current", "gate")),
        *(builder.add(Operation.STATE, name=name) for name in ("membrane", "spikes")),
    ]
    constants = [builder.add(Operation.PARAMETER, name=name) for name in ("a", "b", "c.d")]
    square = builder.add(Operation.MULTIPLY, constants[0], constants[0])
    above = builder.add(Operation.ADD, square, builder.number(0.5))
    root = builder.add(Operation.SQUARE_ROOT, above)
    share = builder.add(Operation.DIVIDE, constants[1], root)
    values = [*leaves, *constants, root, share, builder.number(float(rng.normal()))]
    for _ in range(length):
        one, two, three = (int(rng.choice(values)) for _ in range(3))
        kind = rng.integers(10)
        if kind < 6:
            made = builder.add(BINARY[kind], one, two)
        elif kind == 6:
            condition = builder.add(Operation.GREATER, one, two)
            made = builder.add(Operation.SELECT, condition, two, three)
        elif kind == 7:
            made = builder.add(Operation.SELECT, leaves[3], two, three)
        else:
            made = builder.add(Operation.GATE, one, name=("tau", "rho")[kind - 8])
        values.append(made)
    total = builder.number(0.0)
    for value in dict.fromkeys(values):
        # A gate keeps the sum of long products within bounds.
        held = builder.add(Operation.GATE, value, name="tau")
        total = builder.add(Operation.ADD, total, held)
    charged = builder.add(Operation.REGISTER, values[-1], name="membrane")
    spikes = builder.add(Operation.GREATER, charged, total)
    return builder.program({"membrane": total, "spikes": spikes, "kept": values[-2]})
