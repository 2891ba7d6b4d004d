"""``python -m tests.faults --disks 200 --kills 100``: a table, and status 1 for any finding."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.faults.scenarios import SCENARIOS, Scenario, write_inputs
from tests.faults.trials import (
    Outcome,
    Reference,
    fill_disk,
    kill,
    limit_size,
    refer,
    small_disk,
)
from tests.interrupts import listen_to_interrupts

FAULTS = ("file size limit", "full disk", "kill")


def main(arguments: Sequence[str] | None = None) -> int:
    """Try faults on every verb in turn; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--disks", type=int, default=20, help="runs on full disks, of both kinds")
    parser.add_argument("--kills", type=int, default=10, help="runs that a signal ends")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbs", nargs="*", help="only these scenarios")
    chosen = parser.parse_args(arguments)
    listen_to_interrupts()
    scenarios = [
        scenario
        for scenario in SCENARIOS
        if scenario.possible and (not chosen.verbs or scenario.name in chosen.verbs)
    ]
    results = try_faults(scenarios, chosen.disks, chosen.kills, chosen.seed)
    sys.stdout.write(table(results))
    findings = [
        f"{scenario}, {fault}: {finding}\n"
        for (scenario, fault), outcomes in results.items()
        for outcome in outcomes
        for finding in outcome.findings
    ]
    sys.stdout.writelines(findings)
    return 1 if findings else 0


Results = dict[tuple[str, str], list[Outcome]]
"""Outcomes by scenario and fault."""


def try_faults(scenarios: Sequence[Scenario], disks: int, kills: int, seed: int) -> Results:
    """Faults of every kind, going round the scenarios."""
    rng = np.random.default_rng(seed)
    results: Results = {}
    with tempfile.TemporaryDirectory(prefix="ltc2hw-faults-") as name, small_disk() as disk:
        folder = Path(name)
        write_inputs(folder)
        references: dict[str, Reference] = {}
        for number in range(disks + kills):
            scenario = scenarios[number % len(scenarios)]
            if scenario.name not in references:
                references[scenario.name] = refer(scenario, folder)
            reference = references[scenario.name]
            if number >= disks:
                fault, outcome = FAULTS[2], kill(scenario, folder, reference, rng)
            elif disk is not None and number // len(scenarios) % 2:
                outcome = fill_disk(scenario, folder, reference, rng, disk)
                fault = FAULTS[1]
            else:
                fault, outcome = FAULTS[0], limit_size(scenario, folder, reference, rng)
            results.setdefault((scenario.name, fault), []).append(outcome)
            for finding in outcome.findings:
                sys.stderr.write(f"{scenario.name}, {fault}: {finding}\n")
    return results


def table(results: Results) -> str:
    """Counts by scenario and fault, as Markdown."""
    lines = [
        "| run | fault | runs | new file | old file or none | parts left at once | findings |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for (scenario, fault), outcomes in sorted(results.items()):
        done = sum(outcome.done for outcome in outcomes)
        lines.append(
            f"| {scenario} | {fault} | {len(outcomes)} | {done} | {len(outcomes) - done} |"
            f" {sum(outcome.parts for outcome in outcomes)} |"
            f" {sum(len(outcome.findings) for outcome in outcomes)} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
