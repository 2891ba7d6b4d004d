"""``ltc2hw simulate``: run a network on the test samples of a task and keep the trace."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import numpy as np

from ltc2hw.cli.calibrating import samples_of
from ltc2hw.cli.common import (
    add_json,
    add_readout,
    add_samples,
    add_task,
    check_output,
    first_samples,
    fitted_task,
    load_network,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.excerpt import real_outputs
from ltc2hw.comparison.tables import score_text
from ltc2hw.errors import InvalidValueError
from ltc2hw.files.bundle import save_trace
from ltc2hw.graph.decision import Classification
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.network import Network
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.registry import ENGINES, default_engine
from ltc2hw.simulate import simulate


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb."""
    parser.add_argument("network", type=Path, metavar="NETWORK", help="integer or float network")
    add_task(parser, required=False)
    parser.add_argument(
        "--unlabelled", metavar="FILE", help="samples to run, all of them, without labels or a task"
    )
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
    if (arguments.task is None) == (arguments.unlabelled is None):
        given = "not given" if arguments.task is None else "--task and --unlabelled"
        raise InvalidValueError("samples to run", given, "one of --task TASK and --unlabelled FILE")
    if arguments.unlabelled is not None:
        return run_unlabelled(arguments, network, console)
    task = fitted_task(network, task_of(arguments), arguments.decision_steps)
    split = first_samples(task.test, arguments.samples)
    engine, trace = ran(arguments, network, console, split.x, split.lengths)
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
    write_json(
        arguments.json,
        {
            "task": task.name,
            "engine": engine,
            "samples": split.samples,
            "readout": network.output,
            decision.metric: score,
            **each,
            "saturations": saturations_of(trace),
        },
    )
    console.line(
        f"{decision.metric}: {score_text(decision.metric, score)} of {split.samples} test samples"
    )
    for name, scores in each.items():
        console.line(f"{name}: {', '.join(score_text(decision.metric, one) for one in scores)}")
    return told(trace, arguments, console)


def run_unlabelled(
    arguments: argparse.Namespace, network: Network | FixedNetwork, console: Console
) -> bool:
    """Run all samples of a file and keep the trace; nothing is scored."""
    samples = samples_of(arguments.unlabelled, arguments, network)
    engine, trace = ran(arguments, network, console, samples.x, samples.lengths)
    save_trace(trace.labelled(None, samples.name, samples.lengths), arguments.out)
    write_json(
        arguments.json,
        {
            "input": samples.name,
            "engine": engine,
            "samples": samples.x.shape[1],
            "readout": network.output,
            "saturations": saturations_of(trace),
        },
    )
    console.line(f"ran {samples.x.shape[1]} samples")
    return told(trace, arguments, console)


def ran(
    arguments: argparse.Namespace,
    network: Network | FixedNetwork,
    console: Console,
    x: FloatArray,
    lengths: IntArray | None,
) -> tuple[str, Trace]:
    """The engine, and what it made of the samples."""
    is_float = not isinstance(network, FixedNetwork)
    engine = arguments.engine or default_engine(is_float=is_float)
    progress = partial(console.progress, "sample-steps") if engine == "fast" else None
    return engine, simulate(network, x, engine, progress=progress, lengths=lengths)


def saturations_of(trace: Trace) -> dict[str, dict[str, int]]:
    """Misfits as plain values."""
    return {name: dict(counts) for name, counts in trace.saturations.items()}


def told(trace: Trace, arguments: argparse.Namespace, console: Console) -> bool:
    """Tell what did not fit, and where the trace lies."""
    saturated = sum(sum(counts.values()) for counts in trace.saturations.values())
    console.line(f"saturated values: {saturated}")
    console.line(f"trace: {arguments.out}")
    return True


SIMULATE = Verb(
    "run a network on a task's test samples, or on all samples of a file", add_arguments, run
)
