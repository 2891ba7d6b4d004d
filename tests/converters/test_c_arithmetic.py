"""The table from operations to C against their meaning, on random programs of every operation."""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ltc2hw.converters.c.arithmetic import HELPERS
from ltc2hw.converters.c.neurons import StagePrinter, Tables, changing_values
from ltc2hw.converters.c.plan import Field, Part, Stage, fits
from ltc2hw.converters.c.ranges import value_intervals
from ltc2hw.converters.c.text import narrowest, table
from ltc2hw.dynamics.formats import Formats
from ltc2hw.dynamics.integer import evaluate_integer
from ltc2hw.dynamics.intervals import Interval
from ltc2hw.dynamics.models.readout import readout
from ltc2hw.dynamics.operations import COUNTED, INTEGER, LEAVES, TABULATED, Operation
from ltc2hw.dynamics.program import Program, Value
from ltc2hw.dynamics.verify import verify
from ltc2hw.errors import InvalidValueError
from ltc2hw.graph.neurons import FixedNeurons
from ltc2hw.numbers.integer_limits import EXACT_BITS
from ltc2hw.numbers.words import IntArray
from tests.converters.c_machines import COMPILERS, compile_c
from tests.loose_neurons import loose

PROGRAMS, VALUES, NEURONS = 16, 60, 30
EXACT = Interval(-(1 << EXACT_BITS), 1 << EXACT_BITS)
MADE = tuple(operation for operation in INTEGER if operation not in LEAVES)
STATES = {"small": Interval(-128, 127), "middle": Interval(0, 1 << 23), "large": EXACT}
# Random programs compare with numbers out of reach, and compute what no result needs.
WARNINGS = ("-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-Wno-unused-variable")
LIMITS = ("-Wno-type-limits", "-Wno-tautological-compare")
CHECKS = ("-O1", "-fsanitize=undefined", "-fno-sanitize-recover=all")


def integers(rng: np.random.Generator, size: int, bits: int) -> IntArray:
    """Integers of so many bits, many of them beside powers of two."""
    values = rng.integers(-(1 << bits), 1 << bits, size)
    edges = (1 << rng.integers(0, bits, size)) * rng.choice([-1, 1], size)
    edges += rng.integers(-1, 2, size)
    found: IntArray = np.where(rng.random(size) < 0.4, edges, values)
    return found


def random_numbers(rng: np.random.Generator, operation: Operation) -> tuple[int, ...]:
    bits = int(rng.integers(2, 62))
    if operation is Operation.NUMBER:
        return (int(integers(rng, 1, bits)[0]),)
    if operation is Operation.SATURATE:
        low, high = sorted(integers(rng, 2, bits).tolist())
        return low, high
    if operation is Operation.WRAP:
        return bits, int(rng.integers(2))
    if operation is Operation.WRAP_ONCE:
        return bits, int(rng.integers(bits, 63))
    if operation is Operation.PLAN:
        return int(rng.integers(3, 50)), int(rng.integers(5, 31))
    if operation in TABULATED and operation is not Operation.ENTRY:
        return int(rng.integers(3, 30)), int(rng.integers(1, 7))
    return (bits - 2,) if INTEGER[operation].numbers else ()


def random_table(rng: np.random.Generator, operation: Operation, index_bits: int) -> IntArray:
    """Entries that rise, or go up and down."""
    count = (1 << index_bits) + (operation is Operation.INTERPOLATE)
    entries = rng.integers(0, 1 << int(rng.integers(2, 30)), count)
    return np.sort(entries) if rng.integers(2) else entries


def random_neurons(rng: np.random.Generator) -> FixedNeurons:
    """A program of random values, each a result; none leaves what the specification admits."""
    bits = rng.integers(2, 62, 3)
    constants = {f"p{i}": integers(rng, NEURONS, int(b)) for i, b in enumerate(bits)}
    constants["same"] = np.full(NEURONS, int(rng.integers(-50, 50)))
    values = [Value(Operation.STATE, (), name) for name in STATES]
    results = {name: index for index, name in enumerate(STATES)}
    values += [Value(Operation.PARAMETER, (), name) for name in constants]
    empty = Program("integer", ())
    neurons: FixedNeurons = loose(
        "part", NEURONS, readout, Formats({}, {}, {}), empty, constants, {}
    )  # fmt: skip
    while len(values) < VALUES:
        operation = MADE[int(rng.integers(len(MADE)))]
        form, numbers = INTEGER[operation], random_numbers(rng, operation)
        name = f"w{len(values)}" if form.named else ""
        tables = dict(neurons.tables)
        if operation in TABULATED:
            tables[name] = random_table(rng, operation, (*numbers, 4, 4)[1])
        arguments = tuple(rng.integers(0, len(values), form.arguments).tolist())
        if operation in COUNTED and arguments[0] not in changing_values(neurons.program):
            continue  # a number is counted once, not once per neuron
        made = (*values, Value(operation, arguments, name, numbers))
        program = Program("integer", made, {**results, "last": len(values)})
        try:
            verify(program)
        except InvalidValueError:
            continue
        grown = replace(neurons, tables=tables)
        if value_intervals(program, grown, {}, STATES)[-1].within(EXACT):
            neurons, values = replace(grown, program=program), list(made)
    results |= {f"r{index}": index for index in range(len(STATES), VALUES)}
    return replace(neurons, program=Program("integer", tuple(values), results))


def printed(neurons: FixedNeurons, prefix: str, states: dict[str, IntArray]) -> str:
    """A function ``PREFIX_run`` that prints every result of every neuron, and every count."""
    program = neurons.program
    intervals = value_intervals(program, neurons, {}, STATES)
    fields = {
        name: Field(name, narrowest(intervals[index]), NEURONS, True)
        for name, index in program.results.items()
    }
    misfits = {
        value.name: value.name
        for value in program.values
        if value.operation in COUNTED and not fits(value, intervals[value.arguments[0]])
    }
    part = Part(neurons, "part", program, intervals, fields, misfits)
    tables = Tables(prefix)
    stage = Stage(part, "run", (), tuple(program.results), ())
    lines = StagePrinter(stage, prefix, tables).lines()
    helpers = [
        text.format(p=prefix)
        for name, text in HELPERS.items()
        if f"{prefix}_{name}(" in "\n".join(lines)
    ]
    show = 'printf("%lld\\n", (long long)'
    return "\n".join(
        [
            f"#define {prefix.upper()}_NOTE(counter, got, given) (counter) += (got) != (given)",
            *helpers,
            *tables.texts,
            *(table(f"{prefix}_{name}_given", values) for name, values in states.items()),
            "static struct { struct {",
            *(f"    {field.type.name} {field.name}[{NEURONS}];" for field in fields.values()),
            f"    struct {{ int32_t none, {', '.join(misfits) or 'any'}; }} misfits;",
            f"}} part; }} {prefix}_state, *const {prefix}_pointer = &{prefix}_state;",
            f"static void {prefix}_run(void)",
            "{",
            "    int j;",
            f"    for (j = 0; j < {NEURONS}; j++) {{",
            *(
                f"        {prefix}_state.part.{name}[j] = {prefix}_{name}_given[j];"
                for name in states
            ),
            "    }",
            f"    for (j = 0; j < {NEURONS}; j++) {{",
            *(line.replace("s->", f"{prefix}_pointer->") for line in lines),
            "    }",
            *(
                f"    for (j = 0; j < {NEURONS}; j++) {show}{prefix}_state.part.{name}[j]);"
                for name in fields
            ),
            *(f"    {show}{prefix}_state.part.misfits.{name});" for name in misfits),
            "}",
            "",
        ]
    )


@pytest.mark.skipif(not COMPILERS, reason="no C compiler")
def test_every_value_of_random_programs(tmp_path: Path) -> None:
    texts, calls, expected = ["#include <stdint.h>", "#include <stdio.h>"], [], []
    used: Counter[Operation] = Counter()
    for seed in range(PROGRAMS):
        rng = np.random.default_rng(seed)
        neurons = random_neurons(rng)
        used.update(value.operation for value in neurons.program.values)
        states = {
            name: np.clip(integers(rng, NEURONS, interval.high.bit_length() - 1), *interval)
            for name, interval in STATES.items()
        }
        texts.append(printed(neurons, f"n{seed}", states))
        calls.append(f"    n{seed}_run();")
        found, misfits = evaluate_integer(
            neurons.program, neurons.constants, neurons.tables, {}, states
        )
        for values in found.values():
            expected += np.broadcast_to(values, (NEURONS,)).tolist()
        counted = texts[-1].partition("none, ")[2].partition(";")[0].split(", ")
        expected += [misfits[name] for name in counted if name != "any"]
        assert sum(misfits.values()) == sum(misfits[name] for name in counted if name != "any")
    assert all(used[operation] > 10 for operation in MADE), used
    source = tmp_path / "all.c"
    source.write_text("\n".join([*texts, "int main(void)", "{", *calls, "    return 0;", "}", ""]))
    for name, command in COMPILERS.items():
        compile_c(command, tmp_path, *WARNINGS, *LIMITS, *CHECKS, "all.c", "-o", name)
        done = subprocess.run([str(tmp_path / name)], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert list(map(int, done.stdout.split())) == expected
