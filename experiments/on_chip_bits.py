"""How far the integer rule is from the float rule, by the bits of its words.

``python -m experiments.on_chip_bits`` widens the words of errors, factors, Φ, Φ̄ and λ bit by bit,
on a network whose states are wide enough not to matter, until the sums of an update no longer fit
64-bit integers. It prints the errors beside the float rule and writes
``docs/results/on-chip-bits.json`` and ``docs/images/on-chip-bits.svg``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.on_chip_runs import save_figure, untrained, write_results
from ltc2hw import FPTTRule, PlasticWords, QuantizeOptions, quantize
from ltc2hw.comparison.drawing import STYLE
from ltc2hw.errors import InvalidValueError
from ltc2hw.learning.fixed import integer_rule
from ltc2hw.simulations.plasticity.verify import verify

HIDDEN, STEPS, SAMPLES = 16, 8, 8
NARROWEST, WIDEST = 8, 30
"""Fractional bits of errors and factors, plus 2."""

RULES: Mapping[str, FPTTRule] = {
    "linear error": FPTTRule(error="linear", surrogate="triangle"),
    "softmax": FPTTRule(error="softmax", surrogate="triangle"),
    "softmax, surrogate from its table": FPTTRule(error="softmax"),
}


def words_of(bits: int) -> PlasticWords:
    """Words that grow together; λ in the units of Φ, rounding to nearest."""
    return PlasticWords(
        value=bits + 8,
        mean=bits + 8,
        gradient=bits + 8,
        neuron=min(bits + 14, 40),
        gradient_shift=0,
        factor=bits + 2,
        factor_fraction=bits - 2,
        softmax_index=min(bits - 2, 20),
        surrogate_index=min(bits - 2, 20),
        rounding="nearest",
    )


def errors_of(rule: FPTTRule) -> dict[str, list[float]]:
    """Mean errors of the steps of a short stream, by bits: of the descent, and of the new Φ."""
    rng = np.random.default_rng(0)
    x = rng.uniform(0, 1, (STEPS, SAMPLES, 8))
    labels = rng.integers(0, 10, SAMPLES)
    targets: Any = np.eye(10)[labels] if rule.error == "linear" else labels
    coarse = QuantizeOptions(weight_reach=2.0, weight_bits=8, message_bits=8)
    network = quantize(untrained(HIDDEN, 0), "ideal", x, coarse)
    found: dict[str, list[float]] = {"bits": [], "descent": [], "value": []}
    for bits in range(NARROWEST, WIDEST + 1):
        try:
            chip = integer_rule(network, rule, words_of(bits))
        except InvalidValueError as limit:
            print(f"{bits} bits: {limit}")
            break
        errors = verify(chip, x, targets)
        found["bits"].append(bits)
        found["descent"].append(float(np.mean([error.descent for error in errors])))
        found["value"].append(float(np.mean([error.value for error in errors])))
    return found


def per_bit(errors: Sequence[float], bits: Sequence[float]) -> float:
    """By what an error is multiplied with every bit: the fitted line of its logarithm.

    >>> per_bit([1.0, 0.5, 0.25], [8, 9, 10])
    0.5
    """
    return round(float(2.0 ** np.polyfit(bits, np.log2(errors), 1)[0]), 6)


def plot(results: Mapping[str, Any]) -> None:
    """Errors against bits, and the line that halves."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 3.0), layout="constrained")
        panels = figure.subplots(1, 2, sharex=True)
        titles = {"descent": "descent, relative", "value": "new Φ, largest difference"}
        for axes, (key, title) in zip(panels, titles.items(), strict=True):
            for name, found in results.items():
                axes.semilogy(found["bits"], found[key], ".-", base=2, label=name)
            start = results["linear error"]
            bits = np.array(start["bits"])
            half = 2 * start[key][0] * 0.5 ** (bits - bits[0])
            axes.semilogy(bits, half, "k:", base=2, label="half per bit")
            axes.set_title(title)
        panels[0].legend(fontsize=7)
        figure.supxlabel("bits of the word of factors, less 2 (words of synapses: 8 more)")
        figure.supylabel("error beside the float rule")
        save_figure(figure, "on-chip-bits")


def main() -> None:
    """Run, print, write."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    results = {name: errors_of(rule) for name, rule in RULES.items()}
    for name, found in results.items():
        print(f"\n{name}\nbits  descent   new Φ")
        for row in zip(found["bits"], found["descent"], found["value"], strict=True):
            print(f"{row[0]:4}  {row[1]:.2e}  {row[2]:.2e}")
        factors = [per_bit(found[key], found["bits"]) for key in ("descent", "value")]
        print(f"per bit: {factors[0]:.3f} and {factors[1]:.3f} times the error")
    plot(results)
    print(write_results("on-chip-bits", results))


if __name__ == "__main__":
    main()
