"""Registers as results: what a real run shows of the words that values are held in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ltc2hw.dynamics.operations import Operation
from ltc2hw.dynamics.program import Program


def watched(program: Program) -> tuple[Program, Mapping[str, str]]:
    """The program with every register among its results, and what each result's range belongs to.

    A register is seen before what follows it, a membrane before its reset.
    """
    registers = {
        f"word_{index}": (index, value.name)
        for index, value in enumerate(program.values)
        if value.operation is Operation.REGISTER
    }
    results = {**program.results, **{key: index for key, (index, _) in registers.items()}}
    owners = {key: key for key in program.results}
    return replace(program, results=results), owners | {k: n for k, (_, n) in registers.items()}
