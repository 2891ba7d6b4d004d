"""On-chip learning in bits: Lava, the compiled engine and the specification, update by update."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.learning import RULE, STEPS, WORDS, deployed, stream
from benchmarks.report import ResultTable
from experiments.on_chip_runs import kept, write_results
from ltc2hw import FPTTRule, PlasticWords
from ltc2hw.graph.trace import Array
from ltc2hw.learning.fixed import IntegerRule, integer_rule
from ltc2hw.learning.learned import Learning
from ltc2hw.learning.rule import parameter_name
from ltc2hw.simulations.plasticity import fast
from ltc2hw.simulations.plasticity.integer import IntegerLearner

UPDATES = 10_000
SMALL, LARGE = 12, 128
"""Hidden neurons of the networks that learn in Lava, and in the compiled engine alone."""

PATIENCE = 3600.0
"""Seconds that Lava may take."""

LEARNED, KEPT = "Φ, Φ̄, λ", "eligibility"

ELIGIBLE = replace(RULE, descent="eligibility")


@dataclass(frozen=True)
class Case:
    """A rule that learns a stream in all engines, or in all but Lava."""

    rule: FPTTRule
    words: PlasticWords
    hidden: int
    lava: bool

    @property
    def name(self) -> str:
        """The rule, in words."""
        return f"{self.rule.descent}, {self.words.rounding}"


CASES = (
    Case(ELIGIBLE, WORDS, SMALL, lava=True),
    Case(ELIGIBLE, replace(WORDS, rounding="nearest"), SMALL, lava=True),
    Case(RULE, WORDS, SMALL, lava=True),
    Case(ELIGIBLE, WORDS, LARGE, lava=False),
    Case(RULE, WORDS, LARGE, lava=False),
)


class Counted(NamedTuple):
    """Arrays compared, integers in them, and how many arrays differ."""

    arrays: int = 0
    integers: int = 0
    different: int = 0


class Beside:
    """Counts of what an engine has in common with the specification, by what is compared."""

    def __init__(self) -> None:
        self.counted: dict[str, Counted] = {}

    def meet(self, what: str, theirs: int, ours: Iterable[Array]) -> None:
        """Compare a checksum with that of the specification's integers."""
        own, so_far = list(ours), self.counted.get(what, Counted())
        self.counted[what] = Counted(
            so_far.arrays + 1,
            so_far.integers + sum(array.size for array in own),
            so_far.different + (int(theirs) != checksum(own)),
        )


def run() -> ResultTable:
    """Learn in every case, count what differs, write ``docs/results/on-chip-exactness.json``.

    Cases are kept in ``build/on-chip``, by rule and by the words that synapses keep.
    In a process of its own: Lava cannot be imported where another benchmark's library has chosen
    how processes start.
    """
    command = [sys.executable, "-m", "benchmarks.learning_exactness"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    found = json.loads(output.splitlines()[-1])
    write_results("on-chip-exactness", {"updates": UPDATES, "cases": found})
    return ResultTable(
        f"On-chip learning, {UPDATES:,} updates: every integer that changes",
        ("descent, rounding", "hidden neurons", "engines beside `integer`",
         "arrays compared", "integers in them", "different"),
        tuple(row(case) for case in found),
        "Φ, Φ̄, λ and eligibility of every parameter, registers of every population and outputs, of"
        " Lava after every update, of the compiled engine after every sample of"
        f" {STEPS} (its outputs after every update), beside the specification's.",
    )  # fmt: skip


def row(found: Mapping[str, Any]) -> tuple[str, ...]:
    """A case's line of the table."""
    numbers = np.sum([c for own in found["compared"].values() for c in own.values()], axis=0)
    engines = ", ".join(found["compared"])
    return found["case"], str(found["hidden"]), engines, *(f"{number:,}" for number in numbers)


def compare(case: Case, updates: int = UPDATES) -> dict[str, Any]:
    """Learn a stream in all engines of a case; counts by engine and by what was compared."""
    network = deployed(case.hidden)
    x, labels = stream(updates // STEPS)
    chip = integer_rule(network, case.rule, case.words)
    learner = IntegerLearner(chip)
    encoded, state = learner.encode(x), learner.start()
    engines = {"`fast`": Beside()}
    if case.lava:
        from ltc2hw.converters.lava import learning as lava

        run = lava.learn(network, x, labels, case.rule, case.words, timeout=PATIENCE)
        engines["Lava"] = Beside()
    first, compiled = state, None
    for s in range(x.shape[1]):
        learned = fast.learn_with(chip, x[:, [s]], labels[[s]], compiled)
        compiled = learned.learning
        state = state.rested(learner.rest())
        for t in range(STEPS):
            done, state = learner.step(state, encoded[t, s], labels[s], t, STEPS)
            outputs = {"`fast`": learned.outputs[t, 0]}
            if case.lava:
                outputs["Lava"] = run.outputs[t, s]
                sums = {LEARNED: run.checksums, KEPT: run.kept_checksums}
                for name, what, integers in parts(chip, state):
                    theirs = sums.get(what, run.state_checksums)[name][s * STEPS + t]
                    engines["Lava"].meet(what, theirs, integers)
            for name, said in outputs.items():
                engines[name].meet("outputs", checksum([said]), [done.output])
        found = {(name, what): own for name, what, own in parts(chip, compiled)}
        for name, what, integers in parts(chip, state):
            engines["`fast`"].meet(what, checksum(found[name, what]), integers)
    return {
        "case": case.name,
        "hidden": case.hidden,
        "compared": {name: beside.counted for name, beside in engines.items()},
        "words of Φ that moved": changed(first, state),
        "words of eligibility at the end that are not 0": nonzero(state),
    }


def parts(chip: IntegerRule, state: Learning) -> Iterator[tuple[str, str, list[Array]]]:
    """Names and integers of everything that a state of learning holds."""
    for parameter, memory in state.memories.items():
        yield parameter_name(chip.network, parameter), LEARNED, list(memory)
    for parameter, own in state.eligibility.items():
        yield parameter_name(chip.network, parameter), KEPT, list(own.values())
    for name in {parameter.population: None for parameter in state.memories}:
        registers = chip.network.population(name).registers
        yield name, "registers", [state.registers[name][register] for register in registers]


def checksum(arrays: Iterable[Array]) -> int:
    """CRC-32 of integers, one array after the other, as little-endian 64-bit ones."""
    return zlib.crc32(b"".join(np.asarray(array).astype("<i8").tobytes() for array in arrays))


def changed(first: Learning, last: Learning) -> float:
    """Share of Φ's words that are not what they began as."""
    moves = [memory.value != first.memories[p].value for p, memory in last.memories.items()]
    return float(np.mean(np.concatenate([move.ravel() for move in moves])))


def nonzero(state: Learning) -> float | None:
    """Share of what is kept that is not 0; None where nothing is kept."""
    words = [word.ravel() for own in state.eligibility.values() for word in own.values()]
    return float(np.mean(np.concatenate(words) != 0)) if words else None


def compared(case: Case) -> dict[str, Any]:
    """What :func:`compare` finds, from disk where these words have been compared before."""
    chip = integer_rule(deployed(case.hidden), case.rule, case.words)
    forms = {parameter_name(chip.network, p): form.eligibility for p, form in chip.formats.items()}
    states = {name: form.states for name, form in forms.items() if form is not None}
    settings = {"case": repr(case), "kept": states, "updates": UPDATES}
    found: dict[str, Any] = kept("exactness", settings, partial(compare, case))
    return found


if __name__ == "__main__":
    print(json.dumps([compared(case) for case in CASES]))
