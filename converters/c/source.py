"""The source of a network, put together."""

from __future__ import annotations

from typing import NamedTuple

from ltc2hw.converters.c.arithmetic import HELPERS
from ltc2hw.converters.c.header import print_header
from ltc2hw.converters.c.neurons import Tables, loop
from ltc2hw.converters.c.plan import Field, Part, Plan, Stage
from ltc2hw.converters.c.synapses import Helpers, slot, sum_lines, turn_lines
from ltc2hw.converters.c.text import literal


class Sources(NamedTuple):
    """Texts of both files, and the bytes of the constant tables."""

    header: str
    source: str
    table_bytes: int


def print_sources(plan: Plan) -> Sources:
    """Header and source of a network."""
    helpers, tables = Helpers(plan.prefix), Tables(plan.prefix)
    stages = [_stage_function(plan, stage, helpers, tables) for stage in plan.stages]
    body = [_reset_function(plan, helpers), _step_function(plan, helpers)]
    functions = [*stages, *body]
    text = "\n".join(functions)
    shared = [
        template.format(p=plan.prefix)
        for name, template in HELPERS.items()
        if f"{plan.prefix}_{name}(" in text
    ]
    source = "\n".join(
        [
            f'#include "{plan.prefix}.h"\n',
            _macros(plan),
            *tables.texts,
            "",
            *shared,
            *helpers.texts,
            text,
        ]
    )
    return Sources(print_header(plan, tables.bytes), source, tables.bytes)


def _macros(plan: Plan) -> str:
    """What the two options of the header do in the source."""
    upper = plan.prefix.upper()
    return f"""\
#ifdef {upper}_COUNT
#define {upper}_NOTE(counter, got, given) ((counter) += (uint32_t)((got) != (given)))
#else
#define {upper}_NOTE(counter, got, given) ((void)(got), (void)(given))
#endif

#ifdef {upper}_RECORD
#define {upper}_KEEP(place, value) ((place) = (value))
#else
#define {upper}_KEEP(place, value) ((void)(value))
#endif
"""


def _stage_function(plan: Plan, stage: Stage, helpers: Helpers, tables: Tables) -> str:
    lines = []
    for one in stage.sums:
        place = f"s->arriving.{stage.function}.{one.name}"
        lines.append(f"    {one.type.name} *const {one.name} = {place};")
    for result in stage.results:
        if result.startswith("message "):
            field = stage.part.fields[result]
            sent = plan.sent[stage.part.neurons.name, result.removeprefix("message ")]
            place = f"s->{sent.field}"
            if sent.position:
                place += f" + {slot(plan, sent, 0, helpers)}"
            lines.append(f"    {field.type.name} *const {field.name} = {place};")
    lines.append("    int32_t j;")
    for one in stage.sums:
        lines.extend(sum_lines(plan, one, helpers, tables))
    lines.extend(loop(stage, plan.prefix, tables))
    given = f", const {plan.input_type.name} *input" if reads_input(plan, stage) else ""
    head = f"static void {plan.prefix}_{stage.function}({plan.prefix}_state *s{given})"
    return "\n".join([head, "{", *lines, "}", ""])


def reads_input(plan: Plan, stage: Stage) -> bool:
    """Whether a stage reads the sample of its own step."""
    name = plan.network.input.name
    return any(p.source == name and p.delay == 0 for one in stage.sums for p in one.projections)


def _reset_function(plan: Plan, helpers: Helpers) -> str:
    upper = plan.prefix.upper()
    lines = []
    for part in plan.parts:
        for label, field in part.fields.items():
            if field.kept:
                lines.append(_cleared(_path(plan, part, label), field, helpers))
        optional = [label for label, field in part.fields.items() if not field.kept]
        recorded = [_cleared(_path(plan, part, o), part.fields[o], helpers) for o in optional]
        counters = [f"    s->{part.member}.misfits.{name} = 0;" for name in part.misfits.values()]
        for macro, listed in (("RECORD", recorded), ("COUNT", counters)):
            if listed:
                lines += [f"#ifdef {upper}_{macro}", *listed, "#endif"]
    for sent in plan.sent.values():
        if sent.sender[0] == plan.network.input.name and sent.slots:
            count = sent.slots * plan.network.input.size
            lines.append(f"    {helpers.clear(sent.type)}(s->{sent.field}, {count});")
        if sent.position:
            lines.append(f"    s->{sent.position} = 0;")
    return "\n".join([f"void {plan.prefix}_reset({plan.prefix}_state *s)", "{", *lines, "}", ""])


def _path(plan: Plan, part: Part, label: str) -> str:
    """Where an array is in the state."""
    if label.startswith("message "):
        return plan.sent[part.neurons.name, label.removeprefix("message ")].field
    return f"{part.member}.{part.fields[label].name}"


def _cleared(path: str, field: Field, helpers: Helpers) -> str:
    clear = helpers.clear(field.type, optional=not field.kept)
    return f"    {clear}(s->{path}, {field.length});"


def _step_function(plan: Plan, helpers: Helpers) -> str:
    word, kind = plan.network.input.word, plan.input_type
    outside = [
        test
        for test, needed in (
            (f"input[j] < {literal(word.minimum)}", word.minimum > kind.interval.low),
            (f"input[j] > {literal(word.maximum)}", word.maximum < kind.interval.high),
        )
        if needed
    ]
    lines = []
    if outside:
        lines += [
            f"    for (j = 0; j < {plan.network.input.size}; j++) {{",
            f"        if ({' || '.join(outside)}) {{",
            "            return 1;",
            "        }",
            "    }",
        ]
    for stage in plan.stages:
        given = ", input" if reads_input(plan, stage) else ""
        lines.append(f"    {plan.prefix}_{stage.function}(s{given});")
    lines += [*turn_lines(plan, helpers), "    return 0;"]
    if any("j" in line and "for (j" in line for line in lines):
        lines.insert(0, "    int32_t j;")
    head = f"int {plan.prefix}_step({plan.prefix}_state *s, const {kind.name} *input)"
    return "\n".join([head, "{", *lines, "}", ""])
