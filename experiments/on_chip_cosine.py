"""The direction of the integers' descent beside the float rule's, step by step.

``python -m experiments.on_chip_cosine`` asks both rules for the descent of every step from the same
state, on untrained event-gated networks of ten seeds on ``loihi2``: once with all that can learn,
then with one port of the hidden neurons alone, and with narrower factors. It prints the lowest, the
1 % quantile and the mean cosine.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from experiments.on_chip_runs import untrained
from ltc2hw import FPTTRule, PlasticWords, QuantizeOptions, quantize
from ltc2hw.comparison.tables import Table
from ltc2hw.graph.structure import Port
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.numbers.words import FloatArray
from ltc2hw.simulations.plasticity.verify import verify
from ltc2hw.tasks import load_task

SEEDS, SAMPLES, HIDDEN = range(10), 8, 32
WIDTHS = (20, 16, 12)
"""Bits of factors; four of them above the point."""

ROOM = QuantizeOptions(weight_reach=4.0)

LEARNS: Mapping[str, dict[str, tuple[Port, ...]] | None] = {
    "everything": None,
    "readout": {"readout": ("current", "tau_mem")},
    "hidden:current": {"hidden": ("current",)},
    "hidden:tau_mem": {"hidden": ("tau_mem",)},
    "hidden:tau_adp": {"hidden": ("tau_adp",)},
}


def cosines(ports: dict[str, tuple[Port, ...]] | None, bits: int) -> FloatArray:
    """Cosines of all steps of all seeds."""
    task = load_task("digits-rows")
    words = PlasticWords(factor=bits, factor_fraction=bits - 4)
    found = []
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(task.train.samples)
        part = task.train.take(order[:SAMPLES])
        network = quantize(untrained(HIDDEN, seed), "loihi2", part.x, ROOM)
        chip = integer_rule(network, FPTTRule(ports=ports), words)
        found += [error.cosine for error in verify(chip, part.x, part.labels)]
    return np.array(found)


def table() -> Table:
    """One row per choice of what learns, one column per width."""
    rows = []
    for name, ports in LEARNS.items():
        cells = []
        for bits in WIDTHS:
            found = cosines(ports, bits)
            numbers = found.min(), np.quantile(found, 0.01), found.mean()
            cells.append(", ".join(f"{number:.4f}" for number in numbers))
        rows.append((name, *cells))
    return Table(
        "Cosine with the float rule's descent: lowest, 1 % quantile, mean",
        ("what learns", *(f"factors of {bits} bits" for bits in WIDTHS)),
        tuple(rows),
    )


if __name__ == "__main__":
    from ltc2hw.cli.console import Console

    Console().table(table())
