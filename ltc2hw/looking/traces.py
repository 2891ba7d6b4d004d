"""Traces as tables: how often neurons spike, how far states go, what did not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ltc2hw.graph.notes import label_axes
from ltc2hw.graph.sequences import Mask, own_steps
from ltc2hw.graph.trace import Array, Trace
from ltc2hw.looking.view import View, ends, span

Facts = dict[str, Any]

SATURATED = 0.9
"""A neuron that spikes in more than this part of its steps says the same whatever it is told."""


def view(trace: Trace) -> View:
    """What was run and what came of it; steps past a sample's end count nowhere."""
    facts = {
        **run_facts(trace),
        "spikes": [spike_row(trace, name, spikes) for name, spikes in trace.spikes.items()],
        "states": list(state_rows(trace)),
        "saturations": [
            {"population": name, "variable": variable, "values": count}
            for name, counts in trace.saturations.items()
            for variable, count in counts.items()
        ],
    }
    return View(f"trace: {trace.summary}", facts)


def run_facts(trace: Trace) -> Facts:
    """Engine, task, shape, labels and lengths."""
    notes = trace.notes
    steps, samples, outputs = trace.outputs.shape
    facts: Facts = {
        "engine": notes.engine or None,
        "task": notes.task or None,
        "steps": steps,
        "samples": samples,
        "outputs": outputs,
        "read": notes.output or None,
        "labels": label_text(notes.labels),
        "lengths": None if notes.lengths is None else ends(notes.lengths),
    }
    return {name: value for name, value in facts.items() if value is not None}


def label_text(labels: Array | None) -> str | None:
    """What the labels are, in words."""
    if labels is None:
        return None
    where = "at every step" if len(label_axes(labels)) > 1 else "of each sample"
    if labels.dtype.kind == "f":
        return f"{labels.shape[-1]} targets {where}"
    known = labels[labels >= 0]
    return f"{np.unique(known).size} classes, one {where}" if known.size else f"none {where}"


def own(trace: Trace) -> Mask:
    """The steps (T, B) that samples have."""
    return own_steps(trace.notes.lengths, *trace.outputs.shape[:2])


def spike_row(trace: Trace, name: str, spikes: Array) -> Facts:
    """Rates in spikes per step: of the population, of its slowest and its fastest neuron."""
    rates = spikes[own(trace)].mean(axis=0)
    return {
        "population": name,
        "neurons": int(rates.size),
        "spikes_per_step": float(rates.mean()),
        "slowest_to_fastest": ends(rates),
        "silent": int(np.count_nonzero(rates == 0)),
        "saturated": int(np.count_nonzero(rates > SATURATED)),
    }


def state_rows(trace: Trace) -> Iterator[Facts]:
    """Smallest and largest value of each state, in real units where its scale is known."""
    mask = own(trace)
    for (name, variable), values in trace.recorded().items():
        if variable == "spikes":
            continue
        fraction = trace.notes.fractions.get(name, {}).get(variable)
        row: Facts = {"population": name, "variable": variable}
        if values.dtype.kind == "f":
            row["range"] = ends(values[mask])
        else:
            low, high = int(values[mask].min()), int(values[mask].max())
            if fraction is not None:
                reals = (float(np.ldexp(float(end), -fraction)) for end in (low, high))
                row["range"] = span(*reals)
            row |= {"integers": span(low, high), "fraction": fraction}
        yield row
