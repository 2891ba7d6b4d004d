"""``ltc2hw simulate``: run a network on the test samples of a task and keep the trace."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from ltc2hw.cli.common import (
    add_json,
    add_readout,
    add_samples,
    add_task,
    check_fit,
    check_output,
    first_samples,
    load_network,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.comparison.tables import score_text
from ltc2hw.files.bundle import save_trace
from ltc2hw.graph.decision import Classification
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.registry import ENGINES
from ltc2hw.simulate import simulate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="NETWORK", help="integer or float network")
    add_task(parser)
    parser.add_argument(
        "--engine", metavar="NAME", help=f"{', '.join(ENGINES)}; fast by default, float64 for float"
    )
    add_samples(parser)
    add_readout(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="trace")
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Simulate, save the spikes and membranes, and tell the score."""
    check_output(arguments.out, arguments.json)
    network = load_network(arguments.network)
    if arguments.readout is not None:
        network = network.with_output(arguments.readout)
    task = task_of(arguments)
    check_fit(network, task)
    split = first_samples(task.test, arguments.samples)
    engine = arguments.engine or ("fast" if isinstance(network, FixedNetwork) else "float64")
    progress = partial(console.progress, "sample-steps") if engine == "fast" else None
    trace = simulate(network, split.x, engine, progress=progress, lengths=split.lengths)
    outputs = real_outputs(network, trace) if isinstance(network, FixedNetwork) else trace.outputs
    decision = task.decision
    score = float(np.mean(decision.judge(outputs, split.labels, split.lengths)))
    # A trace keeps one label per sample or step.
    labels = None if task.heads else split.labels
    save_trace(trace.labelled(labels, task.name, split.lengths), arguments.out)
    each = {}
    if isinstance(decision, Classification) and decision.heads:
        right = decision.judge_each(outputs, split.labels, split.lengths)
        each = {f"{decision.metric} of each label": right.mean(axis=0).tolist()}
    saturations = {name: dict(counts) for name, counts in trace.saturations.items()}
    write_json(
        arguments.json,
        {
            "task": task.name,
            "engine": engine,
            "samples": split.samples,
            "readout": network.output,
            decision.metric: score,
            **each,
            "saturations": saturations,
        },
    )
    console.line(
        f"{decision.metric}: {score_text(decision.metric, score)} of {split.samples} samples"
    )
    for name, scores in each.items():
        console.line(f"{name}: {', '.join(score_text(decision.metric, one) for one in scores)}")
    saturated = sum(sum(counts.values()) for counts in saturations.values())
    console.line(f"saturated values: {saturated}")
    console.line(f"trace: {arguments.out}")
    return True


SIMULATE = Verb("run a network on the task's test samples", add_arguments, run)
