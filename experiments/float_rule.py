"""What an update of the float rules takes, compiled and in the readable engine.

``python -m experiments.float_rule`` lets both engines learn the first recordings of digits-rows,
in turns in one process, and writes ``docs/results/float-rule.json`` and a table: processor
microseconds per update, their ratio round by round, and how far apart what was learned is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from experiments.on_chip_runs import untrained, write_results
from ltc2hw import FPTTRule, Network, learn
from ltc2hw.dynamics.model import SPIKES
from ltc2hw.graph.network import Input, Projection
from ltc2hw.graph.neurons import Neurons
from ltc2hw.learning.learned import Learned
from ltc2hw.numbers.weights import Dense
from ltc2hw.tasks import Split, load_task

RATE, HIDDEN, LARGE = 2.0**-5, 48, 256
ROUNDS, SAMPLES, READABLE = 5, 200, 4
"""Rounds, and recordings that each engine learns in one."""


def recurrent(model: str, size: int, gain: float) -> Network:
    """A recurrent layer of neurons without gates, and a readout whose gate is held."""
    rng = np.random.default_rng(0)

    def weights(rows: int, columns: int, scale: float) -> Dense:
        return Dense(rng.normal(0.0, scale / np.sqrt(columns), (rows, columns)))

    neurons = Neurons("hidden", size, model), Neurons("out", 10, "readout")
    return Network(
        (Input("input", 8, graded=True), *neurons),
        (
            Projection("input", "value", "hidden", "current", weights(size, 8, gain)),
            Projection("hidden", SPIKES, "hidden", "current", weights(size, size, 0.2 * gain), 1),
            Projection("hidden", SPIKES, "out", "current", weights(10, size, 1.0)),
        ),
        "out",
    )


FPTT = FPTTRule(learning_rate=RATE)
ELIGIBLE = replace(FPTT, descent="eligibility")
EPROP = replace(
    FPTT,
    descent="filtered",
    update="plain",
    feedback="adaptive",
    ports={"hidden": ("current",), "out": ("current",)},
)

CASES: Mapping[str, tuple[Callable[[], Network], FPTTRule]] = {
    f"{HIDDEN} LTC, event gates; FPTT": (lambda: untrained(HIDDEN, 0), FPTT),
    f"{HIDDEN} LTC, event gates; FPTT with eligibility": (lambda: untrained(HIDDEN, 0), ELIGIBLE),
    f"{LARGE} LTC, event gates; FPTT": (lambda: untrained(LARGE, 0), FPTT),
    f"{LARGE} LTC, event gates; FPTT with eligibility": (lambda: untrained(LARGE, 0), ELIGIBLE),
    f"{HIDDEN} ALIF; FPTT with eligibility": (lambda: recurrent("alif", HIDDEN, 2.0), ELIGIBLE),
    f"{HIDDEN} BRF; FPTT with eligibility": (lambda: recurrent("brf", HIDDEN, 60.0), ELIGIBLE),
    f"{HIDDEN} adLIF; e-prop, adaptive feedback": (lambda: recurrent("adlif", HIDDEN, 8.0), EPROP),
}


def run(network: Network, rule: FPTTRule, split: Split, engine: str) -> tuple[float, Any]:
    """Processor microseconds per update, and what was learned."""
    start = time.process_time()
    learned: Learned[Network] = learn(network, split.x, split.labels, rule, engine=engine)
    return 1e6 * (time.process_time() - start) / learned.learning.step, learned.learning


def apart(ours: Any, theirs: Any) -> float:
    """Largest difference of any Φ, Φ̄ or λ."""
    return max(
        float(np.max(np.abs(own - other)))
        for parameter, memory in ours.memories.items()
        for own, other in zip(memory, theirs.memories[parameter], strict=True)
    )


def measured(network: Network, rule: FPTTRule, rounds: int = ROUNDS) -> dict[str, Any]:
    """Times of both engines in turns, and their difference after the same recordings."""
    train = load_task("digits-rows").train
    many, few = train.take(np.arange(SAMPLES)), train.take(np.arange(READABLE))
    run(network, rule, few, "fast")
    fast, readable = [], []
    for _ in range(rounds):
        fast.append(run(network, rule, many, "fast")[0])
        readable.append(run(network, rule, few, "float64")[0])
    same = (run(network, rule, few, engine)[1] for engine in ("fast", "float64"))
    ratios = [slow / quick for slow, quick in zip(readable, fast, strict=True)]
    return {"fast": fast, "float64": readable, "ratios": ratios, "apart": apart(*same)}


def row(name: str, found: Mapping[str, Any]) -> str:
    """A row of the table."""
    fast, readable = (float(np.median(found[engine])) for engine in ("fast", "float64"))
    middle, low, high = (f(found["ratios"]) for f in (np.median, np.min, np.max))
    return (
        f"| {name} | {fast:.1f} | {readable:,.0f} | {middle:.0f} ({low:.0f} to {high:.0f})"
        f" | {found['apart']:.0e} |"
    )


def main() -> None:
    """Measure all cases, print the table and write the figures."""
    results = {name: measured(make(), rule) for name, (make, rule) in CASES.items()}
    write_results("float-rule", results)
    print("| network; rule | `fast`, µs per update | `float64`, µs | ratio | apart |")
    print("|---|---|---|---|---|")
    for name, found in results.items():
        print(row(name, found))


if __name__ == "__main__":
    main()
