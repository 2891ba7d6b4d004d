"""A long comparison with the integer engine: every recorded integer, until enough are compared.

The networks are those of the property tests, with constants at the ends of their words, plus
quantized ones of every gate; a seed names each.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

import ltc2hw
from benchmarks.report import ResultTable
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.trace import Array, Trace
from ltc2hw.numbers.words import FloatArray, Word
from ltc2hw.simulations import fast, integer
from ltc2hw.simulations.fast.engine import plan_of
from ltc2hw.simulations.fast.kinds import NARROW, SHORT, SINGLE, WIDE
from tests.random_networks import (
    GATE_KINDS,
    random_fixed_network,
    random_network,
    random_samples,
)

ENOUGH = 100_000_000
NUMBERS = {
    SINGLE: "32-bit floats",
    SHORT: "32-bit integers",
    NARROW: "doubles",
    WIDE: "64-bit integers",
}
Case = tuple[str, FixedNetwork, FloatArray]


def run() -> ResultTable:
    """Compare until :data:`ENOUGH` integers were compared."""
    begin = time.perf_counter()
    compared: dict[str, int] = {}
    networks: dict[str, int] = {}
    mismatches: dict[str, int] = {}
    for kind, network, x in cases():
        kind += f", {NUMBERS[plan_of(network).types]}"
        threads = 1 + networks.get(kind, 0) % 2
        number, wrong = differences(
            fast.simulate(network, x, "all", threads=threads), integer.simulate(network, x, "all")
        )
        compared[kind] = compared.get(kind, 0) + number
        mismatches[kind] = mismatches.get(kind, 0) + wrong
        networks[kind] = networks.get(kind, 0) + 1
        if sum(compared.values()) >= ENOUGH:
            break
    rows: list[tuple[str, ...]] = [
        (k, str(networks[k]), f"{compared[k]:,}", str(mismatches[k])) for k in compared
    ]
    rows.append(("all", *(totals(column) for column in (networks, compared, mismatches))))
    return ResultTable(
        "`fast` against `integer`, every recorded integer, outputs, saturations, final registers",
        ("networks", "number", "integers compared", "mismatches"),
        tuple(rows),
        f"Took {time.perf_counter() - begin:.0f} s.",
    )


def totals(column: dict[str, int]) -> str:
    """Sum of a column."""
    return f"{sum(column.values()):,}"


def cases() -> Iterator[Case]:
    """Networks and samples without end."""
    seed = 0
    while True:
        rng = np.random.default_rng(seed)
        if seed % 4:
            extreme = bool(seed % 2)
            word = Word(22 if seed % 4 == 1 else 24)
            network = random_fixed_network(rng, largest=64, extreme=extreme, constants=word)
            kind = f"random, extreme constants of {word.bits} bits" if extreme else "random"
        else:
            gate = GATE_KINDS[seed // 4 % 3]
            target = "ideal" if seed % 5 == 0 else "loihi2"
            drawn = random_network(rng, gate=gate, hidden=(64, 32), inputs=8)
            network = ltc2hw.quantize(drawn, target, random_samples(rng, drawn, 50, 8))
            kind = f"quantized for {target}"
        yield kind, network, random_samples(rng, network, 100, 20)
        seed += 1


def differences(found: Trace, expected: Trace) -> tuple[int, int]:
    """Integers compared, and how many differ; a missing array counts with all of its integers."""
    compared = wrong = 0
    pairs: list[tuple[Array, Array | None]] = [(expected.outputs, found.outputs)]
    arrays = found.recorded()
    pairs += [(array, arrays.get(key)) for key, array in expected.recorded().items()]
    for name, registers in expected.state.items():
        pairs += [(v, found.state.get(name, {}).get(r)) for r, v in registers.items()]
    for array, other in pairs:
        compared += array.size
        same_form = other is not None and other.shape == array.shape
        wrong += int(np.count_nonzero(array != other)) if same_form else array.size
    for name, counts in expected.saturations.items():
        compared += len(counts)
        wrong += found.saturations.get(name) != counts
    return compared, wrong
