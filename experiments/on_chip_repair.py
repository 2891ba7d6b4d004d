"""Repair in the field: the sensor of a deployed int8 network changes; it learns its way back.

``python -m experiments.on_chip_repair`` trains by the recipe of digits-rows (kept in
``build/on-chip``), quantizes for Loihi 2, and for every change of the sensor compares doing
nothing, on-chip FPTT on integers and the same rule in floats, all on one pass over one stream. It
writes ``docs/results/on-chip-repair.json`` and ``docs/images/on-chip-repair.svg``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from experiments.on_chip_float import FloatMemory, learn_float
from experiments.on_chip_runs import (
    BUILD,
    IMAGES,
    accuracy,
    kept,
    median_and_range,
    only_kept,
    write_results,
)
from ltc2hw import FPTTRule, Network, PlasticWords, QuantizeOptions, learn, load, quantize, save
from ltc2hw.figures import STYLE
from ltc2hw.tasks import Split, Task, load_task
from ltc2hw.words import FloatArray

TASK = "digits-rows"
SEEDS = (1,)
REPEATS = 4
"""The stream shows each training sample of the changed sensor this often, shuffled."""

RATES = (5, 5, 5, 6, 7, 8, 9)
"""Learning rates 2^-k of equal parts of the stream."""

PIECES = 28
"""Points of the learning curve."""


def rotated(x: FloatArray) -> FloatArray:
    """Every row is read two pixels later, cyclically."""
    return np.roll(x, 2, axis=-1)


def drifted(x: FloatArray) -> FloatArray:
    """Gains fall from 1 at the first pixel of a row to 0.3 at the last."""
    faded: FloatArray = x * np.linspace(1.0, 0.3, x.shape[-1])
    return faded


def dead(x: FloatArray) -> FloatArray:
    """The fourth pixel of every row is dark."""
    return x * (np.arange(x.shape[-1]) != 3)


def permuted(x: FloatArray) -> FloatArray:
    """The wires of the eight pixels are mixed up."""
    return x[..., np.random.default_rng(7).permutation(x.shape[-1])]


CHANGES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "rows rotated": rotated,
    "gain drift": drifted,
    "dead column": dead,
    "permuted inputs": permuted,
}


def trained(task: Task, seed: int) -> Network:
    """The network of the task's recipe, from disk where it has been trained."""
    path = BUILD / f"model-{seed}.h5"
    if not path.exists():
        from ltc2hw.converters.torch import from_module
        from ltc2hw.training import train
        from ltc2hw.training.recipes import recipe_for

        BUILD.mkdir(parents=True, exist_ok=True)
        result = train(task, recipe_for(task).with_training(seed=seed))
        save(from_module(result.module, {"task": task.name}), path)
    network = load(path)
    assert isinstance(network, Network)
    return network


def changed(split: Split, change: Callable[[FloatArray], FloatArray]) -> Split:
    """What the changed sensor sees."""
    return replace(split, x=change(split.x))


def stream_of(train: Split, seed: int) -> Split:
    """The training samples in random order, ``REPEATS`` times."""
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(train.samples) for _ in range(REPEATS)]
    return train.take(np.concatenate(orders))


def pieces_of(stream: Split) -> list[tuple[FPTTRule, Split]]:
    """The stream in pieces, each with the rule of its part."""
    pieces = np.array_split(np.arange(stream.samples), PIECES)
    return [
        (
            FPTTRule(learning_rate=2.0 ** -RATES[len(RATES) * k // PIECES]),
            stream.take(piece),
        )
        for k, piece in enumerate(pieces)
    ]


def repair(name: str, seed: int) -> dict[str, Any]:
    """One change of the sensor: accuracies before, after doing nothing, and after learning."""
    task = load_task(TASK)
    network = trained(task, seed)
    fixed = quantize(network, "loihi2", task.train.x, QuantizeOptions())
    change = CHANGES[name]
    test = changed(task.test, change)
    stream = stream_of(changed(task.train, change), seed)
    chip, learning, curve, lost = fixed, None, [accuracy(fixed, test)], 0
    for rule, part in pieces_of(stream):
        done = learn(fixed, part.x, part.labels, rule, PlasticWords(seed=seed), "fast", learning)
        learning, chip = done.learning, done.network
        curve.append(accuracy(chip, test))
        lost += sum(sum(own.values()) for own in done.saturations.values())
    tuned: Network = network
    memory: FloatMemory | None = None
    float_curve = [accuracy(network, test)]
    for rule, part in pieces_of(stream):
        tuned, memory = learn_float(network, part.x, part.labels, rule, memory)
        float_curve.append(accuracy(tuned, test))
    return {
        "samples": stream.samples,
        "before": accuracy(fixed, task.test),
        "nothing": curve[0],
        "on-chip": curve,
        "float": float_curve,
        "old task, on-chip": accuracy(chip, task.test),
        "old task, float": accuracy(tuned, task.test),
        "saturations": lost,
    }


def won_back(found: Mapping[str, Any], how: str) -> float:
    """Share of the lost accuracy that came back."""
    return (found[how][-1] - found["nothing"]) / (found["before"] - found["nothing"])


def all_runs(*, only_disk: bool = False) -> dict[str, Any]:
    """Results of every change and seed, run or read from disk."""
    results: dict[str, Any] = {}
    for seed in SEEDS:
        for name in CHANGES:
            settings = {"change": name, "seed": seed, "rates": RATES, "repeats": REPEATS}
            found = kept("repair", settings, None if only_disk else partial(repair, name, seed))
            if found is None:
                continue
            results.setdefault(name, []).append(found)
            share = 100 * won_back(found, "on-chip")
            print(
                f"seed {seed}  {name:<16} {found['before']:.3f} before, {found['nothing']:.3f}"
                f" changed, {found['on-chip'][-1]:.3f} on-chip ({share:.0f} % won back),"
                f" {found['float'][-1]:.3f} float; old task {found['old task, on-chip']:.3f}",
                flush=True,
            )
    return results


def plot(results: Mapping[str, Any]) -> None:
    """Accuracy on the changed sensor against the samples seen, the median of the seeds."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.2, 4.4), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True, sharey=True).ravel()
        for axes, (name, runs) in zip(panels, results.items(), strict=False):
            before = 100 * float(np.median([found["before"] for found in runs]))
            nothing = 100 * float(np.median([found["nothing"] for found in runs]))
            samples = np.linspace(0, runs[0]["samples"], PIECES + 1)
            axes.axhline(before, color="#8a94a3", linestyle=":", label="before the change")
            axes.axhline(nothing, color="#8a94a3", label="doing nothing")
            for how, color in (("float", "#0072b2"), ("on-chip", "#d55e00")):
                curves = 100 * np.array([found[how] for found in runs])
                axes.plot(samples, np.median(curves, axis=0), color=color, label=how)
            axes.set_title(name)
        panels[0].legend(fontsize=7, loc="lower right")
        figure.supxlabel("samples seen")
        figure.supylabel("test accuracy on the changed sensor, %")
        IMAGES.mkdir(parents=True, exist_ok=True)
        figure.savefig(IMAGES / "on-chip-repair.svg", metadata={"Date": None})


def main() -> None:
    """Run, print, write."""
    results = all_runs(only_disk=only_kept(__doc__))
    print("\nmedian of the seeds (range), in %")
    for name, runs in results.items():
        columns: dict[str, Sequence[float]] = {
            "before": [found["before"] for found in runs],
            "nothing": [found["nothing"] for found in runs],
            "on-chip": [found["on-chip"][-1] for found in runs],
            "won back": [won_back(found, "on-chip") for found in runs],
            "float": [found["float"][-1] for found in runs],
            "old task": [found["old task, on-chip"] for found in runs],
        }
        texts = (f"{key} {median_and_range(values)}" for key, values in columns.items())
        print(f"{name:<16} " + "; ".join(texts))
    plot(results)
    print(write_results("on-chip-repair", {"rates": RATES, "repeats": REPEATS, "runs": results}))


if __name__ == "__main__":
    main()
