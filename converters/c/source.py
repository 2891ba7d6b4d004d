"""The header and the source of a network, put together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from ltc2hw.converters.c.arithmetic import HELPERS
from ltc2hw.converters.c.neurons import Tables, loop
from ltc2hw.converters.c.plan import Part, Plan, Stage
from ltc2hw.converters.c.synapses import Helpers, slot, sum_lines, turn_lines
from ltc2hw.converters.c.text import INT32, IntegerType, Names, literal
from ltc2hw.fixed import FixedInput


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
            *helpers.texts.values(),
            text,
        ]
    )
    return Sources(_header(plan, tables.bytes), source, tables.bytes)


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
        field = stage.part.fields[result] if result in stage.part.fields else None
        if field is not None and result.startswith("message "):
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
    lines = []
    for part in plan.parts:
        optional = [f for f in part.fields.values() if not f.kept]
        for label, field in part.fields.items():
            if field.kept:
                path = f"{part.member}.{field.name}"
                if label.startswith("message "):
                    path = plan.sent[part.neurons.name, label.removeprefix("message ")].field
                lines.append(f"    {helpers.clear(field.type)}(s->{path}, {field.length});")
        if optional:
            lines.append(f"#ifdef {plan.prefix.upper()}_RECORD")
            for field in optional:
                path = f"s->{part.member}.{field.name}"
                lines.append(f"    {helpers.clear(field.type)}({path}, {field.length});")
            lines.append("#endif")
        if part.misfits:
            lines.append(f"#ifdef {plan.prefix.upper()}_COUNT")
            for counter in part.misfits.values():
                lines.append(f"    s->{part.member}.misfits.{counter} = 0;")
            lines.append("#endif")
    for sent in plan.sent.values():
        if sent.sender[0] == plan.network.input.name and sent.slots:
            count = sent.slots * plan.network.input.size
            lines.append(f"    {helpers.clear(sent.type)}(s->{sent.field}, {count});")
        if sent.position:
            lines.append(f"    s->{sent.position} = 0;")
    return "\n".join([f"void {plan.prefix}_reset({plan.prefix}_state *s)", "{", *lines, "}", ""])


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


def _header(plan: Plan, table_bytes: int) -> str:
    prefix, upper = plan.prefix, plan.prefix.upper()
    output = plan.output
    field = output.fields[output.neurons.output_variable]
    return "\n".join(
        [
            _description(plan, table_bytes),
            f"#ifndef {upper}_H",
            f"#define {upper}_H\n",
            "#include <stdint.h>\n",
            "#ifdef __cplusplus",
            'extern "C" {',
            "#endif\n",
            f"#define {upper}_INPUTS {plan.network.input.size}",
            f"#define {upper}_OUTPUTS {output.neurons.size}",
            f"/* The {field.type.name} that the network answers with in this step. */",
            f"#define {upper}_OUTPUT(state) ((state)->{output.member}.{field.name})\n",
            "typedef struct {",
            *_struct(plan),
            f"}} {prefix}_state;\n",
            "/* Everything to zero. */",
            f"void {prefix}_reset({prefix}_state *state);\n",
            "/* One step. Returns 0; or 1, and changes nothing, if an integer of the input is not",
            "   one that its word holds. */",
            f"int {prefix}_step({prefix}_state *state, const {plan.input_type.name} *input);\n",
            "#ifdef __cplusplus",
            "}",
            "#endif\n",
            "#endif",
            "",
        ]
    )


def _struct(plan: Plan) -> Iterator[str]:
    given = plan.network.input
    past = [s for s in plan.sent.values() if s.sender[0] == given.name and s.slots]
    for sent in past:
        member = sent.field.partition(".")[0]
        yield "    struct {"
        yield f"        struct {{ {sent.type.name} {sent.name}[{sent.slots * given.size}]; }} sent;"
        if sent.position:
            yield f"        struct {{ int32_t {sent.name}; }} at;"
        yield f"    }} {member};"
    for part in plan.parts:
        yield "    struct {"
        yield from _members(plan, part)
        yield f"    }} {part.member};"
    used = [stage for stage in plan.stages if stage.sums]
    if used:
        yield "    /* Sums of what arrives; nothing of them is needed after the step. */"
        yield "    union {"
        for stage in used:
            sums = " ".join(
                f"{one.type.name} {one.name}[{stage.part.neurons.size}];"
                for one in sorted(stage.sums, key=lambda one: -one.type.bits)
            )
            yield f"        struct {{ {sums} }} {stage.function};"
        yield "    } arriving;"


def _members(plan: Plan, part: Part) -> Iterator[str]:
    """Widest first, so that nothing is lost to alignment."""
    upper, name = plan.prefix.upper(), part.neurons.name
    arrays = [(f, label) for label, f in part.fields.items() if not label.startswith("message ")]
    arrays.sort(key=lambda pair: -pair[0].type.bits)
    fractions = part.neurons.fractions
    for kept in (True, False):
        listed = [
            f"        {f.type.name} {f.name}[{f.length}];{_scale(f.type, fractions[label])}"
            for f, label in arrays
            if f.kept is kept
        ]
        if listed:
            yield from listed if kept else (f"#ifdef {upper}_RECORD", *listed, "#endif")
    sent = [s for s in plan.sent.values() if s.sender[0] == name and not s.own]
    if sent:
        sent.sort(key=lambda one: -one.type.bits)
        size = part.neurons.size
        arrays_of = " ".join(f"{s.type.name} {s.name}[{s.slots * size}];" for s in sent)
        yield f"        struct {{ {arrays_of} }} sent;"
    turning = [s for s in sent if s.position]
    if turning:
        yield f"        struct {{ int32_t {', '.join(s.name for s in turning)}; }} at;"
    if part.misfits:
        yield f"#ifdef {upper}_COUNT"
        yield f"        struct {{ uint32_t {', '.join(part.misfits.values())}; }} misfits;"
        yield "#endif"


def _scale(kind: IntegerType, fraction: int) -> str:
    return f" /* real = integer / 2^{fraction} */" if fraction else ""


def _description(plan: Plan, table_bytes: int) -> str:
    """What the files are and how to use them."""
    given, upper = plan.network.input, plan.prefix.upper()
    lines = [
        f"An integer network, quantized for {_plain(plan.network.target)} by ltc2hw.",
        "",
        f"Give {plan.prefix}_step one encoded sample per step: {given.size} integers.",
        *_encoding(given),
        "",
        "The state is yours: as many as there are streams, and copied at any time. Nothing is",
        "allocated, and nothing is called but these functions.",
        "",
        f"{upper}_RECORD  keeps in the state what the next step does not need",
        f"{upper}_COUNT   counts the values that did not fit their word, modulo 2^32",
        "",
        "Both change the state: define them for every file that includes this one.",
        f"Constant tables: {table_bytes} bytes.",
    ]
    return "\n".join(["/*", *(f" * {line}".rstrip() for line in lines), " */"])


def _encoding(given: FixedInput) -> Sequence[str]:
    if not given.graded:
        return ("Each is 0 or 1.",)
    word = given.word
    return (
        f"integer = round(real * 2^{given.fraction}), {word.rounding.value}, "
        f"{'clipped to' if word.overflow.value == 'saturate' else 'wrapped into'} "
        f"{word.minimum} .. {word.maximum}.",
    )


def _plain(text: str) -> str:
    """Text that cannot end a comment."""
    return "".join(c if c.isalnum() or c in " -_." else "?" for c in text)
