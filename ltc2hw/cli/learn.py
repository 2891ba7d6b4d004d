"""``ltc2hw learn``: a deployed network adapts to a stream by on-chip FPTT."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np

from ltc2hw.cli.adapting import Adaptation, Stream, goals
from ltc2hw.cli.common import (
    add_json,
    add_readout,
    add_task,
    check_output,
    fitted_task,
    load_fixed,
    natural,
    task_of,
    write_json,
)
from ltc2hw.cli.console import Console
from ltc2hw.cli.counts import positive
from ltc2hw.cli.predicting import add_predict, beside, output_of, predicted, tell_beside
from ltc2hw.cli.verb import Verb
from ltc2hw.comparison.tables import score_text
from ltc2hw.errors import InvalidValueError, UnsupportedError
from ltc2hw.files.bundle import save
from ltc2hw.graph.decision import Decision
from ltc2hw.graph.fixed import FixedNetwork
from ltc2hw.graph.structure import Port
from ltc2hw.learning.fixed import INTEGER_CHOICES, IntegerRule, integer_rule
from ltc2hw.learning.front_end import is_held
from ltc2hw.learning.prediction import prediction_rule
from ltc2hw.learning.rule import Descent, FPTTRule, Surrogate, Weighting
from ltc2hw.learning.scope import PARTIAL, Scope, readouts, require_reach, scope_of
from ltc2hw.learning.words import PlasticRounding, PlasticWords
from ltc2hw.tasks import Task

RULES: Mapping[str, Descent] = {"fptt": "instantaneous", "eligibility": "eligibility"}
"""What a rule is called here, and its descent."""

MOST_VERIFIED = 4096
"""Updates that are held against the float rule."""


def power(text: str) -> float:
    """Type of rates: ``2^-6`` or a decimal.

    >>> power("2^-6"), power("0.5")
    (0.015625, 0.5)
    """
    base, caret, exponent = text.partition("^")
    if not caret:
        return float(text)
    if base != "2":
        raise ValueError
    try:
        return math.ldexp(1.0, int(exponent))
    except OverflowError as error:
        raise ValueError from error


power.__name__ = "rate like 2^-6"


def plastic_ports(text: str) -> tuple[str, tuple[str, ...]]:
    """Type of ``--learns``: a population, and ports of it after a colon.

    >>> plastic_ports("hidden:current,tau_mem")
    ('hidden', ('current', 'tau_mem'))
    """
    population, colon, ports = text.partition(":")
    if colon and not ports:
        raise ValueError
    return population, tuple(port.strip() for port in ports.split(",")) if ports else ()


plastic_ports.__name__ = "population or population:port,port"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of the verb; defaults are those of the rule and its words."""
    rule, words = FPTTRule(), PlasticWords()
    parser.add_argument("network", type=Path, metavar="FIXED", help="integer network")
    add_task(parser)
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="adapted network")
    parser.add_argument("--engine", choices=("fast", "integer"), default="fast")
    parser.add_argument("--samples", type=positive, metavar="N", help="of each pass; all if absent")
    parser.add_argument("--passes", type=positive, default=1, metavar="N")
    parser.add_argument("--seed", type=natural, default=0, help="order of samples, rounding")
    add_readout(parser, "learn what this one says")
    add_predict(parser)
    parser.add_argument(
        "--no-reset", action="store_true",
        help="samples are pieces of one stream: in their order, and registers go on",
    )  # fmt: skip
    for name in ("learning-rate", "alpha", "beta"):
        default = getattr(rule, name.replace("-", "_"))
        parser.add_argument(f"--{name}", type=power, default=default, metavar="2^-K")
    parser.add_argument(
        "--weighting", choices=get_args(Weighting), default=rule.weighting,
        help="of the loss in time: rising to the end of a sample, or every step alike",
    )  # fmt: skip
    parser.add_argument(
        "--rule", choices=tuple(RULES), default="fptt",
        help="eligibility: errors also find what synapses left in their neurons before",
    )  # fmt: skip
    feedbacks = INTEGER_CHOICES["feedback"]
    parser.add_argument("--feedback", choices=feedbacks, default=rule.feedback)
    parser.add_argument("--surrogate", choices=get_args(Surrogate), default=rule.surrogate)
    parser.add_argument(
        "--learns", type=plastic_ports, action="append", metavar="POPULATION[:PORT,...]",
        help="what learns, may be repeated; all that an error reaches if absent",
    )  # fmt: skip
    for name, what in (("value", "Φ"), ("mean", "Φ̄"), ("gradient", "λ"), ("neuron", "constants")):
        parser.add_argument(
            f"--{name}-bits", type=positive, default=getattr(words, name), metavar="N", help=what
        )
    parser.add_argument(
        "--eligibility-bits", type=positive, metavar="N",
        help=f"of words that --rule eligibility keeps (default: {words.eligibility})",
    )  # fmt: skip
    parser.add_argument(
        "--eligibility-range", type=natural, metavar="N",
        help=f"they reach 2^N times the largest message (default: {words.eligibility_range})",
    )  # fmt: skip
    parser.add_argument("--rounding", choices=get_args(PlasticRounding), default=words.rounding)
    parser.add_argument(
        "--verify", type=natural, default=5, metavar="N",
        help="samples whose steps are held against the float rule",
    )  # fmt: skip
    parser.add_argument("--min-cosine", type=float, metavar="X", help="of every verified step")
    parser.add_argument(
        "--allow", action="append", default=[], metavar="CHANGE",
        help=f"{PARTIAL}: learn although no error reaches the weights of the samples",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", type=Path, metavar="FILE", help="save here as it learns, resume from here"
    )
    add_json(parser)


def run(arguments: argparse.Namespace, console: Console) -> bool:
    """Verify the first samples, adapt, save, and tell the scores."""
    check_output(arguments.out, arguments.json, arguments.checkpoint)
    loaded = load_fixed(arguments.network)
    network = loaded.with_output(output_of(loaded, arguments))
    task = goal_task(network, task_of(arguments), arguments)
    require_one_label(task)
    task = fitted_task(network, task, arguments.decision_steps)
    rule, words = chosen_rule(network, task, arguments), chosen_words(arguments)
    scope = scope_of(network, rule)
    require_reach(scope, rule, arguments.allow)
    chip = integer_rule(network, rule, words)
    stream = Stream.of(
        task, arguments.samples, arguments.passes, arguments.seed, reset=not arguments.no_reset
    )
    tell_scope(console, scope, network)
    verification = verified(chip, task, stream, arguments.verify, arguments.min_cosine)
    adaptation = Adaptation(chip, network, task, stream, arguments.engine)
    if arguments.checkpoint is not None and arguments.checkpoint.exists():
        adaptation.resume(arguments.checkpoint)
    adaptation.run(console, arguments.checkpoint, arguments.allow)
    adapted, measured = adaptation.measured()
    save(adapted.with_output(loaded.output), arguments.out)
    write_json(
        arguments.json,
        {
            "task": task.name,
            "target": network.target,
            "engine": arguments.engine,
            "readout": network.output,
            "rule": asdict(rule),
            "words": asdict(words),
            "learns": list(scope.learns),
            "held": dict(scope.held),
            **measured,
            **told_beside(console, network, task, arguments.predict),
            "verification": verification,
            "memory": memory_of(chip),
        },
    )
    tell(console, task.decision, measured, verification, chip)
    console.line(f"adapted network: {arguments.out}")
    bound, lowest = arguments.min_cosine, (verification or {}).get("cosine", {}).get("lowest")
    return bound is None or (lowest is not None and lowest >= bound)


def goal_task(network: FixedNetwork, task: Task, arguments: argparse.Namespace) -> Task:
    """The task, or that of predicting what a layer hears."""
    if arguments.predict is None:
        return task
    return predicted(network, arguments.predict, task, reset=not arguments.no_reset)


def told_beside(
    console: Console, network: FixedNetwork, task: Task, layer: str | None
) -> dict[str, Any]:
    """What predictors that learn nothing reach, printed, and as plain values; {} for labels."""
    if layer is None:
        return {}
    scores = beside(network, layer, task)
    tell_beside(console, scores, task.decision.metric)
    return {"predicts": layer, "without_learning": scores}


def require_one_label(task: Task) -> None:
    """Raise unless samples have one label: an error on the chip is that of one softmax.

    Raises:
        UnsupportedError: naming what to do instead.
    """
    if task.heads:
        reason = f"a readout learns one, and {task.name} has {len(task.heads)}"
        remedy = "learn from data with one label; --readout chooses the readout that learns it"
        raise UnsupportedError("on-chip learning", "several labels", reason, remedy)


def ports_of(network: FixedNetwork, name: str) -> tuple[Port, ...]:
    """Ports of a population that can learn; all of them where kernels alone lead to each."""
    ports = network.population(name).ports
    return tuple(port for port in ports if not is_held(network, name, port)) or ports


def chosen_rule(network: FixedNetwork, task: Task, arguments: argparse.Namespace) -> FPTTRule:
    """The rule that the arguments ask for.

    Raises:
        InvalidValueError: for a population that is named twice.
    """
    ports: dict[str, tuple[Port, ...]] | None = None
    if arguments.learns:
        ports = {}
        for name, named in arguments.learns:
            if name in ports:
                raise InvalidValueError(
                    f"population {name} of what learns", "named twice", "each population once"
                )
            ports[name] = named or ports_of(network, name)
    rule = FPTTRule(
        learning_rate=arguments.learning_rate,
        alpha=arguments.alpha,
        beta=arguments.beta,
        error="softmax" if task.kind == "classification" else "linear",
        weighting=arguments.weighting,
        feedback=arguments.feedback,
        surrogate=arguments.surrogate,
        ports=ports,
        descent=RULES[arguments.rule],
    )
    if arguments.predict is None:
        return rule
    return prediction_rule(network, arguments.predict, rule)


def chosen_words(arguments: argparse.Namespace) -> PlasticWords:
    """The words that the arguments ask for.

    Raises:
        InvalidValueError: for widths that are none, and words that the rule does not keep.
    """
    kept = {}
    for option in ("eligibility_bits", "eligibility_range"):
        value = getattr(arguments, option)
        if value is not None:
            if RULES[arguments.rule] != "eligibility":
                limit = f"none with --rule {arguments.rule}"
                flag = f"--{option.replace('_', '-')}"
                raise InvalidValueError(flag, value, limit, "pass --rule eligibility")
            kept[option.removesuffix("_bits")] = value
    return PlasticWords(
        value=arguments.value_bits,
        mean=arguments.mean_bits,
        gradient=arguments.gradient_bits,
        neuron=arguments.neuron_bits,
        **kept,
        rounding=arguments.rounding,
        seed=arguments.seed,
    )


def verified(
    chip: IntegerRule, task: Task, stream: Stream, count: int, bound: float | None
) -> dict[str, Any] | None:
    """Errors of the updates of the first samples against the float rule, as plain values.

    Of no more than :data:`MOST_VERIFIED` of them, since each takes milliseconds.

    Raises:
        InvalidValueError: if a bound is stated that is no number, or nothing is verified.
    """
    from ltc2hw.simulations.plasticity.verify import verify

    if bound is not None and not math.isfinite(bound):
        raise InvalidValueError("bound on the cosine", bound, "a finite number")
    if count == 0:
        if bound is not None:
            raise InvalidValueError("samples to verify", 0, "at least 1 for --min-cosine")
        return None
    part = stream.part(0, min(count, stream.samples))
    errors = verify(
        chip, part.x, goals(task, part), reset=stream.reset, lengths=part.lengths,
        most=MOST_VERIFIED,
    )  # fmt: skip
    cosines = [error.cosine for error in errors]
    return {
        "steps": len(errors),
        "cosine": {"mean": float(np.mean(cosines)), "lowest": min(cosines)},
        "descent_error": float(np.mean([error.descent for error in errors])),
        "largest_value_error": max(error.value for error in errors),
        "per_step": [asdict(error) for error in errors],
    }


def memory_of(chip: IntegerRule) -> dict[str, Any]:
    """State memory of what learns: synapses and bytes."""
    synapses = {
        p: chip.network.projections[p.projection].weights.values.size
        for p in chip.parameters
        if p.projection is not None
    }
    return {
        "plastic_synapses": sum(synapses.values()),
        "bytes_per_synapse": chip.bytes_per_synapse,
        "bytes": sum(size * chip.bytes_of(p) for p, size in synapses.items()),
    }


def tell_scope(console: Console, scope: Scope, network: FixedNetwork) -> None:
    """Print what learns, of several readouts from which, and what is held and why."""
    others = [name for name in readouts(network) if name != network.output]
    if others:
        console.line(f"readout: {network.output}; --readout {others[0]} learns another")
    console.line(f"learns: {', '.join(scope.learns)}")
    console.line(f"held: {scope.held_text or 'nothing'}")


def tell(
    console: Console,
    decision: Decision,
    measured: dict[str, Any],
    verification: dict[str, Any] | None,
    chip: IntegerRule,
) -> None:
    """Print what was measured."""
    scores = measured[decision.metric]
    texts = [score_text(decision.metric, scores[key]) for key in ("before", "after")]
    console.line(f"test {decision.metric}: {texts[0]} before, {texts[1]} after")
    if verification is not None:
        cosine = verification["cosine"]
        console.line(
            f"beside the float rule, {verification['steps']} steps: cosine {cosine['mean']:.6f} on"
            f" average, {cosine['lowest']:.6f} at the lowest"
        )
    lost = sum(sum(counts.values()) for counts in measured["saturations"].values())
    console.line(f"saturated values: {lost}")
    console.line(f"state memory: {chip.bytes_per_synapse:g} bytes per plastic synapse")


LEARN = Verb("adapt an integer network to a task by on-chip FPTT", add_arguments, run)
