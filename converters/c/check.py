"""The test program: samples, and checksums of every integer that ``integer`` records of them."""

from __future__ import annotations

from collections.abc import Mapping

from ltc2hw.converters.c.plan import Plan
from ltc2hw.converters.c.text import interval_of, narrowest, wrapped
from ltc2hw.graph.trace import Trace
from ltc2hw.numbers.words import FloatArray, IntArray
from ltc2hw.registry import find_engine

OFFSET, PRIME = 0xCBF29CE484222325, 0x100000001B3
"""Those of FNV-1a with 64 bits."""


def checksum(values: IntArray) -> int:
    """FNV-1a, taken integer by integer instead of byte by byte: ``h = (h ^ x) * prime``.

    >>> import numpy as np
    >>> hex(checksum(np.array([1, -1])))
    '0xf7d0dcf84b177189'
    """
    mask, found = (1 << 64) - 1, OFFSET
    for value in values.ravel().tolist():
        found = ((found ^ (value & mask)) * PRIME) & mask
    return found


def expected(plan: Plan, x: FloatArray) -> tuple[dict[tuple[str, str], int], Trace]:
    """Checksums by population and variable, sample after sample, and the trace they are of."""
    trace: Trace = find_engine("integer")(plan.network, x, "all")
    return {
        place: checksum(values.swapaxes(0, 1))
        for place, values in trace.recorded().items()
        if place[0] != plan.network.input.name
    }, trace


def print_check(plan: Plan, x: FloatArray) -> str:
    """``main.c`` for samples (T, B, N_in)."""
    sums, trace = expected(plan, x)
    given = plan.network.input
    encoded = given.word.encode(x, given.fraction)[0].swapaxes(0, 1)
    rows: list[tuple[str, int, bool]] = []
    hashing = []
    for part in plan.parts:
        for variable in part.neurons.recordable:
            place = part.neurons.name, variable
            field = part.fields[variable]
            value = f"{plan.prefix}_checked.{part.member}.{field.name}[j]"
            add = (
                f"            for (j = 0; j < {part.neurons.size}; j++) {{\n"
                f"                {plan.prefix}_add({len(rows)}, (int64_t){value});\n"
                f"            }}"
            )
            if not field.kept:
                add = f"#ifdef {plan.prefix.upper()}_RECORD\n{add}\n#endif"
            hashing.append(add)
            rows.append((f"{part.member}.{field.name}", sums[place], field.kept))
    return TEMPLATE.format(
        p=plan.prefix,
        P=plan.prefix.upper(),
        steps=x.shape[0],
        samples=x.shape[1],
        rows=len(rows),
        input_type=plan.input_type.name,
        sample_type=narrowest(interval_of(encoded)).name,
        values="\n".join(wrapped(str(value) for value in encoded.ravel().tolist())),
        checks="\n".join(
            f'    {{"{name}", UINT64_C(0x{value:016x}), {int(kept)}}},'
            for name, value, kept in rows
        ),
        hashing="\n".join(hashing),
        **_counts(plan, trace.saturations),
    )


def _counts(plan: Plan, saturations: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
    """Expected counts of misfits, and where they are."""
    expected: list[str] = []
    adding = []
    for part in plan.parts:
        for label, counter in part.misfits.items():
            count = saturations.get(part.neurons.name, {}).get(label, 0)
            path = f"{part.member}.misfits.{counter}"
            adding.append(
                f"        {plan.prefix}_counts[{len(expected)}] += {plan.prefix}_checked.{path};"
            )
            expected.append(f'    {{"{path}", {count % (1 << 32)}}},')
    # C has no empty arrays.
    expected.append('    {"", 0}')
    return {"counts": "\n".join(expected), "adding": "\n".join(adding)}


TEMPLATE = """\
/*
 * Runs stored samples and compares every integer of every step with what is expected:
 *
 *     cc -std=c99 -D{P}_RECORD -D{P}_COUNT main.c {p}.c && ./a.out
 *
 * Without {P}_RECORD only what the state always holds is compared. {P}_QUIET leaves out
 * printf, so that nothing is needed but <stdint.h>; {P}_NO_MAIN leaves out main.
 */
#include "{p}.h"
#ifndef {P}_QUIET
#include <stdio.h>
#endif

#define {P}_STEPS {steps}
#define {P}_SAMPLES {samples}
#define {P}_CHECKS {rows}

/* Samples, steps, inputs. */
static const {sample_type} {p}_samples[{P}_SAMPLES * {P}_STEPS * {P}_INPUTS] = {{
{values}
}};

static const struct {{
    const char *name;
    uint64_t checksum;
    int kept;
}} {p}_expected[{P}_CHECKS] = {{
{checks}
}};

static const struct {{
    const char *name;
    uint32_t count;
}} {p}_misfits[] = {{
{counts}
}};

#ifdef {P}_RECORD
#define {P}_COMPARED(check) 1
#else
#define {P}_COMPARED(check) ((check).kept)
#endif

static {p}_state {p}_checked;
static uint64_t {p}_found[{P}_CHECKS];
static uint32_t {p}_counts[sizeof({p}_misfits) / sizeof({p}_misfits[0])];

/* FNV-1a with 64 bits, integer by integer. */
static void {p}_add(int which, int64_t value)
{{
    {p}_found[which] = ({p}_found[which] ^ (uint64_t)value) * UINT64_C(0x100000001b3);
}}

/* How many checksums and counts differ; -1 for a sample that was refused. */
int {p}_check(void);

int {p}_check(void)
{{
    int32_t sample, step, j;
    int wrong = 0;
    {input_type} input[{P}_INPUTS];
    for (j = 0; j < {P}_CHECKS; j++) {{
        {p}_found[j] = UINT64_C(0xcbf29ce484222325);
    }}
    for (sample = 0; sample < {P}_SAMPLES; sample++) {{
        {p}_reset(&{p}_checked);
        for (step = 0; step < {P}_STEPS; step++) {{
            for (j = 0; j < {P}_INPUTS; j++) {{
                input[j] = {p}_samples[(sample * {P}_STEPS + step) * {P}_INPUTS + j];
            }}
            if ({p}_step(&{p}_checked, input) != 0) {{
                return -1;
            }}
{hashing}
        }}
#ifdef {P}_COUNT
{adding}
#endif
    }}
    for (j = 0; j < {P}_CHECKS; j++) {{
        if ({P}_COMPARED({p}_expected[j])) {{
            const int differs = {p}_found[j] != {p}_expected[j].checksum;
            wrong += differs;
#ifndef {P}_QUIET
            printf("%s %s\\n", {p}_expected[j].name, differs ? "DIFFERS" : "equal");
#endif
        }}
    }}
#ifdef {P}_COUNT
    for (j = 0; j + 1 < (int32_t)(sizeof({p}_misfits) / sizeof({p}_misfits[0])); j++) {{
        const int differs = {p}_counts[j] != {p}_misfits[j].count;
        wrong += differs;
#ifndef {P}_QUIET
        printf("%s %s\\n", {p}_misfits[j].name, differs ? "DIFFERS" : "equal");
#endif
    }}
#else
    (void){p}_counts;
#endif
    return wrong;
}}

#ifndef {P}_NO_MAIN
int main(void)
{{
    return {p}_check() != 0;
}}
#endif
"""
